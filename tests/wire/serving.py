"""Real servers for tests: an ASGI application under uvicorn, and sockets that misbehave on cue."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from virtcim.wire.application import ASGIApp

DEADLINE_S = 60.0


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def tcp_listener(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A bound socket; asyncio switches Nagle's algorithm off only where TCP is named."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


@contextlib.contextmanager
def serving(app: ASGIApp, sock: socket.socket | None = None, **options: object) -> Iterator[int]:
    """Serve ``app`` on a loopback port (or on ``sock``) and give the port."""
    own = sock or tcp_listener()
    port = own.getsockname()[1] if own.family == socket.AF_INET else 0
    config = uvicorn.Config(
        app,
        lifespan="off",
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        **options,
    )
    server = _Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[own])))
    thread.start()
    try:
        assert server.accepting.wait(DEADLINE_S)
        yield port
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        own.close()
        assert not thread.is_alive()


@contextlib.contextmanager
def scripted(*connections: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept one connection after the other, and treat each as its function says.

    The block fails at its end for every connection that was not expected, for everything that came
    over one after its function was done, and for every connection that was not made.
    """
    surprises: list[bytes] = []
    expected = list(connections)
    listener = socket.create_server(("127.0.0.1", 0))
    # Made at the end of the block, so that all that came before it has been accepted before.
    last = socket.socket()
    last.bind(("127.0.0.1", 0))
    last_address = last.getsockname()

    def run() -> None:
        while True:
            conn, address = listener.accept()
            with conn, contextlib.suppress(ConnectionError, BlockingIOError):
                if address == last_address:
                    return
                conn.settimeout(DEADLINE_S)
                if expected:
                    expected.pop(0)(conn)
                    conn.setblocking(False)
                    if left := conn.recv(65536):
                        surprises.append(left)
                else:
                    surprises.append(b"a connection")
                    surprises.append(conn.recv(65536))

    with ThreadPoolExecutor(1) as executor, listener, last:
        running = executor.submit(run)
        try:
            yield listener.getsockname()[1]
        finally:
            last.connect(listener.getsockname())
        running.result(DEADLINE_S)
    assert not surprises, f"not expected: {surprises}"
    assert not expected, f"{len(expected)} expected connections were not made"


def read_request(conn: socket.socket) -> bytes:
    """Read one HTTP request and give its body."""
    return read_message(conn)[1]


def read_message(conn: socket.socket) -> tuple[bytes, bytes]:
    """Read one HTTP request and give its head, in lower case, and its body."""
    data = _read(conn)
    while b"\r\n\r\n" not in data:
        data += _read(conn)
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower()
    lines = head.split(b"\r\n")
    length = int(next(line for line in lines if line.startswith(b"content-length")).split(b":")[1])
    while len(body) < length:
        body += _read(conn)
    return head, body


def _read(conn: socket.socket) -> bytes:
    data = conn.recv(65536)
    if not data:
        raise ConnectionError("closed in the middle of a request")
    return data


def http_answer(body: bytes, *, status: str = "200 OK", kind: str = "text/xml") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answer(body: bytes, **options: str) -> Callable[[socket.socket], None]:
    """Read a request, answer with ``body``, close."""

    def treat(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(http_answer(body, **options))

    return treat


def exchange(port: int, request: bytes) -> bytes:
    """Send raw bytes and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as conn:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            conn.sendall(request)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := conn.recv(65536):
                received += chunk
        return received
