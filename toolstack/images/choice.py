"""Which image a disk shall use: the one place that turns what a client names into one.

It may only be named inside the fence, and its format is never guessed from what it contains.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.images.fence import DIRECTORY_OPTION, SOURCE_OPTION
from virtcim.toolstack.images.formats import DISK_FORMATS, RAW, looks_like
from virtcim.toolstack.images.image import BLOCK_POOLS, Image, volume_source
from virtcim.toolstack.images.image_file import Beginning, read_beginning
from virtcim.toolstack.images.paths import canonical_path, in_dev, link_target
from virtcim.toolstack.images.source_url import SourceUrl, SourceUrlError, parse_image_url
from virtcim.toolstack.names import shown_name
from virtcim.toolstack.reading.uris import is_uri
from virtcim.toolstack.reading.views import DiskView, PoolView, VolumeView
from virtcim.toolstack.records.storage import URIS
from virtcim.wire.labels import label_fault

__all__ = [
    "Image",
    "check_format",
    "find_image",
    "find_path",
    "keep_stated_format",
    "named_inside",
    "record_format",
    "require_directory_inside",
    "require_inside",
    "require_pool_inside",
]

_log = logging.getLogger(__name__)

# Formats of which some images have their mark at the end.
_WITHOUT_A_MARK = frozenset({"dmg", "vpc"})
# libvirt 9.0 writes these as they are into its documents, and reads blanks.
_NOT_CARRIED = re.compile(r"[\t\n\r]")
# The name and password of a user, or what else stands before the host.
_USER = re.compile(r"(?<=//)[^/?#]*@")
_FORMAT_FIELD = "sm_config:type"
_IMAGE = "a disk image"


def find_image(context: Context, vdi: str, wanted_format: str, *, vm: str = "") -> Image:
    """Give the image of a VDI, for a disk that shall use it.

    Its format is the first that there is: ``wanted_format``; what a machine that has the image
    states; what was recorded when it was made or first attached; raw. ``vm`` (a reference) is the
    machine that gets it: what it has already it may name again.

    Raises ``VIRTCIM_OUTSIDE_FENCE``; ``VIRTCIM_UNSTATED_FORMAT`` for an image that nobody stated
    the format of, and that looks like another than raw; ``VALUE_NOT_SUPPORTED``.
    """
    record = context.record("VDI", vdi)
    services = context.services
    pool = services.inventory.pools.get(context.record("SR", record["SR"])["uuid"])
    if pool is not None and pool.source is not None:
        name = services.lookup.volume_name(record["uuid"])
        return _on_network(context, pool, name, record["location"], wanted_format, vm)
    others = record["sm_config"].get(URIS, "").split()[1:]
    return _find(context, record["location"], others, wanted_format, vm)


def find_path(
    context: Context,
    location: str,
    wanted_format: str,
    *,
    others: Sequence[str] = (),
    vm: str = "",
) -> Image:
    """Give the image at a path of the host, or at a URL, and at ``others`` on more hosts.

    Otherwise as ``find_image``.
    """
    return _find(context, location, others, wanted_format, vm)


def _find(
    context: Context, location: str, others: Sequence[str], wanted_format: str, vm: str
) -> Image:
    """Find an image; ``others`` are the URLs of the same image on other hosts."""
    check_format(wanted_format)
    pool, volume = _pool_of(context, location), _volume_at(context, location)
    if pool is not None and pool.source is not None and volume is not None:
        return _on_network(context, pool, volume.name, volume.path, wanted_format, vm)
    if not _has_already(context, location, vm):
        for place in (location, *others):
            require_inside(context, _IMAGE, place)
    network = tuple(map(_source_url, (location, *others))) if is_uri(location) else ()
    for url, text in zip(network[1:], others, strict=False):
        if not url.is_image_of(network[0]):
            raise value_not_supported(
                "location", shown_name(text), f"is not {location} on another host"
            )
    pool = _pool_of(context, location)
    return Image(
        path=location,
        format=_decide(context, location, wanted_format),
        block=(pool is not None and pool.type in BLOCK_POOLS) or in_dev(location),
        network=network,
    )


def _on_network(
    context: Context, pool: PoolView, name: str, path: str, wanted_format: str, vm: str
) -> Image:
    """Find the image that is the volume ``name`` of a pool on the network."""
    check_format(wanted_format)
    source = volume_source(pool, name)
    uris = () if pool.source is None else pool.source.uris(name)
    fence = context.services.fence
    if not (
        _counts(context, pool)
        or (uris and all(map(fence.allows_uri, uris)))
        or _has_already(context, uris[0] if uris else path, vm)
    ):
        raise XapiFailure("VIRTCIM_OUTSIDE_FENCE", _IMAGE, shown_name(path), SOURCE_OPTION)
    # Its path may be that of another image on another cluster.
    decided = _decide(context, uris[0] if uris else path, wanted_format)
    return Image(path=path, format=decided, block=False, volume=source)


def check_format(image_format: str) -> str:
    """Give back a format that a client states, or refuse it by name; empty is none."""
    if image_format and image_format not in DISK_FORMATS:
        raise value_not_supported(
            _FORMAT_FIELD, shown_name(image_format), f"must be one of {_words(DISK_FORMATS)}"
        )
    return image_format


def require_inside(context: Context, what: str, location: str, *, field: str = "location") -> None:
    """Refuse a path or URL outside the fence; ``what`` says in words what it is for.

    The answer is the same whether anything is there or not. Raises ``VIRTCIM_OUTSIDE_FENCE``,
    ``VALUE_NOT_SUPPORTED`` for what is neither an absolute path nor such a URL, or is no readable
    line; a volume of others may be named that has such a name already.
    """
    fence = context.services.fence
    if is_uri(location):
        url = _source_url(location)
        if not fence.allows(url):
            raise XapiFailure("VIRTCIM_OUTSIDE_FENCE", what, shown_name(location), SOURCE_OPTION)
        for path in url.local_paths:
            require_inside(context, what, path)
        _require_of_the_host(context, url)
        return
    if not location.startswith("/"):
        raise value_not_supported(field, shown_name(location), "must be an absolute path or a URL")
    pool = _pool_of(context, location)
    if (fault := label_fault(location)) and (pool is None or _NOT_CARRIED.search(location)):
        raise value_not_supported(field, shown_name(location), fault)
    if pool is None or not _counts(context, pool):
        _require_held(context, what, location)


def require_directory_inside(context: Context, what: str, location: str) -> None:
    """Refuse a directory outside the fence; otherwise as ``require_inside``.

    libvirt lists links to directories as volumes, which no directory is inside for.
    """
    if fault := label_fault(location):
        raise value_not_supported("location", shown_name(location), fault)
    _require_held(context, what, location)


def _require_held(context: Context, what: str, location: str) -> None:
    services = context.services
    if not services.fence.holds(location, _pools(context), services.made_pools.uuids):
        raise XapiFailure("VIRTCIM_OUTSIDE_FENCE", what, shown_name(location), DIRECTORY_OPTION)


def _require_of_the_host(context: Context, url: SourceUrl) -> None:
    """Refuse a configuration that a guest may have written: librados does whatever it says."""
    path = url.config
    if not path:
        return
    key = _key(context, path)
    pool = _pool_of(context, path) or _pool_of(context, key)
    if pool is not None:
        raise value_not_supported(
            "location",
            shown_name(path),
            f"is a volume of the pool {shown_name(pool.name)}: guests write such",
        )
    if any(_is_at(context, disk, path, key) for disk in _disks(context)):
        raise value_not_supported("location", shown_name(path), "is a disk that a machine has")


def named_inside(context: Context) -> Callable[[str], bool]:
    """Give a look at the fence as it stands: whether a client may name a file of the host."""
    services = context.services
    look = services.fence.look(_pools(context), services.made_pools.uuids)

    def inside(path: str) -> bool:
        pool = _pool_of(context, path)
        return (pool is not None and _counts(context, pool)) or look.holds(path)

    return inside


def require_pool_inside(context: Context, what: str, uuid: str) -> None:
    """Refuse a storage pool outside the fence, by UUID; ``what`` is to be done with it."""
    pool = context.services.inventory.pools.get(uuid)
    if pool is not None and not _counts(context, pool):
        option = DIRECTORY_OPTION if pool.source is None else SOURCE_OPTION
        raise XapiFailure("VIRTCIM_OUTSIDE_FENCE", what, shown_name(pool.path or pool.name), option)


def _source_url(location: str) -> SourceUrl:
    try:
        return parse_image_url(location)
    except SourceUrlError as error:
        shown = _USER.sub("...@", shown_name(location))
        raise value_not_supported("location", shown, str(error)) from error


def _pools(context: Context) -> list[PoolView]:
    inventory = context.services.inventory
    with inventory.lock:
        return list(inventory.pools.values())


def _counts(context: Context, pool: PoolView) -> bool:
    services = context.services
    return services.fence.holds_pool(pool, _pools(context), services.made_pools.uuids)


def _pool_of(context: Context, location: str) -> PoolView | None:
    """Give the pool that libvirt lists a path as a volume of.

    What somebody has put in the place of a volume since is none: a link that was not there.
    """
    storage = context.services.lookup.storage
    volume = storage.volume_at(location)
    if volume is None or volume.link != link_target(location):
        return None
    return storage.pool_of_path(location)


def _volume_at(context: Context, location: str) -> VolumeView | None:
    """Give the volume of a pool that is at a path or URI."""
    return context.services.lookup.storage.volume_at(location)


# Formats


def _decide(context: Context, location: str, wanted: str) -> str:
    key = _key(context, location)
    beginning = _beginning(context, location)
    decided = (
        wanted
        or _stated_by_machines(context, location, key)
        or _recorded(context, key, beginning)
        or _unstated(location, beginning)
    )
    services = context.services
    services.formats.keep_first(services.lookup.host_uuid, key, decided, beginning.inode)
    return decided


def _key(context: Context, location: str) -> str:
    """Give the one spelling of an image's place."""
    if not location.startswith("/"):
        return location
    return canonical_path(location, local=context.services.fence.local)


