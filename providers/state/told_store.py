"""What those who subscribe to indications were told of last, for each namespace.

It is written in the transaction in which the indications are kept, so that the two never differ.
One source at a time may write it: one that has been replaced by another finds out, and writes
nothing. So does one that does not know whether its last transaction was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa

from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.errors import StateError

__all__ = ["AlreadyToldError", "SupersededError", "ToldKey", "ToldStore"]


class SupersededError(Exception):
    """Another source tells of this namespace now."""


class AlreadyToldError(Exception):
    """This was told before, although nobody heard that it had been."""


class ToldKey(NamedTuple):
    """What was told of: the kind of object, and what tells it apart."""

    kind: str
    key: str


# The tables are made in database; nothing but names and types matters here.
_SOURCE = sa.Table(
    "indication_source",
    sa.MetaData(),
    sa.Column("namespace", sa.Text, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("complete", sa.Integer, nullable=False),
)
_TOLD = sa.Table(
    "indication_told",
    sa.MetaData(),
    sa.Column("namespace", sa.Text, primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("object", sa.LargeBinary, nullable=False),
)


class ToldStore:
    """What was told of one namespace; used by one thread."""

    def __init__(self, database: StateDatabase, namespace: str) -> None:
        self._database = database
        self._namespace = namespace
        self._epoch = 0
        self._position = 0

    def claim(self) -> Mapping[ToldKey, bytes] | None:
        """Become the one source of the namespace, and give what the one before has told of.

        None where there was none, or where it has not told of everything. Raises StateError where
        the database fails.
        """
        mine = _SOURCE.c.namespace == self._namespace
        with _transaction(self._database) as connection:
            taken = connection.execute(
                sa.update(_SOURCE).where(mine).values(epoch=_SOURCE.c.epoch + 1)
            )
            if not taken.rowcount:
                row = {"namespace": self._namespace, "epoch": 1, "position": 0, "complete": 0}
                connection.execute(sa.insert(_SOURCE).values(row))
            self._epoch, self._position, complete = connection.execute(
                sa.select(_SOURCE.c.epoch, _SOURCE.c.position, _SOURCE.c.complete).where(mine)
            ).one()
            if not complete:
                return None
            rows = connection.execute(
                sa.select(_TOLD.c.kind, _TOLD.c.key, _TOLD.c.object).where(
                    _TOLD.c.namespace == self._namespace
                )
            ).all()
        return {ToldKey(kind, key): text for kind, key, text in rows}

    def is_complete(self) -> bool:
        """Whether somebody has told of everything. Raises StateError where the database fails."""
        complete = sa.select(_SOURCE.c.complete).where(_SOURCE.c.namespace == self._namespace)
        try:
            with self._database.reading() as connection:
                return bool(connection.execute(complete).scalar_one_or_none())
        except sa.exc.SQLAlchemyError as error:
            raise self._database.unreadable(error) from error

    def forget(self) -> None:
        """Nobody is told anything any more. Raises StateError where the database fails."""
        with _transaction(self._database) as connection:
            there = connection.execute(
                sa.select(_SOURCE.c.complete).where(_SOURCE.c.namespace == self._namespace)
            ).scalar_one_or_none()
            if there is not None:
                connection.execute(
                    sa.update(_SOURCE)
                    .where(_SOURCE.c.namespace == self._namespace)
                    .values(complete=0, epoch=_SOURCE.c.epoch + 1)
                )
                self._clear(connection)

    def begin(self) -> Callable[[sa.Connection], None]:
        """What forgets everything that was told of, before the first of what is told now."""

        def write(connection: sa.Connection) -> None:
            self._advance(connection, complete=False)
            self._clear(connection)

        return write

    def remember(
        self, objects: Mapping[ToldKey, bytes | None], *, complete: bool = True
    ) -> Callable[[sa.Connection], None]:
        """What writes down, within a transaction, what is told of; None: the object is gone.

        ``complete``: from now on the whole of it is there. The function raises SupersededError or
        AlreadyToldError where it may not be.
        """

        def write(connection: sa.Connection) -> None:
            self._advance(connection, complete=complete)
            keys = [
                {"of_namespace": self._namespace, "of_kind": each.kind, "of_key": each.key}
                for each in objects
            ]
            if keys:
                connection.execute(_DELETION, keys)
            rows = [
                {"namespace": self._namespace, "kind": of.kind, "key": of.key, "object": text}
                for of, text in objects.items()
                if text is not None
            ]
            if rows:
                connection.execute(_INSERTION, rows)

        return write

    def kept(self) -> None:
        """The transaction of the last ``begin`` or ``remember`` has been kept."""
        self._position += 1

    def _advance(self, connection: sa.Connection, *, complete: bool) -> None:
        done = connection.execute(
            _ADVANCE,
            {
                "of_namespace": self._namespace,
                "of_epoch": self._epoch,
                "of_position": self._position,
                "next_position": self._position + 1,
                "is_complete": int(complete),
            },
        )
        if done.rowcount:
            return
        there = connection.execute(
            sa.select(_SOURCE.c.epoch, _SOURCE.c.position).where(
                _SOURCE.c.namespace == self._namespace
            )
        ).one_or_none()
        if there is not None and tuple(there) == (self._epoch, self._position + 1):
            raise AlreadyToldError(self._namespace)
        raise SupersededError(self._namespace)

    def _clear(self, connection: sa.Connection) -> None:
        connection.execute(sa.delete(_TOLD).where(_TOLD.c.namespace == self._namespace))


# Made once: to make a statement takes longer than to execute it.
_ADVANCE = (
    sa.update(_SOURCE)
    .where(
        _SOURCE.c.namespace == sa.bindparam("of_namespace"),
        _SOURCE.c.epoch == sa.bindparam("of_epoch"),
        _SOURCE.c.position == sa.bindparam("of_position"),
    )
    .values(position=sa.bindparam("next_position"), complete=sa.bindparam("is_complete"))
)
_INSERTION = sa.insert(_TOLD)
_DELETION = sa.delete(_TOLD).where(
    _TOLD.c.namespace == sa.bindparam("of_namespace"),
    _TOLD.c.kind == sa.bindparam("of_kind"),
    _TOLD.c.key == sa.bindparam("of_key"),
)


@contextmanager
def _transaction(database: StateDatabase) -> Iterator[sa.Connection]:
    """A transaction of its own; what the database says becomes a StateError."""
    try:
        with database.lock, database.engine.begin() as connection:
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise StateError(f"what was told of cannot be kept in {database.reason(error)}") from error
