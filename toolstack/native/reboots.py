"""Which restarts of guests were their own doing: libvirt tells of every one alike.

A reset is told of late, after the call that asked for it has returned; and the firmware of the
guest resets the machine once more (SeaBIOS does, 50 ms after each reset that meets a running
system), which is told of as well. What may still come of a reset is not taken for the guest's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Reboots"]

# How long the firmware of a running machine may take to reset it once more.
_ECHO_S = 5.0
_OF_A_RESET = 2
_OF_A_REBOOT = 1


@dataclass(slots=True)
class _Seen:
    own: int = 0
    all: int = 0
    crashes: int = 0
    owed: int = 0  # how many events may still come of what was seen
    since: float = 0.0


class Reboots:
    """What was seen of all domains, by UUID; safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._domains: dict[str, _Seen] = {}

    def reset(self, uuid: str) -> None:
        """The machine is going to be reset: by us, by its watchdog, after a panic."""
        self._owe(uuid, _OF_A_RESET)

    def crashed(self, uuid: str) -> None:
        """The guest panicked; the machine may be reset because of that."""
        with self._lock:
            self._of(uuid).crashes += 1
        self._owe(uuid, _OF_A_RESET)

    def happened(self, uuid: str) -> None:
        """A restart was told of."""
        with self._lock:
            seen = self._of(uuid)
            seen.all += 1
            if seen.owed and self._clock() - seen.since < _ECHO_S:
                seen.owed -= 1
            else:
                seen.own += 1
                seen.owed = _OF_A_REBOOT
            seen.since = self._clock()

    def resumed(self, uuid: str) -> None:
        """The machine goes on: while it was paused its firmware could do nothing."""
        with self._lock:
            self._of(uuid).since = self._clock()

    def forget(self, uuid: str) -> None:
        """The domain is gone."""
        with self._lock:
            self._domains.pop(uuid, None)

    def own(self, uuid: str) -> int:
        """Give how many restarts of the guest no reset explains."""
        with self._lock:
            return self._of(uuid).own

    def all(self, uuid: str) -> int:
        """Give how many restarts were told of."""
        with self._lock:
            return self._of(uuid).all

    def crashes(self, uuid: str) -> int:
        """Give how often the guest panicked."""
        with self._lock:
            return self._of(uuid).crashes

    def unsettled_s(self, uuid: str) -> float:
        """Give how long more something may come of earlier resets; 0: nothing will."""
        with self._lock:
            seen = self._of(uuid)
            return max(0.0, seen.since + _ECHO_S - self._clock()) if seen.owed else 0.0

    def _owe(self, uuid: str, events: int) -> None:
        with self._lock:
            seen = self._of(uuid)
            seen.owed += events
            seen.since = self._clock()

    def _of(self, uuid: str) -> _Seen:
        return self._domains.setdefault(uuid, _Seen())
