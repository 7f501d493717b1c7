"""The table of calls: each row is a method of the API, its parameters and who answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.faults import handle_invalid
from virtcim.toolstack.parameters import Parameter, parse_parameters
from virtcim.wire.application import ClientInfo

if TYPE_CHECKING:
    from virtcim.toolstack.services import Services
    from virtcim.toolstack.tasks import RunningTask

__all__ = ["Call", "CallTable", "Context", "Gate", "Handler"]

_NO_OPERATIONS = frozenset({"event", "host", "session", "task"})

Handler = Callable[..., Any]
Gate = Callable[[], AbstractAsyncContextManager[None]]
_Result = TypeVar("_Result")
_Handler = TypeVar("_Handler", bound=Handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One method.

    A handler that is a coroutine runs on the event loop, as does an ``inline`` one, which only
    looks at memory; any other runs in the pool of threads, since libvirt blocks.
    """

    name: str
    parameters: tuple[Parameter, ...]
    handler: Handler
    session: bool = True
    asynchronous: bool = False
    inline: bool = False
    needs_libvirt: bool = True

    @property
    def is_operation(self) -> bool:
        """Whether it changes something, or has libvirt do work: sessions and tasks are none."""
        return not self.inline and self.class_name not in _NO_OPERATIONS

    @property
    def is_of_one_vm(self) -> bool:
        """Whether it reads one VM alone, or nothing of any object."""
        return (self.inline and self.class_name == "VM") or not self.needs_libvirt

    @property
    def class_name(self) -> str:
        """The class of the method."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler knows of its call; ``session`` is empty where the call needs none.

    ``owner`` is the client of whom it counts. ``turn`` waits for a thread until other clients had
    theirs; ``gate`` bounds how many threads work for the same machine, ``ending_gate`` how many end
    it.
    """

    services: Services
    client: ClientInfo
    threads: ThreadPoolExecutor
    session: str = ""
    owner: str = ""
    turn: Gate = nullcontext
    task: RunningTask | None = None
    gate: Gate = nullcontext
    ending_gate: Gate = nullcontext

    def record(self, class_name: str, ref: str) -> Record:
        """Give the record of an object; raises ``HANDLE_INVALID`` where there is none.

        A disk image outside pools that no machine names any more has one for a while.
        """
        record = self.services.database.get(class_name, ref)
        if record is None and class_name == "VDI":
            record = self.services.lookup.departed.get(ref)
        if record is None:
            raise handle_invalid(class_name, ref)
        return record

    @property
    def ending(self) -> Context:
        """The same call, when it goes on to end a machine that perhaps does not answer."""
        return replace(self, gate=self.ending_gate)

    @property
    def ungated(self) -> Context:
        """The same call, for what never waits for a machine."""
        return replace(self, gate=nullcontext)

    async def run(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run what calls libvirt in the pool of threads."""
        loop = asyncio.get_running_loop()
        context = copy_context()
        async with self.gate(), self.turn():
            return await loop.run_in_executor(
                self.threads, lambda: context.run(function, *arguments)
            )


class CallTable:
    """Rows of calls, added by decorators."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.values())

    def add(
        self,
        name: str,
        signature: str,
        *,
        session: bool = True,
        asynchronous: bool = False,
        inline: bool = False,
        needs_libvirt: bool = True,
    ) -> Callable[[_Handler], _Handler]:
        """Enter the decorated function as the handler of ``name``."""

        def decorate(handler: _Handler) -> _Handler:
            self.enter(
                Call(
                    name=name,
                    parameters=parse_parameters(signature),
                    handler=handler,
                    session=session,
                    asynchronous=asynchronous,
                    inline=inline,
                    needs_libvirt=needs_libvirt,
                )
            )
            return handler

        return decorate

    def enter(self, call: Call) -> None:
        """Enter a row."""
        if call.name in self._calls:
            raise ValueError(f"{call.name} is declared twice")
        self._calls[call.name] = call
