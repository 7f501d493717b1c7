"""How many indications were sent, and how many were not."""

from __future__ import annotations

import threading
from dataclasses import dataclass

__all__ = ["Counts", "DeliveryCounters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Since the process began: ``sent`` were taken by their listeners, ``failed`` are attempts.

    ``retried`` are attempts after one that failed; ``dropped`` were queued and never taken.
    """

    queued: int = 0
    sent: int = 0
    failed: int = 0
    retried: int = 0
    dropped: int = 0


class DeliveryCounters:
    """The counts, from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(Counts.__slots__, 0)

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

    def dropped(self, many: int) -> None:
        """So many will not be sent any more."""
        self._add("dropped", many)

    def read(self) -> Counts:
        """The counts at present."""
        with self._lock:
            return Counts(**self._counts)

    def _add(self, name: str, many: int) -> None:
        with self._lock:
            self._counts[name] += many
