"""Which images the machines use: all that they name, and what those are built on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from xml.etree.ElementTree import Element

import libvirt

from virtcim.toolstack.images.backing import ChainError, image_chain
from virtcim.toolstack.images.formats import RAW
from virtcim.toolstack.images.paths import canonical_path
from virtcim.toolstack.names import shown_name
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.common import parse_xml

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import RememberedDomain, StorageVolume

__all__ = ["Named", "UnknownUsersError", "is_used", "named_by_machines"]

# A path or any other text, or the names of a pool and a volume.
Named = str | tuple[str, str]

_Told = TypeVar("_Told")
# Arguments for QEMU that libvirt hands on as they are: paths stand in the middle of them.
_QEMU_ARGUMENT = "{http://libvirt.org/schemas/domain/qemu/1.0}arg"
_BETWEEN_PATHS = re.compile(r"[,=:\"]")


class UnknownUsersError(Exception):
    """Whether a machine uses an image cannot be told; the text says of which, and why."""


def named_by_machines(connection: LibvirtConnection) -> Iterator[Named]:
    """Give everything that any machine could mean an image by: paths, and pools with volumes.

    Raises ``libvirt.libvirtError``.
    """
    for root in _descriptions(connection):
        yield from _named(root)


def is_used(
    connection: LibvirtConnection,
    volume: StorageVolume,
    path_of: Callable[[str, str], str],
    *,
    local: bool,
    inside: Callable[[str], bool],
    also: str = "",
) -> bool:
    """Whether a machine names a volume (libvirt's object), or has an image that is built on it.

    ``path_of`` gives the path of a volume by the names of its pool and itself, empty where there
    is none; ``local`` is false where paths are those of another host; ``inside`` tells whether
    clients may name a path; ``also`` is what disks call a volume on the network.

    Raises ``libvirt.libvirtError``, and UnknownUsersError where no machine
    is known to use it, but what an image is built on cannot be determined.
    """
    pool = connection.call(connection.call(volume.storagePoolLookupByVolume).name)
    names = (pool, connection.call(volume.name))
    path = connection.call(volume.path)
    sought = canonical_path(path, local=local)

    def is_it(named: Named) -> bool:
        if not isinstance(named, str):
            return named == names
        return named in {path, also or path} or (
            named.startswith("/") and canonical_path(named, local=local) == sought
        )

    unknown: UnknownUsersError | None = None
    for root in _descriptions(connection):
        if any(map(is_it, _named(root))):
            return True
        for source, image_format in _built_images(root, path_of) if local else ():
            try:
                if any(map(is_it, image_chain(source, image_format, inside=inside))):
                    return True
            except ChainError as error:
                unknown = UnknownUsersError(
                    f"what the image {shown_name(error.path)} of the machine "
                    f"{shown_name(_machine(root))} is built on cannot be determined: "
                    f"{error.reason}"
                )
    if unknown is not None:
        raise unknown
    return False


def _machine(root: Element) -> str:
    """Give the name of the machine that a description, or a snapshot's, is of."""
    return root.findtext("domain/name") or root.findtext("name") or ""


def _descriptions(connection: LibvirtConnection) -> Iterator[Element]:
    """Give all descriptions of all machines.

    As they run and for their next start; as they were saved, and as their snapshots and
    checkpoints remember them, since going back to these needs their images.
    """
    call = connection.call
    for domain in call(connection.handle.listAllDomains):
        for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
            yield from _one(connection, partial(domain.XMLDesc, flags))
    for domain in call(connection.handle.listAllDomains, _SAVED):
        yield from _one(connection, domain.managedSaveGetXMLDesc, _NOT_RESTORABLE)
    for flag, names in _REMEMBERED.items():
        for domain in call(connection.handle.listAllDomains, flag):
            nothing: list[RememberedDomain] = []
            for remembered in _unless(_GONE, connection, getattr(domain, names), nothing):
                yield from _one(connection, remembered.getXMLDesc)


_SAVED = libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE
_REMEMBERED = {
    libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT: "listAllSnapshots",
    libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT: "listAllCheckpoints",
}
# What was listed, and is there no more.
_GONE = frozenset(
    {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
        libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT,
        libvirt.VIR_ERR_OPERATION_INVALID,
    }
)
# The test driver keeps nothing; of a damaged saved state libvirt 9.0 says that an operation failed.
_NOT_RESTORABLE = _GONE | {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_FAILED}


def _one(
    connection: LibvirtConnection, describe: Callable[[], str], codes: Collection[int] = _GONE
) -> Iterator[Element]:
    xml = _unless(codes, connection, describe, "")
    if xml:
        yield parse_xml(xml)


def _unless(
    codes: Collection[int], connection: LibvirtConnection, ask: Callable[[], _Told], nothing: _Told
) -> _Told:
    """Ask libvirt; an error of these codes is ``nothing``."""
    try:
        return connection.call(ask)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in codes:
            raise
        return nothing


def _named(root: Element) -> Iterator[Named]:
    """Attributes and texts of all kinds: rather one too many stays than one goes that is used."""
    for element in root.iter():
        if element.text:
            yield element.text.strip()
        yield from element.attrib.values()
        if element.tag == _QEMU_ARGUMENT:
            yield from _BETWEEN_PATHS.split(element.get("value", ""))
        if "pool" in element.attrib:
            yield element.attrib["pool"], element.attrib.get("volume", "")


def _built_images(root: Element, path_of: Callable[[str, str], str]) -> Iterator[tuple[str, str]]:
    """Give the local images that QEMU opens as more than raw, with their formats."""
    for disk in root.iterfind(".//devices/disk"):
        driver, source = disk.find("driver"), disk.find("source")
        image_format = RAW if driver is None else driver.get("type", RAW)
        if source is None or image_format == RAW:
            continue
        if disk.get("type") == "volume":
            path = path_of(source.get("pool", ""), source.get("volume", ""))
        else:
            path = source.get("file") or source.get("dev") or ""
        if path.startswith("/"):
            yield path, image_format
