"""The ASGI application: CIM operations over HTTP (DSP0200 "HTTP Requirements and Usage")."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from functools import lru_cache

from starlette.routing import Router

from virtcim.cim.cimxml.request_shapes import RequestReader
from virtcim.cim.cimxml.requests import MethodCall, Request
from virtcim.cim.cimxml.responses import Answer
from virtcim.cim.errors import CimXmlError
from virtcim.cimserver.boundary import ProviderBoundary
from virtcim.cimserver.errors import HttpProblem, incident
from virtcim.cimserver.headers import (
    OPTIONS_HEADERS,
    Head,
    Headers,
    check_against,
    check_request,
)
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.cimserver.limits import Limits
from virtcim.cimserver.measures import OperationMeasures
from virtcim.cimserver.operations import Operations
from virtcim.cimserver.other_workers import Asked, OtherWorkers, whole
from virtcim.cimserver.replies import send_answer
from virtcim.cimserver.work import Exchange, Load, Work, too_much_waits
from virtcim.daemon.asgi import Receive, Scope, Send
from virtcim.daemon.audit import Audit
from virtcim.daemon.bodies import BodyRefused, ClientGone, read_body, refuse
from virtcim.daemon.current_request import note_complete
from virtcim.daemon.http_connection import connection_of
from virtcim.daemon.http_login import HttpLogin, LoginRefused
from virtcim.daemon.logins import Logins, PasswordChecks
from virtcim.daemon.message_memory import Held, MessageMemory
from virtcim.daemon.requester import Requester
from virtcim.daemon.roles import EVERYTHING, Rights
from virtcim.daemon.shares import Shares
from virtcim.daemon.turns import TurnRefused, Turns
from virtcim.mof import Schema
from virtcim.providers import accepted_language

__all__ = ["CimServer"]

_log = logging.getLogger(__name__)

# Large messages are parsed away from the event loop, small ones where they are.
_LARGE_BODY_BYTES = 16 * 1024
_TREE_FACTOR = 20
_OPEN = "Open"
# Whoever is alone may have three quarters of all requests at once.
_SHARE = 3
# The same clients send the same header again and again.
_language = lru_cache(maxsize=16)(accepted_language)


class CimServer:
    """The embedded CIM server.

    ``authenticate`` says whether a user's password is right, None lets everybody in; ``user_stamp``
    gives what is another thing as soon as that is out of date, ``rights`` what he may do;
    ``knows`` says whether there is a user whom a client certificate names. What
    changes something is told to ``audit``. ``host`` is what object paths name, the machine's own
    name by default. ``subscriptions`` keeps what clients create, None where they can create
    nothing. ``logins`` checks passwords instead of this process, ``others`` are the other
    workers of the same server. Run it with any ASGI server, and close it with the lifespan protocol
    or ``close``.
    """

    def __init__(
        self,
        providers: ProviderBoundary,
        schema: Schema,
        *,
        authenticate: Callable[[str, str], bool] | None,
        user_stamp: Callable[[str], object] = lambda _: None,
        knows: Callable[[str], bool] = lambda _: False,
        rights: Callable[[str], Rights] = lambda _: EVERYTHING,
        login_threads: int = 1,
        audit: Audit | None = None,
        limits: Limits | None = None,
        host: str = "",
        debug_errors: bool = False,
        subscriptions: SubscriptionManager | None = None,
        logins: PasswordChecks | None = None,
        others: OtherWorkers | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._audit = audit or Audit("serve")
        self._reader = RequestReader(self._limits.message)
        self._operations = Operations(
            providers,
            schema,
            host=host or socket.gethostname(),
            limits=self._limits,
            debug_errors=debug_errors,
            audit=self._audit,
            subscriptions=subscriptions,
            others=others,
        )
        self._others = others
        if others is not None:
            others.answer_with(self._answer_other)
        if logins is None and authenticate is not None:
            logins = Logins(authenticate, threads=login_threads, refused=self._audit.login_refused)
        #: Who makes a request.
        self.login = HttpLogin(
            logins,
            stamp=user_stamp,
            knows=knows,
            rights=rights,
            came=self._audit.login_done,
            refused=self._audit.login_refused,
        )
        self._memory = MessageMemory(self._limits.message_memory_bytes)
        # Reads never wait for the hypervisor, methods do: they must not take the reads' threads.
        longest_s, memory = self._limits.turn_timeout_s, self._memory
        reads, methods = self._limits.read_threads, self._limits.method_threads
        self._reads = Work("cim-read", reads, longest_s=longest_s, memory=memory)
        self._methods = Work("cim-method", methods, longest_s=longest_s, memory=memory)
        self._refused = 0
        self._in_progress = Shares(self._limits.concurrent_requests, factor=_SHARE)
        # Whoever has to wait until others have closed enumerations.
        self._opening = Turns(for_one=1, longest_s=longest_s, has_room=self._operations.may_open)
        self._router = Router(lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        # Every path is ours, also the "*" of OPTIONS: clients post to /cimom, / or /wbem alike.
        if scope["type"] == "http":
            await self._endpoint(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    @property
    def measures(self) -> OperationMeasures:
        """What has been counted of operations."""
        return self._operations.measures

    @property
    def load(self) -> Load:
        """What clients have of the server just now."""
        turns = (self._reads.turns, self._methods.turns, self._opening)
        return Load(
            requests=self._in_progress.total,
            waiting=sum(one.waiting for one in turns),
            refused=self._refused + sum(one.refused for one in turns),
            message_bytes=self._memory.held_bytes,
            open_enumerations=self._operations.open_enumerations,
        )

    def close(self) -> None:
        """Give back the threads; requests that run are finished."""
        for work in (self._reads, self._methods):
            work.close()
        if self.login.logins is not None:
            self.login.logins.close()

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.close()

    async def _endpoint(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            headers = [*OPTIONS_HEADERS, (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            _check_method(scope["method"])
            head = Head(scope["headers"])
            # Whoever waits until his password is checked takes nobody's place.
            requester = await self._requester(head, scope)
            held = Held(self._memory, requester.client)
            exchange = Exchange(requester.client, held, connection_of(scope))
            try:
                answer, work = await self._answer(scope, receive, head, requester, exchange)
            finally:
                held.hold(0)
        except HttpProblem as problem:
            await _send_problem(send, problem)
        except CimXmlError as error:
            await _send_problem(
                send,
                HttpProblem(
                    status=error.status_hint, cim_error=error.cim_error, detail=error.detail
                ),
            )
        except BodyRefused as refusal:
            await refuse(send, refusal)
        except ClientGone:
            _log.info("a client went away before its request was complete")
        except Exception as exc:  # noqa: BLE001 - the one boundary of what is not yet a request
            told = incident("an HTTP request", exc, show_traceback=False)
            await _send_text(send, 500, told.description, ())
        else:
            sending = send_answer(
                send,
                answer,
                head.response_headers(),
                work,
                exchange,
                held_bytes=self._limits.held_reply_bytes,
            )
            del answer
            await sending

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        head: Head,
        requester: Requester,
        exchange: Exchange,
    ) -> tuple[Answer, Work]:
        """The answer to one request, and who writes the rest of it."""
        if scope["method"] == "M-POST":
            head.extend()
        check_request(head)
        body = await read_body(
            scope,
            receive,
            most_bytes=self._limits.request_bytes,
            timeout_s=self._limits.body_timeout_s,
            held=exchange.held,
        )
        note_complete()
        user_agent, language = head.get(b"user-agent"), _language(head.get(b"accept-language"))
        asked = Asked(body, requester, user_agent, language)
        is_large = len(body) >= _LARGE_BODY_BYTES
        if not is_large:
            request = self._reader.read(body)
            check_against(head, request)
            work = self._methods if isinstance(request, MethodCall) else self._reads
            if (answer := await self._answer_elsewhere(request, asked)) is not None:
                return answer, work
            if self._memory.has_room(exchange.client):
                answer = self._operations.answer_at_once(
                    request, requester=requester, user_agent=user_agent, language=language
                )
                if answer is not None:
                    return answer, work
        with self._place_of(exchange.client):
            if is_large:
                # Its tree is much larger than its bytes, and must not wait for a slow client.
                request = await self._reads.run(exchange, lambda: self._reader.read(body))
                exchange.held.hold(_TREE_FACTOR * len(body))
                check_against(head, request)
                work = self._methods if isinstance(request, MethodCall) else self._reads
                if (answer := await self._answer_elsewhere(request, asked)) is not None:
                    return answer, work
            async with self._room_for(request, exchange.client):
                answer = await work.run(
                    exchange,
                    lambda: self._operations.answer(
                        request, requester=requester, user_agent=user_agent, language=language
                    ),
                    goes_on=is_large,
                )
        return answer, work

    async def _answer_elsewhere(self, request: Request, asked: Asked) -> Answer | None:
        """The answer of the worker that has what is asked for; None where that is this one."""
        if self._others is None or not (owner := self._others.owner_of(request)):
            return None
        return await self._others.answer(owner, asked)

    async def _answer_other(self, asked: Asked) -> Answer:
        """The whole answer to what another worker was asked, and what is to be found here.

        Raises HttpProblem 503.
        """
        client = asked.requester.client
        held = Held(self._memory, client)
        exchange = Exchange(client, held, None)
        request = self._reader.read(asked.body)
        try:
            with self._place_of(client):
                return await self._reads.run(
                    exchange,
                    lambda: whole(
                        self._operations.answer(
                            request,
                            requester=asked.requester,
                            user_agent=asked.user_agent,
                            language=asked.language,
                        )
                    ),
                )
        finally:
            held.hold(0)

    @contextmanager
    def _place_of(self, client: str) -> Iterator[None]:
        """A place among the requests at once. Raises HttpProblem 503."""
        if not self._in_progress.has_room(client):
            self._refused += 1
            raise too_much_waits()
        self._in_progress.change(client, 1)
        try:
            yield
        finally:
            self._in_progress.change(client, -1)

    def _room_for(self, request: Request, client: str) -> AbstractAsyncContextManager[None]:
        """Let who opens an enumeration wait a while for room, where there is none."""
        if isinstance(request, MethodCall) or not request.name.startswith(_OPEN):
            return nullcontext()
        if not self._opening.waiting and self._operations.may_open(client):
            return nullcontext()
        return self._room_to_open(client)

    @asynccontextmanager
    async def _room_to_open(self, client: str) -> AsyncIterator[None]:
        """Wait for room; where none comes the operation itself refuses."""
        try:
            await self._opening.enter(client)
        except TurnRefused:
            yield
            return
        try:
            yield
        finally:
            self._opening.leave(client)

    async def _requester(self, head: Head, scope: Scope) -> Requester:
        """Who asks. Raises HttpProblem."""
        try:
            return await self.login.requester(scope, head.get(b"authorization"))
        except LoginRefused as refusal:
            raise HttpProblem(
                status=refusal.status, detail=str(refusal), headers=refusal.headers
            ) from None


def _check_method(method: str) -> None:
    """Refuse what carries no CIM operation. Raises HttpProblem."""
    if method in ("POST", "M-POST"):
        return
    status = 405 if method in ("GET", "HEAD", "PUT", "DELETE", "PATCH") else 501
    raise HttpProblem(
        status=status,
        detail="CIM operations are sent with POST or M-POST",
        headers={"Allow": "POST, M-POST, OPTIONS"},
    )


async def _send_problem(send: Send, problem: HttpProblem) -> None:
    """One line of text for people, and the CIMError header for programs."""
    headers = [
        (name.lower().encode("ascii"), value.encode("latin-1"))
        for name, value in problem.headers.items()
    ]
    if problem.cim_error:
        headers.append((b"cimerror", problem.cim_error.encode("ascii")))
    await _send_text(send, problem.status, problem.detail, headers)


async def _send_text(send: Send, status: int, line: str, headers: Headers) -> None:
    text = f"{line}\n".encode()
    sent = [
        *headers,
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": text})
