"""Reading libvirt's objects into views: nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from xml.etree.ElementTree import Element, fromstring

import libvirt

from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.native.domain_reader import parse_domain
from virtcim.toolstack.native.stop_reason import StopDetail, stop_view, stopped_by_itself
from virtcim.toolstack.native.views import (
    DiskView,
    DomainView,
    DomainXml,
    HostView,
    InterfaceView,
    NetworkView,
    PoolView,
    VolumeView,
)
from virtcim.toolstack.refs import derived_uuid

__all__ = [
    "read_domain",
    "read_host",
    "read_memory",
    "read_network",
    "read_pool",
    "read_states",
]

_Result = TypeVar("_Result")
_RUNNING = frozenset(
    {
        libvirt.VIR_DOMAIN_NOSTATE,
        libvirt.VIR_DOMAIN_RUNNING,
        libvirt.VIR_DOMAIN_BLOCKED,
        libvirt.VIR_DOMAIN_PAUSED,
        libvirt.VIR_DOMAIN_SHUTDOWN,
        libvirt.VIR_DOMAIN_PMSUSPENDED,
    }
)


def _parse(xml: str) -> Element:
    return fromstring(xml)  # noqa: S314 - libvirt wrote it


def _supported(
    connection: LibvirtConnection, default: _Result, function: Callable[..., _Result], *args: object
) -> _Result:
    """Call what not every driver has."""
    try:
        return connection.call(function, *args)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return default
        raise


def read_domain(
    connection: LibvirtConnection,
    domain: Any,
    *,
    detail: StopDetail | None,
    started: datetime | None,
    now: datetime,
) -> DomainView:
    """Read one domain; raises libvirt.libvirtError, with VIR_ERR_NO_DOMAIN when it is gone."""
    call = connection.call
    state, reason = call(domain.state)
    active = domain.ID() != -1 and (state in _RUNNING or bool(call(domain.isActive)))
    persistent = bool(call(domain.isPersistent))
    current = parse_domain(call(domain.XMLDesc))
    config = current
    if active and persistent:
        config = parse_domain(call(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE))
    live = current if active else None
    if live is not None:
        config = _with_attached(config, live)
    if detail is not None and live is not None:
        detail = detail.naming_disks(live.aliases)
    disk_errors: Mapping[str, int] = {}
    if stopped_by_itself(state, reason) and active and detail is None:
        disk_errors = _supported(connection, {}, domain.diskErrors)
    return DomainView(
        uuid=domain.UUIDString(),
        id=domain.ID() if active else -1,
        state=state,
        reason=reason,
        persistent=persistent,
        autostart=persistent and bool(call(domain.autostart)),
        saved=not active and bool(_supported(connection, 0, domain.hasManagedSaveImage)),
        config=config,
        live=live,
        started=started if active else None,
        stop=stop_view(state, reason, detail, disk_errors, now),
    )


def read_states(connection: LibvirtConnection) -> list[tuple[Any, int, int]]:
    """Give all domains with state and reason, in one call where the driver can."""
    call, handle = connection.call, connection.handle
    try:
        stats = call(handle.getAllDomainStats, libvirt.VIR_DOMAIN_STATS_STATE, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return [(domain, *call(domain.state)) for domain in call(handle.listAllDomains)]
    return [(domain, fields["state.state"], fields["state.reason"]) for domain, fields in stats]


def _with_attached(config: DomainXml, live: DomainXml) -> DomainXml:
    """Put the devices of the running domain in the place of the configured ones."""
    disks: dict[str, DiskView] = {disk.target: disk for disk in config.disks}
    disks |= {disk.target: replace(disk, attached=True) for disk in live.disks}
    interfaces: dict[str, InterfaceView] = {item.mac: item for item in config.interfaces}
    taken = {item.number for item in config.interfaces}
    for item in live.interfaces:
        known = interfaces.get(item.mac)
        number = known.number if known else item.number
        while known is None and number in taken:
            number += 1
        taken.add(number)
        interfaces[item.mac] = replace(item, number=number, attached=True)
    return replace(config, disks=tuple(disks.values()), interfaces=tuple(interfaces.values()))


def read_pool(connection: LibvirtConnection, pool: Any) -> PoolView:
    """Read one storage pool with its volumes."""
    call = connection.call
    root = _parse(call(pool.XMLDesc))
    active = bool(call(pool.isActive))
    _state, capacity, allocation, _available = call(pool.info)
    volumes = call(pool.listAllVolumes) if active else []
    return PoolView(
        uuid=pool.UUIDString(),
        name=pool.name(),
        type=root.get("type", ""),
        path=root.findtext("target/path") or "",
        active=active,
        autostart=bool(call(pool.autostart)),
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        volumes=tuple(
            view for volume in volumes if (view := _read_volume(connection, volume)) is not None
        ),
    )


def _read_volume(connection: LibvirtConnection, volume: Any) -> VolumeView | None:
    try:
        root = _parse(connection.call(volume.XMLDesc))
        kind, capacity, allocation = connection.call(volume.info)
    except libvirt.libvirtError as error:
        # It was deleted since it was listed.
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise
    target_format = root.find("target/format")
    return VolumeView(
        name=volume.name(),
        key=volume.key(),
        path=root.findtext("target/path") or "",
        type=kind,
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        format="" if target_format is None else target_format.get("type", ""),
    )


def read_network(connection: LibvirtConnection, network: Any) -> NetworkView:
    """Read one network."""
    root = _parse(connection.call(network.XMLDesc))
    return NetworkView(
        uuid=network.UUIDString(),
        name=network.name(),
        active=bool(connection.call(network.isActive)),
        autostart=bool(connection.call(network.autostart)),
        bridge=_attribute(root, "bridge", "name"),
        forward=_attribute(root, "forward", "mode"),
        mtu=int(_attribute(root, "mtu", "size") or 0),
    )


def _attribute(root: Element, path: str, name: str) -> str:
    element = root.find(path)
    return "" if element is None else element.get(name, "")


def read_memory(connection: LibvirtConnection) -> tuple[int, int]:
    """Give the host's memory and how much of it is free, in bytes; 0 for what is not told."""
    # virNodeGetInfo and virNodeGetFreeMemory of libvirt 9.0 were seen to give the memory of the
    # first NUMA node alone, so they are asked only where the driver has no statistics.
    statistics: dict[str, int] = _supported(
        connection,
        {},
        connection.handle.getMemoryStats,
        libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS,
    )
    if "total" in statistics and "free" in statistics:
        return statistics["total"] * 2**10, statistics["free"] * 2**10
    total_mib: int = connection.call(connection.handle.getInfo)[1]
    return total_mib * 2**20, _supported(connection, 0, connection.handle.getFreeMemory)


