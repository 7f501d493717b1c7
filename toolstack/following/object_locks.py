"""One lock for each object, under which it is read and changed."""

from __future__ import annotations

import threading
from _thread import RLock
from weakref import WeakValueDictionary

__all__ = ["ObjectLocks"]


class ObjectLocks:
    """The locks by UUID; one that nobody holds and nobody waits for is forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: WeakValueDictionary[str, RLock] = WeakValueDictionary()

    def of(self, uuid: str) -> RLock:
        """Give the lock of an object."""
        with self._lock:
            return self._locks.setdefault(uuid, RLock())
