"""Reading storage pools and volumes into views: nothing here changes or refreshes anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.images.paths import link_target
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.common import GONE, attribute, parse_xml, unreadable
from virtcim.toolstack.reading.listing import ListedObject
from virtcim.toolstack.reading.pool_source import read_pool_source
from virtcim.toolstack.reading.views import PoolView, VolumeView

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import StoragePool, StorageVolume

__all__ = ["look_at_pool", "look_at_volume", "read_pool", "read_volume"]


def read_pool(
    connection: LibvirtConnection,
    pool: StoragePool,
    listed: ListedObject[StoragePool] | None = None,
) -> PoolView:
    """Read one storage pool with all its volumes.

    Raises libvirt.libvirtError only when the pool is gone: what else fails is its ``problem``.
    """
    view = _read_pool_itself(connection, pool, listed)
    if not view.active:
        return view
    return _with_volumes(connection, pool, view, known={})


def look_at_pool(
    connection: LibvirtConnection, listed: ListedObject[StoragePool], known: PoolView
) -> tuple[PoolView, dict[str, StorageVolume]]:
    """Read what has changed of a pool: itself, and which volumes it has, in two calls.

    Gives also libvirt's objects of its volumes by name. Raises like ``read_pool``.
    """
    view = _read_pool_itself(connection, listed.native, listed)
    if not view.active:
        return view, {}
    natives: dict[str, StorageVolume] = {}
    view = _with_volumes(
        connection,
        listed.native,
        view,
        known={volume.name: volume for volume in known.volumes},
        natives=natives,
    )
    return view, natives


def look_at_volume(
    connection: LibvirtConnection, native: StorageVolume, known: VolumeView
) -> VolumeView:
    """Read how large a volume is now; the rest only if that differs."""
    try:
        _type, capacity, allocation = connection.call(native.info)
    except (libvirt.libvirtError, ValueError):
        return known  # it is gone, or as odd as it was: the list of names will tell
    if (capacity, allocation) == (known.capacity_bytes, known.allocation_bytes):
        return known
    return read_volume(connection, native) or known


def _read_pool_itself(
    connection: LibvirtConnection, pool: StoragePool, listed: ListedObject[StoragePool] | None
) -> PoolView:
    call = connection.call
    problems: list[str] = []
    xml, kind, path, source = "", "", "", None
    try:
        xml = call(pool.XMLDesc)
        root = parse_xml(xml)
        kind, path = root.get("type", ""), root.findtext("target/path") or ""
        source = read_pool_source(kind, root.find("source"))
    except (libvirt.libvirtError, ValueError, SyntaxError) as error:
        problems.append(f"its description {_why(error)}")
    active = None if listed is None else listed.active
    autostart = None if listed is None else listed.autostart
    capacity = allocation = 0
    try:
        if active is None:
            active = bool(call(pool.isActive))
        if autostart is None:
            autostart = bool(call(pool.autostart))
        _state, capacity, allocation, _available = call(pool.info)
    except (libvirt.libvirtError, ValueError) as error:
        problems.append(f"its state {_why(error)}")
    return PoolView(
        uuid=pool.UUIDString(),
        name=_name(pool, problems),
        type=kind,
        path=path,
        source=source,
        active=bool(active),
        autostart=bool(autostart),
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        problem="; ".join(problems),
        text=hash(xml),
    )


def _with_volumes(
    connection: LibvirtConnection,
    pool: StoragePool,
    view: PoolView,
    *,
    known: dict[str, VolumeView],
    natives: dict[str, StorageVolume] | None = None,
) -> PoolView:
    problems = [view.problem] if view.problem else []
    volumes = []
    nameless = 0
    try:
        found = connection.call(pool.listAllVolumes)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID:
            return replace(view, active=False)  # it was stopped meanwhile
        problems.append(f"its list of volumes {_why(error)}")
        # What was there is still the best that is known.
        return replace(view, volumes=tuple(known.values()), problem="; ".join(problems))
    for native in found:
        try:
            name = native.name()
        except UnicodeDecodeError:
            nameless += 1
            continue
        volume = known.get(name) or read_volume(connection, native)
        if volume is None:
            continue
        volumes.append(volume)
        if natives is not None:
            natives[name] = native
    if nameless:
        what = "a volume is" if nameless == 1 else f"{nameless} volumes are"
        problems.append(f"{what} left out: the name is not UTF-8")
    return replace(view, volumes=tuple(volumes), problem="; ".join(problems))


def read_volume(connection: LibvirtConnection, volume: StorageVolume) -> VolumeView | None:
    """Read one volume whose name can be read; None: it was deleted since it was listed."""
    problems: list[str] = []
    path = kind_of_format = ""
    try:
        root = parse_xml(connection.call(volume.XMLDesc))
        path = root.findtext("target/path") or ""
        kind_of_format = attribute(root, "target/format", "type")
    except libvirt.libvirtError as error:
        if error.get_error_code() in GONE:
            return None
        problems.append(f"its description {unreadable(error)}")
    except (ValueError, SyntaxError) as error:
        problems.append(f"its description {unreadable(error)}")
    kind = capacity = allocation = 0
    try:
        kind, capacity, allocation = connection.call(volume.info)
    except libvirt.libvirtError as error:
        if error.get_error_code() in GONE:
            return None
        problems.append(f"its size {unreadable(error)}")
    path = path or _text(volume.path)
    return VolumeView(
        name=volume.name(),
        key=_text(volume.key),
        path=path,
        link=link_target(path),
        type=kind,
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        format=kind_of_format,
        problem="; ".join(problems),
    )


def _why(error: Exception) -> str:
    """Say why something of a pool cannot be read; raises where the pool is gone."""
    if isinstance(error, libvirt.libvirtError) and error.get_error_code() in GONE:
        raise error
    return unreadable(error)


def _name(pool: StoragePool, problems: list[str]) -> str:
    try:
        return str(pool.name())
    except UnicodeDecodeError:
        problems.append("its name is not UTF-8")
        return str(pool.UUIDString())


def _text(getter: Callable[[], str]) -> str:
    """Give a text of a volume that libvirt may not have, or not in UTF-8."""
    try:
        return str(getter())
    except (libvirt.libvirtError, ValueError):
        return ""
