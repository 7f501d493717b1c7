"""How answers leave: in one piece where they are short, and as HTTP demands in any case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.daemon.exchanged import HEADERS, POST, SHORT, answers, exchanged
from virtcim.daemon.asgi import ASGIApp, Receive, Scope, Send
from virtcim.daemon.bodies import BodyRefused, read_body, refuse


def test_a_short_answer_leaves_in_one_piece() -> None:
    [piece] = exchanged(answers(), POST + b"Content-Length: 0\r\n\r\n").pieces
    head, _, body = piece.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"good"
    assert b"\r\nx-request-id: " in head


def test_requests_that_came_together_are_answered_one_after_the_other() -> None:
    request = POST + b"Content-Length: 0\r\n\r\n"
    transport = exchanged(answers(), request + request)
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
    transport = exchanged(answers(), request_head)
    assert transport.has_closed is closes
    assert (b"connection: close" in transport.pieces[0].lower()) is closes


def test_the_answer_to_head_has_no_body() -> None:
    transport = exchanged(answers(), b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"".join(transport.pieces).endswith(b"\r\n\r\n")


def test_an_answer_that_comes_in_pieces_is_passed_on_in_pieces() -> None:
    further = {"type": "http.response.body", "body": b"go", "more_body": True}
    last = {"type": "http.response.body", "body": b"od"}
    request = POST + b"Content-Length: 0\r\n\r\n"
    transport = exchanged(answers(further, last), request)
    assert len(transport.pieces) > 1
    assert b"".join(transport.pieces).endswith(b"\r\n\r\ngood")


def test_no_header_of_an_answer_can_begin_a_line_of_its_own() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [*HEADERS, (b"content-language", b"en\r\nset-cookie: a=b")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(SHORT)

    transport = exchanged(app, POST + b"Content-Length: 0\r\n\r\n")
    assert b"set-cookie" not in b"".join(transport.pieces)


def _reading(most_bytes: int, seen: Callable[[bytes], Awaitable[None]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive, most_bytes=most_bytes, timeout_s=600.0)
        except BodyRefused as refusal:
            await refuse(send, refusal)
            return
        await seen(body)
        await answers()(scope, receive, send)

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

    request = POST + framed
    received = [request[place : place + 1] for place in range(len(request))] if apart else [request]
    transport = exchanged(_reading(most_bytes, seen), *received)
    assert transport.pieces[0].split()[1] == status
    assert bodies == ([b"abcde"] if status == b"200" else [])
