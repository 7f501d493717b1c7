"""Network interfaces of VMs (XenAPI ``VIF``)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

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
from virtcim.toolstack.refs import reference

__all__ = ["VIF_CALLS", "NewInterface", "read_interface"]

VIF_CALLS = CallTable()

_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# The prefix that belongs to QEMU.
_OWN_MAC = "52:54:00"
_MOST_INTERFACES = 1000
_ANY_NUMBER = frozenset({"", "autodetect"})
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
    new = read_interface(context, args)
    with change_machine(context, vm, "attach") as machine:
        present = machine.view.config.interfaces
        number = new.number({interface.number for interface in present})
        if any(interface.mac == new.mac for interface in present):
            raise XapiFailure("DEVICE_ALREADY_EXISTS", new.mac)
        add_device(context, machine, new.build(number))
    ref = reference("VIF", f"{machine.uuid}/{new.mac}")
    if other_config := given.map("other_config"):
        context.services.publisher.set_note("VIF", ref, "other_config", other_config)
    return ref


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInterface:
    """A network interface that a client wants."""

    given: GivenRecord
    kind: str
    source: str
    mac: str

    @property
    def is_named(self) -> bool:
        """Whether the client wants a certain number for it."""
        return self.given.text("device") not in _ANY_NUMBER

    def number(self, taken: Container[int]) -> int:
        """Choose its number. Raises ``DEVICE_ALREADY_EXISTS``."""
        return _number(self.given.text("device"), taken)

    def build(self, number: int) -> Element:
        """Build ``<interface>``."""
        mtu = self.given.get("MTU") or 0
        return build_interface(
            InterfaceXml(
                kind=self.kind,
                source=self.source,
                mac=self.mac,
                number=number,
                model=self.given.map("other_config").get("model", _DEFAULT_MODEL),
                mtu=0 if mtu == _DEFAULT_MTU else mtu,
            )
        )


def read_interface(context: Context, args: Mapping[str, object]) -> NewInterface:
    """Read a VIF.create record; a MAC address is chosen where it has none."""
    given = GivenRecord("VIF", args)
    network = given.required_reference(context, "network", "network")
    kind, source = context.services.publisher.interface_source(network)
    mac = given.text("MAC").lower()
    if mac and not _MAC.fullmatch(mac):
        raise XapiFailure("MAC_INVALID", mac)
    return NewInterface(given=given, kind=kind, source=source, mac=mac or _new_mac())


def _new_mac() -> str:
    return ":".join([_OWN_MAC, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


def _number(wanted: str, taken: Container[int]) -> int:
    if wanted in _ANY_NUMBER:
        return next(number for number in range(_MOST_INTERFACES) if number not in taken)
    if not (wanted.isascii() and wanted.isdigit() and int(wanted) < _MOST_INTERFACES):
        raise XapiFailure("INVALID_DEVICE", wanted)
    if int(wanted) in taken:
        raise XapiFailure("DEVICE_ALREADY_EXISTS", wanted)
    return int(wanted)
