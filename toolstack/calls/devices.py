"""What disks and interfaces have in common: adding, removing, plugging and unplugging them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from xml.etree.ElementTree import Element, fromstring

import libvirt

from virtcim.toolstack.calls.domains import Machine, change_machine, redefine
from virtcim.toolstack.calltable import Call, Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.faults import XapiFailure, bad_power_state, handle_invalid
from virtcim.toolstack.native.domain_writer import child_of, to_xml
from virtcim.toolstack.parameters import parse_parameters

__all__ = ["Device", "DeviceClass", "add_device", "device_calls", "find_device"]

# A guest that lets go of a device does so within this time; libvirt itself waits five seconds.
_DETACH_S = 20.0
_DETACH_LOOK_S = 0.25

FindElement = Callable[[Element, str], Element | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClass:
    """VBD or VIF; ``find`` looks for an element by ``key_field``: a disk's target, or a MAC."""

    name: str
    key_field: str
    find: FindElement


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A VBD or VIF, with its record."""

    of: DeviceClass
    ref: str
    record: Record

    def find(self, root: Element) -> Element | None:
        """Give the device's element of a domain's description."""
        return self.of.find(root, self.record[self.of.key_field])

    def element(self, context: Context, machine: Machine, *, live: bool) -> Element:
        """Give the device's element of the running or the persistent description."""
        flags = libvirt.VIR_DOMAIN_XML_SECURE | (0 if live else libvirt.VIR_DOMAIN_XML_INACTIVE)
        xml = context.services.connection.call(machine.domain.XMLDesc, flags)
        element = self.find(fromstring(xml))  # noqa: S314 - libvirt wrote it
        if element is None:
            raise handle_invalid(self.of.name, self.ref)
        return element


def find_device(context: Context, of: DeviceClass, ref: str) -> Device:
    """Find a device by its reference."""
    return Device(of=of, ref=ref, record=context.record(of.name, ref))


def device_calls(of: DeviceClass) -> Iterator[Call]:
    """The calls that disks and interfaces have alike."""
    for verb, handler in _HANDLERS.items():
        yield Call(
            name=f"{of.name}.{verb}",
            parameters=parse_parameters(f"{of.name} self"),
            handler=partial(_on_device, of, handler),
            asynchronous=True,
        )


def _on_device(
    of: DeviceClass, handler: Callable[[Context, Device], None], context: Context, ref: str
) -> None:
    handler(context, find_device(context, of, ref))


def add_device(context: Context, machine: Machine, element: Element) -> None:
    """Add a device for the next start; a transient VM has none, so it gets it at once."""
    if not machine.view.persistent:
        context.services.connection.call(
            machine.domain.attachDeviceFlags, to_xml(element), libvirt.VIR_DOMAIN_AFFECT_LIVE
        )
        return

    def change(root: Element) -> None:
        child_of(root, "devices").append(element)

    redefine(context, machine, change)


def _remove(context: Context, device: Device) -> None:
    """Remove a device that is not plugged; raises ``OPERATION_NOT_ALLOWED`` if it is."""
    if device.record["currently_attached"]:
        raise XapiFailure(
            "OPERATION_NOT_ALLOWED",
            f"{device.of.name} '{device.record['uuid']}' is still attached to "
            f"'{device.record['VM']}'",
        )

    def change(root: Element) -> None:
        element, devices = device.find(root), root.find("devices")
        if element is not None and devices is not None:
            devices.remove(element)

    with change_machine(context, device.record["VM"], "unplug") as machine:
        redefine(context, machine, change)


def _attach_live(context: Context, device: Device) -> None:
    """Attach a configured device to the running VM."""
    with change_machine(context, device.record["VM"], "plug") as machine:
        _require_live(machine)
        if device.record["currently_attached"]:
            raise XapiFailure("DEVICE_ALREADY_ATTACHED", device.ref)
        element = device.element(context, machine, live=False)
        # Its slot at the next start may be taken, or not be there, in the running machine.
        for address in element.findall("address"):
            element.remove(address)
        context.services.connection.call(
            machine.domain.attachDeviceFlags, to_xml(element), libvirt.VIR_DOMAIN_AFFECT_LIVE
        )


def _detach_live(context: Context, device: Device) -> None:
    """Detach a device from the running VM.

    libvirt calls it a success when the guest was asked: here it is one when the device is gone.
    Raises ``DEVICE_DETACH_TIMEOUT`` when the guest keeps it.
    """
    with change_machine(context, device.record["VM"], "unplug") as machine:
        _require_live(machine)
        if not device.record["currently_attached"]:
            raise XapiFailure("DEVICE_ALREADY_DETACHED", device.ref)
        deadline = time.monotonic() + _DETACH_S
        context.services.connection.call(
            machine.domain.detachDeviceFlags,
            to_xml(device.element(context, machine, live=True)),
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
        )
        while _still_there(context, machine, device):
            if time.monotonic() > deadline:
                raise XapiFailure("DEVICE_DETACH_TIMEOUT", device.of.name, device.ref)
            time.sleep(_DETACH_LOOK_S)


def _still_there(context: Context, machine: Machine, device: Device) -> bool:
    xml = context.services.connection.call(machine.domain.XMLDesc, 0)
    return device.find(fromstring(xml)) is not None  # noqa: S314 - libvirt wrote it


def _require_live(machine: Machine) -> None:
    if machine.view.live is None:
        raise bad_power_state(machine.ref, "running, paused", machine.power_state)


_HANDLERS: dict[str, Callable[[Context, Device], None]] = {
    "destroy": _remove,
    "plug": _attach_live,
    "unplug": _detach_live,
    "unplug_force": _detach_live,
}
