"""What a virtual system was allocated: processors, memory, disks, network ports.

DSP1041, DSP1043, DSP1044, DSP1045, DSP1047, DSP1050.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from virtcim.cim.records import Value
from virtcim.hypervisor.model import (
    Console,
    ConsoleKind,
    DiskKind,
    VirtualDisk,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.providers.engine.instance_class import InstanceClass, Node, ServedClass
from virtcim.providers.engine.per_object import all_systems, per_object, per_part
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.resource_pool.pools import (
    DISK_DRIVE,
    ETHERNET_ADAPTER,
    MEMORY,
    MEMORY_POOL,
    NETWORK_POOL,
    PROCESSOR,
    PROCESSOR_POOL,
    STORAGE_POOL,
    pool_id,
)

__all__ = [
    "ALLOCATIONS",
    "CD_DRIVE",
    "CONSOLE_ALLOCATION",
    "DISK_ALLOCATION",
    "FLOPPY_DRIVE",
    "MEMORY_ALLOCATION",
    "NETWORK_PORT_ALLOCATION",
    "PROCESSOR_ALLOCATION",
    "READABLE",
    "READ_WRITE",
    "RESOURCE_TYPES",
    "AllocationSources",
    "SystemAtHost",
    "allocations_of",
    "memory_allocation",
    "processor_allocation",
]

FLOPPY_DRIVE, CD_DRIVE = 14, 15
READABLE, READ_WRITE = 1, 3
_VIRTUALIZED = 3
_OTHER, _OS_DEVICE_NAME, _OS_DEVICE_NAMESPACE = 1, 12, 8
# What the name of an image is: a path on the host, or the URI of one elsewhere.
_PATH_NAME: Mapping[str, Value] = MappingProxyType(
    {
        "HostExtentNameFormat": _OS_DEVICE_NAME,
        "HostExtentNameNamespace": _OS_DEVICE_NAMESPACE,
    }
)
_URI_NAME: Mapping[str, Value] = MappingProxyType(
    {
        "HostExtentNameFormat": _OTHER,
        "OtherHostExtentNameFormat": "URI",
        "HostExtentNameNamespace": _OTHER,
        "OtherHostExtentNameNamespace": "URI",
    }
)
RESOURCE_TYPES: Mapping[DiskKind, int] = MappingProxyType(
    {DiskKind.DISK: DISK_DRIVE, DiskKind.CD: CD_DRIVE, DiskKind.FLOPPY: FLOPPY_DRIVE}
)
_SERIAL_PORT, _GRAPHICS_CONTROLLER = 21, 24
_CONSOLE_TYPES: Mapping[ConsoleKind, int] = MappingProxyType({ConsoleKind.TEXT: _SERIAL_PORT})
_COMMON: Mapping[str, Value] = MappingProxyType(
    {
        "AutomaticAllocation": True,
        "AutomaticDeallocation": True,
        "ConsumerVisibility": _VIRTUALIZED,
    }
)


class SystemAtHost(NamedTuple):
    """A virtual system, and the host that it lives on; empty where it lives on none."""

    system: VirtualSystem
    host_uuid: str


def _processor_values(of: SystemAtHost) -> Mapping[str, Value]:
    system = of.system
    return {
        **_COMMON,
        "ElementName": f"Processors of {system.name_label}",
        "Caption": "Processor allocation",
        "ResourceType": PROCESSOR,
        "PoolID": pool_id(PROCESSOR_POOL, of.host_uuid) if of.host_uuid else None,
        "AllocationUnits": "count",
        "VirtualQuantity": system.vcpus_at_startup,
        "VirtualQuantityUnits": "count",
        "Limit": system.vcpus_max,
    }


def _memory_values(of: SystemAtHost) -> Mapping[str, Value]:
    system = of.system
    return {
        **_COMMON,
        "ElementName": f"Memory of {system.name_label}",
        "Caption": "Memory allocation",
        "ResourceType": MEMORY,
        "PoolID": pool_id(MEMORY_POOL, of.host_uuid) if of.host_uuid else None,
        "AllocationUnits": "byte",
        "VirtualQuantity": system.memory_dynamic_max_bytes or None,
        "VirtualQuantityUnits": "byte",
        "Limit": system.memory_static_max_bytes or None,
    }


def _disk_values(system: VirtualSystem, disk: VirtualDisk) -> Mapping[str, Value]:
    values: dict[str, Value] = {
        **_COMMON,
        "ElementName": f"{disk.kind.value} {disk.id} of {system.name_label}",
        "Caption": "Storage allocation",
        "ResourceType": RESOURCE_TYPES[disk.kind],
        "AddressOnParent": disk.id,
        "BusType": disk.bus or None,
        "AllocationUnits": "byte",
        # Blocks of one byte: the block size is not known (CIM_StorageAllocationSettingData).
        "VirtualQuantityUnits": "byte",
        "VirtualResourceBlockSize": 1,
        "Access": READABLE if disk.read_only else READ_WRITE,
    }
    image = disk.image
    if image is not None:
        values |= {
            # As what the machine reads the image is what counts, not what it was made as.
            "ResourceSubType": disk.format or image.format or None,
            "PoolID": pool_id(STORAGE_POOL, image.sr_uuid),
            # An image that cannot be looked into has no size that is known.
            "VirtualQuantity": image.virtual_size_bytes or None,
        }
        if image.location:
            values |= {
                "Address": image.location,
                "HostResource": [*image.uris] or [_location_uri(image.location)],
                "HostExtentName": image.location,
                **(_URI_NAME if image.uris else _PATH_NAME),
            }
    return values


def _port_values(system: VirtualSystem, port: VirtualNetworkPort) -> Mapping[str, Value]:
    pool = pool_id(NETWORK_POOL, port.network_uuid) if port.network_uuid else None
    return {
        **_COMMON,
        "ElementName": f"Network port {port.id} of {system.name_label}",
        "Caption": "Network port allocation",
        "ResourceType": ETHERNET_ADAPTER,
        "ResourceSubType": port.model or None,
        "PoolID": pool,
        "Address": port.mac_address or None,
        "AddressOnParent": port.id,
        "AllocationUnits": "count",
        "VirtualQuantity": 1,
        "VirtualQuantityUnits": "count",
        # A network that does not exist has a name, and no pool.
        "Connection": [pool or port.network_name] if pool or port.network_name else None,
    }


def _console_values(system: VirtualSystem, console: Console) -> Mapping[str, Value]:
    return {
        **_COMMON,
        "ElementName": f"Console {console.id} of {system.name_label}",
        "Caption": "Console allocation",
        "ResourceType": _CONSOLE_TYPES.get(console.kind, _GRAPHICS_CONTROLLER),
        "ResourceSubType": console.protocol,
        "Address": console.location or None,
        "AllocationUnits": "count",
        "VirtualQuantity": 1,
        "VirtualQuantityUnits": "count",
    }


def _location_uri(location: str) -> str:
    """HostResource holds URIs (RFC 3986): a path of the host becomes a file URI."""
    return f"file://{quote(location)}" if location.startswith("/") else quote(location, safe=":/")


def _at_host(view: View, system: VirtualSystem) -> SystemAtHost:
    host = view.home(system)
    return SystemAtHost(system, "" if host is None else host.uuid)


def _per_system(
    name: str, part: str, values: Callable[[SystemAtHost], Mapping[str, Value]]
) -> InstanceClass[SystemAtHost]:
    return per_object(
        name,
        all_systems,
        lambda view: partial(_at_host, view),
        lambda of: of.system.uuid,
        values,
        part=part,
    )


PROCESSOR_ALLOCATION = _per_system(
    "VirtCIM_ProcessorResourceAllocationSettingData", "processor", _processor_values
)
MEMORY_ALLOCATION = _per_system(
    "VirtCIM_MemoryResourceAllocationSettingData", "memory", _memory_values
)
DISK_ALLOCATION = per_part(
    "VirtCIM_DiskResourceAllocationSettingData", "disk", lambda system: system.disks, _disk_values
)
NETWORK_PORT_ALLOCATION = per_part(
    "VirtCIM_NetworkPortResourceAllocationSettingData",
    "network",
    lambda system: system.network_ports,
    _port_values,
)
CONSOLE_ALLOCATION = per_part(
    "VirtCIM_ConsoleResourceAllocationSettingData",
    "console",
    lambda system: system.consoles,
    _console_values,
)
AllocationSources = (
    SystemAtHost | SystemPart[VirtualDisk] | SystemPart[VirtualNetworkPort] | SystemPart[Console]
)
ALLOCATIONS: tuple[ServedClass[AllocationSources], ...] = (
    PROCESSOR_ALLOCATION,
    MEMORY_ALLOCATION,
    DISK_ALLOCATION,
    NETWORK_PORT_ALLOCATION,
    CONSOLE_ALLOCATION,
)


def processor_allocation(view: View, system: VirtualSystem) -> Node[SystemAtHost]:
    """The allocation of processors of one system."""
    return PROCESSOR_ALLOCATION.node(_at_host(view, system))


def memory_allocation(view: View, system: VirtualSystem) -> Node[SystemAtHost]:
    """The allocation of memory of one system."""
    return MEMORY_ALLOCATION.node(_at_host(view, system))


def allocations_of(view: View, system: VirtualSystem) -> Iterator[Node[AllocationSources]]:
    """Every resource allocation of one system."""
    yield processor_allocation(view, system)
    yield memory_allocation(view, system)
    for disk in system.disks:
        yield DISK_ALLOCATION.node(SystemPart(system, disk))
    for port in system.network_ports:
        yield NETWORK_PORT_ALLOCATION.node(SystemPart(system, port))
    for console in system.consoles:
        yield CONSOLE_ALLOCATION.node(SystemPart(system, console))
