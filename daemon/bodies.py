"""Bodies of requests that come in time and are not too long, whatever application reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from virtcim.daemon.asgi import ASGIApp, Message, Receive, Scope, Send
from virtcim.daemon.clients import client_of
from virtcim.daemon.http_connection import connection_of
from virtcim.daemon.message_memory import Held, MessageMemory
from virtcim.daemon.requester import peer_of

__all__ = ["BodyRefused", "ClientGone", "bounded_bodies", "read_body", "refuse"]

_Result = TypeVar("_Result")

# Longer numbers are larger than any limit, and take long to read.
_DIGITS = 20
_BUSY = 503
# Less than that goes to the connection at once, and is counted there.
_COUNTED_BYTES = 64 * 1024
# What an application makes of a message takes more than its bytes.
_PARSED_FACTOR = 8
_LATE = 408, "the message did not arrive in time"
_NO_ROOM = _BUSY, "the server holds all the messages that it can; try again later"


class BodyRefused(Exception):  # noqa: N818 - an answer rather than an error of ours
    """A body is too long or too late: raised to the application that reads it, which lets it pass.

    ``status`` is that of HTTP, ``text`` one line for people.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


class ClientGone(Exception):  # noqa: N818 - nobody is left to be told of an error
    """The client went away before its request was complete."""


async def read_body(
    scope: Scope, receive: Receive, *, most_bytes: int, timeout_s: float, held: Held | None = None
) -> bytes:
    """The whole body of a request. Raises BodyRefused and ClientGone.

    One that comes in pieces is ``held`` meanwhile, and afterwards; it is read as there is room.
    """
    connection = connection_of(scope)
    if connection is not None and connection.has_whole_body(scope):
        # As nearly always: nothing is waited for, and nothing has to be held.
        message = await receive()
        if len(whole := _body_of(message)) > most_bytes:
            raise _too_long(most_bytes)
        return whole
    body = _Body(scope, receive, most_bytes, timeout_s, held)
    pieces: list[bytes] = []
    while True:
        message = await body.receive()
        pieces.append(_body_of(message))
        if not message.get("more_body"):
            return b"".join(pieces)


def _body_of(message: Message) -> bytes:
    """What arrives with a message. Raises ClientGone."""
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    return body


def bounded_bodies(
    app: ASGIApp, *, most_bytes: int, timeout_s: float, memory: MessageMemory | None = None
) -> ASGIApp:
    """Wrap an ASGI application: requests whose bodies are longer or slower are refused.

    What they and the replies take of ``memory`` counts as that of their address, and nothing is
    begun for an address without room.

    Nothing is looked at before the application begins to read, so that it decides first about
    paths, methods and users. The time begins to run then.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if memory is None:
            await bounded(scope, receive, send, None)
            return
        held = Held(memory, client_of("", peer_of(scope)))
        try:
            if not memory.has_room(held.client):
                async with asyncio.timeout(timeout_s):
                    await memory.room(held)
            await bounded(scope, receive, _held_replies(send, held), held)
            connection = connection_of(scope)
            if connection is not None and not connection.has_ended and connection.unsent_bytes:
                await held.until_taken(connection)
        except TimeoutError:
            await refuse(send, BodyRefused(*_NO_ROOM))
        finally:
            held.hold(0)

    async def bounded(scope: Scope, receive: Receive, send: Send, held: Held | None) -> None:
        body = _Body(scope, receive, most_bytes, timeout_s, held, _PARSED_FACTOR)
        try:
            await app(scope, body.receive, send)
        except BodyRefused as refusal:
            await refuse(send, refusal)

    return serve


def _held_replies(send: Send, held: Held) -> Send:
    """Hold long replies, and no longer the request."""

    async def send_held(message: Message) -> None:
        size = len(message.get("body", b""))
        if held.bytes or size > _COUNTED_BYTES:
            held.hold(size)
        await send(message)

    return send_held


class _Body:
    """What arrives of one request."""

    __slots__ = (
        "_complete",
        "_held",
        "_held_factor",
        "_is_late",
        "_most_bytes",
        "_receive",
        "_scope",
        "_size",
        "_timeout_s",
        "_until_s",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        most_bytes: int,
        timeout_s: float,
        held: Held | None = None,
        held_factor: int = 1,
    ) -> None:
        self._held_factor = held_factor
        self._scope = scope
        self._held = held
        self._receive = receive
        self._most_bytes = most_bytes
        self._timeout_s = timeout_s
        self._until_s = 0.0
        self._size = 0
        self._complete = False
        self._is_late = False

    async def receive(self) -> Message:
        """Give the next message of the request. Raises BodyRefused."""
        if self._complete:
            return await self._receive()
        loop = asyncio.get_running_loop()
        if not self._until_s:
            self._until_s = loop.time() + self._timeout_s
            self._check_declared_size()
        if self._size and self._held is not None:
            await self._in_time(loop, self._held.room(), *_NO_ROOM)
        message: Message = await self._in_time(loop, self._receive(), *_LATE)
        size, before = len(message.get("body", b"")), self._size
        self._size += size
        if self._size > self._most_bytes:
            raise _too_long(self._most_bytes)
        self._complete = not message.get("more_body")
        if self._held is not None and (before or not self._complete):
            self._held.hold_further(self._held_factor * size)
        return message

    async def _in_time(
        self, loop: asyncio.AbstractEventLoop, coming: Awaitable[_Result], status: int, text: str
    ) -> _Result:
        """As asyncio.timeout_at, which costs five times more: every request comes this way."""
        task = asyncio.current_task()
        assert task is not None
        cancelled_before = task.cancelling()
        timer = loop.call_at(self._until_s, self._give_up, task)
        try:
            return await coming
        except asyncio.CancelledError as exc:
            # Whoever else cancels the task is not told that it was for the time.
            if self._is_late and task.uncancel() <= cancelled_before:
                raise BodyRefused(status, text) from exc
            raise
        finally:
            timer.cancel()

    def _give_up(self, task: asyncio.Task[object]) -> None:
        self._is_late = True
        task.cancel()

    def _check_declared_size(self) -> None:
        for name, value in self._scope["headers"]:
            if name == b"content-length":
                if value.isdigit() and int(value[:_DIGITS]) > self._most_bytes:
                    raise _too_long(self._most_bytes)
                return


def _too_long(most_bytes: int) -> BodyRefused:
    return BodyRefused(413, f"a message has at most {most_bytes} bytes")


async def refuse(send: Send, refusal: BodyRefused) -> None:
    """Answer a request whose body was refused."""
    text = f"{refusal.text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode("ascii")),
        # What is left of the message would be taken for the next one.
        (b"connection", b"close"),
    ]
    if refusal.status == _BUSY:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
