"""Consoles: there while something can be opened; nobody asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from virtcim.cim.records import Value
from virtcim.cim.value_maps import ResourceType, ResourceTypeValue, VideoArchitecture
from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.model import Console, ConsoleKind, VirtualSystem
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.per_object import per_part
from virtcim.providers.engine.reach import reach_from, same
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.resources.allocation import ALLOCATED
from virtcim.providers.resources.devices import device_per_part, device_values
from virtcim.providers.resources.kind import Devices, ResourceKind, ResourceSetting
from virtcim.providers.resources.settings import accept_one

__all__ = ["CONSOLES"]

_TYPES: Mapping[ConsoleKind, ResourceTypeValue] = MappingProxyType(
    {ConsoleKind.TEXT: ResourceType.SERIAL_PORT}
)


def _allocation_values(system: VirtualSystem, console: Console) -> Mapping[str, Value]:
    return {
        **ALLOCATED,
        "ElementName": f"Console {console.id} of {system.name_label}",
        "Caption": "Console allocation",
        "ResourceType": _TYPES.get(console.kind, ResourceType.GRAPHICS_CONTROLLER),
        "ResourceSubType": console.protocol,
        "Address": console.location or None,
        "AllocationUnits": "count",
        "VirtualQuantity": 1,
        "VirtualQuantityUnits": "count",
    }


_ALLOCATION = per_part(
    "VirtCIM_ConsoleResourceAllocationSettingData",
    "console",
    lambda system: system.consoles,
    _allocation_values,
)


def _device_values(system: VirtualSystem, console: Console) -> Mapping[str, Value]:
    return {
        **device_values(system, f"Display {console.id}", "Virtual display"),
        "VideoArchitecture": VideoArchitecture.UNKNOWN,
        "OtherIdentifyingInfo": [console.location] if console.location else None,
        "IdentifyingDescriptions": ["Console"] if console.location else None,
    }


def _displays(system: VirtualSystem) -> Iterable[Console]:
    return (each for each in system.consoles if each.kind is ConsoleKind.GRAPHICAL)


_DEVICE = device_per_part("VirtCIM_DisplayController", "console", _displays, _device_values)


def _devices(system: VirtualSystem) -> Iterator[Node[SystemPart[Console]]]:
    return (_DEVICE.node(SystemPart(system, each)) for each in _displays(system))


def _device_of(_: View, node: Node[SystemPart[Console]]) -> Iterator[Node[SystemPart[Console]]]:
    if node.sources.part.kind is ConsoleKind.GRAPHICAL:
        yield _DEVICE.node(node.sources)


def _change(
    setting: ResourceSetting, _: SystemPart[Console], change: VirtualSystemChange
) -> VirtualSystemChange:
    """Nothing of a console can be changed: ``change`` as it is."""
    accept_one(setting.reader)
    return change


CONSOLES: ResourceKind[SystemPart[Console]] = ResourceKind(
    name="console",
    allocation=_ALLOCATION,
    allocations=lambda _, system: (SystemPart(system, each) for each in system.consoles),
    devices=Devices(
        classes=(_DEVICE,),
        of_system=_devices,
        of_allocation=_device_of,
        allocations=reach_from(_DEVICE, same(_ALLOCATION)),
    ),
    change=_change,
)
