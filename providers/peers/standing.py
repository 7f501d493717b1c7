"""Whether a process is one that writers wait for, by its own clock."""

from __future__ import annotations

import threading
from collections.abc import Callable

from virtcim.providers.state.clock import uptime_s

__all__ = ["LEASE_S", "SILENCE_S", "Standing"]

# For so long after a beat the others wait for whoever sent it; by their clocks a second longer.
LEASE_S = 3.0
SILENCE_S = 4.0


class Standing:
    """The lease of one process among its peers; safe to use from many threads.

    A beat is confirmed when its sender hears that the others wait for it. From when it was *sent*
    its lease runs, while the others count their ``SILENCE_S`` from when they *heard* it: so
    whoever is waited for no more knows it first, without comparing clocks, also after a sleep.
    """

    def __init__(self, *, lease_s: float = LEASE_S, clock: Callable[[], float] = uptime_s) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._lock = threading.Lock()
        self._heard_s = float("-inf")
        self._life = 0
        self._is_caught_up = False

    @property
    def is_waited_for(self) -> bool:
        """Whether the lease runs, and everything of before it is shown."""
        return self._is_caught_up and self._clock() - self._heard_s < self._lease_s

    @property
    def heard_s(self) -> float:
        """When the last beat was sent that was heard."""
        return self._heard_s

    def now(self) -> float:
        """By the clock of the lease, for ``confirm``."""
        return self._clock()

    def join(self) -> int:
        """Be one of the peers from now on; gives the number of this life among them.

        What others wrote before is not known: it is for ``caught_up`` to say that it is.
        """
        with self._lock:
            self._life += 1
            self._is_caught_up = False
            self._heard_s = float("-inf")
            return self._life

    def leave(self) -> None:
        """Be none of the peers: those of before do not count any more."""
        self.join()

    def caught_up(self, life: int) -> None:
        """Everything is shown that was written before this life began."""
        with self._lock:
            if life == self._life:
                self._is_caught_up = True

    def confirm(self, life: int, sent_s: float) -> None:
        """A beat that was sent then has been heard; the others waited all the time since."""
        with self._lock:
            if life == self._life:
                self._heard_s = max(self._heard_s, sent_s)
