"""The disks and drives that the operating system in a virtual system sees (DSP1047)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    Access,
    DataOrganization,
    MediaCapability,
    NameFormat,
    NameNamespace,
)
from virtcim.hypervisor.model import DiskKind, VirtualDisk, VirtualSystem
from virtcim.providers.engine.instance_class import InstanceClass, Node
from virtcim.providers.engine.reach import reach_from, same
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.resources.devices import device_per_part, device_values
from virtcim.providers.resources.disk.allocation import DISK_ALLOCATION
from virtcim.providers.resources.kind import Devices

__all__ = [
    "CD_DRIVE_DEVICE",
    "DISK_DEVICES",
    "FLOPPY_DRIVE_DEVICE",
    "LOGICAL_DISK",
    "disk_device",
]


def _disk_values(system: VirtualSystem, disk: VirtualDisk) -> Mapping[str, Value]:
    # An image that cannot be looked into has no size that is known.
    size = disk.image.virtual_size_bytes or None if disk.image else None
    return {
        **device_values(
            system,
            f"Disk {disk.id}",
            "Virtual disk",
            attached=disk.attached,
            problem=disk.problem,
        ),
        "Name": disk.device or disk.id,
        "NameFormat": NameFormat.OS_DEVICE_NAME,
        "NameNamespace": NameNamespace.OS_DEVICE_NAMESPACE,
        "DataOrganization": DataOrganization.FIXED_BLOCK,
        "Access": Access.READABLE if disk.read_only else Access.READ_WRITE_SUPPORTED,
        "BlockSize": 1,
        "NumberOfBlocks": size,
        "ConsumableBlocks": size,
        "Primordial": False,
    }


def _drive_values(system: VirtualSystem, drive: VirtualDisk) -> Mapping[str, Value]:
    capabilities = [MediaCapability.RANDOM_ACCESS, MediaCapability.SUPPORTS_REMOVEABLE_MEDIA]
    if drive.kind is DiskKind.FLOPPY:
        capabilities.insert(1, MediaCapability.SUPPORTS_WRITING)
    caption = f"Virtual {'CD' if drive.kind is DiskKind.CD else 'floppy'} drive"
    return {
        **device_values(
            system,
            f"{drive.kind.value} {drive.id}",
            caption,
            attached=drive.attached,
            problem=drive.problem,
        ),
        "Name": drive.device or drive.id,
        "Capabilities": [*capabilities],
    }


def _disks_of(kind: DiskKind) -> Callable[[VirtualSystem], Iterable[VirtualDisk]]:
    return lambda system: (disk for disk in system.disks if disk.kind is kind)


LOGICAL_DISK = device_per_part(
    "VirtCIM_LogicalDisk", "disk", _disks_of(DiskKind.DISK), _disk_values
)
CD_DRIVE_DEVICE = device_per_part(
    "VirtCIM_CDROMDrive", "disk", _disks_of(DiskKind.CD), _drive_values
)
FLOPPY_DRIVE_DEVICE = device_per_part(
    "VirtCIM_DisketteDrive", "disk", _disks_of(DiskKind.FLOPPY), _drive_values
)
_CLASSES: Mapping[DiskKind, InstanceClass[SystemPart[VirtualDisk]]] = MappingProxyType(
    {
        DiskKind.DISK: LOGICAL_DISK,
        DiskKind.CD: CD_DRIVE_DEVICE,
        DiskKind.FLOPPY: FLOPPY_DRIVE_DEVICE,
    }
)


def disk_device(of: SystemPart[VirtualDisk]) -> Node[SystemPart[VirtualDisk]]:
    """The device that a disk or drive is."""
    kind = of.part.kind
    # Nearly all are disks, and a dict needs longer for what is an enum's.
    return (LOGICAL_DISK if kind is DiskKind.DISK else _CLASSES[kind]).node(of)


def _of_system(system: VirtualSystem) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    return (disk_device(SystemPart(system, disk)) for disk in system.disks)


DISK_DEVICES: Devices[SystemPart[VirtualDisk]] = Devices(
    classes=tuple(_CLASSES.values()),
    of_system=_of_system,
    of_allocation=lambda _, node: (disk_device(node.sources),),
    allocations=reach_from(_CLASSES.values(), same(DISK_ALLOCATION)),
)
