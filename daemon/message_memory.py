"""The memory of messages that clients are slow to send or to take: one budget for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from virtcim.daemon.http_connection import HttpConnection
from virtcim.daemon.shares import Shares

__all__ = ["Held", "MessageMemory"]

_FIRST_LOOK_S, _LAST_LOOK_S = 0.01, 0.5


class MessageMemory:
    """Counts the bytes that are held for each client; used in one event loop.

    What has to be held is held, also beyond the budget; but nothing further is begun for a client
    without room.
    """

    def __init__(self, most_bytes: int) -> None:
        self._shares = Shares(most_bytes, factor=1)
        # By client, what is held for it, the oldest first.
        self._holding: dict[str, dict[Held, None]] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        #: Called whenever there is more room than before.
        self.on_room: list[Callable[[], None]] = []

    @property
    def held_bytes(self) -> int:
        """How much is held."""
        return self._shares.total

    def has_room(self, client: str) -> bool:
        """Whether something further may be begun for a client."""
        return self._shares.has_room(client)

    async def room(self, held: Held) -> None:
        """Wait until there is room for a client, or what it holds is the oldest that it holds:
        otherwise none of what it has begun might ever end."""
        while not (self.has_room(held.client) or self._is_oldest(held)):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await future
            finally:
                self._waiting.discard(future)

    def _is_oldest(self, held: Held) -> bool:
        return next(iter(self._holding.get(held.client, ())), None) is held

    def change(self, held: Held, change_bytes: int) -> None:
        """Hold more, or less; what ``held`` has is changed already."""
        client = held.client
        self._shares.change(client, change_bytes)
        if change_bytes > 0:
            self._holding.setdefault(client, {})[held] = None
            return
        if not held.bytes:
            holding = self._holding[client]
            del holding[held]
            if not holding:
                del self._holding[client]
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        for look in self.on_room:
            look()


class Held:
    """What is held for one exchange of a client, until ``hold(0)``."""

    __slots__ = ("_bytes", "_memory", "client")

    def __init__(self, memory: MessageMemory, client: str) -> None:
        self._memory = memory
        self._bytes = 0
        self.client = client

    @property
    def bytes(self) -> int:
        """How much is held."""
        return self._bytes

    def hold(self, total_bytes: int) -> None:
        """Hold so many bytes from now on."""
        if total_bytes != self._bytes:
            change_bytes, self._bytes = total_bytes - self._bytes, total_bytes
            self._memory.change(self, change_bytes)

    def hold_further(self, further_bytes: int) -> None:
        """Hold so many bytes more, or less."""
        self.hold(self._bytes + further_bytes)

    async def room(self) -> None:
        """Wait until there is room for the client."""
        await self._memory.room(self)

    async def until_taken(self, connection: HttpConnection) -> None:
        """Hold what was sent over a connection until its client has taken it, or is gone."""
        look_s = _FIRST_LOOK_S
        while (unsent_bytes := connection.unsent_bytes) and not connection.has_ended:
            self.hold(unsent_bytes)
            await asyncio.sleep(look_s)
            look_s = min(2 * look_s, _LAST_LOOK_S)
        self.hold(0)
