"""Where subscriptions are kept: in the state database, and as one snapshot in memory.

Everything is written before it counts; a change that cannot be written has not happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from virtcim.cimserver.indications.subscriptions import tables
from virtcim.cimserver.indications.subscriptions.snapshot import Snapshot, Surroundings
from virtcim.providers import StateDatabase, StateError

__all__ = ["Change", "NothingWaits", "SubscriptionStore", "Waiting"]


class Waiting(Protocol):
    """What waits to be delivered, and is dropped with what it waits for, in one transaction."""

    def forget_subscription(self, connection: sa.Connection, subscription: str) -> None:
        """Drop what waits for a subscription that is removed or disabled."""

    def forget_destination(self, connection: sa.Connection, destination: str) -> None:
        """Drop what waits for a destination that is removed."""


class NothingWaits:
    """Where nothing is delivered."""

    def forget_subscription(self, connection: sa.Connection, subscription: str) -> None:
        """Nothing waits for it."""

    def forget_destination(self, connection: sa.Connection, destination: str) -> None:
        """Nothing waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change in progress: what there was before, and the transaction.

    ``now`` is in seconds since 1970.
    """

    connection: sa.Connection
    snapshot: Snapshot
    waiting: Waiting
    now: float

    def remove_subscriptions(self, ids: Sequence[str]) -> None:
        """Remove subscriptions, and what waits for them."""
        if ids:
            tables.remove_subscriptions(self.connection, ids)
        for each in ids:
            self.waiting.forget_subscription(self.connection, each)


class SubscriptionStore:
    """The rows of one database, changed one after the other; safe to use from many threads.

    Everything raises StateError where the database fails.
    """

    def __init__(
        self,
        database: StateDatabase,
        surroundings: Surroundings,
        *,
        waiting: Waiting,
        changed: Callable[[], None],
        is_shared: bool,
    ) -> None:
        self._database = database
        self._surroundings = surroundings
        self._waiting = waiting
        self._changed = changed
        self._is_shared = is_shared
        self._taking_over = threading.Lock()
        with self._transaction() as connection:
            self._snapshot = self._read(connection)

    @property
    def last_seen(self) -> Snapshot:
        """What there was when it was last looked at, or changed here."""
        return self._snapshot

    def newest(self) -> Snapshot:
        """What there is, also by another server on the same database."""
        if self._is_shared:
            if self._database.closed:
                raise StateError("the server is stopping")
            try:
                # All of it is of one moment, whoever changes something meanwhile.
                with self._database.reading() as connection:
                    is_old = tables.revision(connection) != self._snapshot.rows.revision
                    newer = self._read(connection) if is_old else None
            except sa.exc.SQLAlchemyError as exc:
                raise self._unusable(exc) from exc
            if newer is not None:
                self._take_over(newer)
        return self._snapshot

    @contextmanager
    def change(self) -> Iterator[Change]:
        """A change within one transaction; it counts when the block has ended well.

        Subscriptions that are over are removed with it.
        """
        with self._transaction() as connection:
            tables.revise(connection)
            now, snapshot = self._surroundings.clock(), self._snapshot
            if tables.revision(connection) != snapshot.rows.revision + 1:
                snapshot = self._read(connection)
            one = Change(connection=connection, snapshot=snapshot, waiting=self._waiting, now=now)
            one.remove_subscriptions(
                [
                    each.row.id
                    for each in snapshot.subscribed.values()
                    if each.ends is not None and each.ends <= now
                ]
            )
            yield one
            after = self._read(connection)
        self._take_over(after)
        self._changed()

    def _read(self, connection: sa.Connection) -> Snapshot:
        return Snapshot(tables.read_rows(connection), self._surroundings)

    def _take_over(self, snapshot: Snapshot) -> None:
        """Show what was committed, unless something newer is shown already."""
        with self._taking_over:
            if snapshot.rows.revision > self._snapshot.rows.revision:
                self._snapshot = snapshot

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with self._database.lock:
            if self._database.closed:
                raise StateError("the server is stopping")
            try:
                with self._database.engine.begin() as connection:
                    yield connection
            except sa.exc.SQLAlchemyError as exc:
                raise self._unusable(exc) from exc

    def _unusable(self, error: sa.exc.SQLAlchemyError) -> StateError:
        return StateError(
            f"subscriptions cannot be kept in the state database {self._database.reason(error)}"
        )
