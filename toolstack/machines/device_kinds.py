"""The kinds of devices that clients add, change and remove: one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.documents import Element, disk, interface
from virtcim.toolstack.reading.device_keys import DeviceKey, disk_key, interface_key
from virtcim.toolstack.reading.known_devices import DISK, INTERFACE
from virtcim.toolstack.refs import reference

__all__ = ["KINDS", "VBD", "VIF", "Device", "DeviceChange", "DeviceKind", "find_device"]


class DeviceChange(Protocol):
    """What shall be different in a device."""

    @property
    def is_empty(self) -> bool:
        """Whether everything stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKind:
    """A class of the XenAPI, and the devices of a domain that its objects are.

    ``setting`` is how CIM's InstanceIDs call it, ``place_property`` CIM's property for what a
    running machine can change of it sometimes. The functions are those of the module of
    ``documents`` that edits such devices.
    """

    class_name: str
    tag: str
    setting: str
    place_property: str
    key: Callable[[Any], DeviceKey]
    present_change: Callable[[Element, Any], Any]
    waits_for_next_start: Callable[[Element, Any], Iterator[str]]
    replaced_items: Callable[[Any], tuple[str, ...]]
    asked: Callable[[Any], tuple[str, str]]
    change: Callable[[Element, Any], None]

    def reference(self, uuid: str, device_id: str) -> str:
        """Give the reference of a device of the domain ``uuid``."""
        return reference(self.class_name, f"{uuid}/{device_id}")

    def keys(self, elements: list[Element]) -> list[DeviceKey]:
        """Give what tells these devices from each other."""
        return [self.key(element) for element in elements]


VBD = DeviceKind(
    class_name="VBD",
    tag=DISK,
    setting="disk",
    place_property="HostResource",
    key=disk_key,
    present_change=disk.present_change,
    waits_for_next_start=disk.waits_for_next_start,
    replaced_items=disk.replaced_items,
    asked=disk.asked,
    change=disk.change_disk,
)
VIF = DeviceKind(
    class_name="VIF",
    tag=INTERFACE,
    setting="network",
    place_property="PoolID",
    key=interface_key,
    present_change=interface.present_change,
    waits_for_next_start=interface.waits_for_next_start,
    replaced_items=interface.replaced_items,
    asked=interface.asked,
    change=interface.change_interface,
)

KINDS: Mapping[str, DeviceKind] = MappingProxyType({kind.class_name: kind for kind in (VBD, VIF)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A VBD or VIF with its record, as it was when the call came."""

    kind: DeviceKind
    ref: str
    record: Record

    @property
    def id(self) -> str:
        """The name that the device keeps for its life."""
        return str(self.record["runtime_properties"]["id"])

    @property
    def setting(self) -> str:
        """How CIM's InstanceIDs call the device, after the machine."""
        return f"{self.kind.setting}/{self.id}"


def find_device(context: Context, kind: DeviceKind, ref: str) -> Device:
    """Find a device by its reference; raises ``HANDLE_INVALID``."""
    return Device(kind=kind, ref=ref, record=context.record(kind.class_name, ref))