def _beginning(context: Context, location: str) -> Beginning:
    if not location.startswith("/") or not context.services.fence.local:
        return Beginning(content=None)
    return read_beginning(location)


def _stated_by_machines(context: Context, location: str, key: str) -> str:
    """Give the type that the machines state that have the image; empty where none does."""
    stated = {
        disk.format
        for disk in _disks(context)
        if disk.format and _is_at(context, disk, location, key)
    }
    if len(stated) > 1:
        raise value_not_supported(
            _FORMAT_FIELD, "", f"machines that have {location} differ in it: {_words(stated)}"
        )
    return next(iter(stated), "")


def _disks(context: Context, vm_uuid: str = "") -> Iterator[DiskView]:
    """Give the disks of all machines or of one, for their next start and as they run."""
    inventory = context.services.inventory
    with inventory.lock:
        domains = list(inventory.domains.values())
    for domain in domains:
        if not vm_uuid or domain.uuid == vm_uuid:
            yield from domain.config.disks
            if domain.live is not None:
                yield from domain.live.disks


def _is_at(context: Context, disk: DiskView, location: str, key: str) -> bool:
    if disk.volume:
        return location == context.services.lookup.storage.place_of(disk)
    return location in disk.sources or (
        disk.source.startswith("/") and _key(context, disk.source) == key
    )


