"""The pools that disk images are in, and what can be had from them (DSP1047)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.cim.value_maps import RequestType, SharingMode
from virtcim.hypervisor.model import DiskKind, StorageRepository
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.per_object import per_object
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.allocation_ranges import AllocationRange
from virtcim.providers.resource_pool.offer import pool_offer
from virtcim.providers.resource_pool.pools import pool_id, pool_values, primordial_pool
from virtcim.providers.resources.disk.drives import resource_type_of

__all__ = [
    "PRIMORDIAL_STORAGE_POOL",
    "STORAGE_OFFERS",
    "STORAGE_POOL",
    "OfRepository",
    "image_range",
    "storage_pool",
]

_DISK_DRIVE = resource_type_of(DiskKind.DISK)
_DEFAULT_IMAGE_BYTES = 8 * 2**30


class OfRepository(NamedTuple):
    """The pool of the images in a storage repository."""

    repository: StorageRepository


def _pool_values(of: OfRepository) -> Mapping[str, Value]:
    repository = of.repository
    size = repository.physical_size_bytes or None
    return {
        **pool_values(
            pool_id(STORAGE_POOL, repository.uuid),
            repository.name_label,
            _DISK_DRIVE,
            "byte",
            active=repository.attached,
            primordial=False,
            problem=repository.problem,
        ),
        "Caption": "Storage pool",
        "Description": repository.name_description or None,
        "ResourceSubType": repository.type or None,
        "Capacity": size,
        "Reserved": repository.physical_utilisation_bytes,
        "CurrentlyConsumedResource": repository.physical_utilisation_bytes,
        "MaxConsumableResource": size,
    }


PRIMORDIAL_STORAGE_POOL = primordial_pool(
    "Storage",
    _DISK_DRIVE,
    "byte",
    name="VirtCIM_PrimordialStoragePool",
    caption="Primordial storage pool",
)
STORAGE_POOL = per_object(
    "VirtCIM_StoragePool",
    lambda view: view.inventory.storage_repositories,
    lambda _: OfRepository,
    lambda of: of.repository.uuid,
    _pool_values,
    part="StoragePool",
)


def storage_pool(view: View, repository_uuid: str) -> Iterator[Node[OfRepository]]:
    """The pool of a repository, where it is known."""
    repository = view.inventory.storage_repositories.get(repository_uuid)
    if repository is not None:
        yield STORAGE_POOL.node(OfRepository(repository))


def image_range(repository: StorageRepository) -> AllocationRange:
    """The sizes that a disk image in a repository can have; a new one by default one that fits.

    There is no maximum: an image that takes space as it is written may be larger than what is
    free, and where it takes all of it at once the storage says what is too much.
    """
    step = repository.image_increment_bytes
    size, used = repository.physical_size_bytes, repository.physical_utilisation_bytes
    default: int | None = _DEFAULT_IMAGE_BYTES
    if size:
        default = min(_DEFAULT_IMAGE_BYTES, max(size - used, 0) // step * step) or None
    offered = repository.makes_images and repository.attached
    return AllocationRange(
        units="byte",
        default=default if offered else None,
        minimum=step,
        maximum=None,
        increment=step,
    )


STORAGE_OFFERS = (
    # A child pool is made of a directory that is named.
    pool_offer(
        PRIMORDIAL_STORAGE_POOL,
        lambda of: of.host,
        None,
        resource_type=_DISK_DRIVE,
        request_types=(RequestType.SPECIFIC, RequestType.SPECIFIC),
        sharing_mode=SharingMode.DEDICATED,
        children=STORAGE_POOL,
    ),
    # Images that are there can be had from every pool.
    pool_offer(
        STORAGE_POOL,
        lambda of: of.repository,
        image_range,
        resource_type=_DISK_DRIVE,
        request_types=(RequestType.BOTH, RequestType.SPECIFIC),
        sharing_mode=SharingMode.DEDICATED,
        pluggable=True,
    ),
)
