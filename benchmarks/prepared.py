"""Requests that are written before they are measured, over sockets that cost little."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from raw_clients import RequestError

__all__ = ["PreparedConnection", "exchange_all", "prepared"]

_TIMEOUT_S = 300.0
_RECEIVED_BYTES = 256 * 1024
_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


def prepared(body: bytes, number: int) -> bytes:
    """A whole POST of a CIM message; ``number`` tells a program that has replies which one.

    It is the message's ID, as clients number messages, and have the same head for those of a kind.
    """
    body = body.replace(b'<MESSAGE ID="1"', b'<MESSAGE ID="%06d"' % number, 1)
    head = (
        "POST /cimom HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\n"
        f"Content-Length: {len(body)}\r\nContent-Type: application/xml; charset=utf-8\r\n"
        "CIMOperation: MethodCall\r\n\r\n"
    )
    return head.encode("ascii") + body


class PreparedConnection:
    """One kept-alive connection to ``http://HOST:PORT``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), _TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """The number of its socket, for a selector."""
        return self._socket.fileno()

    def send(self, request: bytes) -> None:
        """Send one request."""
        self._socket.sendall(request)

    def receive(self) -> bytes:
        """The body of the next reply. Raises RequestError where it is none of status 200."""
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more(received)
        head, body = bytes(received[:end]), received[end + 4 :]
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RequestError(f"the reply begins with {head[:200]!r}")
        found = _LENGTH.search(head)
        if found is None:
            while not body.endswith(b"\r\n0\r\n\r\n"):
                body += self._more(body)
            return bytes(body)
        pieces: list[bytes | bytearray] = [body]
        missing = int(found[1]) - len(body)
        while missing > 0:
            pieces.append(self._more(body))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def _more(self, received: bytearray) -> bytes:
        data = self._socket.recv(_RECEIVED_BYTES)
        if not data:
            raise RequestError(f"the connection ended after {bytes(received[-200:])!r}")
        return data


def exchange_all(connections: Sequence[PreparedConnection], requests: Sequence[bytes]) -> None:
    """Send one request on each connection before the first reply is taken."""
    for connection, request in zip(connections, requests, strict=True):
        connection.send(request)
    for connection in connections:
        connection.receive()
