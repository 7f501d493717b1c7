"""Which file or device a VDI is, for a disk that shall use it."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.documents.disk import DiskSource, local_source
from virtcim.toolstack.native.image_file import probe_format

__all__ = ["Image", "find_image", "image_at", "image_of_volume"]

# Pools whose volumes are block devices.
_BLOCK_POOLS = frozenset({"disk", "logical", "iscsi", "iscsi-direct", "scsi", "mpath", "zfs"})
_DISK_FORMATS = frozenset({"raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Where a VDI is, and how it is written."""

    path: str
    format: str
    block: bool

    @property
    def source(self) -> DiskSource:
        """What a disk that uses the image says of it."""
        return local_source(self.path, block=self.block)


def find_image(context: Context, vdi: str, wanted_format: str) -> Image:
    """Give the image of a VDI; its format is as asked, as known, or as the file itself says."""
    record = context.record("VDI", vdi)
    path = record["location"]
    sr = context.services.database.get("SR", record["SR"])
    known = record["sm_config"].get("type", "")
    return Image(
        path=path,
        format=wanted_format or (known if known in _DISK_FORMATS else probe_format(path)),
        block=(sr is not None and sr["type"] in _BLOCK_POOLS) or path.startswith("/dev/"),
    )


def image_at(path: str, wanted_format: str) -> Image:
    """Give the image at a path that a client names."""
    return Image(
        path=path,
        format=wanted_format or probe_format(path),
        block=path.startswith("/dev/"),
    )


def image_of_volume(sr: Record, path: str, image_format: str) -> Image:
    """Give the image of a volume that was made just now in the pool behind an SR."""
    return Image(
        path=path,
        format=image_format,
        block=sr["type"] in _BLOCK_POOLS or path.startswith("/dev/"),
    )
