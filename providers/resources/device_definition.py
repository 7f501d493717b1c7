"""Disks and network ports that DefineSystem asks for, and the pools and images they name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fractions import Fraction
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from virtcim.errormap import ErrorCode
from virtcim.hypervisor.model import (
    PATH_REPOSITORY,
    DiskKind,
    DiskSpec,
    Network,
    NetworkPortSpec,
    StorageRepository,
    VirtualDiskImage,
)
from virtcim.providers.engine.identities import parse_instance_id
from virtcim.providers.engine.view import View
from virtcim.providers.errors import failure, rejected
from virtcim.providers.parameters.allocation_ranges import image_range
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import Unit
from virtcim.providers.resource_pool.pools import NETWORK_POOL, STORAGE_POOL, pool_id
from virtcim.providers.resources.allocation import CD_DRIVE, FLOPPY_DRIVE, READ_WRITE, READABLE

__all__ = [
    "IMAGE_NAMES",
    "IMAGE_NAME_KINDS",
    "NETWORK_NAMES",
    "check_image_size",
    "check_new_image",
    "plain_path",
    "read_disk",
    "read_mac_address",
    "read_network",
    "read_network_port",
    "read_repository",
    "read_size",
]

# The properties that name the image of a disk, and the network of a port.
IMAGE_NAMES = ("HostResource", "HostExtentName", "Address")
# What only says of which kind a name of an image is.
IMAGE_NAME_KINDS = (
    *("HostExtentNameFormat", "OtherHostExtentNameFormat", "HostResourceBlockSize"),
    *("HostExtentNameNamespace", "OtherHostExtentNameNamespace"),
)
NETWORK_NAMES = ("PoolID", "Connection", "HostResource", "NetworkName", "NetworkType")

_DVD_DRIVE = 16
_KINDS = {CD_DRIVE: DiskKind.CD, _DVD_DRIVE: DiskKind.CD, FLOPPY_DRIVE: DiskKind.FLOPPY}
# libvirt-cim's EmulatedType of a disk.
_EMULATED_KINDS = {0: DiskKind.DISK, 1: DiskKind.CD, 2: DiskKind.FLOPPY}
_MAC = re.compile(r"[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.IGNORECASE)
_INSTANCE_ID_KEY = re.compile(r'InstanceID="([^"]*)"', re.IGNORECASE)
# Where an image on the network is: whether it may be named the endpoint knows.
_NETWORK_URL = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_Named = TypeVar("_Named", Network, StorageRepository)


def read_disk(
    reader: SettingReader, view: View, resource_type: int, present: Collection[int] = ()
) -> DiskSpec:
    """The disk or drive that a setting asks for; ``present`` are sizes that can always be had.

    Raises CimError.
    """
    kind = _kind(reader, resource_type)
    repository = read_repository(reader, view)
    image, names = _image(reader, view, repository)
    path = names[0] if names else ""
    size_bytes = read_size(reader)
    access = reader.number("Access")
    if access not in (None, 0, READABLE, READ_WRITE):
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
        read_only=access == READABLE or kind is DiskKind.CD,
    )


def read_network_port(reader: SettingReader, view: View) -> NetworkPortSpec:
    """The network port that a setting asks for. Raises CimError."""
    reader.accept("VirtualQuantity", 1)
    reader.accept("VirtualQuantityUnits", "count")
    reader.accept("AllocationUnits", "count")
    return NetworkPortSpec(
        id=reader.text("AddressOnParent") or reader.text("VirtualDevice"),
        network_uuid=read_network(reader, view).uuid,
        mac_address=read_mac_address(reader),
        model=reader.text("ResourceSubType"),
    )


def read_mac_address(reader: SettingReader) -> str:
    """The MAC address with colons; empty where it is not given. Raises CimError."""
    mac_address = reader.text("Address")
    if mac_address and not _MAC.fullmatch(mac_address):
        raise reader.refuse("Address", mac_address, "is no MAC address")
    digits = re.sub("[:-]", "", mac_address.lower())
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _kind(reader: SettingReader, resource_type: int) -> DiskKind:
    kind = _KINDS.get(resource_type, DiskKind.DISK)
    emulated = reader.number("EmulatedType")
    if emulated is None:
        return kind
    if emulated not in _EMULATED_KINDS or (
        kind is not DiskKind.DISK and _EMULATED_KINDS[emulated] is not kind
    ):
        raise reader.refuse("EmulatedType", emulated, "does not fit the ResourceType")
    return _EMULATED_KINDS[emulated]


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
    found = _named(pool, "StoragePool", "DiskPool", view.inventory.storage_repositories.values())
    if found is None:
        raise reader.refuse("PoolID", pool, "is no storage pool")
    return found


def _image(
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
        repository = _named(
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
    return repository is not None and repository.type == PATH_REPOSITORY


def _takes_several(view: View) -> bool:
    """Whether the hypervisor takes images that it has not seen: it has a repository of paths."""
    repositories = view.inventory.storage_repositories.values()
    return any(repository.type == PATH_REPOSITORY for repository in repositories)


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


def read_network(reader: SettingReader, view: View) -> Network:
    """The network that PoolID, Connection, HostResource or a peer's property names.

    Raises CimError.
    """
    networks = view.inventory.networks.values()
    found: Network | None = None
    for name in NETWORK_NAMES[:-1]:
        for given in reader.texts(name):
            network = _named(given, "NetworkPool", "NetworkPool", networks)
            if network is None or (found is not None and network is not found):
                known = "another network" if network else "no network that is known here"
                raise reader.refuse(name, given, f"is {known}")
            found = network
    kind = reader.text("NetworkType").lower()
    if kind not in ("", "network", "user", "bridge"):
        raise reader.refuse("NetworkType", kind, "is none of network, bridge, user")
    if kind == "user" and found is None:
        found = next((each for each in networks if each.user_mode), None)
    if found is None:
        raise reader.refuse("PoolID", None, "a network port needs the network it connects to")
    if not found.takes_ports:
        pool = f"{found.name_label} ({pool_id(NETWORK_POOL, found.uuid)})"
        raise rejected(
            f"{reader.where}.PoolID: no network port can be connected to the network pool {pool}"
        )
    return found


def _named(given: str, part: str, peers_part: str, objects: Iterable[_Named]) -> _Named | None:
    """The object with a PoolID, an object path of a pool, a UUID, or a name.

    The PoolIDs of libvirt-cim are ``DiskPool/NAME`` and ``NetworkPool/NAME``.
    """
    quoted = _INSTANCE_ID_KEY.search(given)
    wanted = quoted[1] if quoted else given
    parsed = parse_instance_id(wanted)
    if parsed is not None:
        if parsed[1] not in (part, ""):
            return None
        wanted = parsed[0]
    elif wanted.lower().startswith(f"{peers_part.lower()}/"):
        wanted = wanted[len(peers_part) + 1 :]
    candidates = tuple(objects)
    by_uuid = next((each for each in candidates if each.uuid == wanted.lower()), None)
    return by_uuid or next((each for each in candidates if each.name_label == wanted), None)
