"""The image of a disk as a client names it, its pool, and its size."""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from virtcim.errormap import ErrorCode
from virtcim.hypervisor.model import StorageRepository, VirtualDiskImage
from virtcim.providers.engine.view import View
from virtcim.providers.errors import failure, rejected
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import Unit
from virtcim.providers.resource_pool.pools import pool_id
from virtcim.providers.resources.disk.pool import STORAGE_POOL, image_range
from virtcim.providers.resources.pool_names import pool_object

__all__ = [
    "IMAGE_NAMES",
    "IMAGE_NAME_KINDS",
    "check_image_size",
    "check_new_image",
    "plain_path",
    "read_image",
    "read_repository",
    "read_size",
]

# The properties that name the image of a disk.
IMAGE_NAMES = ("HostResource", "HostExtentName", "Address")
# What only says of which kind a name of an image is.
IMAGE_NAME_KINDS = (
    *("HostExtentNameFormat", "OtherHostExtentNameFormat", "HostResourceBlockSize"),
    *("HostExtentNameNamespace", "OtherHostExtentNameNamespace"),
)
# Where an image on the network is: whether it may be named the endpoint knows.
_NETWORK_URL = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def read_size(reader: SettingReader) -> int | None:
    """The wanted size in bytes; None where it is not given. Raises CimError."""
    block_size = reader.number("VirtualResourceBlockSize")
    quantity_unit = reader.unit("VirtualQuantityUnits")
    allocation_unit = reader.unit("AllocationUnits")
    # The defaults that the schemas declare were not chosen by anybody.
    if quantity_unit is not None and quantity_unit.base != "byte":
        if block_size:
            quantity_unit = Unit("byte", Fraction(block_size))
        elif allocation_unit is not None:
            quantity_unit = None
    unit = quantity_unit or allocation_unit
    if unit is None:
        unit = Unit("byte", Fraction(block_size)) if block_size else Unit("blocks", Fraction(1))
    quantity = reader.quantity("VirtualQuantity", unit, "byte")
    if quantity == 0:
        raise reader.refuse("VirtualQuantity", quantity, "is no size of a disk")
    return quantity


def check_image_size(
    reader: SettingReader, view: View, image: VirtualDiskImage, size_bytes: int
) -> None:
    """Refuse a size that an image cannot be given. Raises CimError."""
    repository = view.inventory.storage_repositories.get(image.sr_uuid)
    if repository is not None:
        present = (image.virtual_size_bytes,)
        reader.check_range("VirtualQuantity", size_bytes, image_range(repository), present)


def check_new_image(
    reader: SettingReader,
    repository: StorageRepository,
    size_bytes: int,
    present: Collection[int] = (),
) -> None:
    """Refuse an image that cannot be made in a storage pool. Raises CimError."""
    pool = f"{repository.name_label} ({pool_id(STORAGE_POOL, repository.uuid)})"
    if not repository.attached:
        raise failure(
            ErrorCode.ERR_WRONG_STATE_FOR_OP,
            f"{reader.where}.PoolID: the storage pool {pool} is not active",
        )
    if not repository.makes_images:
        raise rejected(
            f"{reader.where}.PoolID: no disk image can be made in the storage pool {pool}; "
            "name an image that is there, or another pool"
        )
    reader.check_range("VirtualQuantity", size_bytes, image_range(repository), present)


def read_repository(reader: SettingReader, view: View) -> StorageRepository | None:
    """The storage pool that PoolID names; None where it is not given. Raises CimError."""
    pool = reader.text("PoolID")
    if not pool:
        return None
    found = pool_object(
        pool, "StoragePool", "DiskPool", view.inventory.storage_repositories.values()
    )
    if found is None:
        raise reader.refuse("PoolID", pool, "is no storage pool")
    return found


def read_image(
    reader: SettingReader, view: View, repository: StorageRepository | None
) -> tuple[VirtualDiskImage | None, tuple[str, ...]]:
    """The known image, or the path or URIs, that HostResource, HostExtentName or Address name.

    Both, where the image may be forgotten at any moment.
    """
    named = reader.texts("HostResource")
    given = named[0] if named else ""
    for name in IMAGE_NAMES[1:]:
        other = reader.text(name)
        # The blanks at the end of a path are in a URI only.
        if other and given and plain_path(other).strip() != plain_path(given).strip():
            raise reader.refuse(name, other, f"is another image than {given!r}")
        given = given or other
    reader.ignore(*IMAGE_NAME_KINDS)
    given = plain_path(given)
    images = view.inventory.disk_images
    elsewhere = next((each for each in images.values() if given in each.uris), None)
    if len(named) > 1 and not (elsewhere and set(named) <= set(elsewhere.uris)):
        # One for each host of an image that nobody has yet: the toolstack compares them.
        if elsewhere or not (_takes_several(view) and all(map(_NETWORK_URL.match, named))):
            raise reader.refuse("HostResource", named, "names more than one image")
        return None, tuple(named)
    if not given or elsewhere:
        return elsewhere, ()
    if given.lower() in images:
        return images[given.lower()], ()
    if given.startswith("/") or _NETWORK_URL.match(given):
        at_path = next((each for each in images.values() if each.location == given), None)
        # Outside pools an image is known only while some machine has it.
        keeps_path = at_path is None or _is_outside_pools(view, at_path)
        return at_path, (given,) if keeps_path else ()
    pool, _, volume = given.rpartition("/")
    if pool:
        repository = pool_object(
            pool, "StoragePool", "DiskPool", view.inventory.storage_repositories.values()
        )
    if repository is not None:
        for image in images.values():
            names = (image.name_label, PurePosixPath(image.location).name)
            if image.sr_uuid == repository.uuid and volume in names:
                return image, ()
    raise reader.refuse("HostResource", given, "names no image that is known here")


def _is_outside_pools(view: View, image: VirtualDiskImage) -> bool:
    repository = view.inventory.storage_repositories.get(image.sr_uuid)
    return repository is not None and repository.takes_paths


def _takes_several(view: View) -> bool:
    """Whether the hypervisor takes images that it has not seen: it has a repository of paths."""
    repositories = view.inventory.storage_repositories.values()
    return any(repository.takes_paths for repository in repositories)


def plain_path(name: str) -> str:
    """The path in a URI of a file of this host (RFC 8089); anything else as it is."""
    if not name.lower().startswith("file:"):
        return name
    try:
        parts = urlsplit(name)
        is_here = parts.netloc.lower() in {"", "localhost"}
        return unquote(parts.path, errors="strict") if is_here else name
    except ValueError:
        return name  # its path is no UTF-8
