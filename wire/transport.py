"""The client side: one XML-RPC call over HTTP on TCP, TLS or a Unix socket.

What matters here is what is known after a failure. httpcore's trace tells how far a request came,
so that a refused connection and a connection lost after VM.start was sent stay apart.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpcore

from virtcim.errormap import Fault, HypervisorError, changes_state, from_transport
from virtcim.wire.decode import RESPONSE_LIMITS, Limits, ResponseDecoder
from virtcim.wire.encode import encode_call
from virtcim.wire.errors import MalformedMessage, UnencodableValue
from virtcim.wire.unix_backend import NetworkBackend
from virtcim.wire.url import EndpointUrl

__all__ = ["TlsOptions", "Transport"]

_BODY_EXCERPT_BYTES = 4096
_MAX_CONNECTIONS = 64
# Shorter than the idle time after which servers close (uvicorn's default is 5 s): a connection
# that the server may be closing right now is not used for the next call.
_KEEPALIVE_EXPIRY_S = 4.0
_HTTP_OK = 200
_CLOSED_BY_US = "the connection was closed by us"
_HEADERS: Mapping[bytes | str, bytes | str] = {
    # A compressed answer could be of any size; management APIs do not compress.
    "Accept-Encoding": "identity",
    "Content-Type": "text/xml",
    "User-Agent": "virtcim",
}
_FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How the server is verified: by the system's authorities, or by those in ``ca_file``.

    XenServer hosts have self-signed certificates that name no address: give that certificate as
    ``ca_file`` and switch ``check_hostname`` off. ``verify`` False trusts anyone.
    """

    ca_file: str = ""
    verify: bool = True
    check_hostname: bool = True

    def context(self) -> ssl.SSLContext:
        """Make the TLS context. Raises ValueError naming an unusable ``ca_file``."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as exc:
            raise ValueError(f"{self.ca_file!r} holds no certificates to trust: {exc}") from exc
        context.check_hostname = self.check_hostname and self.verify
        if not self.verify:
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """The head of an HTTP response."""

    status: int
    reason: str
    content_type: str
    encoding: str

    @classmethod
    def of(cls, response: httpcore.Response) -> _Reply:
        headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        return cls(
            status=response.status,
            reason=response.extensions.get("reason_phrase", b"").decode("latin-1"),
            content_type=headers.get(b"content-type", ""),
            encoding=headers.get(b"content-encoding", "identity"),
        )


@dataclass(slots=True)
class _Progress:
    """How far one request came, from the events of httpcore's ``trace`` extension."""

    sockets: weakref.WeakSet[socket.socket]
    closed: threading.Event
    phase: str = "connect"
    connected: bool = False
    reused: bool = False
    answered: bool = False
    excerpt: bytearray = field(default_factory=bytearray)

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        _, _, step = event.partition(".")
        if step.startswith("connect_") and step.endswith(".complete"):
            sock = info["return_value"].get_extra_info("socket")
            self.sockets.add(sock)
            if self.closed.is_set():
                # Nobody else knows of it: whoever has closed all connections was a moment earlier.
                sock.close()
                raise httpcore.ConnectError(_CLOSED_BY_US)
            self.connected = True
            self.phase = "before_send"
        elif step == "start_tls.started":
            self.phase = "tls"
        elif step == "start_tls.complete":
            self.phase = "before_send"
            self.sockets.add(info["return_value"].get_extra_info("socket"))
        elif step == "send_request_headers.started":
            self.reused = not self.connected
            self.phase = "after_send"
        elif step == "receive_response_headers.complete":
            self.answered = True


