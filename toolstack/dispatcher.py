"""From a decoded XML-RPC call to its handler and back: the checks that all calls share."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter

import libvirt

from virtcim.daemon.current_request import note_user
from virtcim.daemon.incidents import incident
from virtcim.daemon.turns import TurnRefused, Turns
from virtcim.toolstack.calltable import Call, Context
from virtcim.toolstack.faults import XapiFailure, handle_invalid, libvirt_failure
from virtcim.toolstack.gates import Gates
from virtcim.toolstack.guard import Guard
from virtcim.toolstack.operations import Operations
from virtcim.toolstack.parameters import check_value, count_mismatch
from virtcim.toolstack.services import Services
from virtcim.toolstack.state import StateError
from virtcim.toolstack.statistics import UNKNOWN_METHOD
from virtcim.toolstack.tasks import RunningTask
from virtcim.wire.application import ClientInfo

__all__ = ["Dispatcher"]

_log = logging.getLogger(__name__)
_ASYNC = "Async."


class Dispatcher:
    """Answers calls with XenAPI's envelope; ``dispatch`` fits ``wire.XmlRpcApplication``.

    ``more`` gives further calls, once: when ``load`` is called or the first of them comes.
    """

    def __init__(
        self,
        services: Services,
        calls: Iterable[Call],
        *,
        more: Callable[[], Iterable[Call]] = tuple,
        threads: int,
        longest_wait_s: float = 120.0,
    ) -> None:
        self._services = services
        self._calls = {call.name: call for call in calls}
        self._more: Callable[[], Iterable[Call]] | None = more
        self._loading = threading.Lock()
        self._gates = Gates(services.database)
        self._turns = Turns(for_one=threads, longest_s=longest_wait_s)
        self._executor = ThreadPoolExecutor(self._turns.slots, thread_name_prefix="libvirt")
        self._operations = Operations()
        self._guard = Guard(services.sessions, services.database, services.audit)

    def load(self) -> None:
        """Load the further calls, unless they are there."""
        with self._loading:
            if self._more is not None:
                more = {call.name: call for call in self._more()}
                if twice := more.keys() & self._calls.keys():
                    raise ValueError(f"{', '.join(sorted(twice))} declared twice")
                self._calls |= more
                self._more = None

    async def _find(self, name: str) -> Call | None:
        if name not in self._calls and self._more is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, self.load)
        return self._calls.get(name)

    async def drain(self, timeout_s: float) -> None:
        """Take no new operations, and wait up to ``timeout_s`` for those that run.

        Reads are answered meanwhile, so that whoever waits learns how an operation ended.
        """
        await self._operations.drain(timeout_s)

    def close(self) -> bool:
        """Take no more work; False if libvirt still does some, which is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        return not self._operations.running

    async def dispatch(self, method: str, params: list[object], client: ClientInfo) -> object:
        """Answer one call: ``{Status, Value}`` or ``{Status, ErrorDescription}``."""
        began_s = perf_counter()
        statistics = self._services.statistics
        call = await self._find(method.removeprefix(_ASYNC))
        # What clients make up is one name.
        name = UNKNOWN_METHOD if call is None else method
        statistics.count_request(name)
        code = ""
        try:
            value = await self._run(call, method, params, client)
        except XapiFailure as failure:
            code = failure.code
            return {"Status": "Failure", "ErrorDescription": list(failure.description)}
        finally:
            statistics.note_answer(name, perf_counter() - began_s, code)
        return {"Status": "Success", "Value": "" if value is None else value}

    async def _run(
        self, call: Call | None, method: str, params: list[object], client: ClientInfo
    ) -> object:
        if call is None:
            raise XapiFailure("MESSAGE_METHOD_UNKNOWN", method)
        name = call.name
        if name != method and not call.asynchronous:
            raise XapiFailure("Fault", f"No async mode for this operation (rpc: {method})")
        answers = self._services.inventory.answers
        if not answers.are_understood and not call.is_of_one_vm:
            # Not here: others need not wait for it.
            await asyncio.get_running_loop().run_in_executor(self._executor, answers.want_all)
        session, given = self._session(call, params)
        requester = self._guard.requester(session, client)
        note_user(requester.user)
        async with self._guard.calling(call, requester, given) as deed:
            arguments = self._check(call, given)
            context = Context(
                services=self._services,
                client=client,
                threads=self._executor,
                session=session,
                owner=requester.client,
                turn=partial(self._turn, requester.client),
                gate=self._gates.of(call, arguments),
                ending_gate=self._gates.ending(call, arguments),
            )
            ended = self._operations.begin(call)
            if name == method:
                try:
                    deed.value = await self._call(call, context, arguments)
                finally:
                    ended()
                return deed.value

            async def work(task: RunningTask) -> object:
                async with self._guard.ending(call, requester, given, task.ref) as end:
                    end.value = await self._call(call, replace(context, task=task), arguments)
                    return end.value

            deed.job = self._services.tasks.start(method, work, ended, owner=requester.client)
            return deed.job

    @property
    def turns_refused(self) -> int:
        """How many calls have waited in vain for their turn."""
        return self._turns.refused

    @asynccontextmanager
    async def _turn(self, client: str) -> AsyncIterator[None]:
        """A thread for a client, when all others had one. Raises ``TOO_BUSY``."""
        try:
            await self._turns.enter(client)
        except TurnRefused:
            raise XapiFailure("TOO_BUSY") from None
        try:
            yield
        finally:
            self._turns.leave(client)

    def _session(self, call: Call, params: list[object]) -> tuple[str, list[object]]:
        """The session of a call, empty where it needs none, and its parameters."""
        given = params[1:] if call.session else params
        most = len(call.parameters)
        least = sum(not parameter.optional for parameter in call.parameters)
        if (call.session and not params) or not least <= len(given) <= most:
            raise count_mismatch(call.name, most, len(given))
        session = self._services.sessions.require(params[0]) if call.session else ""
        return session, given

    def _check(self, call: Call, given: list[object]) -> list[object]:
        """The parameters as the handler sees them, whose objects exist."""
        if call.needs_libvirt:
            self._services.connection.require()
        arguments = [
            check_value(parameter.kind, parameter.name, value)
            for parameter, value in zip(call.parameters, given, strict=False)
        ]
        for parameter, value in zip(call.parameters, arguments, strict=False):
            if parameter.is_reference and not self._exists(call, parameter.kind, str(value)):
                raise handle_invalid(parameter.kind, str(value))
        return arguments

    def _exists(self, call: Call, class_name: str, ref: str) -> bool:
        if class_name == "session":
            return self._services.sessions.get(ref) is not None
        if class_name == "VDI" and (call.inline or call.class_name != "VDI"):
            # It can be looked at and given to a machine again, not changed.
            departed = self._services.lookup.departed.get(ref)
            if departed is not None:
                return True
        return self._services.database.get(class_name, ref) is not None

    async def _call(self, call: Call, context: Context, arguments: list[object]) -> object:
        """Run the handler; whatever it raises becomes an XapiFailure."""
        try:
            if inspect.iscoroutinefunction(call.handler):
                return await call.handler(context, *arguments)
            if call.inline:
                return call.handler(context, *arguments)
            return await context.run(call.handler, context, *arguments)
        except XapiFailure:
            raise
        except libvirt.libvirtError as error:
            raise libvirt_failure(error) from error
        except StateError as error:
            _log.error("%s: %s", call.name, error)
            raise XapiFailure("INTERNAL_ERROR", str(error)) from error
        except Exception as error:
            raise XapiFailure("INTERNAL_ERROR", incident(call.name, error)) from error
