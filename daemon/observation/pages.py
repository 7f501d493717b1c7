"""``/healthz``, ``/readyz`` and ``/metrics``, beside an application or on their own listener."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from virtcim.daemon.admission import Places
from virtcim.daemon.asgi import ASGIApp, Receive, Scope, Send
from virtcim.daemon.connections import Connections
from virtcim.daemon.http_connection import Doing
from virtcim.daemon.http_login import HttpLogin, LoginRefused
from virtcim.daemon.observation.access import PageAccess
from virtcim.daemon.observation.exposition import Source, collected, exposition
from virtcim.daemon.observation.measures import Family
from virtcim.daemon.observation.readiness import Connection, readiness

__all__ = ["Observation", "Whole", "limits_reached"]

_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_EVERYBODY = PageAccess(login=HttpLogin(None), scopes=())
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
# Which option bounds what a connection is ended for.
_LIMITS = {
    Doing.SILENT: "silence",
    Doing.HEAD: "head-timeout",
    Doing.UNREAD_BODY: "body-timeout",
    Doing.REPLY: "stalled-reply",
}


class Whole(Protocol):
    """A daemon of several processes, as any of them sees it."""

    async def families(self) -> Sequence[Family]:
        """What all of them have counted."""

    async def readiness(self) -> Mapping[str, object]:
        """Whether all of them can answer everything, as ``readiness`` says of one."""


class Observation:
    """What others see of a daemon: pages, and what stands on them.

    ``connections`` gives how it stands with what is served, by name; ``sources`` are asked for
    metrics, and ``access`` says who may read these, nobody while it is None. Used in the event
    loop; sources are asked in a thread.
    """

    def __init__(self, connections: Callable[[], Mapping[str, Connection]]) -> None:
        self._connections = connections
        self.sources: list[Source] = [self._own]
        #: How often which limit was reached, by the name of its option; each from its own place.
        self.limits_reached: list[Callable[[], Mapping[str, float]]] = []
        self.access: PageAccess | None = None
        self.draining = False
        #: How many answers had which HTTP status.
        self.answers: Counter[int] = Counter()
        #: The connections, once they are served.
        self.admission: Places | None = None
        self.watched: Connections | None = None
        #: The daemon where this is one of its workers.
        self.whole: Whole | None = None
        self._collecting: asyncio.Task[tuple[bytes, str]] | None = None

    def beside(self, app: ASGIApp) -> ASGIApp:
        """An application with the pages, which are read: what is posted to them is for it."""

        def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope.get("method") in ("GET", "HEAD") and scope["path"] in _PATHS:
                return self._page(scope, send, self.access)
            return app(scope, receive, send)

        return serve

    async def alone(self, scope: Scope, _: Receive, send: Send) -> None:
        """The pages alone, for whoever can reach them (an ASGI application)."""
        if scope["path"] not in _PATHS:
            await _respond(send, 404, _TEXT, b"there are /metrics, /readyz and /healthz\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, _TEXT, b"pages are read\n", (b"allow", b"GET, HEAD"))
        else:
            await self._page(scope, send, _EVERYBODY)

    async def _page(self, scope: Scope, send: Send, access: PageAccess | None) -> None:
        if scope["path"] == "/healthz":
            await _respond(send, 200, _TEXT, b"ok\n")
        elif scope["path"] == "/readyz":
            told = self.readiness() if self.whole is None else await self.whole.readiness()
            body = json.dumps(told).encode() + b"\n"
            await _respond(send, 200 if told["ready"] else 503, _JSON, body)
        else:
            try:
                if access is None:
                    raise LoginRefused(503, "there are no metrics yet")
                await access.require(scope)
            except LoginRefused as refusal:
                headers = [
                    (name.lower().encode("ascii"), value.encode("ascii"))
                    for name, value in refusal.headers.items()
                ]
                await _respond(send, refusal.status, _TEXT, f"{refusal}\n".encode(), *headers)
                return
            accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
            body, media_type = await self._metrics(accept.decode("latin-1"))
            await _respond(send, 200, media_type, body)

    async def _metrics(self, accept: str) -> tuple[bytes, str]:
        """The metrics; however many ask, they are collected once at a time."""
        while self._collecting is not None:
            await asyncio.wait((self._collecting,))
        self._collecting = asyncio.ensure_future(self._collect(accept))
        try:
            return await self._collecting
        finally:
            self._collecting = None

    async def _collect(self, accept: str) -> tuple[bytes, str]:
        families = await (self.families() if self.whole is None else self.whole.families())
        return await asyncio.to_thread(exposition, families, accept)

    async def families(self) -> Sequence[Family]:
        """What this process has counted."""
        return await asyncio.to_thread(collected, tuple(self.sources))

    def readiness(self) -> Mapping[str, object]:
        """Whether this process can answer everything."""
        return readiness(self._connections(), draining=self.draining)

    def _own(self) -> Iterable[Family]:
        """What every daemon counts."""
        yield Family(
            name="virtcim_http_answers_total",
            kind="counter",
            what="Answers, by HTTP status.",
            labels=("status",),
            values={(str(status),): float(many) for status, many in self.answers.copy().items()},
        )
        reached: dict[str, float] = {}
        if self.admission is not None and self.watched is not None:
            for doing, many in self.watched.closed.copy().items():
                reached[_LIMITS[doing]] = many
            reached["connections"] = self.admission.refused
        # Nothing else is answered so.
        reached["request-bytes"] = self.answers[413]
        for read in self.limits_reached:
            reached.update(read())
        yield limits_reached(reached)
        if self.admission is not None:
            yield Family.single(
                "virtcim_connections", "gauge", "Open connections.", self.admission.total
            )


def limits_reached(reached: Mapping[str, float]) -> Family:
    """How often which limit was reached, by the name of its option."""
    return Family(
        name="virtcim_limits_reached_total",
        kind="counter",
        what="How often clients have reached a limit, by its name.",
        labels=("limit",),
        values={(name,): count for name, count in reached.items()},
    )


async def _respond(
    send: Send, status: int, media_type: str, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    sent = [
        *headers,
        (b"content-type", media_type.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
