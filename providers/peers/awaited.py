"""Writers that wait until their peers show what was written."""

from __future__ import annotations

import threading
from collections.abc import Collection
from itertools import count

__all__ = ["Awaited"]


class Awaited:
    """For whom which write waits; safe to use from many threads.

    A carrier takes a number for each write, sends it, and notes who has to reach it and who has.
    It says so again as long as somebody is missing: who has died meanwhile is then not among them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = count(1)
        # By the number of the write: who has reached it, and who still has to.
        self._reached: dict[int, set[str]] = {}
        self._missing: dict[int, set[str]] = {}
        self._closed = False

    def begin(self) -> int:
        """The number of a write, before anybody hears of it."""
        with self._changed:
            number = next(self._numbers)
            self._reached[number] = set()
            self._missing[number] = set()
            return number

    def expect(self, number: int, peers: Collection[str]) -> None:
        """These have to reach it, nobody else any more; some may have already."""
        with self._changed:
            self._missing[number] = set(peers) - self._reached[number]
            self._changed.notify_all()

    def reached(self, number: int, peer: str) -> None:
        """One has reached it."""
        with self._changed:
            if number not in self._reached:
                return
            self._reached[number].add(peer)
            self._missing[number].discard(peer)
            self._changed.notify_all()

    def wait(self, number: int, timeout_s: float) -> Collection[str]:
        """Wait until all have reached it that are expected; gives those that have not."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._missing[number], timeout_s)
            return () if self._closed else frozenset(self._missing[number])

    def end(self, number: int) -> None:
        """Nobody waits for it any more."""
        with self._changed:
            self._reached.pop(number, None)
            self._missing.pop(number, None)

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
