"""An image that a disk shall use: where it is, and what the disk then says."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.documents.disk import DiskSource, local_source
from virtcim.toolstack.images.paths import in_dev
from virtcim.toolstack.images.source_url import SourceUrl
from virtcim.toolstack.reading.views import PoolView

__all__ = ["BLOCK_POOLS", "Image", "image_of_volume", "volume_source"]

# Pools whose volumes are block devices.
BLOCK_POOLS = frozenset({"disk", "logical", "iscsi", "scsi", "mpath", "zfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Where an image is, and how it is written.

    ``path`` is a local file or, where ``block`` is set, a device; of an image on the network it
    is the first URL, and ``network`` has one for each host. Of a volume of a pool on the network
    ``volume`` is what a disk says of it.
    """

    path: str
    format: str
    block: bool
    network: tuple[SourceUrl, ...] = ()
    volume: DiskSource | None = None

    @property
    def source(self) -> DiskSource:
        """What a disk that uses the image says of it."""
        if self.volume is not None:
            return self.volume
        if not self.network:
            return local_source(self.path, block=self.block)
        first = self.network[0]
        return DiskSource(
            kind=first.kind,
            attributes=first.attributes,
            hosts=tuple(host for url in self.network if (host := url.host_attributes)),
            children=first.children,
        )


def volume_source(pool: PoolView, name: str) -> DiskSource | None:
    """Give what a disk says of a volume of a pool on the network; None for other pools."""
    if pool.source is None:
        return None
    if pool.source.is_resolved:
        return DiskSource(kind="volume", attributes={"pool": pool.name, "volume": name})
    return DiskSource(
        kind="network",
        attributes={"protocol": pool.source.protocol, "name": pool.source.name(name)},
        hosts=pool.source.hosts,
        auth=pool.source.auth,
        secret=pool.source.secret,
    )


def image_of_volume(context: Context, sr: Record, name: str, path: str, image_format: str) -> Image:
    """Give the image of a volume that was made just now in the pool behind an SR."""
    pool = context.services.inventory.pools.get(sr["uuid"])
    if pool is not None and (source := volume_source(pool, name)) is not None:
        return Image(path=path, format=image_format, block=False, volume=source)
    return Image(path=path, format=image_format, block=sr["type"] in BLOCK_POOLS or in_dev(path))
