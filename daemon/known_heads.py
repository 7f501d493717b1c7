"""Heads of requests that were read before on a connection, and heads of answers.

Clients send the same head again and again, and h11 takes longer to read it, and to follow what
both sides may do next, than the whole answer takes. What it made of a head once holds for the same
bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES

from virtcim.daemon.asgi import Scope

__all__ = ["Headers", "KnownHeads", "answer_head", "response"]

Headers = Sequence[tuple[bytes, bytes]]

_END = b"\r\n\r\n"
_LINE = b"\r\n"
# Of a connection, whose client asks the same few things; what is longer is not worth keeping.
_MOST_HEADS = 8
_MOST_BYTES = 2048
# With one of these there is more to heed than the length of the body.
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer"})
_QUESTION = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"


class _Known(NamedTuple):
    """What was made of a head, and how long the body is."""

    scope: Scope
    length: int


class KnownHeads:
    """The last heads of one connection that are as plain as most.

    They hold what a client has sent, so they are gone with its connection.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # None where it came once: what never comes again is not worth a look.
        self._known: dict[bytes, _Known | None] = {}

    def find(self, data: bytes) -> tuple[Scope, bytes] | None:
        """What was made of the head of one whole request, and its body; None for anything else."""
        end = data.find(_END, 0, _MOST_BYTES) + len(_END)
        known = self._known.get(data[:end])
        if known is None or len(data) - end != known.length:
            return None
        return known.scope, data[end:]

    def learn(self, data: bytes, scope: Scope, body: bytes) -> None:
        """Keep what h11 and uvicorn have made of the head of a whole request, if that is plain.

        ``body`` is what they took for the body: where that is not what follows the first empty
        line, the head has ended in another way.
        """
        end = data.find(_END, 0, _MOST_BYTES) + len(_END)
        head = data[:end]
        if head not in self._known:
            if len(self._known) >= _MOST_HEADS:
                self._known.clear()
            self._known[head] = None
            return
        length = _plain_length(scope)
        if length == len(body) and data[end:] == body:
            kept = {name: value for name, value in scope.items() if name != "state"}
            self._known[head] = _Known(kept, length)


def _plain_length(scope: Scope) -> int | None:
    """The length of the body where the head says it, and nothing else that has to be heeded."""
    headers = scope["headers"]
    names = [name for name, _ in headers]
    if (
        (scope["method"], scope["http_version"]) != ("POST", "1.1")
        or names.count(b"content-length") != 1
        or not _UNUSUAL.isdisjoint(names)
        or any(name == b"connection" and value.lower() != b"keep-alive" for name, value in headers)
    ):
        return None
    return int(dict(headers)[b"content-length"])


@lru_cache(maxsize=256)
def response(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Response:
    """The head of an answer, of which h11 has looked at each header."""
    return h11.Response(status_code=status, headers=[*headers], reason=STATUS_PHRASES[status])


@lru_cache(maxsize=256)
def answer_head(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The head of a good answer with these headers to a plain request, without its last line.

    As h11 writes it. Raises h11.LocalProtocolError for headers that are no good HTTP.
    """
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(_QUESTION)
    while not isinstance(connection.next_event(), h11.EndOfMessage):
        pass
    head: bytes = connection.send(response(200, headers))
    return head.removesuffix(_LINE)
