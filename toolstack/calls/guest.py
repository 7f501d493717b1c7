"""What the guest of a virtual machine does in its own time (XenAPI ``VM.clean_shutdown``, ...).

Only what the operation itself has caused is taken for its success.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TypeVar

import libvirt

from virtcim.toolstack.calls.power import POWER_CALLS
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.machines.domains import (
    Machine,
    begin_operation,
    end_operation,
    is_refused_for_state,
)
from virtcim.toolstack.native.operation_connections import Lease
from virtcim.toolstack.records.vm import power_state
from virtcim.toolstack.waiter import Waiter

__all__ = ["GUEST_CALLS"]

_Result = TypeVar("_Result")
# The event loop itself keeps only weak references.
_GOING_ON: set[asyncio.Task[object]] = set()

GUEST_CALLS = CallTable()

_RUNNING, _PAUSED, _HALTED = "Running", "Paused", "Halted"
# QEMU tells of a reset as soon as it has made it.
_RESET_S = 10.0
# Failures of a clean shutdown that a hard one must not follow.
_NOT_TO_BE_FORCED = frozenset(
    {"VM_BAD_POWER_STATE", "OPERATION_BLOCKED", "TASK_CANCELLED", "HANDLE_INVALID"}
)
# How long a guest may be waited for that restarts by itself again and again.
_SETTLE_S = 10.0
# How long after its monitor an emulator's end may be told.
_END_S = 10.0
# What libvirt calls an emulator's monitor that ends in the middle of a question (VIR_FROM_QEMU).
_MONITOR_ENDED = frozenset(
    {libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_FAILED}
)


@GUEST_CALLS.add("VM.clean_shutdown", "VM vm", asynchronous=True)
async def clean_shutdown(context: Context, vm: str) -> None:
    """Ask the guest to shut down, and wait until it did.

    Raises ``VM_SHUTDOWN_TIMEOUT`` when it does not, ``VM_CRASHED`` when it ended in another way.
    """

    def prepare(machine: Machine) -> Callable[[], bool]:
        crashed = _crash_seen(context, machine)

        def halted() -> bool:
            crashed()
            return _is_halted(context, machine)

        return halted

    await _ask_guest(context, vm, "clean_shutdown", lambda domain: domain.shutdown, prepare)


@GUEST_CALLS.add("VM.clean_reboot", "VM vm", asynchronous=True)
async def clean_reboot(context: Context, vm: str) -> None:
    """Ask the guest to restart, and wait until it did where libvirt tells.

    Raises ``VM_SHUTDOWN_TIMEOUT`` when it does not, ``VM_HALTED`` or ``VM_CRASHED`` when it ended
    instead.
    """
    reboots = context.services.inventory.history.reboots

    def prepare(machine: Machine) -> Callable[[], bool]:
        crashed = _crash_seen(context, machine)
        # One that restarts again and again never comes to rest.
        count = reboots.apart if reboots.unsettled_s(machine.uuid) else reboots.own
        before = count(machine.uuid)

        def restarted() -> bool:
            crashed()
            if _is_halted(context, machine):
                raise XapiFailure("VM_HALTED", machine.ref)
            return not _tells_of_restarts(context) or count(machine.uuid) != before

        return restarted

    await _ask_guest(
        context, vm, "clean_reboot", lambda domain: lambda: domain.reboot(0), prepare, settled=True
    )


@GUEST_CALLS.add("VM.shutdown", "VM vm", asynchronous=True)
async def shutdown(context: Context, vm: str) -> None:
    """Shut down cleanly, or hard where that fails for any reason but that it is not allowed."""
    try:
        await clean_shutdown(context, vm)
    except (XapiFailure, libvirt.libvirtError) as failure:
        if isinstance(failure, XapiFailure) and failure.code in _NOT_TO_BE_FORCED:
            raise
        context.services.connection.require()
        if context.record("VM", vm)["power_state"] == _HALTED:
            return
        hard = next(call for call in POWER_CALLS if call.name == "VM.hard_shutdown")
        await context.ending.run(hard.handler, context, vm)


@GUEST_CALLS.add("VM.hard_reboot", "VM vm", asynchronous=True)
async def hard_reboot(context: Context, vm: str) -> None:
    """Reset the machine, and wait until it was, where libvirt tells."""
    services = context.services
    reboots = services.inventory.history.reboots
    machine, key = await context.run(begin_operation, context, vm, "hard_reboot", _RUNNING, _PAUSED)
    try:
        before = reboots.all(machine.uuid)
        reboots.reset(machine.uuid)
        await context.run(services.connection.call, machine.domain.reset, 0)
        if _tells_of_restarts(context):
            await _wait(context, lambda: reboots.all(machine.uuid) != before, _RESET_S)
    finally:
        await context.ungated.run(end_operation, context, machine, key)


def _tells_of_restarts(context: Context) -> bool:
    """Whether there are events for restarts: the test driver restarts at once, without one."""
    host = context.services.inventory.host
    return host is not None and host.driver != "TEST"


def _is_halted(context: Context, machine: Machine) -> bool:
    view = context.services.inventory.domains.get(machine.uuid)
    return view is None or power_state(view) == _HALTED


def _crash_seen(context: Context, machine: Machine) -> Callable[[], None]:
    """Give what raises ``VM_CRASHED`` when the guest, or its emulator, has crashed since now."""
    inventory = context.services.inventory
    before = inventory.history.reboots.crashes(machine.uuid)

    def check() -> None:
        view = inventory.domains.get(machine.uuid)
        ended = view is not None and view.live is None and view.stop is not None
        if ended or inventory.history.reboots.crashes(machine.uuid) != before:
            raise XapiFailure("VM_CRASHED", machine.ref)

    return check


async def _ask_guest(
    context: Context,
    vm: str,
    operation: str,
    request: Callable[..., Callable[[], object]],
    prepare: Callable[[Machine], Callable[[], bool]],
    *,
    settled: bool = False,
) -> None:
    """Send a request that the guest may follow in its own time; no thread waits for it.

    What ``prepare`` gives, just before the request, says whether the guest did. ``settled``: it is
    sent when nothing more can come of earlier resets. An emulator that does not even take the
    request is waited for no longer than a guest.
    """
    services = context.services
    machine, key = await context.run(begin_operation, context, vm, operation, _RUNNING)
    try:
        if settled:
            await _wait_settled(context, machine)
        done = prepare(machine)
        deadline = time.monotonic() + services.shutdown_timeout_s
        asking = _begin(_ask(context, machine, request(machine.domain)))
        asking.add_done_callback(lambda _: services.database.wake())
        machine = replace(machine, lease=Lease(machine.lease.handle))  # the other is the request's
        if not await _wait(context, asking.done, deadline - time.monotonic()):
            raise _timed_out(context, machine)
        refused = asking.result()
        await context.run(services.inventory.refresh_domain, machine.uuid)
        if refused is not None:
            limit_s = 0.0 if is_refused_for_state(refused) else _END_S
            if not await _wait(context, done, min(limit_s, deadline - time.monotonic())):
                raise refused
        if not await _wait(context, done, deadline - time.monotonic()):
            raise _timed_out(context, machine)
    finally:
        await context.ungated.run(end_operation, context, machine, key)


def _timed_out(context: Context, machine: Machine) -> XapiFailure:
    limit = f"{context.services.shutdown_timeout_s:g}"
    return XapiFailure("VM_SHUTDOWN_TIMEOUT", machine.ref, limit)


async def _ask(
    context: Context, machine: Machine, request: Callable[[], object]
) -> libvirt.libvirtError | None:
    """Send a request; gives libvirt's error where the machine may have ended before the answer.

    Its connection is free for others only when it has ended.
    """
    try:
        await context.run(context.services.connection.call, request)
    except libvirt.libvirtError as error:
        if not (is_refused_for_state(error) or _may_have_ended(error)):
            raise
        return error
    finally:
        await context.ungated.run(machine.lease.release)
    return None


def _may_have_ended(error: libvirt.libvirtError) -> bool:
    """Whether this is what libvirt says where an emulator ends while it is asked."""
    from_qemu = error.get_error_domain() == libvirt.VIR_FROM_QEMU
    return from_qemu and error.get_error_code() in _MONITOR_ENDED


def _begin(work: Coroutine[object, None, _Result]) -> asyncio.Task[_Result]:
    """Begin what goes on, and keeps its place at the gate, also where nobody waits for it."""
    task = asyncio.get_running_loop().create_task(work)
    _GOING_ON.add(task)
    task.add_done_callback(_GOING_ON.discard)
    task.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception())
    return task


async def _wait_settled(context: Context, machine: Machine) -> None:
    reboots = context.services.inventory.history.reboots
    deadline = time.monotonic() + _SETTLE_S
    while left_s := reboots.unsettled_s(machine.uuid):
        left_s = min(left_s, deadline - time.monotonic())
        if left_s <= 0:
            return
        await _wait(context, lambda: not reboots.unsettled_s(machine.uuid), left_s)


async def _wait(context: Context, done: Callable[[], bool], limit_s: float) -> bool:
    """Wait until something is so; False when the time is over. The task can be cancelled."""
    services, task = context.services, context.task
    if task is not None:
        task.on_cancel = services.database.wake
    deadline = time.monotonic() + limit_s
    async with Waiter(services.database) as changed:
        while not done():
            services.connection.require()
            if task is not None and task.cancelled:
                raise XapiFailure("TASK_CANCELLED", task.ref)
            if not await changed.wait(deadline - time.monotonic()):
                return False
    return True
