"""The ASGI application: CIM operations over HTTP (DSP0200 "HTTP Requirements and Usage")."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import lru_cache
from itertools import islice
from typing import TypeVar

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
from virtcim.cimserver.operations import Operations
from virtcim.daemon.asgi import Receive, Scope, Send
from virtcim.daemon.audit import Audit
from virtcim.daemon.basic_authentication import BasicAuthenticator
from virtcim.daemon.bodies import BodyRefused, ClientGone, read_body, refuse
from virtcim.daemon.client_certificates import certificate_user
from virtcim.daemon.current_request import note_user
from virtcim.daemon.logins import Logins, TooManyLogins
from virtcim.daemon.requester import Requester, peer_of
from virtcim.daemon.roles import EVERYTHING, Rights
from virtcim.mof import Schema
from virtcim.providers import accepted_language

__all__ = ["CimServer"]

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)

_REALM = 'Basic realm="virtcim"'
# Large messages are parsed away from the event loop, small ones where they are.
_LARGE_BODY_BYTES = 16 * 1024
# Of a reply that is being written while it is sent, a megabyte.
_PIECES_AT_ONCE = 10
# The same clients send the same header again and again.
_language = lru_cache(maxsize=16)(accepted_language)


class CimServer:
    """The embedded CIM server.

    ``authenticate`` says whether a user's password is right, None lets everybody in; ``user_stamp``
    gives what is another thing as soon as that is out of date, ``rights`` what he may do;
    ``knows`` says whether there is a user whom a client certificate names. What
    changes something is told to ``audit``. ``host`` is what object paths name, the machine's own
    name by default. ``subscriptions`` keeps what clients create, None where they can create
    nothing. Run it with any ASGI server, and close it with the lifespan protocol or ``close``.
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
        )
        self._rights = rights
        self._knows = knows
        self._logins = (
            None
            if authenticate is None
            else Logins(authenticate, threads=login_threads, refused=self._audit.login_refused)
        )
        self._authenticator = (
            None if self._logins is None else BasicAuthenticator(self._logins, stamp=user_stamp)
        )
        # Reads never wait for the hypervisor, methods do: they must not take the reads' threads.
        self._readers = ThreadPoolExecutor(self._limits.read_threads, thread_name_prefix="cim-read")
        self._methods = ThreadPoolExecutor(
            self._limits.method_threads, thread_name_prefix="cim-method"
        )
        self._running = 0
        self._router = Router(lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        # Every path is ours, also the "*" of OPTIONS: clients post to /cimom, / or /wbem alike.
        if scope["type"] == "http":
            await self._endpoint(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    def close(self) -> None:
        """Give back the threads; requests that run are finished."""
        for executor in (self._readers, self._methods):
            executor.shutdown(wait=False, cancel_futures=True)
        if self._logins is not None:
            self._logins.close()

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.close()

    async def _endpoint(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await _send_answer(send, Answer(pieces=()), OPTIONS_HEADERS, self._readers)
            return
        try:
            _check_method(scope["method"])
            head = Head(scope["headers"])
            # Whoever waits until his password is checked takes nobody's place.
            requester = await self._requester(head, scope)
            if self._running >= self._limits.concurrent_requests:
                raise HttpProblem(
                    status=503, detail="too many requests at once", headers={"Retry-After": "1"}
                )
            self._running += 1
            try:
                answer, headers, executor = await self._answer(scope, receive, head, requester)
            finally:
                self._running -= 1
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
            await _send_answer(send, answer, headers, executor)

    async def _answer(
        self, scope: Scope, receive: Receive, head: Head, requester: Requester
    ) -> tuple[Answer, Headers, Executor]:
        """The answer to one request, its headers, and who writes the rest of it."""
        if scope["method"] == "M-POST":
            head.extend()
        check_request(head)
        body = await read_body(
            scope,
            receive,
            most_bytes=self._limits.request_bytes,
            timeout_s=self._limits.body_timeout_s,
        )
        request = await self._message(body)
        check_against(head, request)
        user_agent, language = head.get(b"user-agent"), _language(head.get(b"accept-language"))
        executor = self._methods if isinstance(request, MethodCall) else self._readers
        answer = self._operations.answer_at_once(
            request, requester=requester, user_agent=user_agent, language=language
        )
        if answer is None:
            answer = await _in_thread(
                executor,
                lambda: self._operations.answer(
                    request, requester=requester, user_agent=user_agent, language=language
                ),
            )
        return answer, head.response_headers(), executor

    async def _requester(self, head: Head, scope: Scope) -> Requester:
        """Who asks: whom his certificate names, else his password. Raises HttpProblem."""
        peer = peer_of(scope)
        if self._authenticator is None:
            return Requester(rights=EVERYTHING, peer=peer)
        named = certificate_user(scope)
        if named is None:
            user = await self._user(self._authenticator, head, peer)
        elif self._knows(named):
            user = named
        else:
            self._audit.login_refused(named, peer)
            raise HttpProblem(
                status=403, detail="the client certificate names no user that is known here"
            )
        note_user(user)
        return Requester(user=user, rights=self._rights(user), peer=peer)

    async def _user(self, authenticator: BasicAuthenticator, head: Head, peer: str) -> str:
        """The user that the request names with the right password. Raises HttpProblem 401."""
        header = head.get(b"authorization")
        user = authenticator.remembered(header)
        if user is None and header:
            try:
                user = await authenticator.principal(header, peer)
            except TooManyLogins:
                raise HttpProblem(
                    status=429,
                    detail="too many logins of this address wait to be checked",
                    headers={"Retry-After": "5"},
                ) from None
        if user is None:
            raise HttpProblem(
                status=401,
                detail="a user and a password are needed",
                headers={"WWW-Authenticate": _REALM},
            )
        return user

    async def _message(self, body: bytes) -> Request:
        """The request in a whole message: its tree is twenty times as large as its bytes, and must
        not wait for a slow client."""
        if len(body) < _LARGE_BODY_BYTES:
            return self._reader.read(body)
        return await _in_thread(self._readers, lambda: self._reader.read(body))


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


async def _in_thread(executor: Executor, work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(executor, copy_context().run, work)


async def _send_answer(send: Send, answer: Answer, headers: Headers, executor: Executor) -> None:
    """Send an answer piece by piece, each as soon as the connection takes it.

    What is not written yet has no known length, so it goes in chunks. When writing it fails, the
    message breaks off, which HTTP tells its client.
    """
    pieces, rest = answer.pieces, answer.rest
    sent = list(headers)
    if rest is None:
        sent.append((b"content-length", b"%d" % sum(map(len, pieces))))
    if answer.language:
        sent.append((b"content-language", answer.language.encode("ascii")))
    await send({"type": "http.response.start", "status": 200, "headers": sent})
    last = 0 if rest else len(pieces)
    for number, piece in enumerate(pieces, start=1):
        await send({"type": "http.response.body", "body": piece, "more_body": number != last})
    if rest is None:
        if not pieces:
            await send({"type": "http.response.body", "body": b""})
        return
    while True:
        try:
            further = await _in_thread(executor, lambda: [*islice(rest, _PIECES_AT_ONCE)])
        except Exception as exc:  # noqa: BLE001 - the boundary of what is written late
            incident("the rest of a reply", exc, show_traceback=False)
            return
        for piece in further:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not further:
            await send({"type": "http.response.body", "body": b""})
            return


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
