"""What every exchange of a daemon goes through, whatever the application."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable

import h11

from virtcim.daemon.asgi import ASGIApp, Message, Receive, Scope, Send
from virtcim.daemon.bodies import BodyRefused, refuse
from virtcim.daemon.current_request import HEADER, begin_request
from virtcim.daemon.http_connection import connection_of

__all__ = ["ending_waits", "guarded"]

_MOST_HEAD_BYTES = 65_536
_TOO_LONG = BodyRefused(431, f"the head of a request has at most {_MOST_HEAD_BYTES} bytes")
_AMBIGUOUS = BodyRefused(400, "a request must say in one way how long it is")


def ending_waits(app: ASGIApp, stopping: asyncio.Event) -> ASGIApp:
    """Tell requests that wait (long polls) that their client is gone as soon as we stop."""

    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        body_complete = False

        async def receive_or_stop() -> Message:
            nonlocal body_complete
            if not body_complete:
                message = await receive()
                body_complete = not message.get("more_body")
                return message
            stopped = asyncio.create_task(stopping.wait())
            received = asyncio.ensure_future(receive())
            try:
                await asyncio.wait((stopped, received), return_when=asyncio.FIRST_COMPLETED)
                return received.result() if received.done() else {"type": "http.disconnect"}
            finally:
                stopped.cancel()
                received.cancel()

        return app(scope, receive_or_stop, send)

    return serve


def guarded(app: ASGIApp, answers: Counter[int] | None = None) -> ASGIApp:
    """Number requests, refuse odd heads, drop answers that come too late, and count what is sent.

    ``answers`` counts them by their status.

    An answer is late when the head of its request was good HTTP and the body was not: uvicorn has
    refused it by then, and would log a traceback whenever a client does that.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        refused = False
        head: Message | None = None
        connection = connection_of(scope)
        number = begin_request(scope).number.encode("ascii")

        async def send_unless_refused(message: Message) -> None:
            nonlocal refused, head
            if message["type"] == "http.response.start":
                # It goes with the first piece of the body.
                head = message
                return
            if refused:
                return
            body = message.get("body", b"")
            if head is not None:
                begun, head = head, None
                status, headers, own = begun["status"], begun.get("headers", ()), [(HEADER, number)]
                if answers is not None:
                    answers[status] += 1
                is_whole = not message.get("more_body")
                if (
                    is_whole
                    and connection is not None
                    and connection.send_whole(scope, status, headers, own, body)
                ):
                    return
                try:
                    await send({**begun, "headers": [*headers, *own]})
                except h11.LocalProtocolError:
                    refused = True
                    return
            await send(message)
            if connection is not None:
                connection.sent_bytes += len(body)

        if (refusal := _refusal(scope)) is None:
            await app(scope, receive, send_unless_refused)
        else:
            await refuse(send_unless_refused, refusal)

    return serve


def _refusal(scope: Scope) -> BodyRefused | None:
    """What is wrong with the head of a request that h11 takes.

    Who states two lengths may mean that others on the way see the end of the request somewhere else
    (RFC 9112, "Transfer-Encoding"), and so smuggle a further one past them. A head that arrives in
    one piece is of any length to h11.
    """
    is_coded = has_length = False
    size = 0
    for name, value in scope["headers"]:
        size += len(value)
        if name == b"transfer-encoding":
            is_coded = True
        elif name == b"content-length":
            has_length = True
    if is_coded and (has_length or scope["http_version"] != "1.1"):
        return _AMBIGUOUS
    return _TOO_LONG if size > _MOST_HEAD_BYTES else None
