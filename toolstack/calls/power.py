"""The life cycle of virtual machines (XenAPI ``VM.start`` and its kin)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libvirt

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.machines.domains import Machine, change_machine
from virtcim.toolstack.progress import following

__all__ = ["POWER_CALLS"]

POWER_CALLS = CallTable()

_HALTED, _RUNNING, _PAUSED, _SUSPENDED = "Halted", "Running", "Paused", "Suspended"


@POWER_CALLS.add("VM.start", "VM vm, bool start_paused, bool force", asynchronous=True)
def start(context: Context, vm: str, start_paused: bool, _force: bool) -> None:
    """Start a halted VM."""
    _create(context, vm, "start", _HALTED, start_paused)


@POWER_CALLS.add(
    "VM.start_on", "VM vm, host host, bool start_paused, bool force", asynchronous=True
)
def start_on(context: Context, vm: str, _host: str, start_paused: bool, _force: bool) -> None:
    """Start a halted VM; there is only one host."""
    _create(context, vm, "start_on", _HALTED, start_paused)


@POWER_CALLS.add("VM.resume", "VM vm, bool start_paused, bool force", asynchronous=True)
def resume(context: Context, vm: str, start_paused: bool, _force: bool) -> None:
    """Let a suspended VM go on where it was saved."""
    _create(context, vm, "resume", _SUSPENDED, start_paused)


@POWER_CALLS.add(
    "VM.resume_on", "VM vm, host host, bool start_paused, bool force", asynchronous=True
)
def resume_on(context: Context, vm: str, _host: str, start_paused: bool, _force: bool) -> None:
    """Let a suspended VM go on; there is only one host."""
    _create(context, vm, "resume_on", _SUSPENDED, start_paused)


def _create(context: Context, vm: str, operation: str, state: str, paused: bool) -> None:
    with change_machine(context, vm, operation, state) as machine:
        if machine.view.config.extra.get("is_a_template"):
            raise XapiFailure("VM_IS_TEMPLATE", vm, operation)
        call = context.services.connection.call
        if machine.view.live is not None:  # suspended to the guest's own memory
            call(machine.domain.pMWakeup, 0)
        else:
            flags = libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
            call(machine.domain.createWithFlags, flags)


def _simple(name: str, *states: str) -> Callable[[Callable[[Machine], tuple[object, ...]]], None]:
    """Enter a call that is one call of libvirt's, given by the decorated function."""

    def enter(steps: Callable[[Machine], tuple[object, ...]]) -> None:
        def handler(context: Context, vm: str) -> None:
            with change_machine(context, vm, name, *states) as machine:
                function, *arguments = steps(machine)
                context.services.connection.call(function, *arguments)  # type: ignore[arg-type]

        POWER_CALLS.add(f"VM.{name}", "VM vm", asynchronous=True)(handler)

    return enter


@_simple("pause", _RUNNING)
def _pause(machine: Machine) -> tuple[object, ...]:
    return (machine.domain.suspend,)


@_simple("unpause", _PAUSED)
def _unpause(machine: Machine) -> tuple[object, ...]:
    return (machine.domain.resume,)


@_simple("hard_shutdown", _RUNNING, _PAUSED, _SUSPENDED)
def _hard_shutdown(machine: Machine) -> tuple[object, ...]:
    if machine.view.live is None:
        return (machine.domain.managedSaveRemove, 0)
    return (machine.domain.destroyFlags, 0)


@POWER_CALLS.add("VM.suspend", "VM vm", asynchronous=True)
def suspend(context: Context, vm: str) -> None:
    """Save the memory of a running VM and stop it; can be cancelled."""
    call = context.services.connection.call
    with change_machine(context, vm, "suspend", _RUNNING) as machine:
        if context.task is not None:
            context.task.on_cancel = lambda: call(machine.domain.abortJob)
        try:
            with following(context, lambda: _saved(call(machine.domain.jobStats, 0))):
                call(machine.domain.managedSave, 0)
        except libvirt.libvirtError:
            if context.task is not None and context.task.cancelled:
                raise XapiFailure("TASK_CANCELLED", context.task.ref) from None
            raise
        finally:
            if context.task is not None:
                context.task.on_cancel = None


def _saved(statistics: Mapping[str, int]) -> float | None:
    """How much of a domain's memory a job has saved; None where no job tells."""
    total = statistics.get(libvirt.VIR_DOMAIN_JOB_DATA_TOTAL, 0)
    # What was processed leaves out the pages that hold nothing; what remains does not.
    remaining = statistics.get(libvirt.VIR_DOMAIN_JOB_DATA_REMAINING, 0)
    return (total - remaining) / total if total else None
