"""The server side: an ASGI application that answers XML-RPC calls.

Whatever arrives, the client gets an HTTP status with one line, or an XML-RPC answer; never a
traceback. How long a body may take to arrive is for whoever serves the application.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from virtcim.wire.decode import CallDecoder, Limits
from virtcim.wire.encode import encode_fault, encode_response
from virtcim.wire.errors import MalformedMessage, MessageTooLarge, RemoteFault

__all__ = [
    "ASGIApp",
    "ClientInfo",
    "Dispatch",
    "Incident",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "XmlRpcApplication",
]

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_FAULT_INTERNAL = 1
_TEXT = b"text/plain; charset=utf-8"
_CLOSE = [(b"connection", b"close")]
_XML_TYPES = ("text/xml", "application/xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """Who calls: ``address`` is empty on a Unix socket, which only its owner can open.

    ``certificate_user`` is whom a verified client certificate names, None where none was shown.
    ``disconnected`` is set when the client goes away before it was answered; long polls end then.
    """

    address: str = ""
    is_unix: bool = False
    is_tls: bool = False
    certificate_user: str | None = None
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)


Dispatch = Callable[[str, list[Any], ClientInfo], Awaitable[object]]
Incident = Callable[[str, BaseException], str]


class _HttpError(Exception):
    """An HTTP status with one line of text, and the connection closed where it must be."""

    def __init__(
        self, status: int, text: str, *, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.headers = list(headers)


class XmlRpcApplication:
    """An ASGI 3 application over ``dispatch(method, params, client)``.

    ``dispatch`` returns the result, or raises RemoteFault to answer with that ``<fault>``. Any
    other exception goes to ``incident`` with what failed: it gives the phrase that is all that the
    client learns. Without it whoever serves the application has to answer. ``certificate_user``
    gives whom the client certificate of a request names.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        *,
        limits: Limits | None = None,
        paths: Iterable[str] = ("/", "/RPC2"),
        incident: Incident | None = None,
        certificate_user: Callable[[Scope], str | None] = lambda _: None,
    ) -> None:
        self._certificate_user = certificate_user
        self._dispatch = dispatch
        self._limits = limits or Limits()
        self._paths = frozenset(paths)
        self._incident = incident

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI 3)."""
        if scope["type"] != "http":
            raise NotImplementedError(f"no ASGI {scope['type']} here")
        try:
            method, params = await self._read_call(scope, receive)
        except _HttpError as exc:
            headers = [*_CLOSE, *exc.headers]
            await _respond(send, exc.status, _TEXT, f"{exc.text}\n".encode(), headers)
            return
        client = _client_info(scope, self._certificate_user(scope))
        watcher = asyncio.create_task(_watch_disconnect(receive, client.disconnected))
        try:
            body = await self._answer(method, params, client)
            await _respond(send, 200, b"text/xml", body)
        except asyncio.CancelledError:
            # uvicorn cancels what has not ended in time when it stops. Not 503, which would say
            # that the call was not begun.
            _log.warning("the call %s was cut off, as the server is stopping", method)
            await _respond(send, 500, _TEXT, b"the server stopped before the call ended\n", _CLOSE)
        finally:
            watcher.cancel()

    async def _read_call(self, scope: Scope, receive: Receive) -> tuple[str, list[Any]]:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["path"] not in self._paths:
            raise _HttpError(404, "not found: XML-RPC is served at /")
        if scope["method"] != "POST":
            raise _HttpError(405, "only POST is served", headers=[(b"allow", b"POST")])
        content_type = headers.get(b"content-type", b"text/xml").decode("latin-1")
        if content_type.partition(";")[0].strip().lower() not in _XML_TYPES:
            raise _HttpError(415, "the content type must be text/xml")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _HttpError(415, "compressed requests are not read")
        try:
            return await self._decode_body(receive)
        except MessageTooLarge as exc:
            raise _HttpError(413, str(exc)) from exc
        except MalformedMessage as exc:
            raise _HttpError(400, f"malformed XML-RPC: {exc}") from exc

    async def _decode_body(self, receive: Receive) -> tuple[str, list[Any]]:
        decoder = CallDecoder(self._limits)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _HttpError(400, "the client went away")
            if body := message.get("body"):
                decoder.feed(body)
            if not message.get("more_body"):
                return decoder.close()

    async def _answer(self, method: str, params: list[Any], client: ClientInfo) -> bytes:
        try:
            return encode_response(await self._dispatch(method, params, client))
        except RemoteFault as fault:
            return encode_fault(fault.code, fault.string)
        except Exception as exc:
            if self._incident is None:
                raise
            return encode_fault(_FAULT_INTERNAL, self._incident(f"the call {method}", exc))


def _client_info(scope: Scope, certificate_user: str | None) -> ClientInfo:
    server = scope.get("server")
    client = scope.get("client")
    # ASGI: the port is None when the server listens on a Unix socket; older versions of uvicorn
    # then name no server at all.
    return ClientInfo(
        address=client[0] if client else "",
        is_unix=client is None and (server is None or server[1] is None),
        is_tls=scope.get("scheme") == "https",
        certificate_user=certificate_user,
    )


async def _watch_disconnect(receive: Receive, disconnected: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    disconnected.set()


async def _respond(
    send: Send,
    status: int,
    content_type: bytes,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode("ascii")),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
