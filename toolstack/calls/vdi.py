"""Disk images (XenAPI ``VDI``): volumes of storage pools, and paths outside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.images.choice import (
    check_format,
    named_inside,
    record_format,
    require_inside,
    require_pool_inside,
)
from virtcim.toolstack.images.pools import find_pool, is_of_paths, require_pool
from virtcim.toolstack.images.users import UnknownUsersError, is_used
from virtcim.toolstack.images.volumes import create_volume, read_volume
from virtcim.toolstack.names import check_label
from virtcim.toolstack.refs import reference

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import StorageVolume

__all__ = ["VDI_CALLS", "resize_image"]

VDI_CALLS = CallTable()

_INT64_MAX = 2**63 - 1


@VDI_CALLS.add("VDI.create", "record args", asynchronous=True)
def create(context: Context, args: dict[str, object]) -> str:
    """Make a volume in a storage pool; ``sm_config["type"]`` is its format.

    Raises ``SR_OPERATION_NOT_SUPPORTED`` for the SR of paths, where libvirt makes no files.
    """
    given = GivenRecord("VDI", args)
    plan = read_volume(context, given)
    services = context.services
    with services.inventory.changing(plan.pool):
        create_volume(context, plan)
        services.inventory.refresh_pool(plan.pool)
    ref = reference("VDI", f"{plan.pool}/{plan.name}")
    for field in ("name_description", "other_config", "xenstore_data", "tags"):
        if value := given.get(field):
            services.notes.set("VDI", ref, field, value)
    return ref


def _find(context: Context, vdi: str) -> tuple[Record, Record]:
    record = context.record("VDI", vdi)
    return record, context.record("SR", record["SR"])


def _volume(context: Context, vdi: Record, sr: Record) -> StorageVolume:
    name = context.services.lookup.volume_name(vdi["uuid"])
    return context.services.connection.call(find_pool(context, sr).storageVolLookupByName, name)


def _attached_vbds(context: Context, vdi: Record) -> list[Record]:
    vbds = (context.services.database.get("VBD", ref) for ref in vdi["VBDs"])
    return [vbd for vbd in vbds if vbd is not None and vbd["currently_attached"]]


@VDI_CALLS.add("VDI.destroy", "VDI self", asynchronous=True)
def destroy(context: Context, vdi: str) -> None:
    """Delete a volume that libvirt lists in a pool inside the fence.

    Raises ``VDI_IN_USE`` while a VM names it, whether it runs or not, or has an image that is
    built on it; ``OPERATION_NOT_ALLOWED`` while nobody can tell that; ``VIRTCIM_OUTSIDE_FENCE``.
    """
    record, sr = _find(context, vdi)
    require_pool(sr, record["SR"])
    require_pool_inside(context, "deleting a disk image", sr["uuid"])
    services = context.services
    with services.inventory.changing(sr["uuid"]):
        volume = _volume(context, record, sr)
        path_of = services.lookup.storage.path_of_volume
        local = services.fence.local
        try:
            used = is_used(
                *(services.connection, volume, path_of),
                local=local,
                inside=named_inside(context),
                also=_network_name(context, record, sr),
            )
        except UnknownUsersError as error:
            raise XapiFailure("OPERATION_NOT_ALLOWED", str(error)) from error
        if used:
            raise XapiFailure("VDI_IN_USE", vdi, "destroy")
        services.connection.call(volume.delete, 0)
        services.inventory.refresh_pool(sr["uuid"])


def _network_name(context: Context, vdi: Record, sr: Record) -> str:
    """Give the name by which disks call a volume of a pool on the network; empty for others."""
    pool = context.services.inventory.pools.get(sr["uuid"])
    if pool is None or pool.source is None:
        return ""
    return pool.source.name(context.services.lookup.volume_name(vdi["uuid"]))


def _resize(context: Context, vdi: str, size: int) -> None:
    """Resize a volume, through the VM that has it if one runs."""
    resize_image(context, vdi, size)
    _look_again(context, _find(context, vdi)[1])


def resize_image(context: Context, vdi: str, size: int) -> None:
    """Make a volume larger, without looking at it afterwards.

    Raises ``VIRTCIM_OUTSIDE_FENCE``; ``VALUE_NOT_SUPPORTED`` for a size that would cut the end off.
    """
    record, sr = _find(context, vdi)
    if not 0 < size <= _INT64_MAX:
        raise value_not_supported("size", size, "must be positive")
    services = context.services
    attached = _attached_vbds(context, record)
    what = "resizing a disk image"
    if not attached:
        require_pool(sr, record["SR"])
    if is_of_paths(sr):
        require_inside(context, what, record["location"])
    else:
        require_pool_inside(context, what, sr["uuid"])
    if attached:
        _resize_in(context, attached[0], size)
    else:
        services.connection.call(_volume(context, record, sr).resize, size, 0)


def _resize_in(context: Context, vbd: Record, size: int) -> None:
    """Let the running machine resize its disk; libvirt would cut the end off without asking."""
    connection, device = context.services.connection, vbd["device"]
    with connection.operating() as handle:
        domain = connection.call(handle.lookupByUUIDString, context.record("VM", vbd["VM"])["uuid"])
        present = connection.call(domain.blockInfo, device)[0]
        if size < present:
            reason = f"is less than the {present} bytes that the disk has: it can only grow"
            raise value_not_supported("size", size, reason)
        connection.call(domain.blockResize, device, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


for _name in ("VDI.resize", "VDI.resize_online"):
    VDI_CALLS.add(_name, "VDI vdi, int size", asynchronous=True)(_resize)


def _look_again(context: Context, sr: Record) -> None:
    services = context.services
    if is_of_paths(sr):
        services.publisher.look_at_paths()
        return
    with services.inventory.changing(sr["uuid"]):
        services.connection.call(find_pool(context, sr).refresh, 0)
        services.inventory.refresh_pool(sr["uuid"])


@VDI_CALLS.add("VDI.update", "VDI vdi", asynchronous=True)
def update(context: Context, vdi: str) -> None:
    """Look at a disk image again."""
    _look_again(context, _find(context, vdi)[1])


@VDI_CALLS.add(
    "VDI.introduce",
    "string uuid, string name_label, string name_description, SR SR, string type, bool sharable, "
    "bool read_only, map other_config, string location, map xenstore_data?, map sm_config?, "
    "bool managed?, int virtual_size?, int physical_utilisation?, string metadata_of_pool?, "
    "bool is_a_snapshot?, datetime snapshot_time?, string snapshot_of?",
    asynchronous=True,
)
def introduce(
    context: Context,
    uuid: str,
    name_label: str,
    name_description: str,
    sr: str,
    _type: str,
    sharable: bool,
    read_only: bool,
    other_config: Mapping[str, str],
    location: str,
    xenstore_data: Mapping[str, str] | None = None,
    sm_config: Mapping[str, str] | None = None,
    *_unused: object,
) -> str:
    """Make a path known as a VDI, whether the file exists or not.

    Raises ``VDI_LOCATION_MISSING`` for a location that its storage pool does not hold.
    """
    record = context.record("SR", sr)
    if not location:
        raise value_not_supported("location", location, "must be given")
    if not is_of_paths(record):
        return _introduce_volume(context, record, sr, location)
    require_inside(context, "a disk image", location)
    options = dict(sm_config or {})
    if stated := check_format(options.pop("type", "")):
        record_format(context, location, stated)
    fields: dict[str, object] = {
        "name_description": name_description,
        "sharable": sharable,
        "read_only": read_only,
        "other_config": dict(other_config),
        "xenstore_data": dict(xenstore_data or {}),
    }
    if options:
        fields["sm_config"] = options
    if name_label:
        fields["name_label"] = check_label("name_label", name_label)
    if uuid:
        fields["uuid"] = uuid
    return context.services.publisher.introduce(location, fields)


def _introduce_volume(context: Context, sr: Record, sr_ref: str, location: str) -> str:
    """Find a volume that was put into a pool by other means."""
    _look_again(context, sr)
    for ref in context.record("SR", sr_ref)["VDIs"]:
        vdi = context.services.database.get("VDI", ref)
        if vdi is not None and location in {vdi["location"], vdi["name_label"]}:
            return str(ref)
    raise XapiFailure("VDI_LOCATION_MISSING", sr_ref, location)


@VDI_CALLS.add("VDI.forget", "VDI vdi", asynchronous=True)
def forget(context: Context, vdi: str) -> None:
    """Take back ``VDI.introduce``; the file stays."""
    record, sr = _find(context, vdi)
    if not is_of_paths(sr):
        raise XapiFailure("SR_OPERATION_NOT_SUPPORTED", record["SR"])
    if record["VBDs"]:
        raise XapiFailure("VDI_IN_USE", vdi, "forget")
    context.services.publisher.introduce(record["location"], None)
