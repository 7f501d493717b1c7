"""Network interfaces of VMs (XenAPI ``VIF``)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from virtcim.toolstack.calls.devices import DeviceClass, add_device, device_calls
from virtcim.toolstack.calls.domains import change_machine
from virtcim.toolstack.calls.fields import GivenRecord
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.native.domain_writer import (
    InterfaceXml,
    build_interface,
    find_interface,
)
from virtcim.toolstack.native.views import InterfaceView
from virtcim.toolstack.refs import reference

__all__ = ["VIF_CALLS"]

VIF_CALLS = CallTable()

_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# The prefix that belongs to QEMU.
_OWN_MAC = "52:54:00"
_MOST_INTERFACES = 1000
_DEFAULT_MODEL = "virtio"
_DEFAULT_MTU = 1500

_VIF = DeviceClass(name="VIF", key_field="MAC", find=find_interface)
for _call in device_calls(_VIF):
    VIF_CALLS.enter(_call)


@VIF_CALLS.add("VIF.create", "record args", asynchronous=True)
def create(context: Context, args: dict[str, object]) -> str:
    """Give a VM a network interface, from its next start or (``VIF.plug``) at once.

    Raises ``MAC_INVALID``, and ``DEVICE_ALREADY_EXISTS`` for a device number or MAC address that
    the VM has already.
    """
    given = GivenRecord("VIF", args)
    vm = given.required_reference(context, "VM", "VM")
    network = given.required_reference(context, "network", "network")
    kind, source = context.services.publisher.interface_source(network)
    mtu = given.get("MTU") or 0
    mac = given.text("MAC").lower()
    if mac and not _MAC.fullmatch(mac):
        raise XapiFailure("MAC_INVALID", mac)
    with change_machine(context, vm, "attach") as machine:
        present = machine.view.config.interfaces
        mac = mac or _new_mac()
        if any(interface.mac == mac for interface in present):
            raise XapiFailure("DEVICE_ALREADY_EXISTS", mac)
        interface = InterfaceXml(
            kind=kind,
            source=source,
            mac=mac,
            number=_number(given.text("device"), present),
            model=given.map("other_config").get("model", _DEFAULT_MODEL),
            mtu=0 if mtu == _DEFAULT_MTU else mtu,
        )
        add_device(context, machine, build_interface(interface))
    ref = reference("VIF", f"{machine.uuid}/{mac}")
    if other_config := given.map("other_config"):
        context.services.publisher.set_note("VIF", ref, "other_config", other_config)
    return ref


def _new_mac() -> str:
    return ":".join([_OWN_MAC, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


def _number(wanted: str, present: Iterable[InterfaceView]) -> int:
    taken = {interface.number for interface in present}
    if wanted in {"", "autodetect"}:
        return next(number for number in range(_MOST_INTERFACES) if number not in taken)
    if not (wanted.isascii() and wanted.isdigit() and int(wanted) < _MOST_INTERFACES):
        raise XapiFailure("INVALID_DEVICE", wanted)
    if int(wanted) in taken:
        raise XapiFailure("DEVICE_ALREADY_EXISTS", wanted)
    return int(wanted)
