"""What libvirt said, as values: sizes in bytes, everything else in libvirt's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskView:
    """``<disk>``: ``source`` is a path, or ``pool`` and ``volume``; empty without a medium."""

    target: str
    device: str  # disk, cdrom, floppy, lun
    bus: str
    source: str = ""
    pool: str = ""
    volume: str = ""
    format: str = ""
    read_only: bool = False
    boot_order: int = 0
    attached: bool = False  # in the running domain


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceView:
    """``<interface>``: ``kind`` is its type, ``source`` the network, bridge or device."""

    mac: str
    number: int
    kind: str
    source: str = ""
    model: str = ""
    mtu: int = 0
    attached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleView:
    """A console that can be opened now; ``protocol`` is XenAPI's: rfb or vt100."""

    id: str
    protocol: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainXml:
    """What one domain description says."""

    name: str
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
    aliases: Mapping[str, str] = field(default_factory=dict)  # device alias to disk target
    extra: Mapping[str, Any] = field(default_factory=dict)  # our own element in <metadata>


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """Why a domain stopped by itself; ``event`` is QEMU's own form of it."""

    reason: str
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
    started: datetime | None = None
    stop: StopView | None = None


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
    volumes: tuple[VolumeView, ...] = ()


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
