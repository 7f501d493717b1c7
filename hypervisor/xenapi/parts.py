"""Domain objects as single XenAPI records tell of them, before they are joined by reference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from virtcim.hypervisor.model import (
    Console,
    Host,
    Incident,
    StopReason,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
)

__all__ = [
    "ConsolePart",
    "DiskPart",
    "HostCpuPart",
    "HostMetricsPart",
    "HostPart",
    "ImagePart",
    "MetricsPart",
    "PlugPart",
    "PoolPart",
    "PortPart",
    "SystemPart",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPart:
    """A ``VM``; ``ordinary`` unless it is a template, a snapshot or a control domain."""

    system: VirtualSystem
    metrics_ref: str
    host_ref: str
    ordinary: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPart:
    """A ``VM_metrics``."""

    memory_actual_bytes: int
    vcpus_actual: int
    start_time: datetime | None
    title: str
    live_title: str | None = None
    live_description: str | None = None
    stop: StopReason | None
    tells_changes: bool = False  # whether ``state_since`` is told where it is known
    state_since: datetime | None = None
    incident: str = ""
    incidents: tuple[Incident, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPart:
    """A ``VBD``."""

    disk: VirtualDisk
    vm_ref: str
    image_ref: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPart:
    """A ``VIF``."""

    port: VirtualNetworkPort
    vm_ref: str
    network_ref: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePart:
    """A ``console``."""

    console: Console
    vm_ref: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """A ``VDI``."""

    image: VirtualDiskImage
    sr_ref: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugPart:
    """A ``PBD``: how one host reaches one SR."""

    sr_ref: str
    attached: bool
    location: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPart:
    """A ``host``; ``vendor`` is who made the server of its API (XenAPI ``API_version_vendor``)."""

    host: Host
    metrics_ref: str
    vendor: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMetricsPart:
    """A ``host_metrics``."""

    live: bool
    memory_total_bytes: int
    memory_free_bytes: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCpuPart:
    """A ``host_cpu``."""

    host_ref: str
    model: str
    vendor: str
    mhz: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPart:
    """A ``pool``."""

    uuid: str
    problem: str = ""
