"""The durable queue: what is to be sent to whom, in which order, and what all of them share.

What is put is durable when the transaction of whoever put it is. Everything here is safe in many
threads and processes.
"""

from __future__ import annotations

import logging
import uuid
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from virtcim.cimserver.indications.delivery.counters import DeliveryCounters, Dropped
from virtcim.cimserver.indications.delivery.retention import Retention
from virtcim.cimserver.indications.delivery.room import KEPT_SHARE, ROW_BYTES, Room
from virtcim.cimserver.indications.delivery.statements import (
    ADD_TO_BACKLOG,
    DEAL_WITH,
    INSERT_PAYLOAD,
    IS_EXCESS,
    NOTE_FAILURES,
    NUMBER,
    REMOVE_ALL_UNUSED,
    REMOVE_UNUSED,
    TAKE,
    WAITING,
)
from virtcim.cimserver.indications.delivery.tables import BACKLOG, DELIVERY, PAYLOAD, SEQUENCE
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.polling import Polling

__all__ = [
    "Addressee",
    "Delivery",
    "DeliveryQueue",
    "Entry",
    "Outcome",
    "QueueSize",
    "Queued",
    "Sequencing",
]

_log = logging.getLogger(__name__)

# XML that says everything twice becomes a tenth by the quickest level.
_COMPRESSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Who gets an indication: by which subscription, selected by the filter of which name."""

    subscription: str
    destination: str
    filter_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One text, as ``cim.cimxml.exports.shared_instance`` gives it, for those who share it."""

    text: bytes
    addressees: Sequence[Addressee]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One text that is to be sent to one destination; ``number`` is its SequenceNumber."""

    destination: str
    context: str
    number: int
    subscription: str
    filter_name: str
    payload: int
    compressed: bytes | None

    def text(self) -> bytes:
        """What was put. Raises ValueError where the database does not have it any more."""
        try:
            return zlib.decompress(self.compressed or b"")
        except (zlib.error, TypeError) as error:
            raise ValueError(f"the stored text cannot be read: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequencing:
    """A destination that something waits for: its failures since the last success.

    ``failing_for_s`` is the time in which we have seen it fail: neither clocks that are set nor our
    own absence count.
    """

    destination: str
    failed_attempts: int = 0
    failing_for_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of deliveries to a destination, to be recorded.

    Those up to a number were dealt with (-1: none), with what they shared; ``state`` is how the
    destination fails now, None where that has not changed.
    """

    destination: str
    up_to: int = -1
    payloads: list[int] = field(default_factory=list)
    state: Sequencing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSize:
    """What waits: deliveries, the bytes of what they share, and how long the oldest has waited."""

    deliveries: int
    payload_bytes: int
    oldest_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What was put: for which destinations, and how many were dropped of which subscriptions.

    Those ``dropped`` were too much for their subscription, ``crowded_out`` for the whole queue.
    """

    destinations: Collection[str] = ()
    deliveries: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    crowded_out: Mapping[str, int] = field(default_factory=dict)


class DeliveryQueue:
    """The queue in one database.

    ``service`` names the indication service in sequence contexts. Whatever has no ``connection``
    among its parameters is a transaction of its own, and raises SQLAlchemyError where it fails.
    """

    def __init__(
        self,
        database: StateDatabase,
        *,
        retention: Retention | None = None,
        service: str = "virtcim:IndicationService",
        counters: DeliveryCounters | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.counters = counters or DeliveryCounters()
        self.database = database
        self.retention = retention or Retention()
        self._room = Room(self.retention.all_bytes)
        self._service = service
        self._clock = clock or database.clock

    def put(self, connection: sa.Connection, entries: Sequence[Entry]) -> Queued:
        """Queue texts in this order; what is too much then is dropped.

        The caller holds the database's lock, and calls ``accepted`` when this is durable.
        """
        everybody = [one for entry in entries for one in entry.addressees]
        if not everybody:
            return Queued()
        texts = [zlib.compress(entry.text, _COMPRESSION) for entry in entries]
        sizes: Counter[str] = Counter()
        for entry, text in zip(entries, texts, strict=True):
            for one in entry.addressees:
                sizes[one.subscription] += len(text) + ROW_BYTES
        # Rows are locked in one order, whoever does it.
        destinations = sorted(Counter(one.destination for one in everybody).items())
        numbers = {name: self._numbered(connection, name, many) for name, many in destinations}
        totals = {name: _added(connection, name, sizes[name]) for name in sorted(sizes)}
        rows: list[dict[str, object]] = []
        now = self._clock()
        for entry, text in zip(entries, texts, strict=True):
            if not entry.addressees:
                continue
            payload = connection.execute(
                INSERT_PAYLOAD, {"text": text, "size": len(text)}
            ).scalar_one()
            for one in entry.addressees:
                size = len(text) + ROW_BYTES
                rows.append(
                    {
                        "destination": one.destination,
                        "number": numbers[one.destination],
                        "subscription": one.subscription,
                        "filter_name": one.filter_name,
                        "payload": payload,
                        "queued": now,
                        "size": size,
                        "before": totals[one.subscription],
                    }
                )
                totals[one.subscription] += size
                numbers[one.destination] += 1
        connection.execute(sa.insert(DELIVERY), rows)
        dropped = {
            name: self._drop_excess(connection, name, totals[name]) for name in sorted(totals)
        }
        return Queued(
            destinations=numbers.keys(),
            deliveries=len(rows),
            dropped=dropped,
            crowded_out=self._room.make(connection, sum(map(len, texts)) + len(rows) * ROW_BYTES),
        )

    def accepted(self, queued: Queued) -> None:
        """What ``put`` gave is durable now: count it, and say what was dropped for it."""
        self.counters.queued(queued.deliveries)
        for subscription, count in queued.dropped.items():
            if count:
                reason = f"more than {self.retention.bytes} bytes wait for it"
                self._say_dropped(subscription, count, Dropped.SUBSCRIPTION_FULL, reason)
        self._say_crowded_out(queued.crowded_out)

    def forget_subscription(self, connection: sa.Connection, subscription: str) -> None:
        """Drop what waits for a subscription that is removed or disabled."""
        many = _discard(connection, DELIVERY.c.subscription == subscription)
        self.counters.dropped(many, Dropped.REMOVED)
        connection.execute(sa.delete(BACKLOG).where(BACKLOG.c.subscription == subscription))

    def forget_destination(self, connection: sa.Connection, destination: str) -> None:
        """Drop what waits for a destination that is removed; one like it begins a new sequence."""
        many = _discard(connection, DELIVERY.c.destination == destination)
        self.counters.dropped(many, Dropped.REMOVED)
        connection.execute(sa.delete(SEQUENCE).where(SEQUENCE.c.destination == destination))

    def waiting(self, polling: Polling | None = None) -> Sequence[Sequencing]:
        """The destinations that something waits for."""
        rows = (polling or Polling(self.database)).read(lambda one: one.execute(WAITING).all())
        return [Sequencing(**row._mapping) for row in rows]  # noqa: SLF001 - the name of SQLAlchemy

    def take(self, destination: str, most: int, *, after: int = -1) -> Sequence[Delivery]:
        """The next deliveries to a destination beyond a number, in order; they stay queued."""
        parameters = {"to_destination": destination, "most": most, "after": after}
        with self.database.reading() as connection:
            return [Delivery(**row) for row in connection.execute(TAKE, parameters).mappings()]

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record what became of deliveries, all of it or nothing; sorted by destination."""
        done = [one for one in outcomes if one.up_to >= 0]
        states = [one.state for one in outcomes if one.state is not None]
        with self._transaction() as connection:
            if done:
                parameters = [
                    {"to_destination": one.destination, "up_to": one.up_to} for one in done
                ]
                connection.execute(DEAL_WITH, parameters)
                _remove_unused(connection, (each for one in done for each in one.payloads))
            if states:
                connection.execute(
                    NOTE_FAILURES,
                    [
                        {
                            "to_destination": state.destination,
                            "attempts": state.failed_attempts,
                            "for_s": state.failing_for_s,
                        }
                        for state in states
                    ],
                )

    def drop_expired(self) -> None:
        """Drop what has waited for too long, is too much, or is referred to by nothing."""
        expired = DELIVERY.c.queued < self._clock() - self.retention.age_s
        with self._transaction() as connection:
            many = connection.execute(
                sa.select(DELIVERY.c.subscription, sa.func.count())
                .where(expired)
                .group_by(DELIVERY.c.subscription)
            ).all()
            _discard(connection, expired)
            connection.execute(REMOVE_ALL_UNUSED)
            crowded_out = self._room.look(connection)
        for subscription, count in many:
            reason = f"they have waited for more than {self.retention.age_s:.0f} s"
            self._say_dropped(subscription, count, Dropped.EXPIRED, reason)
        self._say_crowded_out(crowded_out)

    def size(self) -> QueueSize:
        """What waits at present."""
        with self.database.reading() as connection:
            count, oldest = connection.execute(
                sa.select(sa.func.count(), sa.func.min(DELIVERY.c.queued)).select_from(DELIVERY)
            ).one()
            payload = connection.execute(
                sa.select(sa.func.coalesce(sa.func.sum(PAYLOAD.c.size), 0))
            ).scalar_one()
        age_s = 0.0 if oldest is None else max(self._clock() - oldest, 0.0)
        return QueueSize(deliveries=count, payload_bytes=payload, oldest_age_s=age_s)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with self.database.lock, self.database.engine.begin() as connection:
            yield connection

    def _numbered(self, connection: sa.Connection, destination: str, many: int) -> int:
        """The first of so many numbers for a destination."""
        parameters = {"to_destination": destination, "many": many}
        after = connection.execute(NUMBER, parameters).scalar_one_or_none()
        if after is None:
            began = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%d%H%M%S.%f")
            row = {
                "destination": destination,
                "context": f"{self._service}#{uuid.uuid4()}#{began}",
                "next_number": 0,
                "failed_attempts": 0,
                "failing_for_s": 0.0,
            }
            _insert_new(connection, SEQUENCE, row)
            after = connection.execute(NUMBER, parameters).scalar_one()
        return int(after) - many

    def _drop_excess(self, connection: sa.Connection, subscription: str, total: int) -> int:
        """Where too much waits for a subscription: drop the oldest, and give how many."""
        most = self.retention.bytes
        parameters = {"of_subscription": subscription, "below": total - most}
        is_excess = connection.execute(IS_EXCESS, parameters).first()
        if is_excess is None:
            return 0
        of_subscription = DELIVERY.c.subscription == subscription
        is_old = DELIVERY.c.before < total - int(most * KEPT_SHARE)
        return _discard(connection, of_subscription & is_old)

    def _say_crowded_out(self, counts: Mapping[str, int]) -> None:
        reason = f"more than {self.retention.all_bytes} bytes wait for all listeners"
        for subscription, count in counts.items():
            self._say_dropped(subscription, count, Dropped.QUEUE_FULL, reason)

    def _say_dropped(self, subscription: str, count: int, why: Dropped, reason: str) -> None:
        self.counters.dropped(count, why)
        _log.warning(
            "subscription %s: dropped the oldest %d indications: %s", subscription, count, reason
        )


def _added(connection: sa.Connection, subscription: str, size: int) -> int:
    """The total of a subscription before ``size`` is added."""
    parameters = {"of_subscription": subscription, "added": size}
    after = connection.execute(ADD_TO_BACKLOG, parameters).scalar_one_or_none()
    if after is None:
        _insert_new(connection, BACKLOG, {"subscription": subscription, "total": 0})
        after = connection.execute(ADD_TO_BACKLOG, parameters).scalar_one()
    return int(after) - size


def _insert_new(connection: sa.Connection, table: sa.Table, row: dict[str, object]) -> None:
    """Insert a row, unless somebody else just did."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(table).values(row).on_conflict_do_nothing())


def _discard(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    """Remove deliveries, and what nobody else gets; give how many there were."""
    payloads = connection.execute(sa.select(DELIVERY.c.payload).where(which)).scalars().all()
    if payloads:
        connection.execute(sa.delete(DELIVERY).where(which))
        _remove_unused(connection, payloads)
    return len(payloads)


def _remove_unused(connection: sa.Connection, payloads: Iterable[int]) -> None:
    """Remove those of the payloads that no delivery refers to."""
    connection.execute(REMOVE_UNUSED, [{"unused": one} for one in sorted(set(payloads))])
