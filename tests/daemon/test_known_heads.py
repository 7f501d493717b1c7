"""Requests with a head that came before on the connection, which h11 does not read again."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.daemon.exchanged import HEADERS, POST, Transport, answers, exchanged
from virtcim.daemon.asgi import ASGIApp, Receive, Scope, Send
from virtcim.daemon.bodies import read_body
from virtcim.daemon.exchanges import guarded
from virtcim.daemon.http_connection import Doing, HttpConnection
from virtcim.daemon.known_heads import KnownHeads

_TIMES = 4
_NUMBER = re.compile(rb"x-request-id: [^\r]*")
_ONE = POST + b"Content-Length: 5\r\n\r\nabcde"


class _Seen:
    """An application that keeps what it is given, and answers with the body that it got."""

    def __init__(
        self, *pieces: int, status: int = 200, headers: Any = (), tells_length: bool = True
    ) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self._pieces = pieces
        self._status = status
        self._headers = headers
        self._tells_length = tells_length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, most_bytes=100_000, timeout_s=600.0)
        self.bodies.append(body)
        self.scopes.append({name: value for name, value in scope.items() if name != "state"})
        headers = [*self._headers]
        if self._tells_length:
            headers.append((b"content-length", b"%d" % len(body)))
        if body == b"close":
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        for size in self._pieces:
            await send({"type": "http.response.body", "body": body[:size], "more_body": True})
            body = body[size:]
        await send({"type": "http.response.body", "body": body})


def _without_numbers(transport: Transport) -> bytes:
    return _NUMBER.sub(b"", b"".join(transport.pieces))


@pytest.mark.parametrize(
    "request_bytes",
    [
        _ONE,
        POST + b"Content-Length: 0\r\n\r\n",
        b"POST /a%20b?c=d HTTP/1.1\r\nhost: h\r\nContent-length: 1\r\nX-A:  b \r\n\r\na",
        POST + b"Connection: keep-alive\r\nContent-Length: 5\r\n\r\nabcde",
        POST + b"Content-Length: 5, 5\r\n\r\nabcde",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        POST + b"X-A: %b\r\nContent-Length: 5\r\n\r\nabcde" % (b"a" * 5000),
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        POST.replace(b"\r\n", b"\n") + b"Content-Length: 9\n\nab\r\n\r\ncde",
        POST + b"Content-Length: 70000\r\n\r\n" + b"a" * 70000,
    ],
)
@pytest.mark.parametrize(
    "app",
    [
        {},
        {"pieces": (2, 1)},
        {"status": 500},
        {"headers": [(b"content-language", b"en")]},
        {"tells_length": False},
    ],
    ids=str,
)
def test_a_request_that_comes_again_is_answered_as_the_first_one(
    request_bytes: bytes, app: dict[str, Any]
) -> None:
    pieces = app.get("pieces", ())
    options = {name: value for name, value in app.items() if name != "pieces"}
    seen, alone = _Seen(*pieces, **options), _Seen(*pieces, **options)
    together = exchanged(seen, *[request_bytes] * _TIMES)
    first = exchanged(alone, request_bytes)
    assert _without_numbers(together) == _without_numbers(first) * _TIMES
    assert seen.bodies == alone.bodies * _TIMES
    assert seen.scopes == alone.scopes * _TIMES
    assert together.has_closed is first.has_closed is False


@pytest.mark.parametrize(
    "last", [_ONE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), _ONE[:-5] + b"close"]
)
def test_a_connection_ends_when_either_side_says_so_after_others_were_answered(
    last: bytes,
) -> None:
    assert exchanged(_Seen(), last).has_closed
    transport = exchanged(_Seen(), _ONE, _ONE, _ONE, last)
    assert transport.has_closed
    assert len(transport.pieces) == 4
    assert b"\r\nconnection: close\r\n" in transport.pieces[-1].lower()


def test_what_a_request_says_is_never_taken_from_another_one() -> None:
    seen = _Seen()
    bodies = [b"abcde", b"fghij", b"klmno", b"p\r\n\r\n"]
    exchanged(seen, *[POST + b"Content-Length: 5\r\n\r\n" + body for body in bodies])
    assert seen.bodies == bodies


@pytest.mark.parametrize("place", range(1, len(_ONE)))
def test_a_known_head_may_come_in_pieces_and_with_others(place: int) -> None:
    seen = _Seen()
    received = [_ONE, _ONE, _ONE[:place], _ONE[place:], _ONE, _ONE + _ONE[:place], _ONE[place:]]
    transport = exchanged(seen, *received)
    assert seen.bodies == [b"abcde"] * 6
    assert _without_numbers(transport).count(b"HTTP/1.1 200 OK\r\n") == 6


def test_a_head_that_ends_otherwise_hides_no_request_in_its_body() -> None:
    hidden = b"POST /hidden HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    head = POST.replace(b"\r\n", b"\n") + b"Content-Length: %d\n\n" % len(hidden)
    seen = _Seen()
    exchanged(seen, *[head + hidden] * _TIMES, head + hidden + hidden)
    assert [scope["path"] for scope in seen.scopes] == ["/"] * (_TIMES + 1) + ["/hidden"]


def test_no_more_than_a_few_heads_are_known() -> None:
    received = [POST + b"X-A: %d\r\nContent-Length: 1\r\n\r\na" % n for n in range(100)]
    transport = exchanged(answers(), *received, *received)
    assert len(transport.pieces) == 200
    assert len(transport.connection._heads._known) <= 8


def test_what_follows_half_a_head_belongs_to_it() -> None:
    seen = _Seen()
    exchanged(seen, *[_ONE] * _TIMES, b"POST /x HTTP/1.1\r\nX-A: ", _ONE)
    assert [scope["path"] for scope in seen.scopes] == ["/"] * _TIMES + ["/x"]


@pytest.mark.parametrize(
    ("is_known", "head"),
    [
        (True, POST + b"Content-Length: 0\r\n\r\n"),
        (True, POST + b"Connection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"),
        (False, POST + b"Connection: close\r\nContent-Length: 0\r\n\r\n"),
        (False, POST + b"Connection: keep-alive, te\r\nContent-Length: 0\r\n\r\n"),
        (False, POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (False, POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
        (False, POST + b"Content-Length: 0\r\nExpect: 100-continue\r\n\r\n"),
        (False, POST + b"Content-Length: 0\r\nUpgrade: websocket\r\n\r\n"),
        (False, POST + b"\r\n"),
        (False, POST.replace(b"POST", b"M-POST") + b"Content-Length: 0\r\n\r\n"),
        (False, POST.replace(b"1.1", b"1.0") + b"Content-Length: 0\r\n\r\n"),
        (False, POST + b"X-A: %b\r\nContent-Length: 0\r\n\r\n" % (b"a" * 2048)),
    ],
)
def test_only_plain_heads_are_known_when_they_came_twice(head: bytes, *, is_known: bool) -> None:
    line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, _, version = line.decode().split()
    headers = [(name.lower(), value) for name, _, value in (one.partition(b": ") for one in lines)]
    scope = {"method": method, "http_version": version.partition("/")[2], "headers": headers}
    heads = KnownHeads()
    assert heads.find(head) is None
    heads.learn(head, scope, b"")
    assert heads.find(head) is None
    heads.learn(head, scope, b"")
    assert heads.find(head) == ((scope, b"") if is_known else None)


class _Waiting:
    """An application whose answers come when they are let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.begun: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(await read_body(scope, receive, most_bytes=100, timeout_s=600.0))
        await self.let_go.wait()
        await answers()(scope, receive, send)


