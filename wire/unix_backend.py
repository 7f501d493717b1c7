"""httpcore's network back end with Unix sockets that never leak.

httpcore 1.0 leaves a socket that could not connect to the garbage collector; a daemon that waits
for its hypervisor to come back would collect them.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable
from typing import Any

import httpcore

__all__ = ["NetworkBackend"]


class NetworkBackend(httpcore.SyncBackend):
    """Connects over TCP as httpcore does, and over Unix sockets with ``_UnixStream``."""

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect. Raises httpcore.ConnectError and httpcore.ConnectTimeout."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            for option in socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            sock.connect(path)
        except TimeoutError as exc:
            sock.close()
            raise httpcore.ConnectTimeout(exc) from exc
        except OSError as exc:
            sock.close()
            raise httpcore.ConnectError(exc) from exc
        return _UnixStream(sock)


class _UnixStream(httpcore.NetworkStream):
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read. Raises httpcore.ReadError and httpcore.ReadTimeout."""
        try:
            self._sock.settimeout(timeout)
            return self._sock.recv(max_bytes)
        except TimeoutError as exc:
            raise httpcore.ReadTimeout(exc) from exc
        except OSError as exc:
            raise httpcore.ReadError(exc) from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write. Raises httpcore.WriteError and httpcore.WriteTimeout."""
        try:
            self._sock.settimeout(timeout)
            self._sock.sendall(buffer)
        except TimeoutError as exc:
            raise httpcore.WriteTimeout(exc) from exc
        except OSError as exc:
            raise httpcore.WriteError(exc) from exc

    def close(self) -> None:
        """Close."""
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """Tell what httpcore asks for; ``is_readable`` of an idle connection means: closed."""
        if info == "socket":
            return self._sock
        if info == "is_readable":
            return self._is_readable()
        return None

    def _is_readable(self) -> bool:
        if self._sock.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))
