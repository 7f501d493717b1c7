"""Which restarts of guests were their own doing: libvirt tells of every one alike.

A reset is told of late, after the call that asked for it has returned; and the firmware of the
guest resets the machine again, some times (SeaBIOS does, up to 0.5 s after a reset that meets a
running system). All that follows a reset within some seconds is taken for a part of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Reboots"]

# Ten times what the firmware of an emulated machine took under load to reset it again.
_QUIET_S = 5.0
# Where a machine restarts again and again, what is further apart than this is no single restart.
_APART_S = 1.0


@dataclass(slots=True)
class _Seen:
    own: int = 0
    apart: int = 0
    all: int = 0
    crashes: int = 0
    last: float | None = None  # when something was seen, or asked for, that resets may follow
    # Whether that was since the machine went on; a paused one's firmware can do nothing.
    is_new: bool = False


class Reboots:
    """What was seen of all domains, by UUID; safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._domains: dict[str, _Seen] = {}

    def reset(self, uuid: str) -> None:
        """The machine is going to be reset: by us, by its watchdog, after a panic."""
        with self._lock:
            self._note(self._of(uuid))

    def crashed(self, uuid: str) -> None:
        """The guest panicked; the machine may be reset because of that."""
        with self._lock:
            seen = self._of(uuid)
            seen.crashes += 1
            self._note(seen)

    def happened(self, uuid: str) -> None:
        """A restart was told of."""
        with self._lock:
            seen = self._of(uuid)
            seen.all += 1
            seen.own += not self._left_s(seen, _QUIET_S)
            seen.apart += not self._left_s(seen, _APART_S)
            self._note(seen)

    def resumed(self, uuid: str) -> None:
        """The machine goes on: while it was paused its firmware could do nothing."""
        with self._lock:
            seen = self._of(uuid)
            if seen.is_new:
                seen.last = self._clock()
                seen.is_new = False

    def forget(self, uuid: str) -> None:
        """The domain is gone."""
        with self._lock:
            self._domains.pop(uuid, None)

    def own(self, uuid: str) -> int:
        """Give how many restarts of the guest no reset explains."""
        with self._lock:
            return self._of(uuid).own

    def apart(self, uuid: str) -> int:
        """Give how many restarts stood apart from what was before, by less than for ``own``."""
        with self._lock:
            return self._of(uuid).apart

    def all(self, uuid: str) -> int:
        """Give how many restarts were told of."""
        with self._lock:
            return self._of(uuid).all

    def crashes(self, uuid: str) -> int:
        """Give how often the guest panicked."""
        with self._lock:
            return self._of(uuid).crashes

    def unsettled_s(self, uuid: str) -> float:
        """Give how long more something may come of what was seen; 0: nothing will."""
        with self._lock:
            return self._left_s(self._of(uuid), _QUIET_S)

    def _note(self, seen: _Seen) -> None:
        seen.last = self._clock()
        seen.is_new = True

    def _left_s(self, seen: _Seen, quiet_s: float) -> float:
        if seen.last is None:
            return 0.0
        return max(0.0, seen.last + quiet_s - self._clock())

    def _of(self, uuid: str) -> _Seen:
        return self._domains.setdefault(uuid, _Seen())
