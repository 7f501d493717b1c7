"""Coroutines that wait for a change of the database."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from virtcim.toolstack.database import Database

__all__ = ["Waiter"]


class Waiter:
    """``async with Waiter(database) as changed: ... await changed.wait(timeout_s)``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._event = asyncio.Event()
        self._stack = ExitStack()

    async def __aenter__(self) -> Waiter:
        self._loop = asyncio.get_running_loop()
        self._stack.enter_context(self._database.waking(self.wake))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()

    def wake(self) -> None:
        """Called from any thread; a loop that has ended has nobody waiting."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a change since the last call; False when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
