"""The disk or drive that a setting asks for."""

from __future__ import annotations

from collections.abc import Collection

from virtcim.cim.value_maps import Access
from virtcim.hypervisor.model import DiskKind, DiskSpec
from virtcim.providers.resources.disk.drives import DRIVES, drive_kind
from virtcim.providers.resources.disk.images import (
    check_new_image,
    read_image,
    read_repository,
    read_size,
)
from virtcim.providers.resources.kind import ResourceSetting

__all__ = ["read_disk"]


def read_disk(setting: ResourceSetting, present: Collection[int] = ()) -> DiskSpec:
    """The disk or drive that a setting asks for; ``present`` are sizes that can always be had.

    Raises CimError.
    """
    reader, view = setting.reader, setting.view
    kind = _kind(setting)
    repository = read_repository(reader, view)
    image, names = read_image(reader, view, repository)
    path = names[0] if names else ""
    size_bytes = read_size(reader)
    access = reader.number("Access")
    if access not in (None, Access.UNKNOWN, Access.READABLE, Access.READ_WRITE_SUPPORTED):
        raise reader.refuse("Access", access, "cannot be applied; possible are 1 and 3")
    if size_bytes is not None and (image or path):
        # A setting that was read and sent back tells the size that the image has.
        if image is None or size_bytes != image.virtual_size_bytes:
            raise reader.refuse("VirtualQuantity", size_bytes, "bytes is not the image's size")
        size_bytes = None
    if size_bytes is not None and repository is not None:
        check_new_image(reader, repository, size_bytes, present)
    if kind is DiskKind.DISK and not (image or path) and not (repository and size_bytes):
        raise reader.refuse(
            "HostResource", None, "a disk needs an image, or a PoolID and a VirtualQuantity"
        )
    return DiskSpec(
        id=reader.text("AddressOnParent") or reader.text("VirtualDevice"),
        kind=kind,
        path=path,
        uris=names if len(names) > 1 else (),
        image_uuid="" if image is None else image.uuid,
        sr_uuid=repository.uuid if repository is not None and size_bytes else "",
        size_bytes=size_bytes or 0,
        format=reader.text("ResourceSubType"),
        bus=reader.text("BusType").lower(),
        read_only=access == Access.READABLE or kind is DiskKind.CD,
    )


def _kind(setting: ResourceSetting) -> DiskKind:
    kind = drive_kind(setting.resource_type)
    emulated = setting.reader.number("EmulatedType")
    if emulated is None:
        return kind
    wanted = next((each for each, row in DRIVES.items() if row.emulated_type == emulated), None)
    if wanted is None or (kind is not DiskKind.DISK and wanted is not kind):
        raise setting.reader.refuse("EmulatedType", emulated, "does not fit the ResourceType")
    return wanted
