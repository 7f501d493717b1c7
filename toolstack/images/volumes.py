"""Making volumes in storage pools, and deleting what was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import libvirt
from lxml import etree

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.documents import set_text, to_xml
from virtcim.toolstack.faults import value_not_supported
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.images.choice import check_format, record_format, require_pool_inside
from virtcim.toolstack.images.formats import RAW
from virtcim.toolstack.images.pools import find_pool, require_pool
from virtcim.toolstack.names import VOLUME, check_name
from virtcim.toolstack.progress import following

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import StorageVolume

__all__ = ["VolumePlan", "create_volume", "read_volume"]

# Pools of files: the others hold raw volumes only.
_FILE_POOLS = frozenset({"dir", "fs", "netfs", "gluster"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlan:
    """A volume to be made; no ``format`` leaves it to the pool, whose volumes are then raw."""

    sr: Record
    name: str
    size_bytes: int
    format: str
    fully_allocated: bool

    @property
    def pool(self) -> str:
        """The UUID of its pool."""
        return str(self.sr["uuid"])


def read_volume(context: Context, given: GivenRecord) -> VolumePlan:
    """Read what a VDI.create record says; ``sm_config["type"]`` is the format.

    Raises ``SR_OPERATION_NOT_SUPPORTED`` for the SR of paths, where libvirt makes no files.
    """
    sr_ref = given.required_reference(context, "SR", "SR")
    sr = context.record("SR", sr_ref)
    size_bytes = given.required("virtual_size")
    if size_bytes < 0:
        raise value_not_supported("virtual_size", size_bytes, "must not be negative")
    require_pool(sr, sr_ref)
    usual_format = "qcow2" if sr["type"] in _FILE_POOLS else ""
    require_pool_inside(context, "a disk image", sr["uuid"])
    options = given.map("other_config") | given.map("sm_config")
    return VolumePlan(
        sr=sr,
        name=check_name(VOLUME, given.text("name_label") or str(uuid4())),
        size_bytes=size_bytes,
        format=check_format(options.get("type", "")) or usual_format,
        fully_allocated=options.get("allocation") == "full",
    )


def create_volume(context: Context, plan: VolumePlan) -> StorageVolume:
    """Make a volume, and give libvirt's object; raises ``libvirt.libvirtError``."""
    pool = find_pool(context, plan.sr)
    call = context.services.connection.call
    fully = plan.fully_allocated
    volume = etree.Element("volume")
    set_text(volume, "name", plan.name, field="name_label")
    etree.SubElement(volume, "capacity", unit="bytes").text = str(plan.size_bytes)
    if plan.format:
        etree.SubElement(etree.SubElement(volume, "target"), "format", type=plan.format)
    if fully or plan.sr["type"] in _FILE_POOLS:
        allocated_bytes = plan.size_bytes if fully else 0
        etree.SubElement(volume, "allocation", unit="bytes").text = str(allocated_bytes)

    def allocated() -> float:
        _, capacity, allocation = call(call(pool.storageVolLookupByName, plan.name).info)
        return float(allocation / max(capacity, 1))

    with following(context, allocated if fully else lambda: None):
        flags = _flags(context, plan.format) if fully else 0
        made = call(pool.createXML, to_xml(volume), flags)
    pool_view = context.services.inventory.pools.get(plan.pool)
    source = None if pool_view is None else pool_view.source
    place = made.path() if source is None else source.uris(plan.name)[0]
    record_format(context, place, plan.format or RAW)
    return made


def _flags(context: Context, image_format: str) -> int:
    """Without its flag libvirt allocates nothing of a qcow2 image, whatever the XML says."""
    host = context.services.inventory.host
    simulated = host is not None and host.driver == "TEST"
    whole = image_format == "qcow2" and not simulated
    return libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA if whole else 0
