"""The doors of a worker: the connections that its parent hands over."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from virtcim.daemon.admission import Admission, Places
from virtcim.daemon.descriptors import raise_limit
from virtcim.daemon.doors import Handed
from virtcim.daemon.workers.worker import Worker

__all__ = ["WorkerDoors"]


class WorkerDoors:
    """Implements ``Doors`` for a worker, which listens to its parent and not to signals.

    What ends all processes of a service at once, as systemd does, would otherwise stop workers
    twice; the parent is among them.
    """

    admission: Admission | None = None

    def __init__(self, worker: Worker, stop: Callable[[], None], stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: None)
        raise_limit()
        self._worker = worker
        worker.open(stop=stop)
        stack.callback(worker.close)

    @property
    def places(self) -> Places:
        """What is known of the places for connections."""
        return self._worker.places

    def sockets(self, number: int) -> Sequence[socket.socket]:  # noqa: ARG002 - of each listener
        """None: the parent listens."""
        return ()

    def handed(self, number: int) -> Handed | None:
        """What hands over the connections of a listener."""
        return _Handed(self._worker, number)

    def on_hang_up(self, refresh: Callable[[], None]) -> None:
        """Read anew from now on when the parent says so."""
        self._worker.on("refresh", lambda _: refresh())

    def ready(self, say: Callable[[str], None]) -> None:  # noqa: ARG002 - who listens says it
        """Everything is served; the parent says so when all of its workers do."""
        self._worker.tell("ready")

    def closing(self) -> None:
        """Nothing will be served any more."""
        self._worker.tell("closing")


class _Handed:
    """The connections of one listener."""

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker = worker
        self._number = number

    def open(self, serve: Callable[[socket.socket, str], None]) -> None:
        """Have them served from now on."""
        self._worker.serve(self._number, serve)

    def leave(self, address: str) -> None:
        """One of them has ended."""
        self._worker.leave(self._number, address)

    def close(self) -> None:
        """Serve no further ones."""
        self._worker.serve(self._number, None)

    async def wait_closed(self) -> None:
        """None is half made here."""
