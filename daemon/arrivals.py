"""Who has come: told once, and not with each request that he makes.

Clients of CIM send a password with each request, many of them on a connection of its own. A line
for each would hide everything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Arrivals", "Tell"]

Tell = Callable[[str, str, str], None]
"""Is told the user, his peer, and by what he has proved who he is."""

# Whoever was away for so long comes anew.
_AWAY_S = 3600.0
_MOST_REMEMBERED = 4096


class Arrivals:
    """Tells of the first request of a user from an address, and of the first after an hour without.

    To be used from one event loop. ``clock`` gives seconds that only grow.
    """

    def __init__(self, tell: Tell, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        # The one that made no request for longest is the first.
        self._last_s: dict[tuple[str, str, str], float] = {}

    def note(self, user: str, peer: str, by: str) -> None:
        """A user makes a request; ``by`` is how he has proved who he is."""
        key, now_s = (user, peer, by), self._clock()
        last_s = self._last_s.pop(key, float("-inf"))
        self._last_s[key] = now_s
        if now_s - last_s < _AWAY_S:
            return
        if len(self._last_s) > _MOST_REMEMBERED:
            del self._last_s[next(iter(self._last_s))]
        self._tell(user, peer, by)
