"""The three kinds of drives, and the numbers that clients know them by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from virtcim.hypervisor.model import DiskKind

__all__ = ["DRIVES", "drive_kind", "resource_type_of"]


class _Drive(NamedTuple):
    """``resource_types`` are all numbers that ask for one; the first is the one that is shown.

    ``emulated_type`` is libvirt-cim's EmulatedType of a disk.
    """

    resource_types: tuple[int, ...]
    emulated_type: int


# CIM_ResourceAllocationSettingData.ResourceType: 14 Floppy Drive, 15 CD Drive, 16 DVD drive,
# 17 Disk Drive, 19 Storage Extent, 31 Logical Disk, 32 Storage Volume.
DRIVES: Mapping[DiskKind, _Drive] = MappingProxyType(
    {
        DiskKind.DISK: _Drive((17, 19, 31, 32), 0),
        DiskKind.CD: _Drive((15, 16), 1),
        DiskKind.FLOPPY: _Drive((14,), 2),
    }
)


def resource_type_of(kind: DiskKind) -> int:
    """The ResourceType that a drive is shown with."""
    return DRIVES[kind].resource_types[0]


def drive_kind(resource_type: int) -> DiskKind:
    """What a ResourceType asks for."""
    return next(kind for kind, row in DRIVES.items() if resource_type in row.resource_types)
