"""What takes unfinished operations back, kept in the state database (``hypervisor.undo``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from virtcim.hypervisor.undo import UndoLogError, UndoStep, UnfinishedOperation
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.readable_rows import read_each
from virtcim.providers.state.servers import Servers, is_nobodys

__all__ = ["UndoStore"]

_log = logging.getLogger(__name__)

# The tables are made by migrations.py; nothing but names and types matters here.
_UNDO = sa.Table(
    "undo",
    sa.MetaData(),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("namespace", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("begun", sa.Float, nullable=False),
    sa.Column("steps", sa.JSON, nullable=False),
    sa.Column("server", sa.String(36), nullable=False, server_default=""),
)


class UndoStore:
    """Implements ``UndoLog`` for the operations of one namespace."""

    def __init__(self, database: StateDatabase, namespace: str) -> None:
        self._database = database
        self._namespace = namespace
        self._unreadable: set[str] = set()  # of which the log has been told
        # Those that are this server's, where others share the database.
        self._mine: set[str] = set()

    def put(self, operation: UnfinishedOperation) -> None:
        """Keep an operation as it is now; it is durable on return. Raises UndoLogError."""
        row = {
            "id": operation.id,
            "namespace": self._namespace,
            "name": operation.name,
            "subject": operation.subject,
            "begun": operation.begun.timestamp(),
            "steps": [asdict(step) for step in operation.steps],
        }
        if self._database.servers is not None:
            self._put_shared(self._database.servers, operation.id, row)
            return
        self._execute(
            sa.delete(_UNDO).where(_UNDO.c.id == operation.id), sa.insert(_UNDO).values(row)
        )

    def _put_shared(self, servers: Servers, operation_id: str, row: Mapping[str, object]) -> None:
        """One that was taken for dead may not go on: another takes back what it did."""
        is_mine = (_UNDO.c.id == operation_id) & (_UNDO.c.server == servers.id)
        try:
            with self._database.lock, self._connected() as connection:
                if operation_id not in self._mine:
                    servers.be_there(connection)
                    connection.execute(sa.insert(_UNDO).values({**row, "server": servers.id}))
                    is_kept = True
                else:
                    kept = connection.execute(sa.update(_UNDO).where(is_mine).values(row))
                    is_kept = kept.rowcount == 1
        except sa.exc.SQLAlchemyError as exc:
            raise self._unusable(exc) from exc
        if not is_kept:
            raise UndoLogError("this server was not heard of for a while, and another took over")
        self._mine.add(operation_id)

    def adopt(self) -> bool:
        """Take over what servers have left that are gone: whether there was anything.

        Raises UndoLogError.
        """
        servers = self._database.servers
        if servers is None:
            return False
        left = sa.update(_UNDO).where(
            _UNDO.c.namespace == self._namespace, is_nobodys(_UNDO.c.server)
        )
        try:
            with self._database.lock, self._connected() as connection:
                servers.be_there(connection)
                taken = connection.execute(
                    left.values(server=servers.id).returning(_UNDO.c.id)
                ).scalars()
                adopted = set(taken)
        except sa.exc.SQLAlchemyError as exc:
            raise self._unusable(exc) from exc
        self._mine |= adopted
        return bool(adopted)

    def remove(self, operation_id: str) -> None:
        """Forget an operation that has ended, or was taken back. Raises UndoLogError."""
        if self._database.servers is not None:
            is_mine = _UNDO.c.server == self._database.servers.id
            self._execute(sa.delete(_UNDO).where(_UNDO.c.id == operation_id, is_mine))
            self._mine.discard(operation_id)
            return
        self._execute(sa.delete(_UNDO).where(_UNDO.c.id == operation_id))

    def unfinished(self) -> tuple[UnfinishedOperation, ...]:
        """The operations that have not ended, the oldest first. Raises UndoLogError."""
        query = sa.select(_UNDO).where(_UNDO.c.namespace == self._namespace).order_by(_UNDO.c.begun)
        if self._database.servers is not None:
            query = query.where(_UNDO.c.server == self._database.servers.id)
        try:
            with self._database.lock, self._connected() as connection:
                return tuple(
                    read_each(connection, query, _UNDO.c.id, _operation, self._say_unreadable)
                )
        except sa.exc.SQLAlchemyError as exc:
            raise self._unusable(exc) from exc

    def _say_unreadable(self, operation_id: str, error: Exception) -> None:
        if operation_id not in self._unreadable:
            self._unreadable.add(operation_id)
            _log.warning(
                "%s: what takes the unfinished operation %s back cannot be read: look yourself at "
                "what it has left; its row in the state database is left as it is: %s",
                *(self._namespace, operation_id, error),
            )

    def _connected(self) -> AbstractContextManager[sa.Connection]:
        if self._database.closed:
            # The next server may be at work on it already.
            raise UndoLogError("the server is stopping")
        return self._database.engine.begin()

    def _execute(self, *statements: sa.Executable) -> None:
        try:
            with self._database.lock, self._connected() as connection:
                for statement in statements:
                    connection.execute(statement)
        except sa.exc.SQLAlchemyError as exc:
            raise self._unusable(exc) from exc

    def _unusable(self, error: Exception) -> UndoLogError:
        return UndoLogError(f"the state cannot be kept in {self._database.reason(error)}")


def _operation(row: Mapping[Any, Any]) -> UnfinishedOperation:
    return UnfinishedOperation(
        id=row["id"],
        name=row["name"],
        subject=row["subject"],
        begun=datetime.fromtimestamp(row["begun"], UTC),
        steps=tuple(_step(values) for values in row["steps"]),
    )


def _step(values: Mapping[str, Any]) -> UndoStep:
    suspects = values["suspects"]
    return UndoStep(
        **{
            **values,
            "params": tuple(values["params"]),
            "tasks": tuple(values["tasks"]),
            "suspects": None if suspects is None else tuple(suspects),
        }
    )
