"""The devices of a virtual system: what the operating system in it sees (DSP1057 clause 7.5).

They are there in every state of the system; EnabledState tells whether they work at the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from virtcim.cim.records import Value
from virtcim.hypervisor.model import (
    Console,
    ConsoleKind,
    DiskKind,
    PowerState,
    VirtualDisk,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.providers.engine.instance_class import InstanceClass, Node, ServedClass
from virtcim.providers.engine.key_shapes import device_keys
from virtcim.providers.engine.per_object import per_number, per_part, per_system
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.engine.sources import OfSystem, SystemPart
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM

__all__ = [
    "CD_DRIVE_DEVICE",
    "DEVICES",
    "DISK_DEVICES",
    "DISPLAY_CONTROLLER",
    "FLOPPY_DRIVE_DEVICE",
    "LOGICAL_DISK",
    "MEMORY_DEVICE",
    "NETWORK_PORT",
    "PROCESSOR_DEVICE",
    "DeviceSources",
    "devices_of",
    "disk_device",
    "displays_of",
    "processors_of",
]

_ENABLED, _NOT_APPLICABLE = 2, 12
_HEALTHY = 5
_UNKNOWN_FAMILY = 2
_FIXED_BLOCK = 2
_READABLE, _READ_WRITE = 1, 3
_OS_DEVICE_NAME, _OS_DEVICE_NAMESPACE = 12, 8
_RANDOM_ACCESS, _WRITING, _REMOVABLE_MEDIA = 3, 4, 7
_ETHERNET = 2
# EnabledState, OperationalStatus and its description, and HealthState by the system's power state.
_STATES: Mapping[PowerState, tuple[int, int, str, int]] = MappingProxyType(
    {
        PowerState.RUNNING: (2, 2, "OK", _HEALTHY),
        PowerState.PAUSED: (9, 15, "The system is paused", _HEALTHY),
        PowerState.SUSPENDED: (6, 15, "The system is suspended", _HEALTHY),
        PowerState.HALTED: (3, 10, "The system is stopped", _HEALTHY),
        PowerState.UNKNOWN: (0, 0, "Unknown", 0),
    }
)
_DETACHED = (3, 10, "Not attached", _HEALTHY)
# Enabled but Offline: the port works, and drops what it is given.
_UNLINKED = (6, 10, "The link is down", _HEALTHY)


def _common(
    system: VirtualSystem,
    name: str,
    caption: str,
    *,
    attached: bool = True,
    link_up: bool = True,
    problem: str = "",
) -> Mapping[str, Value]:
    plugged = attached or system.power_state is not PowerState.RUNNING
    state = _STATES[system.power_state] if plugged else _DETACHED
    if not link_up and state[0] == _ENABLED:
        state = _UNLINKED
    enabled, operational, text, health = state
    if not link_up and state is not _UNLINKED:
        text = f"{text}; the link is down"
    values: dict[str, Value] = {
        "ElementName": f"{name} of {system.name_label}",
        "Caption": caption,
        "EnabledState": enabled,
        "RequestedState": _NOT_APPLICABLE,
        "TransitioningToState": _NOT_APPLICABLE,
        "EnabledDefault": 2,
        "OperationalStatus": [operational],
        "StatusDescriptions": [text],
        "HealthState": health,
    }
    return with_problem(values, problem)


def _processor_values(system: VirtualSystem, number: int) -> Mapping[str, Value]:
    return {
        **_common(system, f"Processor {number}", "Virtual processor"),
        "Role": "Central Processor",
        "Family": _UNKNOWN_FAMILY,
        "NumberOfEnabledCores": 1,
    }


def _memory_values(system: VirtualSystem) -> Mapping[str, Value]:
    running = system.power_state in (PowerState.RUNNING, PowerState.PAUSED)
    actual = system.memory_actual_bytes if running else 0
    size = actual or system.memory_dynamic_max_bytes
    return {
        **_common(system, "Memory", "Virtual memory"),
        "Volatile": True,
        "Access": _READ_WRITE,
        "BlockSize": 1,
        "NumberOfBlocks": size,
        "ConsumableBlocks": size,
        "Primordial": False,
    }


def _disk_values(system: VirtualSystem, disk: VirtualDisk) -> Mapping[str, Value]:
    # An image that cannot be looked into has no size that is known.
    size = disk.image.virtual_size_bytes or None if disk.image else None
    return {
        **_common(
            system,
            f"Disk {disk.id}",
            "Virtual disk",
            attached=disk.attached,
            problem=disk.problem,
        ),
        "Name": disk.device or disk.id,
        "NameFormat": _OS_DEVICE_NAME,
        "NameNamespace": _OS_DEVICE_NAMESPACE,
        "DataOrganization": _FIXED_BLOCK,
        "Access": _READABLE if disk.read_only else _READ_WRITE,
        "BlockSize": 1,
        "NumberOfBlocks": size,
        "ConsumableBlocks": size,
        "Primordial": False,
    }


def _drive_values(system: VirtualSystem, drive: VirtualDisk) -> Mapping[str, Value]:
    capabilities = [_RANDOM_ACCESS, _REMOVABLE_MEDIA]
    if drive.kind is DiskKind.FLOPPY:
        capabilities.insert(1, _WRITING)
    caption = f"Virtual {'CD' if drive.kind is DiskKind.CD else 'floppy'} drive"
    return {
        **_common(
            system,
            f"{drive.kind.value} {drive.id}",
            caption,
            attached=drive.attached,
            problem=drive.problem,
        ),
        "Name": drive.device or drive.id,
        "Capabilities": [*capabilities],
    }


def _port_values(system: VirtualSystem, port: VirtualNetworkPort) -> Mapping[str, Value]:
    # CIM_NetworkPort writes a MAC address as twelve hexadecimal digits.
    address = port.mac_address.replace(":", "").upper() or None
    name, caption = f"Network port {port.id}", "Virtual network port"
    return {
        **_common(
            system,
            name,
            caption,
            attached=port.attached,
            link_up=port.link_up,
            problem=port.problem,
        ),
        "PortType": 0,
        "LinkTechnology": _ETHERNET,
        "PermanentAddress": address,
        "NetworkAddresses": None if address is None else [address],
        "SupportedMaximumTransmissionUnit": port.mtu or None,
        "ActiveMaximumTransmissionUnit": port.mtu or None,
    }


def _display_values(system: VirtualSystem, console: Console) -> Mapping[str, Value]:
    return {
        **_common(system, f"Display {console.id}", "Virtual display"),
        "VideoArchitecture": 0,
        "OtherIdentifyingInfo": [console.location] if console.location else None,
        "IdentifyingDescriptions": ["Console"] if console.location else None,
    }


def _processor_numbers(system: VirtualSystem) -> range:
    """The numbers of the processors that the system has now, or would have if it started."""
    running = system.power_state in (PowerState.RUNNING, PowerState.PAUSED)
    return range((system.vcpus_actual if running else 0) or system.vcpus_at_startup)


def _disks_of(kind: DiskKind) -> Callable[[VirtualSystem], Iterable[VirtualDisk]]:
    return lambda system: (disk for disk in system.disks if disk.kind is kind)


def _displays(system: VirtualSystem) -> Iterable[Console]:
    return (each for each in system.consoles if each.kind is ConsoleKind.GRAPHICAL)


_Part = TypeVar("_Part", VirtualDisk, VirtualNetworkPort, Console)


def _device_class(
    name: str,
    part: str,
    devices: Callable[[VirtualSystem], Iterable[_Part]],
    values: Callable[[VirtualSystem, _Part], Mapping[str, Value]],
) -> InstanceClass[SystemPart[_Part]]:
    return per_part(name, part, devices, values, shape=device_keys(COMPUTER_SYSTEM.name, name))


PROCESSOR_DEVICE = per_number(
    "VirtCIM_Processor",
    "processor",
    _processor_numbers,
    _processor_values,
    shape=device_keys(COMPUTER_SYSTEM.name, "VirtCIM_Processor"),
)
MEMORY_DEVICE = per_system(
    "VirtCIM_Memory",
    _memory_values,
    part="memory",
    shape=device_keys(COMPUTER_SYSTEM.name, "VirtCIM_Memory"),
)
LOGICAL_DISK = _device_class("VirtCIM_LogicalDisk", "disk", _disks_of(DiskKind.DISK), _disk_values)
CD_DRIVE_DEVICE = _device_class("VirtCIM_CDROMDrive", "disk", _disks_of(DiskKind.CD), _drive_values)
FLOPPY_DRIVE_DEVICE = _device_class(
    "VirtCIM_DisketteDrive", "disk", _disks_of(DiskKind.FLOPPY), _drive_values
)
NETWORK_PORT = _device_class(
    "VirtCIM_NetworkPort", "network", lambda system: system.network_ports, _port_values
)
DISPLAY_CONTROLLER = _device_class(
    "VirtCIM_DisplayController", "console", _displays, _display_values
)
DISK_DEVICES = (LOGICAL_DISK, CD_DRIVE_DEVICE, FLOPPY_DRIVE_DEVICE)
DeviceSources = (
    OfSystem
    | SystemPart[int]
    | SystemPart[VirtualDisk]
    | SystemPart[VirtualNetworkPort]
    | SystemPart[Console]
)
DEVICES: tuple[ServedClass[DeviceSources], ...] = (
    PROCESSOR_DEVICE,
    MEMORY_DEVICE,
    *DISK_DEVICES,
    NETWORK_PORT,
    DISPLAY_CONTROLLER,
)
_DISK_DEVICES: Mapping[DiskKind, InstanceClass[SystemPart[VirtualDisk]]] = MappingProxyType(
    {
        DiskKind.DISK: LOGICAL_DISK,
        DiskKind.CD: CD_DRIVE_DEVICE,
        DiskKind.FLOPPY: FLOPPY_DRIVE_DEVICE,
    }
)


def processors_of(system: VirtualSystem) -> Iterator[Node[SystemPart[int]]]:
    """The processors of one system."""
    return (PROCESSOR_DEVICE.node(SystemPart(system, n)) for n in _processor_numbers(system))


def disk_device(of: SystemPart[VirtualDisk]) -> Node[SystemPart[VirtualDisk]]:
    """The device that a disk or drive is."""
    return _DISK_DEVICES[of.part.kind].node(of)


def displays_of(system: VirtualSystem) -> Iterator[Node[SystemPart[Console]]]:
    """The displays of one system."""
    return (DISPLAY_CONTROLLER.node(SystemPart(system, each)) for each in _displays(system))


def devices_of(system: VirtualSystem) -> Iterator[Node[DeviceSources]]:
    """Every device of one system."""
    yield from processors_of(system)
    yield MEMORY_DEVICE.node(OfSystem(system))
    for disk in system.disks:
        yield disk_device(SystemPart(system, disk))
    for port in system.network_ports:
        yield NETWORK_PORT.node(SystemPart(system, port))
    yield from displays_of(system)
