"""The settings of the disks and drives that virtual systems were allocated (DSP1047)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from virtcim.cim.records import Value
from virtcim.cim.value_maps import Access, NameFormat, NameNamespace
from virtcim.hypervisor.model import VirtualDisk, VirtualSystem
from virtcim.providers.engine.per_object import per_part
from virtcim.providers.resource_pool.pools import pool_id
from virtcim.providers.resources.allocation import ALLOCATED
from virtcim.providers.resources.disk.drives import resource_type_of
from virtcim.providers.resources.disk.pool import STORAGE_POOL

__all__ = ["DISK_ALLOCATION"]

# What the name of an image is: a path on the host, or the URI of one elsewhere.
_PATH_NAME: Mapping[str, Value] = MappingProxyType(
    {
        "HostExtentNameFormat": NameFormat.OS_DEVICE_NAME,
        "HostExtentNameNamespace": NameNamespace.OS_DEVICE_NAMESPACE,
    }
)
_URI_NAME: Mapping[str, Value] = MappingProxyType(
    {
        "HostExtentNameFormat": NameFormat.OTHER,
        "OtherHostExtentNameFormat": "URI",
        "HostExtentNameNamespace": NameNamespace.OTHER,
        "OtherHostExtentNameNamespace": "URI",
    }
)


def _values(system: VirtualSystem, disk: VirtualDisk) -> Mapping[str, Value]:
    values: dict[str, Value] = {
        **ALLOCATED,
        "ElementName": f"{disk.kind.value} {disk.id} of {system.name_label}",
        "Caption": "Storage allocation",
        "ResourceType": resource_type_of(disk.kind),
        "AddressOnParent": disk.id,
        "BusType": disk.bus or None,
        "AllocationUnits": "byte",
        # Blocks of one byte: the block size is not known (CIM_StorageAllocationSettingData).
        "VirtualQuantityUnits": "byte",
        "VirtualResourceBlockSize": 1,
        "Access": Access.READABLE if disk.read_only else Access.READ_WRITE_SUPPORTED,
    }
    image = disk.image
    if image is not None:
        values |= {
            # As what the machine reads the image is what counts, not what it was made as.
            "ResourceSubType": disk.format or image.format or None,
            "PoolID": pool_id(STORAGE_POOL, image.sr_uuid),
            # An image that cannot be looked into has no size that is known.
            "VirtualQuantity": image.virtual_size_bytes or None,
        }
        if image.location:
            values |= {
                "Address": image.location,
                "HostResource": [*image.uris] or [_location_uri(image.location)],
                "HostExtentName": image.location,
                **(_URI_NAME if image.uris else _PATH_NAME),
            }
    return values


def _location_uri(location: str) -> str:
    """HostResource holds URIs (RFC 3986): a path of the host becomes a file URI."""
    return f"file://{quote(location)}" if location.startswith("/") else quote(location, safe=":/")


DISK_ALLOCATION = per_part(
    "VirtCIM_DiskResourceAllocationSettingData", "disk", lambda system: system.disks, _values
)
