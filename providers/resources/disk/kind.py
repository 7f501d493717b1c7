"""Disks and drives as a kind of resource."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from virtcim.cim.records import Record
from virtcim.errormap import ErrorCode
from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.model import VirtualDisk, VirtualSystem, VirtualSystemSpec
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.reach import reach_from
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.errors import failure
from virtcim.providers.resources.disk.allocation import DISK_ALLOCATION
from virtcim.providers.resources.disk.definition import read_disk
from virtcim.providers.resources.disk.devices import DISK_DEVICES
from virtcim.providers.resources.disk.drives import DRIVES
from virtcim.providers.resources.disk.modification import change_disk
from virtcim.providers.resources.disk.pool import (
    STORAGE_OFFERS,
    STORAGE_POOL,
    OfRepository,
    storage_pool,
)
from virtcim.providers.resources.kind import (
    Definition,
    Plugging,
    PoolsOfKind,
    Profile,
    ResourceKind,
    ResourceSetting,
)
from virtcim.providers.resources.settings import REFERENCE, setting_like

__all__ = ["DISKS"]

# What asks for a disk on the same image, and for one like it with an image of its own.
_LIKE = ("ResourceType", "AddressOnParent", "BusType", "Access", "ResourceSubType", "PoolID")
_SAME_IMAGE = (*_LIKE, "HostResource")
_NEW_IMAGE = (*_LIKE, "VirtualQuantity", "VirtualQuantityUnits")


def _sizes(system: VirtualSystem | None) -> Collection[int]:
    disks = system.disks if system is not None else ()
    return [disk.image.virtual_size_bytes for disk in disks if disk.image]


def _define(
    setting: ResourceSetting, spec: VirtualSystemSpec, reference: VirtualSystem | None
) -> VirtualSystemSpec:
    return replace(spec, disks=(*spec.disks, read_disk(setting, _sizes(reference))))


def _add(setting: ResourceSetting, change: VirtualSystemChange) -> VirtualSystemChange:
    return replace(change, added_disks=(*change.added_disks, read_disk(setting)))


def _remove(change: VirtualSystemChange, of: SystemPart[VirtualDisk]) -> VirtualSystemChange:
    return replace(change, removed_disks=(*change.removed_disks, of.part.id))


def _like(view: View, of: SystemPart[VirtualDisk]) -> Record:
    """A disk like another: the same image where it is only read, else an empty one like it."""
    disk = of.part
    values = DISK_ALLOCATION.values(of)
    if disk.image is None or disk.read_only:
        return setting_like(values, _SAME_IMAGE)
    repository = view.inventory.storage_repositories.get(disk.image.sr_uuid)
    if repository is None or not repository.makes_images or not disk.image.virtual_size_bytes:
        raise failure(
            ErrorCode.ERR_OPERATION_FAILED,
            f"{REFERENCE}: the disk {disk.id} writes to {disk.image.location!r}, which is in no "
            "pool that could hold another one like it; give a disk with that AddressOnParent in "
            "ResourceSettings",
        )
    return setting_like(values, _NEW_IMAGE)


def _pool_of(view: View, node: Node[SystemPart[VirtualDisk]]) -> Iterator[Node[OfRepository]]:
    image = node.sources.part.image
    if image is not None:
        yield from storage_pool(view, image.sr_uuid)


def _from_pool(view: View, node: Node[OfRepository]) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    return (DISK_ALLOCATION.node(each) for each in view.disks_in(node.sources.repository.uuid))


DISKS: ResourceKind[SystemPart[VirtualDisk]] = ResourceKind(
    name="disk",
    profile=Profile(1047, "Storage Resource Virtualization", "1.0.0"),
    allocation=DISK_ALLOCATION,
    allocations=lambda _, system: (SystemPart(system, disk) for disk in system.disks),
    devices=DISK_DEVICES,
    pools=PoolsOfKind(
        offers=STORAGE_OFFERS,
        of_allocation=_pool_of,
        allocations=reach_from(STORAGE_POOL, _from_pool),
    ),
    definition=Definition(
        resource_types=tuple(number for row in DRIVES.values() for number in row.resource_types),
        class_names=(
            "DiskResourceAllocationSettingData",
            "DiskSettingData",
            "StorageAllocationSettingData",
        ),
        read=_define,
        # The XenAPI's number, too, which over our own toolstack is beside the name.
        places=lambda of: (of.part.id, of.part.number),
        like=_like,
    ),
    change=change_disk,
    plugging=Plugging(
        plurals=("disks", "drives"),
        add=_add,
        remove=_remove,
        added=lambda devices: devices.disks,
    ),
)