def _has_already(context: Context, location: str, vm: str) -> bool:
    """Whether a machine has the image at this very place already."""
    if not vm:
        return False
    record = context.record("VM", vm)
    return any(
        _is_at(context, disk, location, location) for disk in _disks(context, record["uuid"])
    )


def _recorded(context: Context, key: str, beginning: Beginning) -> str:
    services = context.services
    host = services.lookup.host_uuid
    recorded = services.formats.find(host, key, beginning.inode)
    if recorded in {"", RAW} or beginning.content is None:
        return recorded
    if recorded in _WITHOUT_A_MARK or looks_like(beginning.content) == recorded:
        return recorded
    services.formats.forget(host, key)
    return ""


def _unstated(location: str, beginning: Beginning) -> str:
    if beginning.content is None:
        _log.info(
            "the beginning of %s cannot be read, and nobody stated its format: it is taken as raw",
            shown_name(location),
        )
        return RAW
    found = looks_like(beginning.content)
    if found:
        raise XapiFailure("VIRTCIM_UNSTATED_FORMAT", shown_name(location), found)
    return RAW


def keep_stated_format(context: Context, vdi: str) -> None:
    """Note the format that the machines state of an image, before one of them lets go of it."""
    record = context.services.database.get("VDI", vdi)
    if record is None:
        return
    # Machines name an image elsewhere by its URIs, also a volume of a pool.
    location = next(iter(record["sm_config"].get(URIS, "").split()), record["location"])
    key = _key(context, location)
    try:
        stated = _stated_by_machines(context, location, key)
    except XapiFailure:
        return  # they differ
    if stated:
        services = context.services
        inode = _beginning(context, location).inode
        services.formats.keep_first(services.lookup.host_uuid, key, stated, inode)


def record_format(context: Context, location: str, image_format: str) -> None:
    """Note the format of an image that was made anew, or that a client states anew."""
    key = _key(context, location)
    inode = _beginning(context, location).inode
    services = context.services
    services.formats.replace(services.lookup.host_uuid, key, image_format, inode)


def _words(formats: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(formats))
