"""How many indications were sent, and how many were not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Counts", "DeliveryCounters", "Dropped"]


class Dropped(StrEnum):
    """Why something that was queued is never sent."""

    SUBSCRIPTION_FULL = "subscription-full"
    QUEUE_FULL = "queue-full"
    EXPIRED = "expired"
    REFUSED = "refused"  # by the listener
    UNREADABLE = "unreadable"  # what the database gives back
    NOT_PERMITTED = "not-permitted"  # to whoever subscribed
    REMOVED = "removed"  # what it waited for, or disabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Since the process began: ``sent`` were taken by their listeners, ``failed`` are attempts.

    ``retried`` are attempts after one that failed; those ``dropped`` were queued and never taken.
    """

    queued: int = 0
    sent: int = 0
    failed: int = 0
    retried: int = 0
    dropped: Mapping[Dropped, int] = field(default_factory=dict)


class DeliveryCounters:
    """The counts, from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter[str]()
        self._dropped = Counter[Dropped]()

    def queued(self, many: int) -> None:
        """So many deliveries were accepted."""
        self._add("queued", many)

    def sent(self, many: int) -> None:
        """So many were taken by a listener."""
        self._add("sent", many)

    def failed(self) -> None:
        """An attempt failed."""
        self._add("failed", 1)

    def retried(self) -> None:
        """An attempt is made after one that failed."""
        self._add("retried", 1)

    def dropped(self, many: int, why: Dropped) -> None:
        """So many will not be sent any more."""
        with self._lock:
            self._dropped[why] += many

    def read(self) -> Counts:
        """The counts at present."""
        with self._lock:
            return Counts(**self._counts, dropped={one: self._dropped[one] for one in Dropped})

    def _add(self, name: str, many: int) -> None:
        with self._lock:
            self._counts[name] += many
