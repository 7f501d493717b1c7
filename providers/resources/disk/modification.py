"""What ModifyResourceSettings asks for in a disk or drive that is there."""

from __future__ import annotations

from dataclasses import replace

from virtcim.cim.records import Record
from virtcim.cim.value_maps import Access
from virtcim.hypervisor.change import DiskChange, ImageSize, MediumChange, VirtualSystemChange
from virtcim.hypervisor.model import DiskKind, DiskSpec, VirtualDisk
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.parameters.setting_difference import different
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.disk.definition import read_disk
from virtcim.providers.resources.disk.drives import DRIVES, resource_type_of
from virtcim.providers.resources.disk.images import (
    IMAGE_NAME_KINDS,
    IMAGE_NAMES,
    check_image_size,
    read_repository,
    read_size,
)
from virtcim.providers.resources.kind import ResourceSetting

__all__ = ["change_disk"]


def change_disk(
    setting: ResourceSetting, of: SystemPart[VirtualDisk], change: VirtualSystemChange
) -> VirtualSystemChange:
    """``change`` with what a setting of a disk asks for. Raises CimError."""
    reader, view, given, disk = setting.reader, setting.view, setting.given, of.part
    reader.accept("EmulatedType", DRIVES[disk.kind].emulated_type)
    reader.accept("VirtualDevice", disk.id)
    if reader.has("AddressOnParent"):
        address = reader.text("AddressOnParent")
        raise reader.refuse("AddressOnParent", address, "cannot be changed: it tells disks apart")
    if disk.image is not None and _is_emptied(given):
        return _ejected(reader, disk, change)
    if any(reader.has(name) for name in IMAGE_NAMES):
        return _with_image(setting, disk, change)
    image = disk.image
    repository = read_repository(reader, view)
    if repository is not None and (image is None or repository.uuid != image.sr_uuid):
        raise reader.refuse("PoolID", repository.name_label, "is not the pool that the image is in")
    size_bytes = read_size(reader)
    if size_bytes is not None and (image is None or size_bytes != image.virtual_size_bytes):
        if image is None or disk.kind is not DiskKind.DISK or size_bytes < image.virtual_size_bytes:
            why = (
                "bytes cannot be applied: only the image of a disk has a size, and it can only grow"
            )
            raise reader.refuse("VirtualQuantity", size_bytes, why)
        check_image_size(reader, view, image, size_bytes)
        if change.image_size is not None:
            why = "bytes cannot be applied: one call can resize one image, as it cannot be undone"
            raise reader.refuse("VirtualQuantity", size_bytes, why)
        change = replace(change, image_size=ImageSize(id=disk.id, size_bytes=size_bytes))
    image_format = different(reader.text("ResourceSubType") or None, disk.format)
    if image_format is not None and disk.kind is not DiskKind.DISK:
        raise reader.refuse("ResourceSubType", image_format, "cannot be chosen for a medium")
    wanted = DiskChange(
        id=disk.id,
        format=image_format,
        bus=different(reader.text("BusType").lower() or None, disk.bus),
        read_only=_read_only(reader, disk),
    )
    return _with(change, wanted)


def _with(change: VirtualSystemChange, wanted: DiskChange) -> VirtualSystemChange:
    if wanted == DiskChange(id=wanted.id):
        return change
    return replace(change, changed_disks=(*change.changed_disks, wanted))


def _is_emptied(given: Record) -> bool:
    """Whether a property that names the image is given empty, and none names another one."""
    names = {name.lower() for name in IMAGE_NAMES}
    return any(
        value in ("", [], [""]) for name, value in given.values.items() if name.lower() in names
    )


def _ejected(
    reader: SettingReader, disk: VirtualDisk, change: VirtualSystemChange
) -> VirtualSystemChange:
    if disk.kind is DiskKind.DISK:
        raise reader.refuse(
            "HostResource", None, "cannot be applied: RemoveResourceSettings removes a disk"
        )
    for name in IMAGE_NAMES:
        if any(reader.texts(name)):
            raise reader.refuse(name, None, "names an image, and another property none")
    # They are about the medium that is taken out.
    reader.ignore("VirtualQuantity", "VirtualQuantityUnits", "AllocationUnits", "PoolID")
    reader.ignore("VirtualResourceBlockSize", *IMAGE_NAME_KINDS)
    return replace(change, media=(*change.media, MediumChange(id=disk.id)))


def _with_image(
    setting: ResourceSetting, disk: VirtualDisk, change: VirtualSystemChange
) -> VirtualSystemChange:
    """Another image: another medium of a drive, another disk at the same place."""
    reader, given = setting.reader, setting.given
    read_only = _read_only(reader, disk)
    size = read_size(reader)
    bus = different(reader.text("BusType").lower() or None, disk.bus)
    # The pool may be needed to find the image, whether it is another one or not.
    pool = {name: value for name, value in given.values.items() if name.lower() == "poolid"}
    reader.ignore(*pool)
    named = SettingReader(Record(given.class_name, {**reader.take_rest(), **pool}), reader.where)
    spec = read_disk(replace(setting, reader=named, resource_type=resource_type_of(disk.kind)))
    named.finish()
    known = setting.view.inventory.disk_images.get(spec.image_uuid)
    sizes = {image.virtual_size_bytes for image in (disk.image, known) if image is not None}
    if size is not None and size not in sizes:
        raise reader.refuse("VirtualQuantity", size, "bytes is not the image's size")
    if disk.kind is DiskKind.DISK:
        image = DiskSpec(
            image_uuid=spec.image_uuid, path=spec.path, uris=spec.uris, format=spec.format
        )
        return _with(change, DiskChange(id=disk.id, image=image, bus=bus, read_only=read_only))
    if bus is not None:
        raise reader.refuse("BusType", bus, "cannot be changed together with the medium")
    if spec.format:
        raise reader.refuse("ResourceSubType", spec.format, "cannot be chosen for a medium")
    return replace(change, media=(*change.media, MediumChange(id=disk.id, medium=spec)))


def _read_only(reader: SettingReader, disk: VirtualDisk) -> bool | None:
    """Whether the disk shall be one that is only read; None where it stays as it is."""
    access = reader.number("Access")
    if access is None:
        return None
    if access not in (Access.READABLE, Access.READ_WRITE_SUPPORTED) or disk.kind is DiskKind.CD:
        possible = "1" if disk.kind is DiskKind.CD else "1 and 3"
        raise reader.refuse("Access", access, f"cannot be applied; possible are {possible}")
    return different(access == Access.READABLE, disk.read_only)
