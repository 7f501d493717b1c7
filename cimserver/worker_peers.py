"""The workers of one server tell each other of writes through their parent (``Peers``).

Each worker beats at the parent, which knows who is there: it waits for no worker that it has not
heard for a while, and tells one that comes back that nobody has waited for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial

from virtcim.daemon.workers.channel import AnswerFailed, ChannelLost, Message
from virtcim.daemon.workers.worker import Worker
from virtcim.providers.peers.contract import EVERYTHING, Shows, Written
from virtcim.providers.peers.standing import Standing

__all__ = ["WorkerPeers"]

_log = logging.getLogger(__name__)

_BEAT_S = 1.0
# Where the parent does not answer nobody is waited for any more by then.
_LONGEST_S = 10.0


class WorkerPeers:
    """Implements ``Peers`` for the worker of a server whose state only its workers share.

    To be made and started in the event loop.
    """

    def __init__(self, worker: Worker, standing: Standing | None = None) -> None:
        self._worker = worker
        self._standing = standing or Standing()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._beating: asyncio.Task[None] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._shows: Shows | None = None

    def start(self, shows: Shows) -> None:
        """Join, and again whenever the parent has not heard of this worker for a while."""
        self._shows = shows
        self._worker.answering("catch up", self._catch_up)
        self._beating = self._loop.create_task(self._beat())

    @property
    def is_waited_for(self) -> bool:
        """Whether the lease of this worker runs."""
        return self._standing.is_waited_for

    def announce(self, written: Sequence[Written]) -> None:
        """Tell the others, and wait until all of them have reached it (``Peers``)."""
        told = {"written": [[each.namespace, each.position] for each in written]}
        asking = self._worker.ask("announce", told)
        if threading.get_ident() == self._thread:
            # What is written while a server starts is written before anybody reads here.
            self._starting.add(self._loop.create_task(_heedless(asking)))
            return
        if self._loop.is_closed():
            asking.close()
            return
        try:
            asyncio.run_coroutine_threadsafe(asking, self._loop).result(_LONGEST_S)
        except TimeoutError:
            _log.error("a change may not be seen at other workers yet, after %g s", _LONGEST_S)
        except AnswerFailed as error:
            _log.error("a change may not be seen at other workers yet: %s", error)
        except (ChannelLost, CancelledError):
            pass  # with the parent all workers end

    def stop(self) -> None:
        """Leave: nobody waits for this worker any more."""
        self._standing.leave()
        if self._beating is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._beating.cancel)

    async def _beat(self) -> None:
        life = self._standing.join()
        while True:
            sent_s = self._standing.now()
            try:
                answer = await self._worker.ask("beat")
            except ChannelLost:
                return
            except AnswerFailed as error:
                _log.error("the other workers do not know that this one is there: %s", error)
                await asyncio.sleep(_BEAT_S)
                continue
            if not answer.values["known"]:
                life = self._standing.join()
                assert self._shows is not None
                reached = partial(self._standing.caught_up, life)
                await asyncio.to_thread(self._shows.catch_up, EVERYTHING, reached)
            self._standing.confirm(life, sent_s)
            await asyncio.sleep(_BEAT_S)

    async def _catch_up(self, message: Message) -> Message:
        """Answer when this worker shows what another one has written."""
        reached: asyncio.Future[None] = self._loop.create_future()

        def has_reached() -> None:
            self._loop.call_soon_threadsafe(_note, reached)

        assert self._shows is not None
        written = [
            Written(namespace, position) for namespace, position in message.values["written"]
        ]
        await asyncio.to_thread(self._shows.catch_up, written, has_reached)
        await reached
        return Message(kind="")


def _note(reached: asyncio.Future[None]) -> None:
    if not reached.done():
        reached.set_result(None)


async def _heedless(asking: Coroutine[object, object, Message]) -> None:
    with suppress(AnswerFailed, ChannelLost):
        await asking
