"""Which workers are heard of: one that is silent is waited for by nobody."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["SILENCE_S", "Presence"]

# A second longer than a worker itself counts from when it has sent a beat.
SILENCE_S = 4.0


def _uptime_s() -> float:
    """Seconds that include those in which the computer was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Presence:
    """When each worker was heard of last, by the name of its life."""

    def __init__(self, clock: Callable[[], float] = _uptime_s) -> None:
        self._clock = clock
        self._heard_s: dict[str, float] = {}

    def beat(self, name: str) -> bool:
        """A worker beats; gives whether it has been waited for all the time since the last beat."""
        was_there = self.is_there(name)
        self._heard_s[name] = self._clock()
        return was_there

    def is_there(self, name: str) -> bool:
        """Whether a worker is to be waited for."""
        heard_s = self._heard_s.get(name)
        return heard_s is not None and self._clock() - heard_s < SILENCE_S

    def leave(self, name: str) -> None:
        """A worker is not to be waited for any more."""
        self._heard_s.pop(name, None)
