"""The domain model: what a hypervisor is, in the words of XenAPI, as immutable values.

Sizes are bytes, times aware datetimes, UUIDs lower-case strings, states enumerations.
``ref`` is the opaque reference of the management API and never leaves this room's callers' hands.
A changed object is a new object: identity may be used to keep what was computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from virtcim.errormap import Fault, StandardError

__all__ = [
    "Console",
    "ConsoleKind",
    "DiskKind",
    "DiskSpec",
    "Host",
    "Incident",
    "Inventory",
    "Network",
    "NetworkPortSpec",
    "PowerOperation",
    "PowerState",
    "StopReason",
    "StorageRepository",
    "Task",
    "TaskStatus",
    "VirtualDisk",
    "VirtualDiskImage",
    "VirtualNetworkPort",
    "VirtualSystem",
    "VirtualSystemSpec",
]

_EMPTY: Mapping[str, str] = MappingProxyType({})
_NO_MEMORY: Mapping[str, int] = MappingProxyType({})


class PowerState(StrEnum):
    """XenAPI ``vm_power_state``; UNKNOWN where the hypervisor does not say."""

    HALTED = "Halted"
    PAUSED = "Paused"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    UNKNOWN = "Unknown"


class PowerOperation(StrEnum):
    """What can be asked of a virtual system; the values are the XenAPI ``VM`` calls."""

    START = "start"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    SUSPEND = "suspend"
    RESUME = "resume"
    CLEAN_SHUTDOWN = "clean_shutdown"
    HARD_SHUTDOWN = "hard_shutdown"
    CLEAN_REBOOT = "clean_reboot"
    HARD_REBOOT = "hard_reboot"


class DiskKind(StrEnum):
    """XenAPI ``vbd_type``."""

    DISK = "Disk"
    CD = "CD"
    FLOPPY = "Floppy"


class ConsoleKind(StrEnum):
    """What a console shows."""

    GRAPHICAL = "graphical"
    TEXT = "text"
    OTHER = "other"


class TaskStatus(StrEnum):
    """XenAPI ``task_status_type``."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReason:
    """Why a virtual system stopped by itself.

    ``reason`` is the hypervisor's word ("io-error", "crashed", "watchdog", "failed", ...),
    ``error`` its translation: ERR_SUCCESS where it is no failure.
    """

    reason: str
    error: StandardError
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What a virtual system survived in its present run, or only its guest was told of.

    ``what`` is "panic", "watchdog" or "io-error", of which ``device`` is the disk.
    """

    what: str
    device: str = ""
    error: StandardError
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualDisk:
    """A virtual disk or drive of one virtual system (XenAPI ``VBD`` with its ``VDI``)."""

    ref: str
    uuid: str
    id: str  # XenAPI VBD.userdevice: unique within the virtual system, stable
    number: str = ""  # VBD.userdevice, where ``id`` is a better name of the same place
    kind: DiskKind = DiskKind.DISK
    bootable: bool = False
    read_only: bool = False
    empty: bool = False
    attached: bool = False
    device: str = ""
    bus: str = ""  # "virtio", "scsi", ... where the hypervisor says it
    format: str = ""  # as what the image is read: "raw", "qcow2", ... where the hypervisor says it
    image: VirtualDiskImage | None = None
    problem: str = ""  # one sentence, where it could not be read or understood in full


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualNetworkPort:
    """A virtual network interface of one virtual system (XenAPI ``VIF``)."""

    ref: str
    uuid: str
    id: str  # XenAPI VIF.device: unique within the virtual system, stable
    mac_address: str
    mtu: int = 0
    network_uuid: str = ""
    network_name: str = ""  # of a network that does not exist
    link_up: bool = True
    attached: bool = False
    model: str = ""
    problem: str = ""  # one sentence, where it could not be read or understood in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """A console of one virtual system that can be opened now (XenAPI ``console``).

    ``protocol`` is the hypervisor's word: "rfb", "vt100", "rdp", "spice", ...
    """

    ref: str
    uuid: str
    id: str = ""  # unique within the virtual system
    kind: ConsoleKind
    protocol: str
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSystem:
    """A virtual machine (XenAPI ``VM``, its ``VM_metrics``, and what it has: ``VBD``, ...)."""

    ref: str
    uuid: str
    name_label: str
    name_description: str = ""
    title: str = ""  # a short text beside the name, where the hypervisor has one
    # What the running system says of itself; None where that is nothing else.
    live_title: str | None = None
    live_description: str | None = None
    power_state: PowerState
    stop: StopReason | None = None
    memory_static_max_bytes: int
    memory_dynamic_max_bytes: int
    memory_actual_bytes: int = 0
    vcpus_max: int
    vcpus_at_startup: int
    vcpus_actual: int = 0
    disks: tuple[VirtualDisk, ...] = ()
    network_ports: tuple[VirtualNetworkPort, ...] = ()
    consoles: tuple[Console, ...] = ()
    resident_on: str = ""  # host uuid, empty while not resident
    start_time: datetime | None = None
    state_since: datetime | None = None  # None where nobody saw its state change
    incident: str = ""  # what its guest survived in this run, as a phrase
    incidents: tuple[Incident, ...] = ()  # the same, and errors of disks that stopped nothing
    os_type: str = ""  # XenAPI HVM_boot_policy/domain_type: "hvm", "pv", ...
    boot_order: str = ""
    auto_start: bool = False
    actions_after_shutdown: str = ""
    actions_after_reboot: str = ""
    actions_after_crash: str = ""
    transition: PowerOperation | None = None  # what is being done to its power state
    other_config: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    problem: str = ""  # one sentence, where it could not be read or understood in full


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualDiskImage:
    """A disk image or volume (XenAPI ``VDI``)."""

    ref: str
    uuid: str
    name_label: str
    sr_uuid: str
    virtual_size_bytes: int
    physical_utilisation_bytes: int = 0
    location: str = ""
    uris: tuple[str, ...] = ()  # of an image elsewhere, one for each host that has it
    format: str = ""
    read_only: bool = False
    problem: str = ""  # one sentence, where it could not be read or understood in full


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRepository:
    """A place that holds disk images (XenAPI ``SR`` with its ``PBD``)."""

    ref: str
    uuid: str
    name_label: str
    name_description: str = ""
    type: str = ""
    content_type: str = ""
    location: str = ""
    physical_size_bytes: int = 0  # 0: not known
    physical_utilisation_bytes: int = 0
    virtual_allocation_bytes: int = 0
    attached: bool = True
    problem: str = ""  # one sentence, where it could not be read or understood in full
    image_increment_bytes: int = 512  # the size of an image is a multiple of it
    makes_images: bool = True  # whether new disk images can be made in it while it is attached
    takes_paths: bool = False  # whether it is where images named by path or URI become known


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that virtual interfaces connect to (XenAPI ``network``)."""

    ref: str
    uuid: str
    name_label: str
    name_description: str = ""
    bridge: str = ""
    mtu: int = 0
    active: bool = True
    problem: str = ""  # one sentence, where it could not be read or understood in full
    takes_ports: bool = True  # whether new network ports can be connected to it
    user_mode: bool = False  # no network of the host: each emulator reaches out as a process does


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A hypervisor host (XenAPI ``host`` with its ``host_metrics`` and ``host_cpu`` objects)."""

    ref: str
    uuid: str
    name_label: str
    hostname: str = ""
    address: str = ""
    enabled: bool = True
    live: bool = True
    memory_total_bytes: int = 0
    memory_free_bytes: int = 0
    memory_increment_bytes: int = 1024  # the memory of a virtual system is a multiple of it
    cpu_count: int = 0
    cpu_model: str = ""
    cpu_vendor: str = ""
    cpu_mhz: int = 0
    software_version: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    system_types: tuple[str, ...] = ("hvm",)  # what VirtualSystem.os_type can be here
    problem: str = ""  # one sentence, where it could not be read or understood in full
    left_out: str = ""  # what of the host's objects cannot be shown at all, in one text
    name_limit_bytes: int = 0  # of the UTF-8 of a virtual system's name; 0: any length


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A long operation of the management API (XenAPI ``task``)."""

    ref: str
    uuid: str
    name_label: str
    status: TaskStatus
    progress: float = 0.0  # 0.0 to 1.0
    created: datetime | None = None
    finished: datetime | None = None
    result: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything one endpoint holds at one moment; every mapping is keyed by UUID."""

    generation: int
    hosts: Mapping[str, Host]
    virtual_systems: Mapping[str, VirtualSystem]
    storage_repositories: Mapping[str, StorageRepository]
    disk_images: Mapping[str, VirtualDiskImage]
    networks: Mapping[str, Network]
    pool_uuid: str = ""
    # What cannot be shown at all and belongs to no object that can, by class and reference.
    problems: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    # The bytes of memory that the virtual systems which are on at a host have.
    memory_in_use: Mapping[str, int] = field(default_factory=lambda: _NO_MEMORY)

    @property
    def first_host(self) -> Host | None:
        """The host that stands for all of a pool: the one with the smallest UUID.

        Not the coordinator, which changes: what is named after this host shall keep its name.
        """
        return self.hosts[min(self.hosts)] if self.hosts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    """A disk that a new virtual system shall have: a path, an image, or a new image in an SR.

    An image outside storage pools that was named by its path has both: the path counts once the
    image is not known any more.
    """

    id: str = ""  # wanted VBD.userdevice; empty: the hypervisor chooses
    kind: DiskKind = DiskKind.DISK
    path: str = ""  # an existing (or not) file or device of the host, or the URI of an image
    uris: tuple[str, ...] = ()  # of an image that several hosts have; the first is ``path``
    image_uuid: str = ""  # an existing image
    sr_uuid: str = ""  # where to make a new image of size_bytes
    size_bytes: int = 0
    format: str = ""  # "raw", "qcow2", ...; empty: the hypervisor's default
    bus: str = ""  # "virtio", "scsi", "usb", ...; empty: the hypervisor's default
    bootable: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPortSpec:
    """A network port that a new virtual system shall have."""

    id: str = ""
    network_uuid: str
    mac_address: str = ""  # empty: the hypervisor chooses
    mtu: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSystemSpec:
    """What DefineSystem asks for."""

    name_label: str
    name_description: str = ""
    uuid: str = ""  # empty: the hypervisor chooses
    memory_static_max_bytes: int
    memory_dynamic_max_bytes: int
    vcpus_max: int
    vcpus_at_startup: int
    os_type: str = "hvm"
    boot_order: str = ""
    auto_start: bool = False
    actions_after_shutdown: str = ""
    actions_after_reboot: str = ""
    actions_after_crash: str = ""
    disks: tuple[DiskSpec, ...] = ()
    network_ports: tuple[NetworkPortSpec, ...] = ()
    other_config: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
