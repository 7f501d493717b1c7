"""Where what happened meets those who want to know: each indication is matched, written and queued.

It is written once for all who get the same properties of it, and kept in the transaction in which
the sources remember what they have told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Protocol

import sqlalchemy as sa

from virtcim.cim.cimxml.exports import shared_instance
from virtcim.cim.cimxml.instances import Encoder
from virtcim.cim.declarations import DeclaredClasses
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import Record
from virtcim.cimserver.indications.delivery.contracts import Subscription
from virtcim.cimserver.indications.delivery.queue import Addressee, DeliveryQueue, Entry
from virtcim.cimserver.queries import Query
from virtcim.daemon.incidents import incident
from virtcim.providers import Indication, StateError
from virtcim.providers.indications import Remember, identified

__all__ = ["IndicationHub", "Selected", "Selecting"]


class Selected(Subscription, Protocol):
    """A subscription with what it wants of an indication."""

    @property
    def query(self) -> Query:
        """Its query."""


class Selecting(Protocol):
    """The subscriptions of one moment."""

    def matching(self, indication: Indication) -> Sequence[Selected]:
        """Those that select an indication."""

    def wanted(self, namespace: str) -> Collection[str]:
        """The classes of indications that somebody subscribes to in a namespace."""


class IndicationHub:
    """Implements ``IndicationSink``.

    ``subscriptions`` gives those that there are at present; ``wake`` learns for which destinations
    something was queued.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        subscriptions: Callable[[], Selecting],
        *,
        encoder: Encoder,
        declarations: DeclaredClasses,
        wake: Callable[[Collection[str]], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._queue = queue
        self._subscriptions = subscriptions
        self._encoder = encoder
        self._declarations = declarations
        self._wake = wake
        self._clock = clock

    def tell(self, indications: Sequence[Indication], remember: Remember) -> None:
        """Keep the indications for whoever subscribed, and what was told of, in one transaction.

        Raises StateError where that cannot be; nothing is kept then.
        """
        entries = self._entries(indications)
        database = self._queue.database
        try:
            with database.lock, database.engine.begin() as connection:
                queued = self._queue.put(connection, entries)
                remember(connection)
        except sa.exc.SQLAlchemyError as error:
            raise StateError(f"an indication cannot be kept in {database.reason(error)}") from error
        self._queue.accepted(queued)
        self._wake(queued.destinations)

    def wanted(self, namespace: str) -> Collection[str]:
        """Which classes of indications somebody subscribes to in a namespace."""
        return self._subscriptions().wanted(namespace)

    def _entries(self, indications: Sequence[Indication]) -> list[Entry]:
        subscriptions = self._subscriptions()
        entries: list[Entry] = []
        for indication in indications:
            matching = subscriptions.matching(indication)
            if not matching:
                continue
            record = identified(indication.record, self._clock())
            by_properties: dict[frozenset[str] | None, list[Addressee]] = {}
            for one in matching:
                by_properties.setdefault(one.query.properties, []).append(
                    Addressee(
                        subscription=one.id,
                        destination=one.destination.id,
                        filter_name=one.filter_name,
                    )
                )
            for properties, addressees in by_properties.items():
                text = self._written(record, properties)
                if text:
                    entries.append(Entry(text=text, addressees=addressees))
        return entries

    def _written(self, record: Record, properties: frozenset[str] | None) -> bytes:
        """The text; nothing for what cannot be written, which would be as wrong the next time."""
        declared = self._declarations.properties(record.class_name).keys()
        try:
            return shared_instance(self._encoder, frozenset(declared), record, properties)
        except EncodingError as error:
            incident(f"writing an indication of {record.class_name}", error)
            return b""