async def _known(app: ASGIApp) -> tuple[HttpConnection, Transport, ServerState]:
    """A connection on which the head of ``_ONE`` is known."""
    config = uvicorn.Config(guarded(app), lifespan="off", log_config=None, access_log=False)
    config.load()
    state = ServerState()
    connection, transport = HttpConnection(config, state, {}), Transport()
    connection.connection_made(transport)
    for _ in range(_TIMES):
        connection.data_received(_ONE)
        await asyncio.wait(tuple(state.tasks))
    return connection, transport, state


def test_what_comes_while_a_known_request_is_answered_waits_for_its_turn() -> None:
    async def run() -> None:
        app = _Waiting()
        app.let_go.set()
        connection, transport, state = await _known(app)
        app.let_go.clear()
        connection.data_received(_ONE)
        await asyncio.sleep(0)
        connection.data_received(_ONE[:-5] + b"other")
        connection.data_received(_ONE)
        await asyncio.sleep(0)
        assert app.begun == [b"abcde"] * (_TIMES + 1)
        app.let_go.set()
        while state.tasks:
            await asyncio.wait(tuple(state.tasks))
        assert app.begun == [b"abcde"] * (_TIMES + 1) + [b"other", b"abcde"]
        assert b"".join(transport.pieces).count(b"HTTP/1.1 200 OK") == _TIMES + 3

    asyncio.run(run())


def test_a_connection_is_not_silent_while_a_known_request_is_answered() -> None:
    async def run() -> None:
        app = _Waiting()
        app.let_go.set()
        connection, _, state = await _known(app)
        doing, before = connection.doing()
        assert doing is Doing.SILENT
        app.let_go.clear()
        connection.data_received(_ONE)
        assert connection.doing()[0] is Doing.ANSWER
        app.let_go.set()
        await asyncio.wait(tuple(state.tasks))
        doing, after = connection.doing()
        assert doing is Doing.SILENT
        assert after is not before, "the silence counts from this answer on"

    asyncio.run(run())


def test_a_server_that_stops_answers_a_known_request_and_ends_its_connection() -> None:
    async def run() -> None:
        app = _Waiting()
        app.let_go.set()
        connection, transport, state = await _known(app)
        app.let_go.clear()
        connection.data_received(_ONE)
        await asyncio.sleep(0)
        connection.shutdown()
        assert not transport.has_closed
        app.let_go.set()
        await asyncio.wait(tuple(state.tasks))
        assert b"".join(transport.pieces).count(b"HTTP/1.1 200 OK") == _TIMES + 1
        assert transport.has_closed

    asyncio.run(run())


def test_a_client_who_goes_away_during_a_known_request_disturbs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        app = _Waiting()
        app.let_go.set()
        connection, transport, state = await _known(app)
        app.let_go.clear()
        connection.data_received(_ONE)
        await asyncio.sleep(0)
        connection.connection_lost(None)
        app.let_go.set()
        [task] = state.tasks
        await task
        assert b"".join(transport.pieces).count(b"HTTP/1.1 200 OK") == _TIMES
        assert connection.has_ended

    asyncio.run(run())
    assert not caplog.records


def test_an_application_that_fails_is_an_error_of_the_server_for_a_known_request_too() -> None:
    async def fails(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        raise ValueError("odd")

    transport = exchanged(fails, _ONE, _ONE, _ONE)
    assert b"500 Internal Server Error" in transport.pieces[0]
