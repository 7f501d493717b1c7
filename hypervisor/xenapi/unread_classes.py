"""The classes of an endpoint that cannot be read, and what is said and shown in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from virtcim.errormap import Fault
from virtcim.hypervisor.model import VirtualSystem
from virtcim.hypervisor.unread import UnreadObjects, UnreadParts
from virtcim.hypervisor.xenapi.session import brief

__all__ = ["UnreadClasses"]

# What the objects of an inventory, and the devices of a system, are built of in the first place.
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "host": "hosts",
        "network": "networks",
        "SR": "storage_repositories",
        "VDI": "disk_images",
        "VM": "virtual_systems",
    }
)


class UnreadClasses:
    """Which classes cannot be read at present, and which never were.

    What was known of a class before stays and says that it is old. Where nothing was known, looking
    at it is refused: it must not seem that there is nothing.
    """

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._known: set[str] = set()

    def failed(self, class_name: str, fault: Fault) -> bool:
        """A class cannot be read; gives whether that is news."""
        before, self._faults[class_name] = self._faults.get(class_name), fault
        return before != fault

    def read(self, class_name: str) -> bool:
        """A class was read; gives whether it could not be before."""
        self._known.add(class_name)
        return self._faults.pop(class_name, None) is not None

    @property
    def problems(self) -> Mapping[str, str]:
        """What is to be said of each class that cannot be read."""
        return {name: _said(name, fault) for name, fault in self._faults.items()}

    def concerning(self, *classes: str) -> list[str]:
        """What is to be said on an object that is built of these classes."""
        return [_said(name, self._faults[name]) for name in classes if name in self._faults]

    @property
    def unknown_kinds(self) -> Mapping[str, UnreadObjects]:
        """What is in an inventory for the kinds of which nothing is known."""
        faults = {kind: self._never_read(class_name) for class_name, kind in _KINDS.items()}
        return {kind: UnreadObjects(fault) for kind, fault in faults.items() if fault is not None}

    def without_unknown(self, system: VirtualSystem) -> Mapping[str, Any]:
        """The devices of a system, where nothing is known of a kind of them refused."""
        return {
            "disks": self._parts("VBD", system.disks),
            "network_ports": self._parts("VIF", system.network_ports),
            "consoles": self._parts("console", system.consoles),
        }

    def _parts(self, class_name: str, parts: tuple[Any, ...]) -> tuple[Any, ...]:
        fault = self._never_read(class_name)
        return parts if fault is None else UnreadParts.because(fault)

    def _never_read(self, class_name: str) -> Fault | None:
        fault = self._faults.get(class_name)
        if fault is None or class_name in self._known:
            return None
        return replace(fault, text=_said(class_name, fault))


def _said(class_name: str, fault: Fault) -> str:
    return f"the objects of class {class_name} cannot be read: {brief(fault)}"
