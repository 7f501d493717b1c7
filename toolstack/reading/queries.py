"""Reading libvirt's objects into views: nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import libvirt

from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.native.disk_errors import read_disk_errors
from virtcim.toolstack.reading.common import GONE, attribute, parse_xml, unreadable, whole
from virtcim.toolstack.reading.domain_reader import parse_domain
from virtcim.toolstack.reading.known_devices import KnownDevices
from virtcim.toolstack.reading.listing import ListedDomain, ListedObject
from virtcim.toolstack.reading.stop_reason import StopDetail, stop_view, stopped_by_itself
from virtcim.toolstack.reading.views import (
    DiskView,
    DomainView,
    DomainXml,
    HostView,
    InterfaceView,
    NetworkView,
)
from virtcim.toolstack.refs import derived_uuid

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import ApiObject, Domain, Network

__all__ = [
    "DomainAnswers",
    "ask_domain",
    "read_host",
    "read_memory",
    "read_network",
    "texts_of_domain",
    "understand_domain",
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


class DomainAnswers(NamedTuple):
    """What libvirt has answered about one domain, at one time; nothing of it is understood yet."""

    uuid: str
    name: str
    id: int  # of its run; -1 while it does not run
    state: int
    reason: int
    persistent: bool
    autostart: bool
    saved: bool
    texts: tuple[str, ...]  # its descriptions: of what runs, if it does, then of the next start
    disk_errors: Mapping[str, int]
    problems: Sequence[str]


def ask_domain(
    connection: LibvirtConnection,
    domain: Domain,
    uuid: str,
    *,
    detail: StopDetail | None,
    listed: ListedDomain | None = None,
) -> DomainAnswers:
    """Ask for everything about one domain that ``listed`` does not tell.

    Raises libvirt.libvirtError with one of ``GONE`` when it is gone. Whatever else cannot be told
    is one of the problems. ``detail`` is what events said of its stop.
    """
    call = connection.call
    problems: list[str] = []
    if listed is None:
        state, reason = _tried(
            problems, "its state", (libvirt.VIR_DOMAIN_NOSTATE, 0), call, domain.state
        )
        persistent = autostart = saved = None
    else:
        state, reason = listed.state, listed.reason
        persistent, autostart, saved = listed.persistent, listed.autostart, listed.saved
    active = _is_active(connection, domain, state)
    if persistent is None:
        persistent = bool(
            _tried(problems, "whether it is persistent", 1, call, domain.isPersistent)
        )
    if autostart is None:
        autostart = persistent and bool(
            _tried(problems, "whether it starts with the host", 0, call, domain.autostart)
        )
    if saved is None:
        saved = not active and bool(_supported(connection, 0, domain.hasManagedSaveImage))
    texts: tuple[str, ...] = _tried(
        problems, "its description", (), _texts, connection, domain, active, persistent
    )
    disk_errors: Mapping[str, int] = {}
    if active and detail is None and stopped_by_itself(state, reason):
        disk_errors = read_disk_errors(connection, uuid)
    return DomainAnswers(
        uuid=uuid,
        name=_name(domain),
        id=domain.ID() if active else -1,
        state=state,
        reason=reason,
        persistent=persistent,
        autostart=persistent and autostart,
        saved=saved and not active,
        texts=texts,
        disk_errors=disk_errors,
        problems=problems,
    )


def understand_domain(
    answers: DomainAnswers, devices: KnownDevices, *, detail: StopDetail | None, now: datetime
) -> DomainView:
    """Understand what libvirt has answered about a domain, and name its devices.

    What cannot be understood is its ``problem``, and it is shown with what is known.
    """
    problems = [*answers.problems]
    documents = [_parse_domain(answers.name, text, problems) for text in answers.texts]
    if not documents:
        documents = [DomainXml(name=answers.name)]
    config = documents[-1]
    live = documents[0] if answers.id != -1 else None
    devices.name(answers.uuid, config, live, whole=not problems)
    if live is not None:
        config = _with_attached(config, live)
        if detail is not None:
            detail = detail.naming_disks(live.aliases)
    state, reason = answers.state, answers.reason
    return DomainView(
        uuid=answers.uuid,
        id=answers.id,
        state=state,
        reason=reason,
        persistent=answers.persistent,
        autostart=answers.autostart,
        saved=answers.saved,
        config=config,
        live=live,
        stop=stop_view(state, reason, detail, answers.disk_errors, now),
        problem="; ".join(dict.fromkeys(problems)),
        texts=tuple(map(hash, answers.texts)),
    )


def texts_of_domain(
    connection: LibvirtConnection, domain: Domain, known: DomainView
) -> tuple[int, ...]:
    """Give the hashes of the descriptions of a domain now, nothing where they cannot be read."""
    active = known.live is not None
    try:
        texts = _texts(connection, domain, active, known.persistent)
    except (libvirt.libvirtError, ValueError):
        return ()
    return tuple(map(hash, texts))


def _is_active(connection: LibvirtConnection, domain: Domain, state: int) -> bool:
    if state == libvirt.VIR_DOMAIN_SHUTOFF:
        return False  # one that is just being started is told of when it runs
    return domain.ID() != -1 and (state in _RUNNING or bool(connection.call(domain.isActive)))


def _texts(
    connection: LibvirtConnection, domain: Domain, active: bool, persistent: bool
) -> tuple[str, ...]:
    """Give the description of what runs, if it does, and then that of the next start."""
    current = connection.call(domain.XMLDesc)
    if active and persistent:
        return current, connection.call(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    return (current,)


def _parse_domain(name: str, xml: str, problems: list[str]) -> DomainXml:
    try:
        parsed = parse_domain(xml)
    except Exception as error:  # noqa: BLE001 - one odd description costs only itself
        problems.append(f"its description {unreadable(error)}")
        return DomainXml(name=name)
    if parsed.problem:
        problems.append(parsed.problem)
    return parsed


def _name(native: ApiObject) -> str:
    try:
        return str(native.name())
    except UnicodeDecodeError:
        return str(native.UUIDString())


def _tried(
    problems: list[str],
    what: str,
    default: _Result,
    function: Callable[..., _Result],
    *args: object,
) -> _Result:
    """Read one thing of an object; raises libvirt.libvirtError only where the object is gone."""
    try:
        return function(*args)
    except libvirt.libvirtError as error:
        if error.get_error_code() in GONE:
            raise
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            problems.append(f"{what} {unreadable(error)}")
    except ValueError as error:
        problems.append(f"{what} {unreadable(error)}")
    return default


def _with_attached(config: DomainXml, live: DomainXml) -> DomainXml:
    """Put the devices of the running domain in the place of the configured ones."""
    disks: dict[str, DiskView] = {disk.id: disk for disk in config.disks}
    disks |= {disk.id: replace(disk, attached=True) for disk in live.disks}
    interfaces: dict[str, InterfaceView] = {item.id: item for item in config.interfaces}
    interfaces |= {item.id: replace(item, attached=True) for item in live.interfaces}
    return replace(config, disks=tuple(disks.values()), interfaces=tuple(interfaces.values()))


def read_network(
    connection: LibvirtConnection, network: Network, listed: ListedObject[Network] | None = None
) -> NetworkView:
    """Read one network; raises libvirt.libvirtError only when it is gone."""
    call = connection.call
    problems: list[str] = []
    active = None if listed is None else listed.active
    autostart = None if listed is None else listed.autostart
    if active is None:
        active = bool(_tried(problems, "whether it is active", 0, call, network.isActive))
    if autostart is None:
        autostart = bool(
            _tried(problems, "whether it starts with the host", 0, call, network.autostart)
        )
    xml = _tried(problems, "its description", "", call, network.XMLDesc)
    bridge = forward = ""
    mtu = 0
    try:
        if xml:
            root = parse_xml(xml)
            bridge = attribute(root, "bridge", "name")
            forward = attribute(root, "forward", "mode")
            mtu = whole(attribute(root, "mtu", "size") or "0", "its MTU")
    except (ValueError, SyntaxError) as error:
        problems.append(f"its description {unreadable(error)}")
    return NetworkView(
        uuid=network.UUIDString(),
        name=_name(network),
        active=active,
        autostart=autostart,
        bridge=bridge,
        forward=forward,
        mtu=mtu,
        problem="; ".join(problems),
        text=hash(xml),
    )


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
    root = parse_xml(call(handle.getCapabilities))
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
