"""The threads that work on requests, in turns between the clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

from virtcim.cimserver.errors import HttpProblem
from virtcim.daemon.bodies import ClientGone
from virtcim.daemon.http_connection import HttpConnection
from virtcim.daemon.message_memory import Held, MessageMemory
from virtcim.daemon.turns import TurnRefused, Turns

__all__ = ["Exchange", "Load", "Work", "too_much_waits"]

_Result = TypeVar("_Result")


@dataclass(slots=True, eq=False)
class Exchange:
    """One request: its client, what is held of it, and its connection where that is ours."""

    client: str
    held: Held
    connection: HttpConnection | None

    @property
    def has_ended(self) -> bool:
        """Whether nobody is left to be answered."""
        return self.connection is not None and self.connection.has_ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What clients have of a server: requests, of which some wait for a turn, and memory.

    ``refused`` counts the requests since the start for which there was no place or no turn.
    """

    requests: int
    waiting: int
    refused: int
    message_bytes: int
    open_enumerations: int


class Work:
    """A few threads; whoever has to wait for one gets it when all other clients had theirs."""

    def __init__(self, name: str, threads: int, *, longest_s: float, memory: MessageMemory) -> None:
        self.turns = Turns(for_one=threads, longest_s=longest_s, has_room=memory.has_room)
        memory.on_room.append(self.turns.look_again)
        self._threads = ThreadPoolExecutor(self.turns.slots, thread_name_prefix=name)

    def close(self) -> None:
        """Give back the threads; what runs is finished."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(
        self, exchange: Exchange, function: Callable[[], _Result], *, goes_on: bool = False
    ) -> _Result:
        """Have a thread work for a client; ``goes_on``: on what was begun before.

        Raises HttpProblem 503 where its turn does not come, ClientGone where its client does not
        wait for it, and what ``function`` raises.
        """
        client = exchange.client
        try:
            waited = await self.turns.enter(client, goes_on=goes_on)
        except TurnRefused:
            raise too_much_waits() from None
        try:
            if waited and exchange.has_ended:
                raise ClientGone
            run = copy_context().run
            return await asyncio.get_running_loop().run_in_executor(self._threads, run, function)
        finally:
            self.turns.leave(client)


def too_much_waits() -> HttpProblem:
    """The refusal of a request that would wait too long."""
    return HttpProblem(status=503, detail="too many requests at once", headers={"Retry-After": "1"})
