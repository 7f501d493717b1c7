"""Turns: who waits for a thread gets one when all other clients had theirs.

A client alone may use three of four threads, so that the next one finds some; among those that wait
it goes round from client to client.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from virtcim.daemon.shares import Shares

__all__ = ["TurnRefused", "Turns"]

_SHARE = 3
_LOOK_EVERY_S = 0.25


class TurnRefused(Exception):  # noqa: N818 - the client is to come back later
    """It has waited so long that it must come back later."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """One who waits; whoever ``goes_on`` is in the middle of something, and is never refused."""

    granted: asyncio.Future[None]
    goes_on: bool


class Turns:
    """Gives turns; used in one event loop.

    ``for_one`` is how many turns a client that is alone has at once; ``slots`` are those of all
    together. Each waits at most ``longest_s``. ``has_room`` says whether something further may be
    begun for a client; it is asked again at each ``look_again``, and now and then. ``refused``
    counts.
    """

    def __init__(
        self,
        *,
        for_one: int,
        longest_s: float,
        has_room: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.slots = for_one + -(-for_one // _SHARE) if for_one > 1 else 1
        self._shares = Shares(self.slots, factor=_SHARE)
        self._longest_s = longest_s
        self._has_room = has_room
        # By client, the one whose turn is next at the beginning.
        self._queues: dict[str, deque[_Waiting]] = {}
        self._count = 0
        self._looking: asyncio.TimerHandle | None = None
        self.refused = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._count

    async def enter(self, client: str, *, goes_on: bool = False) -> bool:
        """Take a turn, which ``leave`` ends; gives whether that had to be waited for.

        Raises TurnRefused.
        """
        if not self._count and self._may_run(client, goes_on):
            self._shares.change(client, 1)
            return False
        loop = asyncio.get_running_loop()
        one = _Waiting(loop.create_future(), goes_on)
        self._queues.setdefault(client, deque()).append(one)
        self._count += 1
        self.look_again()
        self._look_later()
        timer = None if goes_on else loop.call_later(self._longest_s, self._refuse, client, one)
        try:
            await one.granted
        except asyncio.CancelledError:
            if not self._forget(client, one) and not one.granted.cancelled():
                self.leave(client)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return True

    def leave(self, client: str) -> None:
        """End a turn."""
        self._shares.change(client, -1)
        if self._count:
            self.look_again()

    def look_again(self) -> None:
        """Give the turns that are free."""
        while self._count:
            for client, queue in self._queues.items():
                if self._may_run(client, queue[0].goes_on):
                    break
            else:
                return
            one = queue[0]
            self._forget(client, one)
            if client in self._queues:
                self._queues[client] = self._queues.pop(client)  # behind the others
            if one.granted.done():
                continue  # cancelled a moment ago
            self._shares.change(client, 1)
            one.granted.set_result(None)

    def _look_later(self) -> None:
        """What ``has_room`` depends on may change without a word."""
        if self._count and self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(_LOOK_EVERY_S, self._look_now)

    def _look_now(self) -> None:
        self._looking = None
        self.look_again()
        self._look_later()

    def _may_run(self, client: str, goes_on: bool) -> bool:
        return self._shares.has_room(client) and (goes_on or self._has_room(client))

    def _refuse(self, client: str, one: _Waiting) -> None:
        if self._forget(client, one):
            self.refused += 1
            one.granted.set_exception(TurnRefused())

    def _forget(self, client: str, one: _Waiting) -> bool:
        """Take one out of the queue; False where it is not in it any more."""
        queue = self._queues.get(client)
        if queue is None or one not in queue:
            return False
        queue.remove(one)
        self._count -= 1
        if not queue:
            del self._queues[client]
        return True
