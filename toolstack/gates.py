"""How many threads may wait for one virtual machine.

A machine whose emulator does not answer keeps every thread that works on it, perhaps for ever. The
threads are few and serve all machines: so only some of them may be with one machine at a time, and
further calls wait without a thread, not for ever either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from virtcim.toolstack.calltable import Call, Gate
from virtcim.toolstack.database import Database
from virtcim.toolstack.faults import XapiFailure

__all__ = ["Gates"]

_AT_ONCE = 2
# As long as libvirt lets an operation wait for another one on the same machine.
_PATIENCE_S = 30.0
# What ends a machine that does not answer must get through to it.
_ENDING = frozenset({"VM.hard_shutdown"})


class _Gate:
    """Lets some pass at a time; how long it is since one left tells whether it is stuck."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._moved_s = time.monotonic()
        self.users = 0

    async def enter(self, patience_s: float) -> bool:
        """Wait for a place; False when nobody has left for so long."""
        entering = asyncio.ensure_future(self._places.acquire())
        began_s = time.monotonic()
        try:
            while not entering.done():
                left_s = max(self._moved_s, began_s) + patience_s - time.monotonic()
                if left_s <= 0:
                    return False
                await asyncio.wait({entering}, timeout=left_s)
            return True
        except asyncio.CancelledError:
            if entering.done() and not entering.cancelled():
                self._places.release()
            raise
        finally:
            entering.cancel()

    def leave(self) -> None:
        """Give the place to the next one."""
        self._moved_s = time.monotonic()
        self._places.release()


class Gates:
    """The gates of all machines; used on the event loop only."""

    def __init__(self, database: Database, *, patience_s: float = _PATIENCE_S) -> None:
        self._database = database
        self._patience_s = patience_s
        self._gates: dict[tuple[str, bool], _Gate] = {}

    def of(self, call: Call, arguments: list[object]) -> Gate:
        """Give what a call passes with each piece of its work."""
        machine = self._machine(call, arguments)
        ending = call.name in _ENDING
        return lambda: self._pass(machine, ending)

    def ending(self, call: Call, arguments: list[object]) -> Gate:
        """Give what a call passes with its work where it goes on to end its machine."""
        machine = self._machine(call, arguments)
        return lambda: self._pass(machine, True)

    @asynccontextmanager
    async def _pass(self, machine: str, ending: bool) -> AsyncIterator[None]:
        if not machine:
            yield
            return
        key = (machine, ending)
        gate = self._gates.setdefault(key, _Gate(1 if ending else _AT_ONCE))
        gate.users += 1
        try:
            if not await gate.enter(self._patience_s):
                raise self._busy(machine)
            try:
                yield
            finally:
                gate.leave()
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[key]

    def _machine(self, call: Call, arguments: list[object]) -> str:
        """The machine that a call may have to wait for, or whose operation it ends; else nothing.

        The first reference among the parameters tells.
        """
        for parameter, value in zip(call.parameters, arguments, strict=False):
            if parameter.is_reference:
                return self._machine_of(parameter.kind, str(value))
        return ""

    def _machine_of(self, class_name: str, ref: str) -> str:
        if class_name in ("VM", "task"):
            return ref
        record = self._database.get(class_name, ref)
        if record is None:
            return ""
        if class_name in ("VBD", "VIF"):
            return str(record["VM"])
        if class_name == "VDI":
            for vbd in record["VBDs"]:
                user = self._database.get("VBD", vbd)
                if user is not None and user["currently_attached"]:
                    return str(user["VM"])
        return ""

    def _busy(self, machine: str) -> XapiFailure:
        record = self._database.get("VM", machine) or {}
        operations = dict(record.get("current_operations", {}))
        task, operation = next(iter(operations.items()), ("", "unknown"))
        return XapiFailure("OTHER_OPERATION_IN_PROGRESS", "VM", machine, str(operation), str(task))
