"""What a worker is to its daemon: it serves the connections that its parent hands to it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from virtcim.daemon.workers.channel import Answer, Channel, Hear, Message
from virtcim.daemon.workers.identity import be_worker

__all__ = ["METRICS", "PlacesElsewhere", "Serve", "Worker"]

_log = logging.getLogger(__name__)

METRICS = -1
"""The place among the listeners of the one for metrics, whose connections are no clients."""

Serve = Callable[[socket.socket, str], None]
"""What serves a connection from an address."""


class PlacesElsewhere:
    """The places for connections, which the parent gives away; counts those of this worker."""

    def __init__(self) -> None:
        self.refused = 0
        self.total = 0
        self._any = False
        self._addresses: Collection[str] = ()

    def wanting(self, address: str) -> bool:
        """Whether somebody waits for a place that the end of a connection of ``address`` gives."""
        return self._any or address in self._addresses

    def refuse_older(self, than_s: float) -> None:
        """Nobody waits here."""

    def note_wanted(self, message: Message) -> None:
        """The parent says who waits."""
        self._any = message.values["any"]
        self._addresses = frozenset(message.values["addresses"])


class Worker:
    """This process, ``number`` of several of a daemon, and its socket to the parent.

    What is heard and answered is said before ``open``, which is called in the event loop. When the
    parent ends this worker ends at once.
    """

    def __init__(self, number: int, sock: socket.socket) -> None:
        be_worker(number)
        self.number = number
        self.places = PlacesElsewhere()
        self._sock = sock
        self._channel: Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: dict[int, Serve | None] = {}
        self._hears: dict[str, Hear] = {
            "connection": self._receive,
            "wanted": self.places.note_wanted,
        }
        self._answers: dict[str, Answer] = {}

    def on(self, kind: str, hear: Hear) -> None:
        """Call ``hear`` with each message of a kind."""
        self._hears[kind] = hear

    def answering(self, kind: str, answer: Answer) -> None:
        """Answer what is asked of a kind."""
        self._answers[kind] = answer

    def open(self, *, stop: Callable[[], None]) -> None:
        """Hear from the parent from now on; it asks for the end by ``stop``, twice for one at
        once."""

        def orphaned() -> None:
            _log.error("the parent process has ended, and so does this worker")
            stop()
            stop()

        self._hears["stop"] = lambda _: stop()
        self._loop = asyncio.get_running_loop()
        self._channel = Channel(self._sock, hears=self._hears, answers=self._answers, lost=orphaned)

    def close(self) -> None:
        """Say nothing any more."""
        if self._channel is not None:
            self._channel.close()

    def serve(self, listener: int, serve: Serve | None) -> None:
        """Have the connections of a listener served, by its place among all of them; None: no
        more."""
        self._serving[listener] = serve

    def leave(self, listener: int, address: str) -> None:
        """A connection of an address has ended."""
        self.places.total -= listener != METRICS
        self.tell("left", {"listener": listener, "address": address})

    def tell(self, kind: str, values: Mapping[str, Any] | None = None) -> None:
        """Tell the parent; in the event loop."""
        if self._channel is not None:
            self._channel.tell(Message(kind=kind, values=values or {}))

    def tell_from_thread(self, kind: str, values: Mapping[str, Any]) -> None:
        """Tell the parent; from any thread, in their order."""
        # A loop that is closed has no parent to tell anything to.
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.tell, kind, values)

    async def ask(
        self, kind: str, values: Mapping[str, Any] | None = None, body: bytes = b""
    ) -> Message:
        """Ask the parent. Raises ChannelLost, AnswerFailed."""
        assert self._channel is not None
        return await self._channel.ask(Message(kind=kind, values=values or {}, body=body))

    def _receive(self, message: Message) -> None:
        sock = message.sock
        assert sock is not None
        listener, address = message.values["listener"], message.values["address"]
        self.tell("taken", {"connection": message.values["connection"]})
        self.places.total += listener != METRICS
        serve = self._serving.get(listener)
        if serve is None:
            sock.close()
            self.leave(listener, address)
            return
        sock.setblocking(False)
        serve(sock, address)
