"""One listener over HTTP: an export request is sent, and its answer understood.

A listener is a stranger: it may hang, answer slowly or without end, redirect, or speak something
else. No attempt takes longer than its time, and no answer more than its bytes.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore

from virtcim.cim.cimxml.exports import (
    ANSWER_LIMITS,
    EXPORT_HEADERS,
    ExportError,
    read_export_response,
)
from virtcim.cim.errors import CimXmlError
from virtcim.cim.records import StatusCode
from virtcim.cimserver.indications.delivery.sockets import Deadline, NetworkBackend
from virtcim.cimserver.indications.delivery.tls import ListenerTls
from virtcim.cimserver.indications.networks import ANYWHERE, ListenerNetworks

__all__ = ["DeliveryError", "ListenerConnection", "Timeouts"]

_HTTP_OK = 200
# Shorter than the idle time after which servers close (5 s are usual).
_KEEPALIVE_EXPIRY_S = 4.0
_SHOWN = 200
# Answers that are about this very indication, which will not be better the next time.
_REFUSING_HTTP = frozenset({400, 406, 411, 413, 415, 422, 501, 505})
_REFUSING_CIM = frozenset(
    {
        StatusCode.INVALID_NAMESPACE,
        StatusCode.INVALID_PARAMETER,
        StatusCode.INVALID_CLASS,
        StatusCode.NOT_SUPPORTED,
        StatusCode.NO_SUCH_PROPERTY,
        StatusCode.TYPE_MISMATCH,
        StatusCode.METHOD_NOT_FOUND,
    }
)
_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    OSError,
)


class DeliveryError(Exception):
    """A listener did not take an indication; the text says why.

    ``is_refusal``: it was reached, and what it says is about this indication.
    """

    def __init__(self, text: str, *, is_refusal: bool = False) -> None:
        super().__init__(text)
        self.is_refusal = is_refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a connection may take to be made, and an attempt in all."""

    connect_s: float = 10.0
    attempt_s: float = 30.0


class ListenerConnection:
    """Sends to one URL, over one connection that is kept while the listener keeps it.

    ``networks`` are where it may be. For one thread; ``abort`` may come from another. Raises
    ValueError for a URL that is none.
    """

    def __init__(
        self,
        url: str,
        tls: ListenerTls,
        timeouts: Timeouts,
        *,
        networks: ListenerNetworks = ANYWHERE,
        authorization: str = "",
    ) -> None:
        self._url = _parsed(url)
        origin = self._url.origin
        host = origin.host.decode("ascii")
        self._origin = origin
        self._tls = tls
        place = f"[{host}]" if ":" in host else host
        self._headers: list[tuple[bytes, bytes]] = [
            (b"Host", f"{place}:{origin.port}".encode("ascii")),
            (b"User-Agent", b"virtcim"),
            (b"Accept-Encoding", b"identity"),
            *((name.encode(), value.encode()) for name, value in EXPORT_HEADERS.items()),
        ]
        if authorization:
            self._headers.append((b"Authorization", authorization.encode("ascii")))
        self._timeouts = timeouts
        self._backend = NetworkBackend(networks)
        self._connection: httpcore.HTTPConnection | None = None

    def send(self, request: bytes) -> None:
        """Send one export request. Raises DeliveryError unless the listener took the indication."""
        deadline = self._backend.deadline = Deadline(self._timeouts.attempt_s)
        is_reused = self._prepare()
        try:
            try:
                answer = self._exchange(request)
            except (httpcore.RemoteProtocolError, httpcore.NetworkError, OSError):
                # The listener closed an idle connection at this moment: it has not seen this, or
                # it knows it again by its sequence number.
                if not is_reused or self._backend.has_received or deadline.has_passed:
                    raise
                self.close()
                self._prepare()
                answer = self._exchange(request)
        except _FAILURES as exc:
            self.close()
            raise DeliveryError(_reason(exc, deadline)) from exc
        if answer is not None:
            raise DeliveryError(
                f"the listener answers with CIM status {answer.status_code}: "
                f"{_shown(answer.description)}",
                is_refusal=answer.status_code in _REFUSING_CIM,
            )

    def close(self) -> None:
        """Close the connection; the next request makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._backend.close()

    def abort(self) -> None:
        """Let what is being sent or waited for fail at once, from another thread."""
        self._backend.abort()

    def _prepare(self) -> bool:
        """Have a connection; whether it was used before."""
        kept = self._connection
        self._backend.has_received = False
        if kept is not None and kept.is_available() and not kept.has_expired():
            return True
        self.close()
        self._connection = httpcore.HTTPConnection(
            self._origin,
            ssl_context=self._context(),
            keepalive_expiry=_KEEPALIVE_EXPIRY_S,
            network_backend=self._backend,
        )
        return False

    def _context(self) -> ssl.SSLContext | None:
        if self._origin.scheme != b"https":
            return None
        return self._tls.context(self._origin.host.decode("ascii"), self._origin.port)

    def _exchange(self, content: bytes) -> ExportError | None:
        assert self._connection is not None
        request = httpcore.Request(
            b"POST",
            self._url,
            headers=[*self._headers, (b"Content-Length", b"%d" % len(content))],
            content=content,
            extensions={"timeout": {"connect": self._timeouts.connect_s}},
        )
        response = self._connection.handle_request(request)
        try:
            headers = {name.lower(): value for name, value in response.headers}
            if response.status != _HTTP_OK:
                raise _http_error(response.status, headers)
            if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise DeliveryError("the listener answers with a compressed message")
            body = bytearray()
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > ANSWER_LIMITS.size_bytes:
                    raise DeliveryError(
                        f"the answer of the listener has more than {ANSWER_LIMITS.size_bytes} bytes"
                    )
            return read_export_response(bytes(body))
        except CimXmlError as exc:
            raise DeliveryError(
                f"the listener answers with something else than an export response: {exc.detail}"
            ) from exc
        except BaseException:
            # What is left of the answer is not wanted.
            self.close()
            raise
        finally:
            with contextlib.suppress(*_FAILURES):
                response.close()


def _parsed(url: str) -> httpcore.URL:
    try:
        parsed = httpcore.URL(url)
        parsed.origin.host.decode("ascii")
    except (ValueError, KeyError, UnicodeError, httpcore.UnsupportedProtocol) as exc:
        raise ValueError(f"{url!r} is no URL that indications can be sent to") from exc
    if parsed.scheme not in (b"http", b"https") or not parsed.host:
        raise ValueError(f"{url!r} is no URL that indications can be sent to")
    return parsed


def _http_error(status: int, headers: Mapping[bytes, bytes]) -> DeliveryError:
    text = f"the listener answers with HTTP status {status}"
    cim_error = headers.get(b"cimerror", b"").decode("latin-1")
    if cim_error:
        text += f" and CIMError {_shown(cim_error)}"
    if 300 <= status < 400:
        text += ", and redirections are not followed"
    return DeliveryError(text, is_refusal=status in _REFUSING_HTTP)


def _reason(exc: BaseException, deadline: Deadline) -> str:
    """The operating system's or TLS library's own words below httpcore's."""
    if deadline.has_passed:
        return f"the listener has not answered within {deadline.seconds:g} s"
    seen = exc
    while (below := seen.__cause__ or seen.__context__) is not None:
        seen = below
        if isinstance(seen, OSError) and seen.errno is not None:
            break
    return _shown(str(seen) or str(exc) or type(seen).__name__)


def _shown(text: str) -> str:
    """What a stranger said, in one line of a log."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    return printable if len(printable) <= _SHOWN else printable[:_SHOWN] + "..."
