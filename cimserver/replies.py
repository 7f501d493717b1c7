"""Sending an answer to a client, who may be slow to take it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import islice

from virtcim.cim.cimxml.responses import Answer
from virtcim.cimserver.errors import incident
from virtcim.cimserver.headers import Headers
from virtcim.cimserver.work import Exchange, Work
from virtcim.daemon.asgi import Send
from virtcim.daemon.bodies import ClientGone

__all__ = ["send_answer"]

# Of a reply that is being written while it is sent, a megabyte.
_PIECES_AT_ONCE = 10
_PIECE_BYTES = 96 * 1024
# Less than that goes to the connection at once, and is counted there.
_COUNTED_BYTES = 64 * 1024


async def send_answer(
    send: Send,
    answer: Answer,
    headers: Headers,
    work: Work,
    exchange: Exchange,
    *,
    held_bytes: int = _PIECES_AT_ONCE * _PIECE_BYTES,
) -> None:
    """Send an answer piece by piece, each as soon as the connection takes it.

    What is not written yet has no known length, so it goes in chunks, which ``work`` writes. When
    writing it fails, the message breaks off, which HTTP tells its client. What the client has not
    taken counts as its own; nothing more is written for one that has gone, and never much more
    than ``held_bytes`` ahead.
    """
    rest = answer.rest
    size = sum(map(len, answer.pieces))
    sent = list(headers)
    if rest is None:
        sent.append((b"content-length", b"%d" % size))
    if answer.language:
        sent.append((b"content-language", answer.language.encode("ascii")))
    connection = exchange.connection
    if rest is None and len(answer.pieces) == 1 and size <= _COUNTED_BYTES:
        await send({"type": "http.response.start", "status": 200, "headers": sent})
        await send({"type": "http.response.body", "body": answer.pieces[0]})
        if connection is not None and not connection.has_ended and connection.unsent_bytes:
            await exchange.held.until_taken(connection)
        return
    pieces = deque(answer.pieces)
    # What was sent is forgotten here and is to be forgotten there.
    del answer
    held = exchange.held
    if size > _COUNTED_BYTES:
        held.hold(size)
    try:
        await send({"type": "http.response.start", "status": 200, "headers": sent})
        while True:
            await _send_pieces(send, pieces, exchange, is_all=rest is None)
            if rest is None or exchange.has_ended:
                break
            try:
                further = await work.run(
                    exchange, partial(_further, rest, held_bytes), goes_on=True
                )
            except ClientGone:
                return
            except Exception as exc:  # noqa: BLE001 - the boundary of what is written late
                incident("the rest of a reply", exc, show_traceback=False)
                return
            pieces.extend(further)
            # What comes next takes the place of what was taken: nothing grows once it has begun.
            held.hold(max(held.bytes, sum(map(len, further))))
            if not further:
                rest = None
        if connection is not None and not connection.has_ended and connection.unsent_bytes:
            await held.until_taken(connection)
    finally:
        held.hold(0)


def _further(rest: Iterator[bytes], held_bytes: int) -> list[bytes]:
    return [*islice(rest, max(1, min(_PIECES_AT_ONCE, held_bytes // _PIECE_BYTES)))]


async def _send_pieces(
    send: Send, pieces: deque[bytes], exchange: Exchange, *, is_all: bool
) -> None:
    if is_all and not pieces:
        await send({"type": "http.response.body", "body": b""})
    while pieces:
        piece = pieces.popleft()
        more = bool(pieces) or not is_all
        await send({"type": "http.response.body", "body": piece, "more_body": more})
        if is_all and exchange.held.bytes:
            exchange.held.hold_further(-len(piece))
