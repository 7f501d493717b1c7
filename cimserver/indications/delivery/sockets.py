"""httpcore's network back end with one deadline for all of an attempt.

httpcore's own time-outs begin anew with each byte, and its requests go out in two packets.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from virtcim.cimserver.indications.networks import ForbiddenAddressError, ListenerNetworks

__all__ = ["Deadline", "NetworkBackend"]


class Deadline:
    """The end of so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def has_passed(self) -> bool:
        """Whether it is over."""
        return time.monotonic() >= self._end

    def left_s(self) -> float:
        """The seconds until then. Raises TimeoutError where there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class NetworkBackend(httpcore.NetworkBackend):
    """Makes one connection at a time, whose reads and writes keep to ``deadline``.

    It leads only to addresses in ``networks``.
    """

    def __init__(self, networks: ListenerNetworks) -> None:
        self._networks = networks
        self.deadline = Deadline(0.0)
        self.has_received = False
        self._socket: socket.socket | None = None
        self._is_aborted = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - asked for by httpcore
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Connect. Raises httpcore.ConnectError and httpcore.ConnectTimeout."""
        try:
            sock = self._connected(host, port, timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(exc) from exc
        except OSError as exc:
            raise httpcore.ConnectError(exc) from exc
        self.hold(sock)
        return _Stream(sock, self)

    def _connected(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """A connection to the first address of a host that may be used, and answers."""
        error: OSError | None = None
        for family, kind, protocol, _, place in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            sock = socket.socket(family, kind, protocol)
            try:
                self._networks.check(host, str(place[0]))
                # What was judged, and not the name, which may lead elsewhere the next time.
                left_s = self.deadline.left_s()
                sock.settimeout(left_s if timeout is None else min(timeout, left_s))
                sock.connect(place)
            except OSError as exc:
                sock.close()
                # That one was tried in vain says more.
                if error is None or isinstance(error, ForbiddenAddressError):
                    error = exc
                continue
            except BaseException:
                sock.close()
                raise
            return sock
        raise error or OSError(f"{host} has no address")

    def hold(self, sock: socket.socket) -> None:
        """Have this socket to abort and to close."""
        self._socket = sock
        if self._is_aborted:
            sock.close()

    def close(self) -> None:
        """Close what httpcore left open."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def abort(self) -> None:
        """Let what waits for the connection fail at once, and every further one."""
        self._is_aborted = True
        sock = self._socket
        if sock is not None:
            # Closing a descriptor does not wake a thread that reads from it; shutting down does.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Stream(httpcore.NetworkStream):
    def __init__(self, sock: socket.socket, backend: NetworkBackend) -> None:
        self._sock = sock
        self._backend = backend
        self._unsent: list[bytes] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Send what was written, and read. Raises httpcore.ReadError and httpcore.ReadTimeout."""
        try:
            if self._unsent:
                self._send()
            self._sock.settimeout(self._backend.deadline.left_s())
            # Listeners that write head and body apart wait 40 ms for our acknowledgement of the
            # head, which we would give with our next request.
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            received = self._sock.recv(max_bytes)
        except TimeoutError as exc:
            raise httpcore.ReadTimeout(exc) from exc
        except OSError as exc:
            raise httpcore.ReadError(exc) from exc
        self._backend.has_received |= bool(received)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Keep until the answer is read: head and body go out together."""
        self._unsent.append(buffer)

    def _send(self) -> None:
        content = b"".join(self._unsent)
        self._unsent.clear()
        self._sock.settimeout(self._backend.deadline.left_s())
        # Whoever closes early may have said why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._sock.sendall(content)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on in TLS. Raises httpcore.ConnectError and httpcore.ConnectTimeout."""
        try:
            left_s = self._backend.deadline.left_s()
            self._sock.settimeout(left_s if timeout is None else min(timeout, left_s))
            sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except TimeoutError as exc:
            self.close()
            raise httpcore.ConnectTimeout(exc) from exc
        except OSError as exc:
            self.close()
            raise httpcore.ConnectError(exc) from exc
        self._backend.hold(sock)
        return _Stream(sock, self._backend)

    def close(self) -> None:
        """Close."""
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """Tell what httpcore asks for; ``is_readable`` of an idle connection means: closed."""
        if info == "is_readable":
            if self._sock.fileno() < 0:
                return True
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            return bool(poll.poll(0))
        return None
