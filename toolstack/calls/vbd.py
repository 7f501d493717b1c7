"""Disks and drives of VMs (XenAPI ``VBD``)."""

from __future__ import annotations

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.documents.disk import DiskChange
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.images.choice import find_image
from virtcim.toolstack.images.formats import RAW
from virtcim.toolstack.machines.device_kinds import VBD, Device, find_device
from virtcim.toolstack.machines.devices import add_device, change_device, device_calls
from virtcim.toolstack.machines.new_disk import MODES, read_new_disk

__all__ = ["VBD_CALLS"]

VBD_CALLS = CallTable()

for _call in device_calls(VBD):
    VBD_CALLS.enter(_call)


@VBD_CALLS.add("VBD.create", "record args", asynchronous=True)
def create(context: Context, args: dict[str, object]) -> str:
    """Give a VM a disk or drive, from its next start or (``VBD.plug``) at once.

    ``userdevice`` is a number, a target (``vda``) or ``autodetect``. Raises
    ``DEVICE_ALREADY_EXISTS`` for one that is taken.
    """
    vm = GivenRecord("VBD", args).required_reference(context, "VM", "VM")
    return add_device(context, vm, read_new_disk(context, args))


@VBD_CALLS.add("VBD.set_mode", "VBD self, string value", asynchronous=True)
def set_mode(context: Context, vbd: str, value: str) -> None:
    """Let a disk be written (``RW``) or only be read (``RO``).

    Raises ``VIRTCIM_NEXT_START_ONLY`` while it is plugged.
    """
    if value not in MODES:
        raise value_not_supported("mode", value, f"must be one of {', '.join(MODES)}")
    device = find_device(context, VBD, vbd)
    change_device(context, device, "attach", DiskChange(read_only=MODES[value]))


@VBD_CALLS.add("VBD.insert", "VBD vbd, VDI vdi", asynchronous=True)
def insert(context: Context, vbd: str, vdi: str) -> None:
    """Put a medium into an empty drive."""
    device = _find_drive(context, vbd)
    if not device.record["empty"]:
        raise XapiFailure("VBD_NOT_EMPTY", vbd)
    image = find_image(context, vdi, RAW, vm=device.record["VM"])
    change = DiskChange(source=image.source, format=image.format)
    change_device(context, device, "attach", change)


@VBD_CALLS.add("VBD.eject", "VBD vbd", asynchronous=True)
def eject(context: Context, vbd: str) -> None:
    """Take the medium out of a drive."""
    device = _find_drive(context, vbd)
    if device.record["empty"]:
        raise XapiFailure("VBD_IS_EMPTY", vbd)
    change_device(context, device, "attach", DiskChange(eject=True))


def _find_drive(context: Context, vbd: str) -> Device:
    device = find_device(context, VBD, vbd)
    if device.record["type"] == "Disk":
        raise XapiFailure("VBD_NOT_REMOVABLE_MEDIA", vbd)
    return device