def read_host(connection: LibvirtConnection) -> HostView:
    """Read the host and what its hypervisor can do."""
    call, handle = connection.call, connection.handle
    root = _parse(call(handle.getCapabilities))
    hostname = call(handle.getHostname)
    arch, _memory_mib, cpus, mhz, nodes, sockets, cores, threads = call(handle.getInfo)
    memory_bytes, memory_free_bytes = read_memory(connection)
    driver = call(handle.getType)
    return HostView(
        # The test driver has no UUID of its own.
        uuid=root.findtext("host/uuid") or derived_uuid("host", f"{driver}/{hostname}"),
        hostname=hostname,
        driver=driver,
        driver_version=_version(call(handle.getVersion)),
        libvirt_version=_version(call(handle.getLibVersion)),
        memory_bytes=memory_bytes,
        memory_free_bytes=memory_free_bytes,
        cpu_count=cpus,
        cpu_mhz=mhz,
        sockets=nodes * sockets,
        cores=cores,
        threads=threads,
        arch=root.findtext("host/cpu/arch") or arch,
        cpu_model=root.findtext("host/cpu/model") or "",
        cpu_vendor=root.findtext("host/cpu/vendor") or "",
        cpu_features=tuple(
            feature.get("name", "") for feature in root.iterfind("host/cpu/feature")
        ),
        domain_types=frozenset(
            domain.get("type", "") for domain in root.iterfind("guest/arch/domain")
        ),
    )


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
