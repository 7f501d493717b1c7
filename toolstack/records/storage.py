"""Records of SR, PBD and VDI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import libvirt

from virtcim.toolstack.images.formats import RAW
from virtcim.toolstack.images.image_file import ImageFile
from virtcim.toolstack.names import shown_name
from virtcim.toolstack.reading.views import PoolView, VolumeView
from virtcim.toolstack.records.identity import path_identity, path_sr_uuid, volume_identity
from virtcim.toolstack.records.problem import stated
from virtcim.toolstack.refs import derived_uuid, reference

__all__ = [
    "PATH_SR",
    "URIS",
    "path_sr_values",
    "path_vdi_values",
    "pbd_values",
    "pool_sr_values",
    "volume_vdi_values",
]

# The key in a VDI's sm_config that holds the URIs of an image elsewhere, with blanks between them.
URIS = "uris"
# The type of the SR that holds the disk paths outside storage pools.
PATH_SR = "path"
_PROBED = "probed-type"
_PATH_SR_NAME = "Paths outside storage pools"
_POOL_OPERATIONS = ["scan", "plug", "unplug"]
_IMAGE_OPERATIONS = ["vdi_create", "vdi_destroy", "vdi_resize"]
# libvirt's drivers make volumes of whole KiB.
_IMAGE_INCREMENT = 1024
# The pools whose volumes exist before libvirt sees them.
_GIVEN_POOLS = frozenset({"iscsi", "iscsi-direct", "scsi", "mpath", "gluster"})
_PATH_OPERATIONS = ["scan", "vdi_introduce"]


def pool_sr_values(pool: PoolView, vdis: Iterable[str]) -> dict[str, object]:
    """Give the values of the SR record of a storage pool."""
    return {
        "uuid": pool.uuid,
        "name_label": shown_name(pool.name),
        "name_description": pool.path,
        "type": pool.type,
        "content_type": "user",
        "physical_size": pool.capacity_bytes,
        "physical_utilisation": pool.allocation_bytes,
        "virtual_allocation": sum(volume.capacity_bytes for volume in pool.volumes),
        "VDIs": list(vdis),
        "PBDs": [reference("PBD", pool.uuid)],
        "other_config": stated(pool.problem),
        "allowed_operations": [
            *_POOL_OPERATIONS,
            *(_IMAGE_OPERATIONS if pool.active and pool.type not in _GIVEN_POOLS else ()),
        ],
        "sm_config": {
            "autostart": "true" if pool.autostart else "false",
            "image-increment": str(_IMAGE_INCREMENT),
        },
    }


def path_sr_values(host_uuid: str, vdis: Iterable[str]) -> dict[str, object]:
    """Give the values of the SR record of all disk paths outside storage pools."""
    uuid = path_sr_uuid(host_uuid)
    return {
        "uuid": uuid,
        "name_label": _PATH_SR_NAME,
        "name_description": "Files and devices of the host that disks are given by path",
        "type": PATH_SR,
        "content_type": "user",
        "VDIs": list(vdis),
        "PBDs": [reference("PBD", uuid)],
        "allowed_operations": _PATH_OPERATIONS,
    }


def pbd_values(
    sr_uuid: str, host_uuid: str, *, attached: bool, device_config: Mapping[str, str]
) -> dict[str, object]:
    """Give the values of the PBD record of an SR: where it is, and whether it is active."""
    return {
        "uuid": derived_uuid("PBD", sr_uuid),
        "SR": reference("SR", sr_uuid),
        "host": reference("host", host_uuid),
        "currently_attached": attached,
        "device_config": dict(device_config),
    }


def volume_vdi_values(
    pool: PoolView, volume: VolumeView, image_format: str, vbds: Iterable[str]
) -> dict[str, object]:
    """Give the values of the VDI record of a storage volume.

    ``image_format`` is what a machine states or what was recorded. What libvirt has found in a
    volume that nobody stated the format of has another name: clients send ``type`` back.
    """
    sm_config = {"type": image_format} if image_format else {}
    if not image_format and volume.format:
        sm_config = {"type" if volume.format == RAW else _PROBED: volume.format}
    if pool.source is not None:
        sm_config[URIS] = " ".join(pool.source.uris(volume.name))
    return {
        "uuid": derived_uuid("VDI", volume_identity(pool.uuid, volume.name)),
        "name_label": shown_name(volume.name),
        "SR": reference("SR", pool.uuid),
        "location": volume.path,
        "virtual_size": volume.capacity_bytes,
        "physical_utilisation": volume.allocation_bytes,
        "sm_config": sm_config,
        "managed": True,
        "type": "user",
        "on_boot": "persist",
        "VBDs": list(vbds),
        "allowed_operations": ["destroy", "resize", "resize_online"],
        "missing": False,
        "other_config": stated(volume.problem),
        "sharable": volume.type == libvirt.VIR_STORAGE_VOL_NETWORK,
    }


def path_vdi_values(
    host_uuid: str,
    path: str,
    uris: Sequence[str],
    image: ImageFile | None,
    image_format: str,
    introduced: Mapping[str, Any],
    vbds: Iterable[str],
    *,
    missing: bool,
) -> dict[str, object]:
    """Give the values of the VDI record of a path, or of an image elsewhere that has ``uris``.

    ``image`` is None when its size is unknown.
    """
    own: dict[str, object] = {
        "uuid": derived_uuid("VDI", path_identity(host_uuid, path)),
        "name_label": shown_name(_label(path, uris)),
        "SR": reference("SR", path_sr_uuid(host_uuid)),
        "location": path,
        "virtual_size": image.virtual_size_bytes if image else 0,
        "physical_utilisation": image.allocated_bytes if image else 0,
        "managed": True,
        "type": "user",
        "on_boot": "persist",
        "VBDs": list(vbds),
        "allowed_operations": ["forget"],
        "missing": missing,
    }
    sm_config = dict(introduced.get("sm_config", {}))
    if image_format:
        sm_config["type"] = image_format
    if uris:
        sm_config[URIS] = " ".join(uris)
    return {**own, **introduced, "sm_config": sm_config}


def _label(path: str, uris: Sequence[str]) -> str:
    if not uris:
        return path.rpartition("/")[2] or path
    name = uris[0].partition("?")[0].partition("://")[2].rpartition("/")[2]
    return unquote(name or uris[0].rpartition("/")[2])
