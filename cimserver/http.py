"""The ASGI application: CIM operations over HTTP (DSP0200 "HTTP Requirements and Usage")."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import islice
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from virtcim.cim.cimxml.requests import MethodCall, Request, read_request
from virtcim.cim.cimxml.responses import Answer
from virtcim.cim.errors import CimXmlError
from virtcim.cimserver.boundary import ProviderBoundary
from virtcim.cimserver.errors import HttpProblem, incident
from virtcim.cimserver.headers import OPTIONS_HEADERS, Extension, check_against, check_request
from virtcim.cimserver.limits import Limits
from virtcim.cimserver.operations import Operations
from virtcim.daemon.basic_authentication import BasicAuthenticator
from virtcim.daemon.bodies import BodyRefused, bounded_bodies
from virtcim.mof import Schema
from virtcim.providers import accepted_language

__all__ = ["CimServer"]

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)

_REALM = 'Basic realm="virtcim"'
_TEXT = "text/plain; charset=utf-8"
_MEDIA_TYPE = 'application/xml; charset="utf-8"'
# Large messages are parsed away from the event loop, small ones where they are.
_LARGE_BODY_BYTES = 16 * 1024
# Of a reply that is being written while it is sent, a megabyte.
_PIECES_AT_ONCE = 10


class CimServer:
    """The embedded CIM server.

    ``authenticate`` says whether a user's password is right, None lets everybody in; ``host`` is
    what object paths name, the machine's own name by default. Run it with any ASGI server, and
    close it with the lifespan protocol or ``close``.
    """

    def __init__(
        self,
        providers: ProviderBoundary,
        schema: Schema,
        *,
        authenticate: Callable[[str, str], bool] | None,
        limits: Limits | None = None,
        host: str = "",
        debug_errors: bool = False,
    ) -> None:
        self._limits = limits or Limits()
        self._message_limits = self._limits.message
        self._operations = Operations(
            providers,
            schema,
            host=host or socket.gethostname(),
            limits=self._limits,
            debug_errors=debug_errors,
        )
        self._authenticator = None if authenticate is None else BasicAuthenticator(authenticate)
        # Reads never wait for the hypervisor, methods do: they must not take the reads' threads.
        self._readers = ThreadPoolExecutor(self._limits.read_threads, thread_name_prefix="cim-read")
        self._methods = ThreadPoolExecutor(
            self._limits.method_threads, thread_name_prefix="cim-method"
        )
        # One thread, as checking a password is made to cost a processor's time.
        self._verifier = ThreadPoolExecutor(1, thread_name_prefix="cim-verify")
        self._running = 0
        # Every path is ours, also the "*" of OPTIONS: clients post to /cimom, / or /wbem alike.
        self._application = bounded_bodies(
            Router(default=self._endpoint, lifespan=self._lifespan),
            most_bytes=self._limits.request_bytes,
            timeout_s=self._limits.body_timeout_s,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._application(scope, receive, send)

    def close(self) -> None:
        """Give back the threads; requests that run are finished."""
        for executor in (self._readers, self._methods, self._verifier):
            executor.shutdown(wait=False, cancel_futures=True)

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.close()

    async def _endpoint(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(HttpRequest(scope, receive))
        except ClientDisconnect:
            _log.info("a client went away before its request was complete")
            return
        except BodyRefused:
            raise
        except Exception as exc:  # noqa: BLE001 - the one boundary of what is not yet a request
            error = incident("an HTTP request", exc, show_traceback=False)
            response = Response(f"{error.description}\n", 500, media_type=_TEXT)
        await response(scope, receive, send)

    async def _respond(self, http: HttpRequest) -> Response:
        try:
            if self._running >= self._limits.concurrent_requests:
                raise HttpProblem(
                    status=503, detail="too many requests at once", headers={"Retry-After": "1"}
                )
            self._running += 1
            try:
                return await self._serve(http)
            finally:
                self._running -= 1
        except HttpProblem as problem:
            return _problem_response(problem)
        except CimXmlError as error:
            return _problem_response(
                HttpProblem(
                    status=error.status_hint, cim_error=error.cim_error, detail=error.detail
                )
            )

    async def _serve(self, http: HttpRequest) -> Response:
        if http.method == "OPTIONS":
            return Response(status_code=200, headers=dict(OPTIONS_HEADERS))
        if http.method not in ("POST", "M-POST"):
            status = 405 if http.method in ("GET", "HEAD", "PUT", "DELETE", "PATCH") else 501
            raise HttpProblem(
                status=status,
                detail="CIM operations are sent with POST or M-POST",
                headers={"Allow": OPTIONS_HEADERS["Allow"]},
            )
        principal = await self._principal(http)
        extension = Extension(http.method, http.headers)
        check_request(http.headers, extension)
        request = await self._message(await http.body())
        check_against(extension, request)
        executor = self._methods if isinstance(request, MethodCall) else self._readers
        answer = await _in_thread(
            executor,
            lambda: self._operations.answer(
                request,
                principal=principal,
                user_agent=http.headers.get("user-agent", ""),
                language=accepted_language(http.headers.get("accept-language", "")),
            ),
        )
        headers = extension.response_headers()
        if answer.language:
            headers["Content-Language"] = answer.language
        return _AnswerResponse(answer, headers, executor)

    async def _principal(self, http: HttpRequest) -> str:
        """Who asks; empty where nobody needs to say. Raises HttpProblem 401."""
        authenticator = self._authenticator
        if authenticator is None:
            return ""
        header = http.headers.get("authorization", "")
        principal = authenticator.remembered(header)
        if principal is None and header:
            peer = http.client.host if http.client else "a local client"
            principal = await _in_thread(
                self._verifier, lambda: authenticator.principal(header, peer)
            )
        if principal is None:
            raise HttpProblem(
                status=401,
                detail="a user and a password are needed",
                headers={"WWW-Authenticate": _REALM},
            )
        return principal

    async def _message(self, body: bytes) -> Request:
        """The request in a whole message: its tree is twenty times as large as its bytes, and must
        not wait for a slow client."""
        if len(body) < _LARGE_BODY_BYTES:
            return read_request(body, self._message_limits)
        return await _in_thread(self._readers, lambda: read_request(body, self._message_limits))


async def _in_thread(executor: Executor, work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(executor, work)


class _AnswerResponse(Response):
    """Sends an answer piece by piece, each as soon as the connection takes it.

    What is not written yet has no known length, so it goes in chunks. When writing it fails, the
    message breaks off, which HTTP tells its client.
    """

    def __init__(self, answer: Answer, headers: Mapping[str, str], executor: Executor) -> None:
        self._answer = answer
        self._executor = executor
        super().__init__(headers=dict(headers), media_type=_MEDIA_TYPE)
        if answer.rest is None:
            self.headers["Content-Length"] = str(sum(map(len, answer.pieces)))
        else:
            del self.headers["Content-Length"]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        rest = self._answer.rest
        last = None if rest else len(self._answer.pieces) - 1
        for number, piece in enumerate(self._answer.pieces):
            await send(_body(piece, more=number != last))
        while rest is not None:
            try:
                pieces = await _in_thread(self._executor, lambda: [*islice(rest, _PIECES_AT_ONCE)])
            except Exception as exc:  # noqa: BLE001 - the boundary of what is written late
                incident("the rest of a reply", exc, show_traceback=False)
                return
            for piece in pieces:
                await send(_body(piece, more=True))
            if not pieces:
                await send(_body(b"", more=False))
                return


def _body(piece: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def _problem_response(problem: HttpProblem) -> Response:
    """One line of text for people, and the CIMError header for programs."""
    headers = dict(problem.headers)
    if problem.cim_error:
        headers["CIMError"] = problem.cim_error
    return Response(f"{problem.detail}\n", problem.status, headers, media_type=_TEXT)
