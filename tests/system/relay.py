"""A Unix socket between two parts: it knows which requests went through, and can lose the line."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from tests.system.waiting import DEADLINE_S

__all__ = ["Relay", "libvirt_calls", "xml_rpc_calls"]

_CHUNK_BYTES = 1 << 16
_METHOD_NAME = re.compile(rb"<methodName>([^<]+)</methodName>")
_LONGEST_MARK_BYTES = 200
# libvirt's RPC header after the length: program REMOTE, version 1, procedure, type CALL.
_LIBVIRT_CALL = re.compile(rb"\x20\x00\x80\x86\x00\x00\x00\x01(....)\x00\x00\x00\x00", re.DOTALL)

Finder = Callable[[bytes], list[tuple[int, str]]]


def xml_rpc_calls(data: bytes) -> list[tuple[int, str]]:
    """Where XML-RPC calls stand in the bytes, and their methods."""
    return [(match.end(), match[1].decode()) for match in _METHOD_NAME.finditer(data)]


def libvirt_calls(data: bytes) -> list[tuple[int, str]]:
    """Where calls of libvirt's own protocol stand in the bytes, and their procedure numbers."""
    return [
        (match.end(), str(int.from_bytes(match[1], "big")))
        for match in _LIBVIRT_CALL.finditer(data)
    ]


@dataclass(slots=True, kw_only=True)
class _Loss:
    """Of the line, at a call that comes after ``others`` such calls; ``client`` has made it."""

    others: int
    changes: Callable[[str], bool]
    arrives: bool
    client: socket.socket | None = None


class Relay:
    """Passes requests at the socket `path` on to the socket `target`, and the answers back.

    A number as `target` is a port of this host. `calls` counts the requests by method; answers
    come `lag_s` later than without it. Open it with a `with` block.
    """

    def __init__(self, path: Path, target: Path | int, *, find: Finder = xml_rpc_calls) -> None:
        self.path = path
        self.calls: Counter[str] = Counter()
        self.lag_s = 0.0
        self._target = target
        self._find = find
        self._changed = threading.Condition()
        self._withheld: frozenset[str] = frozenset()
        self._muted: frozenset[str] = frozenset()
        self._is_muted = False
        self._loss: _Loss | None = None
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Relay:
        self.restore()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lose()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    @property
    def listening(self) -> bool:
        """Whether anybody can connect."""
        return self._listener is not None

    def withhold_answer(self, *methods: str) -> None:
        """Pass the next call of one of these on, but nothing back on its connection from then on.

        `wait_for_call` tells when that has happened.
        """
        with self._changed:
            self._withheld = frozenset(methods)

    def mute(self, *methods: str) -> None:
        """Pass calls of these on, but nothing back on their connections; replaces those before.

        Of the first of them `wait_for_muted` tells.
        """
        with self._changed:
            self._muted = frozenset(methods)
            self._is_muted = False

    def wait_for_muted(self) -> None:
        """Wait until a call has gone through that gets no answer."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._is_muted, DEADLINE_S), dict(self.calls)

    def wait_for_call(self) -> None:
        """Wait until the call whose answer is withheld has gone through."""
        with self._changed:
            passed = self._changed.wait_for(lambda: not self._withheld, DEADLINE_S)
        assert passed, f"no call of {set(self._withheld)}, only {dict(self.calls)}"

    def lose_at(self, others: int, changes: Callable[[str], bool], *, arrives: bool) -> None:
        """Lose the line at a call that `changes` something, after so many others that do.

        It never arrives, or its answer is lost.
        """
        with self._changed:
            self._loss = _Loss(others=others, changes=changes, arrives=arrives)

    def lose(self) -> None:
        """Close all connections, and let nobody connect any more."""
        with self._changed:
            listener, self._listener = self._listener, None
            self._loss = None
        if listener is not None:
            self.path.unlink()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def restore(self) -> None:
        """Let others connect (again)."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen(64)
        with self._changed:
            self._listener = listener
        self._run(self._accept, listener)

    def cut(self) -> None:
        """Close all connections."""
        with self._changed:
            sockets = list(self._sockets)
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            muted = threading.Event()
            with self._changed:
                lost = self._listener is not listener
                self._sockets |= set() if lost else {client, server}
            if lost:
                client.close()
                server.close()
                return
            ended = threading.Barrier(2, action=partial(self._forget, client, server))
            self._run(self._pass_requests, client, server, muted, ended)
            self._run(self._pass_answers, server, client, muted, ended)

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            server = socket.create_connection(("127.0.0.1", self._target))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return server
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(str(self._target))
        except OSError:
            server.close()
            raise
        return server

    def _forget(self, *sockets: socket.socket) -> None:
        with self._changed:
            self._sockets -= set(sockets)
        for one in sockets:
            one.close()

    def _pass_requests(
        self,
        client: socket.socket,
        server: socket.socket,
        muted: threading.Event,
        ended: threading.Barrier,
    ) -> None:
        tail = b""
        with suppress(OSError):
            while chunk := client.recv(_CHUNK_BYTES):
                methods = [method for end, method in self._find(tail + chunk) if end > len(tail)]
                tail = (tail + chunk)[-_LONGEST_MARK_BYTES:]
                with self._changed:
                    withheld = not self._withheld.isdisjoint(methods)
                    mute = not self._muted.isdisjoint(methods)
                if withheld or mute:
                    muted.set()
                if self._loses(client, methods):
                    self.lose()
                    break
                server.sendall(chunk)
                with self._changed:
                    self.calls.update(methods)
                    if withheld:
                        self._withheld = frozenset()
                    self._is_muted |= mute
                    self._changed.notify_all()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        ended.wait()

    def _loses(self, client: socket.socket, methods: list[str]) -> bool:
        """Whether the line is lost before these calls pass."""
        with self._changed:
            loss = self._loss
            if loss is None or loss.client is not None:
                return False
            for _ in filter(loss.changes, methods):
                if loss.others == 0:
                    loss.client = client
                    return not loss.arrives
                loss.others -= 1
            return False

    def _pass_answers(
        self,
        server: socket.socket,
        client: socket.socket,
        muted: threading.Event,
        ended: threading.Barrier,
    ) -> None:
        with suppress(OSError):
            while chunk := server.recv(_CHUNK_BYTES):
                loss = self._loss
                if loss is not None and loss.client is client:
                    self.lose()
                elif not muted.is_set():
                    if self.lag_s:
                        threading.Event().wait(self.lag_s)
                    client.sendall(chunk)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        ended.wait()
