"""How answers leave: in one piece where they are short, and as HTTP demands in any case."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from virtcim.daemon.asgi import ASGIApp, Receive, Scope, Send
from virtcim.daemon.bodies import BodyRefused, read_body, refuse
from virtcim.daemon.exchanges import guarded
from virtcim.daemon.http_connection import HttpConnection

_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
_HEADERS = [(b"content-length", b"4")]
_SHORT = {"type": "http.response.body", "body": b"good"}


class _Transport(asyncio.Transport):
    """Keeps what is written, one element for each piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.has_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data:
            self.pieces.append(bytes(data))

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return {"sockname": ("127.0.0.1", 5988), "peername": ("127.0.0.1", 1)}.get(name, default)

    def pause_reading(self) -> None:
        """Nothing comes that was not given already."""

    def resume_reading(self) -> None:
        """As above."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.has_closed

    def close(self) -> None:
        self.has_closed = True


def _answers(*messages: dict[str, Any]) -> ASGIApp:
    """An application that reads nothing and answers so."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        for one in messages or (_SHORT,):
            await send(one)

    return app


def _exchanged(app: ASGIApp, *received: bytes) -> _Transport:
    """What an application sends over one connection that receives this."""

    async def run() -> _Transport:
        config = uvicorn.Config(guarded(app), lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        connection, transport = HttpConnection(config, state, {}), _Transport()
        connection.connection_made(transport)
        for one in received:
            connection.data_received(one)
            await asyncio.sleep(0)
        while state.tasks:
            await asyncio.wait(tuple(state.tasks))
        return transport

    return asyncio.run(run())


def test_a_short_answer_leaves_in_one_piece() -> None:
    [piece] = _exchanged(_answers(), _POST + b"Content-Length: 0\r\n\r\n").pieces
    head, _, body = piece.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"good"
    assert b"\r\nx-request-id: " in head


def test_requests_that_came_together_are_answered_one_after_the_other() -> None:
    request = _POST + b"Content-Length: 0\r\n\r\n"
    transport = _exchanged(_answers(), request + request)
    assert [piece.partition(b"\r\n\r\n")[2] for piece in transport.pieces] == [b"good", b"good"]


@pytest.mark.parametrize(
    ("request_head", "closes"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", False),
    ],
)
def test_the_connection_is_closed_after_a_short_answer_where_http_says_so(
    request_head: bytes, *, closes: bool
) -> None:
    transport = _exchanged(_answers(), request_head)
    assert transport.has_closed is closes
    assert (b"connection: close" in transport.pieces[0].lower()) is closes


def test_the_answer_to_head_has_no_body() -> None:
    transport = _exchanged(_answers(), b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"".join(transport.pieces).endswith(b"\r\n\r\n")


def test_an_answer_that_comes_in_pieces_is_passed_on_in_pieces() -> None:
    further = {"type": "http.response.body", "body": b"go", "more_body": True}
    last = {"type": "http.response.body", "body": b"od"}
    request = _POST + b"Content-Length: 0\r\n\r\n"
    transport = _exchanged(_answers(further, last), request)
    assert len(transport.pieces) > 1
    assert b"".join(transport.pieces).endswith(b"\r\n\r\ngood")


def test_no_header_of_an_answer_can_begin_a_line_of_its_own() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [*_HEADERS, (b"content-language", b"en\r\nset-cookie: a=b")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(_SHORT)

    transport = _exchanged(app, _POST + b"Content-Length: 0\r\n\r\n")
    assert b"set-cookie" not in b"".join(transport.pieces)


def _reading(most_bytes: int, seen: Callable[[bytes], Awaitable[None]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive, most_bytes=most_bytes, timeout_s=600.0)
        except BodyRefused as refusal:
            await refuse(send, refusal)
            return
        await seen(body)
        await _answers()(scope, receive, send)

    return app


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "framed",
    [
        b"Content-Length: 5\r\n\r\nabcde",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize(("most_bytes", "status"), [(5, b"200"), (4, b"413")])
def test_a_body_that_is_too_long_is_refused_however_it_arrives(
    framed: bytes, most_bytes: int, status: bytes, *, apart: bool
) -> None:
    bodies = []

    async def seen(body: bytes) -> None:
        bodies.append(body)

    request = _POST + framed
    received = [request[place : place + 1] for place in range(len(request))] if apart else [request]
    transport = _exchanged(_reading(most_bytes, seen), *received)
    assert transport.pieces[0].split()[1] == status
    assert bodies == ([b"abcde"] if status == b"200" else [])
