"""Writers that wait until their peers show what was written."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import count

__all__ = ["Awaited"]


class Awaited:
    """For whom which write waits; safe to use from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = count(1)
        # By the number of the write: who has reached it, and who still has to.
        self._reached: dict[int, set[str]] = {}
        self._missing: dict[int, set[str]] = {}
        self._closed = False

    @contextmanager
    def one_more(self) -> Iterator[int]:
        """A write, for which somebody waits within the block; gives its number."""
        with self._changed:
            number = next(self._numbers)
            self._reached[number] = set()
            self._missing[number] = set()
        try:
            yield number
        finally:
            with self._changed:
                del self._reached[number], self._missing[number]

    def expect(self, number: int, peers: Collection[str]) -> None:
        """These have to reach it, nobody else any more; some may have already."""
        with self._changed:
            self._missing[number] = set(peers) - self._reached[number]
            self._changed.notify_all()

    def reached(self, number: int, peer: str) -> None:
        """One has reached it."""
        with self._changed:
            if number in self._reached:
                self._reached[number].add(peer)
                self._missing[number].discard(peer)
                self._changed.notify_all()

    def wait(self, number: int, timeout_s: float) -> bool:
        """Wait until all have reached it that are expected; False: not within ``timeout_s``."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._closed or not self._missing[number], timeout_s
            )

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