class Transport:
    """Calls one endpoint over kept-alive connections; safe to use from many threads.

    ``read_timeout_s`` bounds each wait for the server, not the whole answer.
    """

    def __init__(
        self,
        url: EndpointUrl,
        *,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 60.0,
        tls: TlsOptions | None = None,
        limits: Limits = RESPONSE_LIMITS,
    ) -> None:
        self.url = url
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._limits = limits
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._closed = threading.Event()
        self._pool = httpcore.ConnectionPool(
            ssl_context=(tls or TlsOptions()).context() if url.transport == "https" else None,
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_EXPIRY_S,
            uds=url.socket_path or None,
            network_backend=NetworkBackend(),
        )

    def call(
        self,
        method: str,
        params: Sequence[object],
        *,
        read_timeout_s: float | None = None,
        on_records: Callable[[int], None] | None = None,
    ) -> Any:
        """Call ``method`` and return its decoded result.

        ``on_records`` is told now and then how many records of the answer have arrived.
        Raises RemoteFault for a ``<fault>``, and HypervisorError with a transport fault for all
        else. A call that only reads is repeated once when a kept-alive connection turns out to
        have been closed meanwhile; one that changes something never is.
        """
        try:
            content = encode_call(method, params)
        except UnencodableValue as exc:
            raise HypervisorError(self._fault(method, "before_send", exc)) from exc
        patience_s = self._read_timeout_s if read_timeout_s is None else read_timeout_s
        progress = _Progress(self._sockets, self._closed)
        try:
            return self._exchange(method, content, patience_s, progress, on_records)
        except _FAILURES as exc:
            if not self._may_repeat(method, exc, progress):
                raise HypervisorError(self._fault(method, progress.phase, exc)) from exc
        progress = _Progress(self._sockets, self._closed)
        try:
            return self._exchange(method, content, patience_s, progress, on_records)
        except _FAILURES as exc:
            raise HypervisorError(self._fault(method, progress.phase, exc)) from exc

    def close(self) -> None:
        """Close all connections; calls that wait in other threads fail at once."""
        self._closed.set()
        # Closing a descriptor does not wake a thread that reads from it; shutting down does.
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._pool.close()

    def _may_repeat(self, method: str, exc: Exception, progress: _Progress) -> bool:
        if not progress.reused or progress.answered or self._closed.is_set():
            return False
        return not isinstance(exc, httpcore.TimeoutException) and not changes_state(method)

    def _fault(self, method: str, phase: str, exc: Exception) -> Fault:
        cause = exc if isinstance(exc, UnencodableValue) else _root_cause(exc)
        return from_transport(
            phase=phase,
            exception=type(cause).__name__,
            errno=cause.errno if isinstance(cause, OSError) else None,
            # A client of several hypervisors has to know which of them is meant.
            message=f"{self.url}: {str(cause) or str(exc)}",
            operation=method,
        )

    def _exchange(
        self,
        method: str,
        content: bytes,
        patience_s: float,
        progress: _Progress,
        on_records: Callable[[int], None] | None,
    ) -> Any:
        if self._closed.is_set():
            raise HypervisorError(
                from_transport(phase="connect", message=_CLOSED_BY_US, operation=method)
            )
        timeout = {
            "connect": self._connect_timeout_s,
            "pool": self._connect_timeout_s,
            "read": patience_s,
            "write": patience_s,
        }
        with self._pool.stream(
            "POST",
            self.url.http_url,
            headers=_HEADERS,
            content=content,
            extensions={"trace": progress, "timeout": timeout},
        ) as response:
            reply = _Reply.of(response)
            if reply.status != _HTTP_OK or reply.encoding.lower() != "identity":
                raise HypervisorError(_http_fault(method, reply, response.iter_stream()))
            try:
                return self._decode(response.iter_stream(), progress.excerpt, on_records)
            except MalformedMessage as exc:
                fault = _malformed_fault(method, reply, exc, progress.excerpt)
                raise HypervisorError(fault) from exc

    def _decode(
        self,
        chunks: Iterable[bytes],
        excerpt: bytearray,
        on_records: Callable[[int], None] | None,
    ) -> Any:
        decoder = ResponseDecoder(self._limits)
        for chunk in chunks:
            if len(excerpt) < _BODY_EXCERPT_BYTES:
                excerpt += chunk[: _BODY_EXCERPT_BYTES - len(excerpt)]
            decoder.feed(chunk)
            if on_records is not None:
                on_records(decoder.records)
        return decoder.close()


def _root_cause(exc: BaseException) -> BaseException:
    """The operating system's or TLS library's own exception below httpcore's."""
    seen = exc
    while (below := seen.__cause__ or seen.__context__) is not None:
        seen = below
        if isinstance(seen, OSError) and seen.errno is not None:
            break
    return seen


def _http_fault(method: str, reply: _Reply, chunks: Iterable[bytes]) -> Fault:
    body = bytearray()
    with contextlib.suppress(*_FAILURES):  # the status says enough without the page
        for chunk in chunks:
            body += chunk
            if len(body) >= _BODY_EXCERPT_BYTES:
                break
    return from_transport(
        phase="after_send",
        http_status=reply.status,
        http_reason=reply.reason,
        content_type=reply.content_type,
        body=body[:_BODY_EXCERPT_BYTES].decode("utf-8", "replace"),
        operation=method,
    )


def _malformed_fault(
    method: str, reply: _Reply, exc: MalformedMessage, excerpt: bytearray
) -> Fault:
    return from_transport(
        phase="after_send",
        exception=type(exc).__name__,
        message=str(exc),
        http_status=reply.status,
        http_reason=reply.reason,
        content_type=reply.content_type,
        body=excerpt.decode("utf-8", "replace"),
        operation=method,
    )
