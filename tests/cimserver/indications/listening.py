"""Listeners on real sockets that do whatever a test wants of them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.cimserver.indications.exported import ACCEPTED, Exported

__all__ = ["DEADLINE_S", "RawListener", "answer", "listening"]

DEADLINE_S = 60.0

# What a listener does with one request: bytes are its answer, None closes the connection.
Behaviour = Callable[[socket.socket, bytes], bytes | None]


def answer(body: bytes = ACCEPTED, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def takes(_: socket.socket, __: bytes) -> bytes:
    return answer()


class RawListener:
    """Answers each request as ``behave`` says, in a thread for each connection."""

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._socket = sock
        self._tls = tls
        self._condition = threading.Condition()
        self._open: list[socket.socket] = []
        self.behave: Behaviour = takes
        self.heads: list[bytes] = []
        self.got: list[Exported] = []
        self.connections = 0

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/wbem"

    @property
    def texts(self) -> list[str]:
        with self._condition:
            return [one.text for one in self.got]

    def wait_for(self, many: int) -> list[str]:
        """The texts that came, when there are so many."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.got) >= many, DEADLINE_S), self.got
        return self.texts

    def wait_for_requests(self, many: int) -> None:
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.heads) >= many, DEADLINE_S)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._condition:
                self.connections += 1
                self._open.append(connection)
            threading.Thread(target=self._answer_all, args=(connection,), daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._condition:
            for connection in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _answer_all(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                while (request := _request(connection)) is not None:
                    if not self._answer(connection, *request):
                        return

    def _answer(self, connection: socket.socket, head: bytes, body: bytes) -> bool:
        with self._condition:
            self.heads.append(head)
            self._condition.notify_all()
        reply = self.behave(connection, body)
        if reply is None:
            return False
        if reply.endswith(ACCEPTED):
            with self._condition:
                self.got.append(Exported.of(body))
                self._condition.notify_all()
        connection.sendall(reply)
        return b"Connection: close" not in reply


def _request(connection: socket.socket) -> tuple[bytes, bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.splitlines()
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return None
        body += part
    return head, body


@contextmanager
def listening(*, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[RawListener]:
    """Listen until the block ends; at a port of before, where one is given."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen()
    listener = RawListener(sock, tls)
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.close()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
