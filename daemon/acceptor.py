"""Accepting connections, as asyncio's servers do, but never more than there are places for.

asyncio's own loop logs a traceback for every connection that no descriptor is left for, thousands a
second, and closes nothing meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Protocol

from virtcim.daemon.admission import Admission, Waiting
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.clients import address_of
from virtcim.daemon.http_connection import HttpConnection

__all__ = ["Acceptor", "Entrance", "Entry"]

_log = logging.getLogger(__name__)

_BACKLOG = 2048
_ACCEPTED_AT_ONCE = 100
_PAUSE_S = 1.0
_TOLD_EVERY_S = 60.0
_DRAINED_BYTES = 65_536
_BUSY = b"this server has all the connections that it takes; try again later\n"
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)


class Entrance(Protocol):
    """Where a connection goes that has a place; when it has ended the place is given back."""

    def serve(self, sock: socket.socket, address: str) -> None:
        """Serve a connection."""

    async def wait_closed(self) -> None:
        """Wait until no connection is half made."""


class Entry:
    """Serves connections in this process.

    ``make`` gives the protocol of a new connection, ``context`` its TLS, None without; ``leave`` is
    called with its address when it has ended. To be used in the event loop.
    """

    def __init__(
        self,
        make: Callable[[], HttpConnection],
        limits: ClientLimits,
        context: Callable[[], ssl.SSLContext | None],
        leave: Callable[[str], object],
    ) -> None:
        self._make = make
        self._limits = limits
        self._context = context
        self._leave = leave
        self._refusal_told_s = float("-inf")
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, sock: socket.socket, address: str) -> None:
        """Serve a connection."""
        task = self._loop.create_task(self._connect(sock, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait_closed(self) -> None:
        """Wait until no connection is half made."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, sock: socket.socket, address: str) -> None:
        connection = self._make()
        connection.address = address
        connection.on_lost = partial(self._leave, address)
        context = self._context()
        handshake_s = None if context is None else self._limits.head_timeout_s
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=context,
                ssl_handshake_timeout=handshake_s,
                ssl_shutdown_timeout=handshake_s,
            )
        except ssl.SSLCertVerificationError as error:
            self._tell_refusal(address, error)
            connection.give_back()
        except (OSError, asyncio.CancelledError) as error:
            # Also a handshake that failed, or that took too long.
            _log.debug("a connection from %s was not made: %s", address, error)
            connection.give_back()

    def _tell_refusal(self, address: str, error: ssl.SSLCertVerificationError) -> None:
        """Say once a minute that a certificate is refused: a list of revoked ones may be old."""
        now_s = self._loop.time()
        was_told = now_s - self._refusal_told_s < _TOLD_EVERY_S
        if not was_told:
            self._refusal_told_s = now_s
        _log.log(
            logging.DEBUG if was_told else logging.WARNING,
            "the client certificate of a connection from %s is refused: %s",
            *(address, error.verify_message),
        )


class Acceptor:
    """Accepts the connections of one listening socket; looks like a server of asyncio to uvicorn.

    Those that have a place go through ``entrance``; ``is_tls``: nobody can be told anything before
    a handshake. To be made in the event loop.
    """

    def __init__(
        self,
        sock: socket.socket,
        entrance: Entrance,
        admission: Admission,
        *,
        is_tls: bool,
    ) -> None:
        self._sock = sock
        self._entrance = entrance
        self._admission = admission
        self._is_tls = is_tls
        self._loop = asyncio.get_running_loop()
        self._waiting: set[socket.socket] = set()
        self._told_s = float("-inf")
        self._closed = False
        self._paused: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        sock.listen(_BACKLOG)
        self._accept_further()

    def close(self) -> None:
        """Accept nothing any more; connections that wait for a place are closed."""
        self._closed = True
        self._stop_accepting()
        for sock in self._waiting:
            sock.close()
        self._waiting.clear()

    async def wait_closed(self) -> None:
        """Wait until no connection is half made."""
        await self._entrance.wait_closed()

    def _stop_accepting(self) -> None:
        self._loop.remove_reader(self._sock)
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None

    def _accept_further(self) -> None:
        self._paused = None
        if not self._closed:
            self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if self._admission.is_full:
                self._pause()
                return
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Descriptors or memory, as a rule; accept(2) also tells of the network here.
                self._tell(error)
                self._pause()
                return
            sock.setblocking(False)
            address = address_of(peer[0]) if isinstance(peer, tuple) else ""
            self._enter(sock, address)

    def _pause(self) -> None:
        """Leave connections where the system keeps them for a moment."""
        self._loop.remove_reader(self._sock)
        self._paused = self._loop.call_later(_PAUSE_S, self._accept_further)

    def _tell(self, error: OSError) -> None:
        if self._loop.time() - self._told_s >= _TOLD_EVERY_S:
            self._told_s = self._loop.time()
            _log.error("no connection can be accepted: %s", error.strerror)

    def _enter(self, sock: socket.socket, address: str) -> None:
        waiting = Waiting(
            address=address,
            since_s=self._loop.time(),
            serve=partial(self._serve, sock, address),
            refuse=partial(self._refuse, sock),
        )
        outcome = self._admission.enter(waiting)
        if outcome == "served":
            self._serve(sock, address)
        elif outcome == "waits":
            self._waiting.add(sock)
        else:
            self._refuse(sock)

    def _serve(self, sock: socket.socket, address: str) -> None:
        self._waiting.discard(sock)
        if self._closed:
            sock.close()
            self._loop.call_soon(self._admission.leave, address)
            return
        self._entrance.serve(sock, address)

    def _refuse(self, sock: socket.socket) -> None:
        self._waiting.discard(sock)
        with contextlib.suppress(OSError):
            if not self._is_tls:
                sock.send(_REFUSAL)
                sock.shutdown(socket.SHUT_WR)
                # What was sent and not read would make the system take back the refusal.
                sock.recv(_DRAINED_BYTES)
        sock.close()
