"""Where a daemon listens: ``unix:PATH``, ``http://HOST:PORT``, ``https://HOST:PORT``."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

__all__ = [
    "BoundListener",
    "Listen",
    "ListenError",
    "bind",
    "parse_listen",
    "parse_metrics_listen",
    "require_authentication",
]

_BACKLOG = 128
_CONNECT_PROBE_TIMEOUT_S = 2.0
_ACCEPTED = "unix:PATH, http://HOST:PORT or https://HOST:PORT"


class ListenError(Exception):
    """A daemon cannot listen as asked; the text is one sentence for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """One wanted listener; port 0 lets the system choose."""

    kind: Literal["unix", "http", "https"]
    host: str = ""
    port: int = 0
    path: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""  # what certificates of clients are verified by; empty: none are asked
    client_cert_required: bool = False
    client_crl_file: str = ""  # lists of those that are revoked; empty: none are

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it: a Unix socket or a loopback address."""
        if self.kind == "unix" or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.kind == "unix" else self.with_port(self.port)

    def with_port(self, port: int) -> str:
        """The URL with the real port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundListener:
    """A bound socket that accepts connections as soon as it is served."""

    listen: Listen
    sock: socket.socket
    url: str
    socket_id: tuple[int, int] | None = None  # device and inode of a Unix socket

    def close(self) -> None:
        """Close it, and remove the Unix socket if it is still ours."""
        self.sock.close()
        if self.socket_id is not None:
            with contextlib.suppress(FileNotFoundError):
                if _file_id(self.listen.path) == self.socket_id:
                    Path(self.listen.path).unlink()


def parse_listen(
    text: str,
    *,
    cert_file: str = "",
    key_file: str = "",
    client_ca_file: str = "",
    client_cert_required: bool = False,
    client_crl_file: str = "",
) -> Listen:
    """Parse a listener; ``https`` takes the certificates and the key. Raises ListenError."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")  # people also write unix:///PATH
        if not path:
            raise ListenError(f"{text!r} names no path; use unix:PATH")
        return Listen(kind="unix", path=str(Path(path).absolute()))
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ListenError(f"{text!r} is no listener: {exc}") from exc
    rest = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or rest:
        raise ListenError(f"{text!r} is no listener; use {_ACCEPTED}")
    if not host or port is None:
        raise ListenError(f"{text!r} must name a host and a port; use {_ACCEPTED}")
    if parts.scheme == "http":
        return Listen(kind="http", host=host, port=port)
    if not cert_file or not key_file:
        raise ListenError(f"{text!r} needs a certificate and a key")
    return Listen(
        kind="https",
        host=host,
        port=port,
        cert_file=cert_file,
        key_file=key_file,
        client_ca_file=client_ca_file,
        client_cert_required=client_cert_required,
        client_crl_file=client_crl_file,
    )


def parse_metrics_listen(text: str) -> Listen | None:
    """Parse where metrics are read without a login, None for nowhere; on this machine alone.

    Raises ListenError.
    """
    if not text:
        return None
    listen = parse_listen(text)
    if not listen.is_local:
        raise ListenError(
            f"{listen} can be reached from the network, and metrics are read there without a "
            "login; let others read /metrics of the daemon itself, as a user"
        )
    return listen


def require_authentication(listens: Iterable[Listen]) -> None:
    """Refuse listeners that others than this machine could reach without authentication.

    Raises ListenError: whoever reaches a listener without authentication commands the virtual
    machines.
    """
    for listen in listens:
        if not listen.is_local:
            raise ListenError(
                f"{listen} can be reached from the network and needs authentication; "
                "without it listen on a loopback address or a Unix socket"
            )


def bind(listen: Listen) -> BoundListener:
    """Bind and listen. Raises ListenError with one sentence."""
    try:
        return _bind_unix(listen) if listen.kind == "unix" else _bind_tcp(listen)
    except OSError as exc:
        raise ListenError(f"cannot listen on {listen}: {exc.strerror or exc}") from exc


def _bind_tcp(listen: Listen) -> BoundListener:
    found = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # "localhost" is both ::1 and 127.0.0.1; every client finds the second.
    family, kind, proto, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
        port = sock.getsockname()[1]
    except BaseException:
        sock.close()
        raise
    return BoundListener(listen=listen, sock=sock, url=listen.with_port(port))


def _bind_unix(listen: Listen) -> BoundListener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _locked_directory(Path(listen.path).parent):
            _remove_stale_socket(listen.path)
            # The mode must be right from the first moment, so chmod afterwards is too late.
            previous = os.umask(0o177)
            try:
                sock.bind(listen.path)
            finally:
                os.umask(previous)
            sock.listen(_BACKLOG)
        socket_id = _file_id(listen.path)
    except BaseException:
        sock.close()
        raise
    return BoundListener(listen=listen, sock=sock, url=str(listen), socket_id=socket_id)


@contextlib.contextmanager
def _locked_directory(directory: Path) -> Iterator[None]:
    # Between bind and listen a socket looks stale to a second daemon that starts just now.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale_socket(path: str) -> None:
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"cannot listen on unix:{path}: the file exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_PROBE_TIMEOUT_S)
        try:
            probe.connect(path)
        except OSError as exc:
            if exc.errno == errno.ECONNREFUSED:
                Path(path).unlink()
                return
            raise
    raise ListenError(f"cannot listen on unix:{path}: another process serves it already")


def _file_id(path: str) -> tuple[int, int]:
    found = Path(path).lstat()
    return found.st_dev, found.st_ino
