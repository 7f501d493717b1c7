"""One HTTP connection as uvicorn and h11 serve it, and what it is doing, for those with limits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from virtcim.daemon.asgi import Scope

__all__ = ["Doing", "HttpConnection", "connection_of"]

_KEY = "virtcim.connection"
_CREDENTIALS = "3i"  # process, user and group: struct ucred
_AT_ONCE = struct.pack("ii", 1, 0)


class Doing(Enum):
    """What a connection waits for."""

    SILENT = "the next request"
    HEAD = "the rest of the head of a request"
    UNREAD_BODY = "the rest of a request that was answered already"
    ANSWER = "us"
    REPLY = "the client, who is to take a reply"


class HttpConnection(H11Protocol):
    """What uvicorn makes of a connection; the requests of ``connection_of`` lead here."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, _KEY: self}, _loop)
        self.address = ""
        #: Called once, when the connection has ended.
        self.on_lost: Callable[[], object] | None = None
        self.has_ended = False
        #: Grows while a reply is handed over.
        self.sent_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio when the connection has ended."""
        super().connection_lost(exc)
        self.has_ended = True
        self.give_back()

    def give_back(self) -> None:
        """Give back the place of this connection; further calls do nothing."""
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost()

    @property
    def peer_certificate(self) -> Mapping[str, Any] | None:
        """What TLS has verified of the client's certificate, as ``ssl`` tells it."""
        certificate: Mapping[str, Any] | None = self.transport.get_extra_info("peercert")
        return certificate

    @property
    def peer_uid(self) -> int | None:
        """The account of whoever has connected to a Unix socket, as the kernel tells it."""
        sock = self.transport.get_extra_info("socket")
        if sock is None or sock.family != socket.AF_UNIX:
            return None
        size = struct.calcsize(_CREDENTIALS)
        found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack(_CREDENTIALS, found)[1])

    @property
    def is_closing(self) -> bool:
        """Whether nothing further can be sent: it was closed by us, or lost."""
        return self.transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken yet of what was sent."""
        return self.transport.get_write_buffer_size()

    def doing(self) -> tuple[Doing, object]:
        """What the connection waits for, and a mark that is another one after each progress."""
        unsent_bytes = self.unsent_bytes
        if unsent_bytes:
            return Doing.REPLY, (self.sent_bytes, unsent_bytes)
        answered = self.cycle is None or self.cycle.response_complete
        if not answered:
            return Doing.ANSWER, self.cycle
        if self.conn.their_state is h11.SEND_BODY:
            return Doing.UNREAD_BODY, self.cycle
        if self.conn.trailing_data[0]:
            return Doing.HEAD, self.cycle
        return Doing.SILENT, self.cycle

    def refuse_late_head(self) -> None:
        """Answer a request of which the head has not arrived, and close the connection."""
        self._refuse(408, b"the head of the request did not arrive in time\n")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request of HTTP with the status that h11 has for it.

        That is 501 for a transfer coding that is not known, and 431 for a head that is too long
        (RFC 9112 "Transfer-Encoding", RFC 6585). uvicorn calls this, and knows 400 only.
        """
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._refuse(status, f"{msg}\n".encode("ascii"))

    def _refuse(self, status: int, text: bytes) -> None:
        """Answer in the place of the application, and close the connection."""
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"connection", b"close"),
        ]
        reason = HTTPStatus(status).phrase.encode("ascii")
        try:
            for event in (
                h11.Response(status_code=status, headers=headers, reason=reason),
                h11.Data(data=text),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # the connection is in no state to be told anything
        self.transport.close()

    def prove_anew(self) -> None:
        """End the connection of whom a certificate names, when what is asked has been answered.

        The next connection is verified by what is trusted then.
        """
        if self.peer_certificate:
            with contextlib.suppress(h11.LocalProtocolError):
                self.shutdown()

    def hang_up(self) -> None:
        """Close the connection, and forget what the client has not taken."""
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            # Otherwise the system would keep what it has of the reply, and try for minutes.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()


def connection_of(scope: Scope) -> HttpConnection | None:
    """The connection of a request, None where another server than ours runs the application."""
    found = scope.get("state", {}).get(_KEY)
    return found if isinstance(found, HttpConnection) else None
