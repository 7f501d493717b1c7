"""What libvirt said, as values: sizes in bytes, everything else in libvirt's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from virtcim.toolstack.reading.pool_source import PoolSource
from virtcim.toolstack.reading.uris import uri_host, uri_path

__all__ = [
    "ConsoleView",
    "DiskView",
    "DomainView",
    "DomainXml",
    "HostView",
    "InterfaceView",
    "NetworkView",
    "PoolView",
    "StopView",
    "VolumeView",
]

# Where a server listens on all addresses of its host: no client can connect to these.
_WILDCARDS = frozenset({"0.0.0.0", "::", "*"})  # noqa: S104 - read, never listened on


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskView:
    """``<disk>``: ``sources`` is where its image is, one for each host; none without a medium."""

    target: str
    device: str  # disk, cdrom, floppy, lun
    bus: str
    kind: str = ""  # file, block, dir, network, volume, nvme, vhostuser, vhostvdpa
    sources: tuple[str, ...] = ()  # URIs; local files, directories and devices are plain paths
    source: str = ""  # the first of them
    pool: str = ""
    volume: str = ""
    format: str = ""
    read_only: bool = False
    boot_order: int = 0
    alias: str = ""  # a user's alias (ua-...), never one that libvirt makes at each start
    address: str = ""  # canonical: pci:0000:00:05.0, drive:0:0:0:1
    id: str = ""  # what it keeps for its life
    number: int = -1
    attached: bool = False  # in the running domain
    problem: str = ""  # what is wrong with it, one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceView:
    """``<interface>``: ``kind`` is its type, ``source`` the network, bridge, device, socket, ..."""

    mac: str
    number: int
    kind: str
    source: str = ""
    model: str = ""
    mtu: int = 0
    link_up: bool = True
    boot_order: int = 0
    alias: str = ""  # as for disks
    address: str = ""
    id: str = ""
    attached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleView:
    """A console that can be opened now; ``protocol`` is XenAPI's (rfb, vt100), or spice.

    Its location is a URI in parts, as a wildcard ``host`` means another one to each client.
    ``id`` is unique in the domain and stays.
    """

    id: str
    protocol: str
    scheme: str
    host: str = ""
    port: str = ""
    path: str = ""
    query: str = ""

    def location_at(self, hostname: str) -> str:
        """Give the URI for clients that find this host as ``hostname`` (empty: not known)."""
        host = hostname if hostname and self.host in _WILDCARDS else self.host
        port = f":{self.port}" if self.port else ""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{uri_host(host)}{port}{uri_path(self.path)}{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainXml:
    """What one domain description says."""

    name: str
    title: str = ""
    description: str = ""
    type: str = ""
    os_type: str = "hvm"
    arch: str = ""
    machine: str = ""
    boot: tuple[str, ...] = ()
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    acpi: bool = False
    apic: bool = False
    pae: bool = False
    memory_max_bytes: int = 0
    memory_current_bytes: int = 0
    vcpus_max: int = 1
    vcpus_current: int = 1
    on_poweroff: str = ""
    on_reboot: str = ""
    on_crash: str = ""
    disks: tuple[DiskView, ...] = ()
    interfaces: tuple[InterfaceView, ...] = ()
    consoles: tuple[ConsoleView, ...] = ()
    # Places in the boot order that devices of the host have, and the kinds of these (their tags).
    passed_boots: tuple[tuple[int, str], ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)  # device alias to disk target
    extra: Mapping[str, Any] = field(default_factory=dict)  # our own element in <metadata>
    problem: str = ""  # what of it cannot be understood


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """Why a domain stopped by itself; ``event`` is QEMU's or libvirt's own form of it."""

    reason: str
    time: datetime
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class IoErrorView:
    """The first error of a disk in a run; ``event`` is in QEMU's form."""

    time: datetime
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainView:
    """One domain: ``config`` is what the next start uses, ``live`` what runs now."""

    uuid: str
    id: int = -1
    state: int
    reason: int
    persistent: bool = True
    autostart: bool = False
    saved: bool = False
    config: DomainXml
    live: DomainXml | None = None
    since: datetime | None = None  # when its state changed; times are None where nobody saw it
    started: datetime | None = None
    stop: StopView | None = None
    panicked: datetime | None = None  # its guest, last in this run
    watchdog: str = ""  # what its watchdog did last in this run
    watchdog_at: datetime | None = None
    io_errors: tuple[IoErrorView, ...] = ()  # that only the guest was told of, in this run
    problem: str = ""  # what of it cannot be read or understood, one sentence
    # Hashes of the descriptions that it was read from, to see whether they have changed.
    texts: tuple[int, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeView:
    """A storage volume."""

    name: str
    key: str
    path: str
    type: int
    capacity_bytes: int
    allocation_bytes: int
    format: str = ""
    link: str = ""  # where its path led as a symbolic link of this host, when it was read
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A storage pool with its volumes; none are known while it is not active."""

    uuid: str
    name: str
    type: str
    path: str
    active: bool
    autostart: bool
    capacity_bytes: int = 0
    allocation_bytes: int = 0
    source: PoolSource | None = None  # of a pool whose volumes are on the network
    volumes: tuple[VolumeView, ...] = ()
    problem: str = ""
    text: int = field(default=0, compare=False, repr=False)  # hash of its description


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """A libvirt network."""

    uuid: str
    name: str
    active: bool
    autostart: bool
    bridge: str = ""
    forward: str = ""
    mtu: int = 0
    problem: str = ""
    text: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """The host and its hypervisor, as libvirt describes them."""

    uuid: str
    hostname: str
    driver: str  # virConnectGetType: QEMU, TEST, ...
    driver_version: str
    libvirt_version: str
    memory_bytes: int
    memory_free_bytes: int
    cpu_count: int
    cpu_mhz: int
    sockets: int
    cores: int
    threads: int
    arch: str
    cpu_model: str = ""
    cpu_vendor: str = ""
    cpu_features: tuple[str, ...] = ()
    domain_types: frozenset[str] = frozenset()
    problem: str = ""  # what of it, or which of its objects, cannot be shown at all
