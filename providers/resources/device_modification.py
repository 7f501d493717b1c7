"""Changes of single disks, drives and network ports that ModifyResourceSettings asks for."""

from __future__ import annotations

from dataclasses import replace

from virtcim.cim.records import Record
from virtcim.hypervisor.change import (
    DiskChange,
    ImageSize,
    MediumChange,
    NetworkPortChange,
    VirtualSystemChange,
)
from virtcim.hypervisor.model import DiskKind, DiskSpec, VirtualDisk, VirtualNetworkPort
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.allocation import READ_WRITE, READABLE, RESOURCE_TYPES
from virtcim.providers.resources.device_definition import (
    IMAGE_NAME_KINDS,
    IMAGE_NAMES,
    NETWORK_NAMES,
    check_image_size,
    read_disk,
    read_mac_address,
    read_network,
    read_repository,
    read_size,
)

__all__ = ["change_disk", "change_network_port"]

_EMULATED_TYPES = {DiskKind.DISK: 0, DiskKind.CD: 1, DiskKind.FLOPPY: 2}


def change_disk(
    reader: SettingReader,
    view: View,
    given: Record,
    disk: VirtualDisk,
    change: VirtualSystemChange,
) -> VirtualSystemChange:
    """``change`` with what a setting of ``disk`` asks for; ``reader`` has what is different.

    ``given`` is the whole setting. Raises CimError.
    """
    reader.accept("EmulatedType", _EMULATED_TYPES[disk.kind])
    reader.accept("VirtualDevice", disk.id)
    if reader.has("AddressOnParent"):
        address = reader.text("AddressOnParent")
        raise reader.refuse("AddressOnParent", address, "cannot be changed: it tells disks apart")
    if disk.image is not None and _is_emptied(given):
        return _ejected(reader, disk, change)
    if any(reader.has(name) for name in IMAGE_NAMES):
        return _with_image(reader, view, given, disk, change)
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
    image_format = _different(reader.text("ResourceSubType"), disk.format)
    if image_format is not None and disk.kind is not DiskKind.DISK:
        raise reader.refuse("ResourceSubType", image_format, "cannot be chosen for a medium")
    wanted = DiskChange(
        id=disk.id,
        format=image_format,
        bus=_different(reader.text("BusType").lower(), disk.bus),
        read_only=_read_only(reader, disk),
    )
    reader.finish()
    return _with(change, wanted)


def _different(wanted: str, present: str) -> str | None:
    return wanted if wanted and wanted != present else None


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
    reader.finish()
    return replace(change, media=(*change.media, MediumChange(id=disk.id)))


def _with_image(
    reader: SettingReader,
    view: View,
    given: Record,
    disk: VirtualDisk,
    change: VirtualSystemChange,
) -> VirtualSystemChange:
    """Another image: another medium of a drive, another disk at the same place."""
    read_only = _read_only(reader, disk)
    size = read_size(reader)
    bus = _different(reader.text("BusType").lower(), disk.bus)
    # The pool may be needed to find the image, whether it is another one or not.
    pool = {name: value for name, value in given.values.items() if name.lower() == "poolid"}
    reader.ignore(*pool)
    named = SettingReader(Record(given.class_name, {**reader.take_rest(), **pool}), reader.where)
    spec = read_disk(named, view, RESOURCE_TYPES[disk.kind])
    named.finish()
    known = view.inventory.disk_images.get(spec.image_uuid)
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
    if access not in (READABLE, READ_WRITE) or disk.kind is DiskKind.CD:
        possible = "1" if disk.kind is DiskKind.CD else "1 and 3"
        raise reader.refuse("Access", access, f"cannot be applied; possible are {possible}")
    wanted = access == READABLE
    return None if wanted == disk.read_only else wanted


def change_network_port(
    reader: SettingReader, view: View, port: VirtualNetworkPort, change: VirtualSystemChange
) -> VirtualSystemChange:
    """``change`` with what a setting of ``port`` asks for; ``reader`` has what is different.

    Raises CimError.
    """
    reader.accept("VirtualDevice", port.id)
    if reader.has("AddressOnParent"):
        address = reader.text("AddressOnParent")
        raise reader.refuse("AddressOnParent", address, "cannot be changed: it tells ports apart")
    for name, value in (
        ("VirtualQuantity", 1),
        ("VirtualQuantityUnits", "count"),
        ("AllocationUnits", "count"),
    ):
        reader.accept(name, value)
    network_uuid = ""
    if any(reader.has(name) for name in NETWORK_NAMES):
        network_uuid = read_network(reader, view).uuid
    wanted = NetworkPortChange(
        id=port.id,
        network_uuid=_different(network_uuid, port.network_uuid),
        mac_address=_different(read_mac_address(reader), port.mac_address),
        model=_different(reader.text("ResourceSubType"), port.model),
    )
    reader.finish()
    if wanted == NetworkPortChange(id=port.id):
        return change
    return replace(change, changed_network_ports=(*change.changed_network_ports, wanted))
