"""A network interface that a client wants a VM to have."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.documents import Element
from virtcim.toolstack.documents.interface import InterfaceSource, build_interface
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.machines.device_kinds import VIF, DeviceKind
from virtcim.toolstack.reading.device_keys import DeviceKey
from virtcim.toolstack.reading.identities import KnownDevice, name_interfaces
from virtcim.toolstack.records.identity import CONNECTABLE_KINDS

__all__ = ["NewInterface", "check_mac", "network_source", "read_new_interface"]

_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# The prefix that belongs to QEMU.
_OWN_MAC = "52:54:00"
_ANY_NUMBER = frozenset({"", "autodetect"})
_MOST_INTERFACES = 1000
_DEFAULT_MODEL = "virtio"
_DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInterface:
    """An interface to be made; ``device`` is a number or ``autodetect``."""

    device: str
    source: InterfaceSource
    mac: str
    model: str
    mtu: int
    notes: Mapping[str, object]

    @property
    def kind(self) -> DeviceKind:
        """The kind of device that it is."""
        return VIF

    @property
    def turn(self) -> int:
        """When it is served: those that want a certain number come first."""
        return int(self.device in _ANY_NUMBER)

    def build(
        self, known: Collection[KnownDevice], names: Collection[str]
    ) -> tuple[str, int, Element]:
        """Make its element beside ``known``; gives its id and number, too.

        ``names`` are the MAC addresses that are taken. Raises ``INVALID_DEVICE`` and
        ``DEVICE_ALREADY_EXISTS``.
        """
        mac = self.mac or _new_mac()
        if mac in names:
            raise XapiFailure("DEVICE_ALREADY_EXISTS", mac)
        element = build_interface(source=self.source, mac=mac, model=self.model, mtu=self.mtu)
        if self.device in _ANY_NUMBER:
            [(device_id, number)] = name_interfaces([DeviceKey(name=mac)], known)
            return device_id, number, element
        if not (
            self.device.isascii() and self.device.isdigit() and int(self.device) < _MOST_INTERFACES
        ):
            raise XapiFailure("INVALID_DEVICE", self.device)
        number = int(self.device)
        if any(number == device.number for device in known):
            raise XapiFailure("DEVICE_ALREADY_EXISTS", self.device)
        return str(number), number, element


def _new_mac() -> str:
    return ":".join([_OWN_MAC, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


def read_new_interface(context: Context, args: Mapping[str, object]) -> NewInterface:
    """Read what a client says of an interface to be made; raises ``MAC_INVALID``."""
    given = GivenRecord("VIF", args)
    network = given.required_reference(context, "network", "network")
    mtu = given.get("MTU") or 0
    other_config = given.map("other_config")
    return NewInterface(
        device=given.text("device"),
        source=network_source(context, network),
        mac=check_mac(given.text("MAC")),
        model=other_config.get("model", _DEFAULT_MODEL),
        mtu=0 if mtu == _DEFAULT_MTU else mtu,
        notes={"other_config": other_config} if other_config else {},
    )


def check_mac(text: str) -> str:
    """Give a MAC address as libvirt writes it, empty for none; raises ``MAC_INVALID``."""
    mac = text.lower()
    if mac and not _MAC.fullmatch(mac):
        raise XapiFailure("MAC_INVALID", mac)
    return mac


def network_source(context: Context, network: str) -> InterfaceSource:
    """Give what an interface on a network says of it."""
    kind, name = context.services.lookup.interface_source(network)
    if kind not in CONNECTABLE_KINDS:
        label = context.record("network", network)["name_label"]
        raise value_not_supported("network", label, "only existing ports can be on it")
    return InterfaceSource(kind=kind, name=name)
