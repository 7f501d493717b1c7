"""The three kinds of drives, and the numbers that clients know them by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.value_maps import ResourceType, ResourceTypeValue
from virtcim.hypervisor.model import DiskKind

__all__ = ["DRIVES", "drive_kind", "resource_type_of"]


class _Drive(NamedTuple):
    """``resource_types`` are all numbers that ask for one; the first is the one that is shown.

    ``emulated_type`` is libvirt-cim's EmulatedType of a disk.
    """

    resource_types: tuple[ResourceTypeValue, ...]
    emulated_type: int


DRIVES: Mapping[DiskKind, _Drive] = MappingProxyType(
    {
        DiskKind.DISK: _Drive(
            (
                ResourceType.DISK_DRIVE,
                ResourceType.STORAGE_EXTENT,
                ResourceType.LOGICAL_DISK,
                ResourceType.STORAGE_VOLUME,
            ),
            0,
        ),
        DiskKind.CD: _Drive((ResourceType.CD_DRIVE, ResourceType.DVD_DRIVE), 1),
        DiskKind.FLOPPY: _Drive((ResourceType.FLOPPY_DRIVE,), 2),
    }
)


def resource_type_of(kind: DiskKind) -> ResourceTypeValue:
    """The ResourceType that a drive is shown with."""
    return DRIVES[kind].resource_types[0]


def drive_kind(resource_type: int) -> DiskKind:
    """What a ResourceType asks for."""
    return next(kind for kind, row in DRIVES.items() if resource_type in row.resource_types)
