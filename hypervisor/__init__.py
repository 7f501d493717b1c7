"""Hypervisors: the domain model, the clients of their management APIs, the live inventory."""

from __future__ import annotations

from virtcim.hypervisor.change import (
    AddedDevices,
    DiskChange,
    ImageSize,
    MediumChange,
    NetworkPortChange,
    RolledBackError,
    VirtualSystemChange,
)
from virtcim.hypervisor.credentials import Credentials
from virtcim.hypervisor.dialects import DIALECTS, open_endpoint
from virtcim.hypervisor.endpoint import Endpoint, Monitor, PowerStateError
from virtcim.hypervisor.inventory import Watcher
from virtcim.hypervisor.loading import InventoryLoadingError, Loading
from virtcim.hypervisor.model import (
    Console,
    ConsoleKind,
    DiskKind,
    DiskSpec,
    Host,
    Incident,
    Inventory,
    Network,
    NetworkPortSpec,
    PowerOperation,
    PowerState,
    StopReason,
    StorageRepository,
    Task,
    TaskStatus,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
    VirtualSystemSpec,
)
from virtcim.hypervisor.storage import DiskImageSpec, Storage, StorageRepositorySpec
from virtcim.hypervisor.xenapi.endpoint import XenApiEndpoint

__all__ = [
    "DIALECTS",
    "AddedDevices",
    "Console",
    "ConsoleKind",
    "Credentials",
    "DiskChange",
    "DiskImageSpec",
    "DiskKind",
    "DiskSpec",
    "Endpoint",
    "Host",
    "ImageSize",
    "Incident",
    "Inventory",
    "InventoryLoadingError",
    "Loading",
    "MediumChange",
    "Monitor",
    "Network",
    "NetworkPortChange",
    "NetworkPortSpec",
    "PowerOperation",
    "PowerState",
    "PowerStateError",
    "RolledBackError",
    "StopReason",
    "Storage",
    "StorageRepository",
    "StorageRepositorySpec",
    "Task",
    "TaskStatus",
    "VirtualDisk",
    "VirtualDiskImage",
    "VirtualNetworkPort",
    "VirtualSystem",
    "VirtualSystemChange",
    "VirtualSystemSpec",
    "Watcher",
    "XenApiEndpoint",
    "open_endpoint",
]
