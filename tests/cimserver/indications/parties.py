"""Subscriptions, their destinations and the service, as delivering knows them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from virtcim.cim.records import Record
from virtcim.cimserver.indications.delivery.counters import Dropped
from virtcim.cimserver.indications.delivery.queue import (
    Addressee,
    Delivery,
    DeliveryQueue,
    Entry,
    Outcome,
    Queued,
)
from virtcim.cimserver.queries import Query
from virtcim.providers.state.database import StateDatabase

IGNORE, DISABLE, REMOVE = 2, 3, 4
_NEVER_REMOVED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    id: str
    url: str = "http://127.0.0.1:1/"
    is_transient: bool = False


def _everything(_: Record) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    id: str
    destination: Destination
    filter_name: str = "virtcim:everything"
    on_fatal_error_policy: int = IGNORE
    failure_trigger_s: float = 0.0
    query: Query = field(
        default_factory=lambda: Query(
            class_name="CIM_Indication", properties=None, where=_everything
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    retry_attempts: int = 3
    # Nothing waits in these tests unless it says so.
    retry_interval_s: float = 0.0
    removal_action: int = _NEVER_REMOVED
    removal_time_s: int = 30 * 24 * 60 * 60


class Subscribers:
    """The subscriptions of a test; whoever is disabled or removed is forgotten by the queue."""

    def __init__(
        self,
        queue: DeliveryQueue,
        *subscriptions: Subscription,
        settings: Settings | None = None,
    ) -> None:
        self._queue = queue
        self._settings = settings or Settings()
        self._lock = threading.Lock()
        self._there = {one.id: one for one in subscriptions}
        self.unauthorised: set[str] = set()
        self.disabled: list[str] = []
        self.removed: list[str] = []

    def find(self, subscription: str) -> Subscription | None:
        with self._lock:
            return self._there.get(subscription)

    def may_be_told(self, subscription: str) -> bool:
        return subscription not in self.unauthorised

    def disable(self, subscription: str) -> None:
        self.disabled.append(subscription)
        self._forget(subscription)

    def remove(self, subscription: str) -> None:
        self.removed.append(subscription)
        self._forget(subscription)

    def settings(self) -> Settings:
        return self._settings

    def change(self, subscription: Subscription) -> None:
        with self._lock:
            self._there[subscription.id] = subscription

    def _forget(self, subscription: str) -> None:
        with self._lock:
            del self._there[subscription]
        with self._queue.database.lock, self._queue.database.engine.begin() as connection:
            self._queue.forget_subscription(connection, subscription)


def addressed(*subscriptions: Subscription) -> tuple[Addressee, ...]:
    return tuple(
        Addressee(subscription=one.id, destination=one.destination.id, filter_name=one.filter_name)
        for one in subscriptions
    )


def put(queue: DeliveryQueue, *texts: str, to: tuple[Subscription, ...]) -> Queued:
    """Queue texts for subscriptions, as one ``tell`` does."""
    entries = [Entry(text=written(text), addressees=addressed(*to)) for text in texts]
    with queue.database.lock, queue.database.engine.begin() as connection:
        queued = queue.put(connection, entries)
    queue.accepted(queued)
    return queued


def settle(queue: DeliveryQueue, deliveries: Sequence[Delivery]) -> None:
    """Record that the first deliveries to a destination were dealt with."""
    payloads = [one.payload for one in deliveries]
    last = deliveries[-1]
    queue.record([Outcome(destination=last.destination, up_to=last.number, payloads=payloads)])


def written(text: str) -> bytes:
    """What the deliveries of an indication share, its identifier being ``text``."""
    return (
        '<INSTANCE CLASSNAME="VirtCIM_AlertIndication">'
        f'<PROPERTY NAME="IndicationIdentifier" TYPE="string"><VALUE>{text}</VALUE></PROPERTY>'
    ).encode()


def dropped(queue: DeliveryQueue) -> dict[Dropped, int]:
    """How many were dropped, by the reason."""
    return {why: count for why, count in queue.counters.read().dropped.items() if count}


def rows(database: StateDatabase, statement: str) -> list[tuple[object, ...]]:
    with database.lock, database.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]
