"""What disks and interfaces have in common: adding, removing, plugging and unplugging them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

from virtcim.toolstack.calltable import Call, Context
from virtcim.toolstack.documents import to_xml
from virtcim.toolstack.faults import XapiFailure, bad_power_state
from virtcim.toolstack.images.choice import keep_stated_format
from virtcim.toolstack.machines.change_journal import Before, written_down
from virtcim.toolstack.machines.device_kinds import (
    VBD,
    Device,
    DeviceChange,
    DeviceKind,
    find_device,
)
from virtcim.toolstack.machines.domains import Machine, change_machine, changing, look_again
from virtcim.toolstack.machines.live_steps import attach, detach, without_address
from virtcim.toolstack.machines.machine_document import MachineDocument
from virtcim.toolstack.machines.new_devices import NewDevice, note_new_devices, references
from virtcim.toolstack.machines.transaction import Transaction
from virtcim.toolstack.machines.vm_change import DeviceChanges, MachineChange
from virtcim.toolstack.parameters import parse_parameters

__all__ = ["add_device", "change_device", "device_calls"]


def device_calls(kind: DeviceKind) -> Iterator[Call]:
    """The calls that disks and interfaces have alike."""
    for verb, handler in _HANDLERS.items():
        yield Call(
            name=f"{kind.class_name}.{verb}",
            parameters=parse_parameters(f"{kind.class_name} self"),
            handler=partial(_on_device, kind, handler),
            asynchronous=True,
        )


def _on_device(
    kind: DeviceKind, handler: Callable[[Context, Device], None], context: Context, ref: str
) -> None:
    handler(context, find_device(context, kind, ref))


def _change(context: Context, machine: Machine, devices: DeviceChanges) -> MachineChange:
    """Change a VM's devices; what comes or goes does so at its next start only."""
    with changing(context, machine):
        machine = look_again(context, machine)
        change = MachineChange(context=context, machine=machine, devices=devices, at_once=False)
        change.prepare()
        before = Before(
            uuid=machine.uuid,
            name=machine.view.config.name,
            config=change.config_before,
            autostart=machine.view.autostart,
            steps=change.live_steps,
        )
        # What is one step has no middle to be cut off in.
        journal = (
            written_down(context.services, before)
            if change.live_steps
            else nullcontext(change.defined)
        )
        with journal as change.defined, Transaction() as steps:
            change.make(steps)
            change.make_last(steps)
        context.services.inventory.refresh_domain(machine.uuid)
    return change


def add_device(context: Context, vm: str, new: NewDevice) -> str:
    """Add a device for the next start; a transient VM has none, so it gets it at once."""
    devices = DeviceChanges(added=[new])
    with change_machine(context, vm, "attach") as machine:
        change = _change(context, machine, devices)
    note_new_devices(context, machine.uuid, change.added)
    [[ref]] = filter(None, references(machine.uuid, change.added).values())
    return ref


def change_device(
    context: Context, device: Device, operation: str, change: DeviceChange, *states: str
) -> None:
    """Change a device in place, in the running VM too if it is plugged there."""
    with change_machine(context, device.record["VM"], operation, *states) as machine:
        _change(context, machine, DeviceChanges(changed=[(device, change)]))


def _remove(context: Context, device: Device) -> None:
    """Remove a device that is not plugged; raises ``OPERATION_NOT_ALLOWED`` if it is."""
    if device.record["currently_attached"]:
        raise XapiFailure(
            "OPERATION_NOT_ALLOWED",
            f"{device.kind.class_name} '{device.record['uuid']}' is still attached to "
            f"'{device.record['VM']}'",
        )
    with change_machine(context, device.record["VM"], "unplug") as machine:
        if device.kind is VBD:
            keep_stated_format(context, device.record["VDI"])
        _change(context, machine, DeviceChanges(removed=[device]))


def _attach_live(context: Context, device: Device) -> None:
    """Attach a configured device to the running VM."""
    with change_machine(context, device.record["VM"], "plug") as machine:
        _require_live(machine)
        if MachineDocument(context, machine, live=True).find(device) is not None:
            raise XapiFailure("DEVICE_ALREADY_ATTACHED", device.ref)
        element = MachineDocument(context, machine, live=False).require(device)
        # Its slot at the next start may be taken, or not be there, in the running machine.
        attach(context.services.connection, machine.domain, without_address(element))


def _detach_live(context: Context, device: Device) -> None:
    """Detach a device from the running VM.

    Raises ``DEVICE_DETACH_TIMEOUT`` when its guest keeps it.
    """
    with change_machine(context, device.record["VM"], "unplug") as machine:
        _require_live(machine)
        element = MachineDocument(context, machine, live=True).find(device)
        if element is None:
            raise XapiFailure("DEVICE_ALREADY_DETACHED", device.ref)
        connection = context.services.connection
        detach(connection, machine.domain, device.kind, to_xml(element), device.ref)


def _require_live(machine: Machine) -> None:
    if machine.view.live is None:
        raise bad_power_state(machine.ref, "running, paused", machine.power_state)


_HANDLERS: dict[str, Callable[[Context, Device], None]] = {
    "destroy": _remove,
    "plug": _attach_live,
    "unplug": _detach_live,
    "unplug_force": _detach_live,
}
