"""Memory and processors of a VM (XenAPI ``VM.set_memory_*``, ``VM.set_VCPUs_*``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from virtcim.toolstack.calls.vm_fields import write_extra
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.machines.domains import Machine, all_or_nothing, change_machine, changing

__all__ = ["VM_RESOURCE_CALLS"]

VM_RESOURCE_CALLS = CallTable()

_CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


@contextmanager
def _changing(context: Context, vm: str, operation: str, *states: str) -> Iterator[Machine]:
    """Change a VM in steps; where one fails, those for the next start are taken back."""
    with (
        change_machine(context, vm, operation, *states) as machine,
        changing(context, machine),
        all_or_nothing(context, machine),
    ):
        yield machine


def _kib(size_bytes: int) -> int:
    if size_bytes <= 0:
        raise value_not_supported("value", size_bytes, "must be positive")
    return -(-size_bytes // 1024)


def _set_static_max(context: Context, machine: Machine, size_bytes: int) -> None:
    context.services.connection.call(
        machine.domain.setMemoryFlags, _kib(size_bytes), _CONFIG | libvirt.VIR_DOMAIN_MEM_MAXIMUM
    )


def _set_dynamic_max(context: Context, machine: Machine, size_bytes: int) -> None:
    """Set the balloon's target, now and for the next start: not every driver takes both at once."""
    call = context.services.connection.call
    if machine.view.persistent:
        call(machine.domain.setMemoryFlags, _kib(size_bytes), _CONFIG)
    if machine.view.live is not None:
        call(machine.domain.setMemoryFlags, _kib(size_bytes), _LIVE)


def _check_order(*limits: int) -> None:
    if list(limits) != sorted(limits):
        raise XapiFailure("MEMORY_CONSTRAINT_VIOLATION_ORDER")


@VM_RESOURCE_CALLS.add("VM.set_memory_static_max", "VM self, int value")
def set_memory_static_max(context: Context, vm: str, value: int) -> None:
    """Set the memory that a halted VM has at most."""
    with _changing(context, vm, "changing_static_range", "Halted") as machine:
        _set_static_max(context, machine, value)


@VM_RESOURCE_CALLS.add("VM.set_memory_static_min", "VM self, int value")
def set_memory_static_min(context: Context, vm: str, value: int) -> None:
    """Note the least memory of a halted VM; libvirt has no such limit."""
    with _changing(context, vm, "changing_static_range", "Halted") as machine:
        write_extra(context, machine, "memory_static_min", value)


@VM_RESOURCE_CALLS.add("VM.set_memory_dynamic_max", "VM self, int value")
def set_memory_dynamic_max(context: Context, vm: str, value: int) -> None:
    """Set the memory that a VM uses, at once if it runs."""
    with _changing(context, vm, "changing_dynamic_range") as machine:
        _set_dynamic_max(context, machine, value)


@VM_RESOURCE_CALLS.add("VM.set_memory_dynamic_min", "VM self, int value")
def set_memory_dynamic_min(context: Context, vm: str, value: int) -> None:
    """Note the least memory that a VM shall be ballooned to."""
    with _changing(context, vm, "changing_dynamic_range") as machine:
        _check_order(value, machine.view.config.memory_current_bytes)
        write_extra(context, machine, "memory_dynamic_min", value)


# XenAPI names these parameters min and max.
@VM_RESOURCE_CALLS.add(
    "VM.set_memory_dynamic_range", "VM self, int min, int max", asynchronous=True
)
def set_memory_dynamic_range(context: Context, vm: str, least: int, most: int) -> None:
    """Set the memory that a VM uses between the two, at once if it runs."""
    _check_order(least, most)
    with _changing(context, vm, "changing_dynamic_range") as machine:
        write_extra(context, machine, "memory_dynamic_min", least)
        _set_dynamic_max(context, machine, most)


@VM_RESOURCE_CALLS.add("VM.set_memory_static_range", "VM self, int min, int max", asynchronous=True)
def set_memory_static_range(context: Context, vm: str, least: int, most: int) -> None:
    """Set the bounds of the memory of a halted VM."""
    _check_order(least, most)
    with _changing(context, vm, "changing_static_range", "Halted") as machine:
        _set_static_max(context, machine, most)
        write_extra(context, machine, "memory_static_min", least)


@VM_RESOURCE_CALLS.add(
    "VM.set_memory_limits",
    "VM self, int static_min, int static_max, int dynamic_min, int dynamic_max",
    asynchronous=True,
)
def set_memory_limits(
    context: Context, vm: str, static_min: int, static_max: int, dynamic_min: int, dynamic_max: int
) -> None:
    """Set all four limits of a halted VM."""
    _check_order(static_min, dynamic_min, dynamic_max, static_max)
    with _changing(context, vm, "changing_memory_limits", "Halted") as machine:
        _set_static_max(context, machine, static_max)
        _set_dynamic_max(context, machine, dynamic_max)
        write_extra(context, machine, "memory_static_min", static_min)
        write_extra(context, machine, "memory_dynamic_min", dynamic_min)


@VM_RESOURCE_CALLS.add("VM.set_memory", "VM self, int value", asynchronous=True)
def set_memory(context: Context, vm: str, value: int) -> None:
    """Give a halted VM exactly this memory."""
    with _changing(context, vm, "changing_memory_limits", "Halted") as machine:
        _set_static_max(context, machine, value)
        _set_dynamic_max(context, machine, value)
        write_extra(context, machine, "memory_dynamic_min", value)


@VM_RESOURCE_CALLS.add("VM.set_VCPUs_max", "VM self, int value")
def set_vcpus_max(context: Context, vm: str, value: int) -> None:
    """Set how many processors a halted VM can have."""
    _set_vcpus(context, vm, value, _CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM, "Halted")


@VM_RESOURCE_CALLS.add("VM.set_VCPUs_at_startup", "VM self, int value")
def set_vcpus_at_startup(context: Context, vm: str, value: int) -> None:
    """Set how many processors a VM starts with."""
    _set_vcpus(context, vm, value, _CONFIG)


@VM_RESOURCE_CALLS.add("VM.set_VCPUs_number_live", "VM self, int nvcpu", asynchronous=True)
def set_vcpus_number_live(context: Context, vm: str, value: int) -> None:
    """Set how many processors a running VM has."""
    _set_vcpus(context, vm, value, _LIVE, "Running")


def _set_vcpus(context: Context, vm: str, value: int, flags: int, *states: str) -> None:
    # libvirt takes an unsigned number: a negative one would come out as a huge one.
    if not 0 < value < 2**31:
        raise value_not_supported("value", value, "must be a positive number of processors")
    with change_machine(context, vm, "changing_VCPUs", *states) as machine:
        context.services.connection.call(machine.domain.setVcpusFlags, value, flags)
