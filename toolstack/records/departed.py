"""Disk images outside pools that no machine names any more: their references stay good for a while.

A client of the XenAPI removes a disk and makes it anew with the reference that it was given; in
between nothing names the image. It is not shown meanwhile: nothing lists it, and no event tells of
it. What can be done with it is what could be done with its path.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["DepartedImages"]

Record = dict[str, Any]

# An hour is more than any such pair of calls needs; the number bounds the memory.
_KEEP_S = 3600.0
_MOST = 1000


class _Departed(NamedTuple):
    at_s: float
    record: Record


class DepartedImages:
    """The last records of such images by reference; safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._images: OrderedDict[str, _Departed] = OrderedDict()

    def put(self, ref: str, record: Record) -> None:
        """The last machine that named an image has let go of it."""
        with self._lock:
            self._images[ref] = _Departed(self._clock(), {**record, "VBDs": []})
            self._images.move_to_end(ref)
            while len(self._images) > _MOST:
                self._images.popitem(last=False)
            self._expire()

    def get(self, ref: str) -> Record | None:
        """Give the last record of an image; None for one that was let go of too long ago."""
        with self._lock:
            self._expire()
            found = self._images.get(ref)
            return None if found is None else found.record

    def forget(self, ref: str) -> None:
        """A client has taken the image back."""
        with self._lock:
            self._images.pop(ref, None)

    def _expire(self) -> None:
        """Drop what is too old; the oldest stand first."""
        oldest = self._clock() - _KEEP_S
        while self._images:
            ref, image = next(iter(self._images.items()))
            if image.at_s >= oldest:
                return
            del self._images[ref]
