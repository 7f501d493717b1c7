"""What hostile, broken or greedy clients do, on loopback only; each attack lasts for its block.

They come from 127.0.0.2, so that they are another client than the good one where nobody logs in.
"""

from __future__ import annotations

import base64
import socket
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from raw_clients import cim_request

__all__ = ["ATTACKS", "Attack", "cim_message"]

_SOURCE = "127.0.0.2"
_TIMEOUT_S = 10.0
_NAMESPACE = "root/virt"
_EVERYTHING = cim_request("EnumerateInstances", _NAMESPACE, ClassName="CIM_ManagedElement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack: its name, on which daemon, whether that asks for passwords, and the block."""

    name: str
    daemon: str
    with_passwords: bool = False
    run: Callable[[int], AbstractContextManager[object]]


def cim_message(body: bytes, *headers: bytes) -> bytes:
    """A CIM request with its head."""
    lines = (
        b"POST /cimom HTTP/1.1",
        b"Host: 127.0.0.1",
        b"CIMOperation: MethodCall",
        b"Content-Type: application/xml; charset=utf-8",
        b"Content-Length: %d" % len(body),
        *headers,
    )
    return b"\r\n".join((*lines, b"", body))


def _connect(port: int, *, receive_bytes: int = 0) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(_TIMEOUT_S)
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.bind((_SOURCE, 0))
    sock.connect(("127.0.0.1", port))
    return sock


@contextmanager
def _connections(port: int, count: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections, with the beginning of what each sends."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            with suppress(OSError):
                made.append(stack.enter_context(_connect(port, receive_bytes=4096)))
        for sock in made:
            with suppress(OSError):
                sock.sendall(first)
        yield made


@contextmanager
def _threads(count: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_TIMEOUT_S)


@contextmanager
def _dripping(port: int, count: int, first: bytes) -> Iterator[None]:
    """Connections on which a byte is sent every second."""
    with _connections(port, count, first) as made:

        def drip(stop: threading.Event) -> None:
            while not stop.wait(1.0):
                for sock in made:
                    with suppress(OSError):
                        sock.send(b"x")

        with _threads(1, drip):
            yield


def _slow_bodies(port: int) -> AbstractContextManager[object]:
    head, _, _ = cim_message(b"").partition(b"Content-Length: 0\r\n\r\n")
    first = head + b"Content-Length: 4000000\r\n\r\n" + 3_000_000 * b" "
    return _dripping(port, 300, first)


@contextmanager
def _open_enumerations(port: int) -> Iterator[None]:
    body = cim_request(
        "OpenEnumerateInstances", _NAMESPACE, ClassName="CIM_ManagedElement"
    ).replace(
        b"</IMETHODCALL>",
        b'<IPARAMVALUE NAME="MaxObjectCount"><VALUE>1</VALUE></IPARAMVALUE>'
        b'<IPARAMVALUE NAME="OperationTimeout"><VALUE>600</VALUE></IPARAMVALUE></IMETHODCALL>',
    )
    left = [200]

    def open_all(stop: threading.Event) -> None:
        while left[0] > 0 and not stop.is_set():
            left[0] -= 1
            _ask(port, cim_message(body, b"Connection: close"))

    with _threads(4, open_all):
        yield


@contextmanager
def _greedy(port: int) -> Iterator[None]:
    def ask(stop: threading.Event) -> None:
        while not stop.is_set():
            _ask(port, cim_message(_EVERYTHING, b"Connection: close"))

    with _threads(64, ask):
        yield


class _Numbers:
    """Numbers that threads take from together."""

    def __init__(self, count: int) -> None:
        self._numbers = iter(range(count))
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)


@contextmanager
def _wrong_logins_at_cim(port: int) -> Iterator[None]:
    numbers = _Numbers(200)

    def guess(stop: threading.Event) -> None:
        for number in numbers:
            if stop.is_set():
                return
            words = base64.b64encode(b"user%d:guess" % number)
            message = cim_message(_EVERYTHING, b"Authorization: Basic " + words)
            _ask(port, message.replace(b"\r\nHost", b"\r\nConnection: close\r\nHost", 1))

    with _threads(100, guess):
        yield


@contextmanager
def _wrong_logins_at_toolstack(port: int) -> Iterator[None]:
    numbers = _Numbers(200)

    def guess(stop: threading.Event) -> None:
        for number in numbers:
            if stop.is_set():
                return
            _call(port, "session.login_with_password", f"user{number}", "guess")

    with _threads(100, guess):
        yield


@contextmanager
def _session_flood(port: int) -> Iterator[None]:
    def log_in(_: threading.Event) -> None:
        for number in range(510):
            _call(port, "session.login_with_password", f"user{number % 3}", "")

    with _threads(1, log_in):
        yield


def _call(port: int, method: str, *parameters: str) -> None:
    body = xmlrpc.client.dumps(parameters, method).encode()
    head = (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: text/xml\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    _ask(port, head + body)


def _ask(port: int, message: bytes) -> None:
    """Send a request and take all of the answer."""
    with suppress(OSError), _connect(port) as sock:
        sock.settimeout(60.0)
        sock.sendall(message)
        while sock.recv(1 << 20):
            pass


ATTACKS = (
    Attack(name="nothing", daemon="serve", run=lambda _: ExitStack()),
    Attack(name="1,200 silent connections", daemon="serve", run=partial(_connections, count=1200)),
    Attack(
        name="1,200 slow heads",
        daemon="serve",
        run=partial(_dripping, count=1200, first=b"POST / HTTP/1.1\r\nX: "),
    ),
    Attack(name="300 slow bodies of 4 MB", daemon="serve", run=_slow_bodies),
    Attack(
        name="300 unread replies",
        daemon="serve",
        run=partial(_connections, count=300, first=cim_message(_EVERYTHING)),
    ),
    Attack(name="200 open enumerations", daemon="serve", run=_open_enumerations),
    Attack(name="64 greedy connections", daemon="serve", run=_greedy),
    Attack(name="200 wrong logins", daemon="serve", with_passwords=True, run=_wrong_logins_at_cim),
    Attack(name="nothing", daemon="toolstack", run=lambda _: ExitStack()),
    Attack(
        name="1,200 silent connections", daemon="toolstack", run=partial(_connections, count=1200)
    ),
    Attack(
        name="200 wrong logins",
        daemon="toolstack",
        with_passwords=True,
        run=_wrong_logins_at_toolstack,
    ),
    Attack(name="510 logins", daemon="toolstack", run=_session_flood),
)
