"""Bodies of requests are bounded in size and time, however they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.wire.serving import exchange, serving
from virtcim.daemon.asgi import Message, Receive, Scope, Send
from virtcim.daemon.bodies import bounded_bodies
from virtcim.daemon.message_memory import MessageMemory

_MOST = 1000
_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


class _Reader:
    """An application that reads all of a body, and answers how much that was."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.read: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": f"{scope['type']} seen"})
            return
        status, size = (401, 0) if self.refuses else (200, await self._size(receive))
        self.read.append(size)
        text = str(size).encode()
        length = (b"content-length", str(len(text)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length]})
        await send({"type": "http.response.body", "body": text})

    @staticmethod
    async def _size(receive: Receive) -> int:
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                return size


@pytest.fixture
def reader() -> _Reader:
    return _Reader()


@pytest.fixture
def port(reader: _Reader) -> Iterator[int]:
    with serving(bounded_bodies(reader, most_bytes=_MOST, timeout_s=600.0)) as port:
        yield port


def _sized(size: int) -> bytes:
    return b"%sContent-Length: %d\r\n\r\n%s" % (_HEAD, size, b"x" * size)


def _chunked(size: int, each: int) -> bytes:
    pieces = [min(each, size - start) for start in range(0, size, each)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (one, b"x" * one) for one in pieces)
    return b"%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (_HEAD, chunks)


@pytest.mark.parametrize(
    "request_bytes",
    [_sized(_MOST), _chunked(_MOST, _MOST), _chunked(_MOST, 7), _chunked(_MOST, 1)],
    ids=["sized", "one chunk", "chunks", "byte by byte"],
)
def test_a_body_of_just_the_size_is_read_however_it_arrives(
    port: int, reader: _Reader, request_bytes: bytes
) -> None:
    assert exchange(port, request_bytes).endswith(b"\r\n1000")
    assert reader.read == [_MOST]


@pytest.mark.parametrize(
    "request_bytes",
    [_sized(_MOST + 1), _chunked(_MOST + 1, 2000), _chunked(_MOST + 1, 7), _chunked(_MOST + 1, 1)],
    ids=["sized", "one chunk", "chunks", "byte by byte"],
)
def test_one_byte_more_is_refused_however_it_arrives(
    port: int, reader: _Reader, request_bytes: bytes
) -> None:
    received = exchange(port, request_bytes)
    assert b" 413 " in received.splitlines()[0]
    assert b"connection: close" in received.lower()
    assert received.endswith(b"\r\n\r\na message has at most 1000 bytes\n")
    assert not reader.read


@pytest.mark.parametrize("length", [10**12, 10**19])
def test_a_size_that_is_declared_is_refused_before_it_is_sent(port: int, length: int) -> None:
    received = exchange(port, b"%sContent-Length: %d\r\n\r\n" % (_HEAD, length))
    assert b" 413 " in received.splitlines()[0]


def test_a_body_that_never_ends_is_given_up(reader: _Reader) -> None:
    with serving(bounded_bodies(reader, most_bytes=_MOST, timeout_s=0.2)) as port:
        received = exchange(port, _HEAD + b"Content-Length: 100\r\n\r\n<half")
    assert b" 408 " in received.splitlines()[0]
    assert received.endswith(b"\r\n\r\nthe message did not arrive in time\n")
    assert not reader.read


def test_the_application_decides_first_about_what_it_does_not_read() -> None:
    reader = _Reader(refuses=True)
    with serving(bounded_bodies(reader, most_bytes=_MOST, timeout_s=600.0)) as port:
        assert b" 401 " in exchange(port, _sized(2 * _MOST)).splitlines()[0]


def test_whoever_waits_for_the_client_to_leave_waits_without_a_limit() -> None:
    """The time is that of the body; what comes after it is passed on as it is."""

    async def run() -> list[Message]:
        arriving: asyncio.Queue[Message] = asyncio.Queue()
        arriving.put_nowait({"type": "http.request", "body": b"x", "more_body": False})
        seen: list[Message] = []

        async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
            seen.append(await receive())
            # Longer than the body may take, by the loop's own clock.
            asyncio.get_running_loop().call_later(
                0.1, arriving.put_nowait, {"type": "http.disconnect"}
            )
            seen.append(await receive())

        async def send(message: Message) -> None:
            raise AssertionError(f"nothing is to be sent: {message}")

        bounded = bounded_bodies(app, most_bytes=_MOST, timeout_s=0.05)
        await bounded({"type": "http", "headers": []}, arriving.get, send)
        return seen

    seen = asyncio.run(run())
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]


def test_what_is_no_request_is_passed_on(reader: _Reader) -> None:
    sent: list[Message] = []

    async def nothing() -> Message:
        raise AssertionError("nothing is to be received")

    async def send(message: Message) -> None:
        sent.append(message)

    bounded = bounded_bodies(reader, most_bytes=_MOST, timeout_s=1.0)
    asyncio.run(bounded({"type": "lifespan"}, nothing, send))
    assert sent == [{"type": "lifespan seen"}]


def test_nothing_is_begun_for_an_address_whose_replies_take_all_it_may_have() -> None:
    """An address has room again when its replies were taken."""

    async def test() -> None:
        memory = MessageMemory(1_000_000)
        sending, go_on = asyncio.Event(), asyncio.Event()
        sent: list[tuple[str, int]] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x" * 600_000})

        bounded = bounded_bodies(app, most_bytes=_MOST, timeout_s=0.01, memory=memory)

        async def ask(peer: str, *, is_slow: bool = False) -> None:
            async def send(message: Message) -> None:
                if "status" in message:
                    sent.append((peer, message["status"]))
                elif is_slow:
                    sending.set()
                    await go_on.wait()

            async def receive() -> Message:
                raise AssertionError("there is no body")

            await bounded({"type": "http", "client": (peer, 1), "headers": []}, receive, send)

        slow = asyncio.ensure_future(ask("192.0.2.1", is_slow=True))
        await sending.wait()
        assert memory.held_bytes == 600_000
        await ask("192.0.2.1")
        await ask("192.0.2.2")
        go_on.set()
        await slow
        await ask("192.0.2.1")
        assert [status for peer, status in sent if peer == "192.0.2.1"] == [200, 503, 200]
        assert ("192.0.2.2", 200) in sent
        assert memory.held_bytes == 0

    asyncio.run(test())
