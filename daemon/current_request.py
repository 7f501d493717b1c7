"""The request that runs: its number, its peer and its user, for whoever writes something down.

A copied context gives it to a thread.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

from virtcim.daemon.asgi import Scope
from virtcim.daemon.requester import peer_of

__all__ = [
    "HEADER",
    "CurrentRequest",
    "begin_request",
    "complete_s",
    "current_request",
    "note_complete",
    "note_user",
    "request_elsewhere",
]

HEADER = b"x-request-id"

# What is written into logs and headers as it came.
_WELL_FORMED = re.compile(rb"[0-9A-Za-z._:-]{1,64}")
_process = secrets.token_hex(6)
_numbers = itertools.count(1)


@dataclass(slots=True)
class CurrentRequest:
    """One request; ``user`` is empty until he has proved who he is, or where nobody has to.

    ``complete_s`` is what ``perf_counter`` said when all of it had arrived, 0 before.
    """

    number: str
    peer: str
    user: str = ""
    complete_s: float = 0.0


_CURRENT: ContextVar[CurrentRequest | None] = ContextVar("current_request", default=None)


def current_request() -> CurrentRequest | None:
    """The request that what runs now is for, None where it is for none."""
    return _CURRENT.get()


def begin_request(scope: Scope) -> CurrentRequest:
    """Let what runs in this context be for an HTTP request.

    Its number is what its one X-Request-Id says, where that is short and harmless, else a new one.
    """
    number = _given(scope["headers"]) or f"{_process}-{next(_numbers):x}"
    request = CurrentRequest(number, peer_of(scope))
    _CURRENT.set(request)
    return request


def request_elsewhere(number: str, peer: str, user: str = "") -> None:
    """Let what runs in this context be for a request that another process has."""
    _CURRENT.set(CurrentRequest(number, peer, user))


def note_user(user: str) -> None:
    """The user of the request that runs has proved who he is."""
    request = _CURRENT.get()
    if request is not None:
        request.user = user


def note_complete() -> None:
    """All of the request that runs has arrived."""
    request = _CURRENT.get()
    if request is not None:
        request.complete_s = perf_counter()


def complete_s() -> float:
    """When all of the request that runs had arrived; now where nobody has noted that."""
    request = _CURRENT.get()
    return (request.complete_s if request is not None else 0.0) or perf_counter()


def _given(headers: Collection[tuple[bytes, bytes]]) -> str:
    given = dict(headers).get(HEADER)
    if given is None or not _WELL_FORMED.fullmatch(given):
        return ""
    if sum(name == HEADER for name, _ in headers) > 1:
        return ""
    return given.decode("ascii")
