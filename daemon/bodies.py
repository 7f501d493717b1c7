"""Bodies of requests that come in time and are not too long, whatever application reads them."""

from __future__ import annotations

import asyncio

from virtcim.daemon.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BodyRefused", "bounded_bodies"]

# Longer numbers are larger than any limit, and take long to read.
_DIGITS = 20


class BodyRefused(Exception):  # noqa: N818 - an answer rather than an error of ours
    """A body is too long or too late: raised to the application that reads it, which lets it pass.

    ``status`` is that of HTTP, ``text`` one line for people.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


def bounded_bodies(app: ASGIApp, *, most_bytes: int, timeout_s: float) -> ASGIApp:
    """Wrap an ASGI application: requests whose bodies are longer or slower are refused.

    Nothing is looked at before the application begins to read, so that it decides first about
    paths, methods and users. The time begins to run then.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body = _Body(scope, receive, most_bytes, timeout_s)
        try:
            await app(scope, body.receive, send)
        except BodyRefused as refusal:
            await _respond(send, refusal)

    return serve


class _Body:
    """What arrives of one request."""

    def __init__(self, scope: Scope, receive: Receive, most_bytes: int, timeout_s: float) -> None:
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self._most_bytes = most_bytes
        self._timeout_s = timeout_s
        self._until_s: float | None = None
        self._size = 0
        self._complete = False

    async def receive(self) -> Message:
        """Give the next message of the request. Raises BodyRefused."""
        if self._complete:
            return await self._receive()
        if self._until_s is None:
            self._until_s = asyncio.get_running_loop().time() + self._timeout_s
            length = self._headers.get(b"content-length", b"0")
            if length.isdigit() and int(length[:_DIGITS]) > self._most_bytes:
                raise self._too_long()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError as exc:
            raise BodyRefused(408, "the message did not arrive in time") from exc
        self._size += len(message.get("body", b""))
        if self._size > self._most_bytes:
            raise self._too_long()
        self._complete = not message.get("more_body")
        return message

    def _too_long(self) -> BodyRefused:
        return BodyRefused(413, f"a message has at most {self._most_bytes} bytes")


async def _respond(send: Send, refusal: BodyRefused) -> None:
    text = f"{refusal.text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode("ascii")),
        # What is left of the message would be taken for the next one.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
