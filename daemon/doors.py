"""Where the connections of a process come from, and what its signals say."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from virtcim.daemon.admission import Admission, Places
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.descriptors import most_connections, raise_limit
from virtcim.daemon.listener import BoundListener, Listen, bind

__all__ = ["Doors", "Handed", "OwnDoors"]


class Handed(Protocol):
    """The connections of one listener that another process accepts; looks like a server of asyncio
    to uvicorn."""

    def open(self, serve: Callable[[socket.socket, str], None]) -> None:
        """Have them served from now on."""

    def leave(self, address: str) -> None:
        """One of them has ended."""

    def close(self) -> None:
        """Serve no further ones."""

    async def wait_closed(self) -> None:
        """None is half made here."""


class Doors(Protocol):
    """Where connections come from. Used in the event loop; closed with the stack it was made with.

    ``admission`` gives the places where that is done here.
    """

    @property
    def places(self) -> Places:
        """What is known of the places for connections."""

    @property
    def admission(self) -> Admission | None:
        """Who gives the places for connections, None where another process does."""

    def sockets(self, number: int) -> Sequence[socket.socket]:
        """The listening sockets of a listener."""

    def handed(self, number: int) -> Handed | None:
        """What hands over the connections of a listener, where another process accepts them."""

    def on_hang_up(self, refresh: Callable[[], None]) -> None:
        """Read anew from now on when SIGHUP says so."""

    def ready(self, say: Callable[[str], None]) -> None:
        """Everything is served."""

    def closing(self) -> None:
        """Nothing will be served any more."""


class OwnDoors:
    """The listeners that this process binds. Raises ListenError."""

    def __init__(
        self,
        listens: Sequence[Listen],
        limits: ClientLimits,
        stop: Callable[[], None],
        stack: AsyncExitStack,
    ) -> None:
        self.admission = Admission(
            most=most_connections(limits.connections, raise_limit()),
            most_of_an_address=limits.connections_per_address,
        )
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop)
        # Until everything is read for the first time there is nothing to be read anew.
        self._loop.add_signal_handler(signal.SIGHUP, lambda: None)
        self._bound: list[BoundListener] = []
        for listen in listens:
            self._bound.append(bind(listen))
            stack.callback(self._bound[-1].close)

    @property
    def places(self) -> Places:
        """What is known of the places for connections."""
        return self.admission

    def sockets(self, number: int) -> Sequence[socket.socket]:
        """The listening sockets of a listener."""
        return [self._bound[number].sock]

    def handed(self, number: int) -> Handed | None:
        """Nothing: they are accepted here."""

    def on_hang_up(self, refresh: Callable[[], None]) -> None:
        """Read anew from now on when SIGHUP says so."""
        self._loop.add_signal_handler(signal.SIGHUP, refresh)

    def ready(self, say: Callable[[str], None]) -> None:
        """Everything is served."""
        say("ready " + " ".join(one.url for one in self._bound))

    def closing(self) -> None:
        """Nobody has to know."""
