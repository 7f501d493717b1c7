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
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from virtcim.daemon.asgi import Scope
from virtcim.daemon.known_heads import Headers, KnownHeads, answer_head, response

__all__ = ["Doing", "HttpConnection", "connection_of"]

_KEY = "virtcim.connection"
_CREDENTIALS = "3i"  # process, user and group: struct ucred
_NEW_LINE = b"\r\n"
_SHORT_BYTES = 64 * 1024
# Of an answer, what says more of how it ends than its length.
_FRAMING = frozenset({b"connection", b"transfer-encoding"})
_AT_ONCE = struct.pack("ii", 1, 0)


class Doing(Enum):
    """What a connection waits for."""

    SILENT = "the next request"
    HEAD = "the rest of the head of a request"
    UNREAD_BODY = "the rest of a request that was answered already"
    ANSWER = "us"
    REPLY = "the client, who is to take a reply"


class _UnheardCycle(RequestResponseCycle):
    """A request that h11 has not heard of: it must, where the answer is no short one."""

    hear: Callable[[], None]

    async def send(self, message: Any) -> None:
        """As uvicorn's."""
        self.hear()
        await super().send(message)


class HttpConnection(H11Protocol):
    """What uvicorn makes of a connection; the requests of ``connection_of`` lead here.

    A request with a head that came before on the connection is begun without h11, and answered
    without it where the answer is good and short. Wherever there is more to it, h11 is given what
    was received, and all goes on as if it had been from the beginning.
    """

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
        self._heads = KnownHeads()
        # The request that is being answered, where h11 has not heard of it.
        self._unheard = b""

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        before = self.cycle
        rests = before is None or before.response_complete
        conn = self.conn
        is_new = (
            rests
            and conn.their_state is h11.IDLE
            and conn.our_state is h11.IDLE
            and not conn.trailing_data[0]
        )
        if is_new and (known := self._heads.find(data)) is not None:
            self._begin(data, *known)
            return
        self._hear()
        super().data_received(data)
        cycle = self.cycle
        if is_new and cycle is not before:
            self._heads.learn(data, cast(Scope, cycle.scope), bytes(cycle.body))

    def _begin(self, data: bytes, like: Scope, body: bytes) -> None:
        """Begin to answer a whole request, as uvicorn does."""
        self._unheard = data
        self.headers = [*like["headers"]]
        self.scope = {**like, "headers": self.headers, "state": self.app_state.copy()}  # type: ignore[typeddict-item]
        self.cycle = cycle = _UnheardCycle(
            scope=self.scope,
            conn=self.conn,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            on_response=self.on_response_complete,
        )
        cycle.hear = self._hear
        cycle.body += body
        cycle.more_body = False
        cycle.message_event.set()
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _hear(self) -> None:
        """Give h11 the request that is being answered."""
        data, self._unheard = self._unheard, b""
        # Not where the connection has ended meanwhile: nobody can be told anything.
        if data and self.conn.our_state is h11.IDLE:
            self.conn.receive_data(data)
            while not isinstance(self.conn.next_event(), h11.EndOfMessage):
                pass  # what it makes of it is known

    def has_whole_body(self, scope: Scope) -> bool:
        """Whether all of a request has arrived and nobody has taken it: ``receive`` gives it."""
        cycle = self.cycle
        return cycle.scope is scope and not (cycle.more_body or cycle.disconnected)

    def send_whole(
        self, scope: Scope, status: int, headers: Headers, further: Headers, body: bytes
    ) -> bool:
        """Send a short answer, head and body in one piece: each piece wakes its client up.

        ``further`` are headers that differ with each answer and are known to be good. As uvicorn
        sends two, which is left to it (False) where there is anything to be heeded. Raises
        h11.LocalProtocolError for an answer that is no good HTTP.
        """
        if len(body) > _SHORT_BYTES:
            return False
        if self._unheard:
            if self._send_unheard(scope, status, headers, further, body):
                return True
            self._hear()
        cycle = self.cycle
        if not self._expects_answer(scope):
            return False
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        sent = tuple(headers)
        if CLOSE_HEADER in scope["headers"] and CLOSE_HEADER not in sent:
            sent += (CLOSE_HEADER,)
        send = self.conn.send
        head = send(response(status, sent)).removesuffix(_NEW_LINE)
        lines = self._own_lines(further)
        data = send(h11.Data(data=body))
        end = send(h11.EndOfMessage())
        cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"".join((head, lines, _NEW_LINE, data, end)))
        self.sent_bytes += len(body)
        if self.conn.our_state is h11.MUST_CLOSE or not cycle.keep_alive:
            send(h11.ConnectionClosed())
            self.transport.close()
        cycle.on_response()
        return True

    def _send_unheard(
        self, scope: Scope, status: int, headers: Headers, further: Headers, body: bytes
    ) -> bool:
        """The same for a request that h11 has not heard of; False where it must."""
        cycle = self.cycle
        sent = tuple(headers)
        if (
            cycle.scope is not scope
            or status != HTTPStatus.OK
            or (b"content-length", b"%d" % len(body)) not in sent
            or any(name in _FRAMING for name, _ in sent)
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
        ):
            return False
        head = answer_head(sent)
        self._unheard = b""
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"".join((head, self._own_lines(further), _NEW_LINE, body)))
        self.sent_bytes += len(body)
        cycle.on_response()
        return True

    def _own_lines(self, further: Headers) -> bytes:
        own = [*self.server_state.default_headers, *further]
        return b"".join([b"%b: %b\r\n" % (name, value) for name, value in own])

    def _expects_answer(self, scope: Scope) -> bool:
        """Whether an answer with a body can be sent to a request at once."""
        cycle = self.cycle
        return (
            cycle.scope is scope
            and not (cycle.response_started or cycle.disconnected or self.flow.write_paused)
            and self.conn.our_state is h11.SEND_RESPONSE
            and scope["method"] != "HEAD"
        )

    def on_response_complete(self) -> None:
        """As uvicorn's, without a timer for each answer: ``Connections`` looks for silence."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.DONE:
            self.conn.start_next_cycle()
            self.handle_events()

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
