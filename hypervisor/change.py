"""What shall become different in one virtual system, as immutable values.

Sizes are bytes; devices are named by their ``id``. ``None`` means that something stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.errormap import HypervisorError
from virtcim.hypervisor.model import DiskSpec, NetworkPortSpec

__all__ = [
    "AddedDevices",
    "DiskChange",
    "ImageSize",
    "Made",
    "MediumChange",
    "NetworkPortChange",
    "RolledBackError",
    "VirtualSystemChange",
]


class RolledBackError(HypervisorError):
    """What failed is known, and everything that had been done before has been taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumChange:
    """Another medium for a drive; ``medium`` None takes out the one that is in it."""

    id: str
    medium: DiskSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskChange:
    """What shall be different in a disk that stays the same disk.

    ``image`` names what it shall be on, by ``image_uuid`` or ``path``, and its ``format``; nothing
    else of it counts.
    """

    id: str
    image: DiskSpec | None = None
    format: str | None = None
    bus: str | None = None
    read_only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPortChange:
    """What shall be different in a network port that stays the same port."""

    id: str
    network_uuid: str | None = None
    mac_address: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """Another size for the image of a disk."""

    id: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSystemChange:
    """Everything that one call shall change, in a defined and in a running virtual system.

    A device that is changed keeps its ``id``; one that is added with the ``id`` of a removed one
    takes its place.
    """

    name_label: str | None = None
    name_description: str | None = None
    boot_order: str | None = None
    auto_start: bool | None = None
    actions_after_crash: str | None = None
    memory_static_max_bytes: int | None = None
    memory_dynamic_max_bytes: int | None = None
    vcpus_max: int | None = None
    vcpus_at_startup: int | None = None
    removed_disks: tuple[str, ...] = ()
    removed_network_ports: tuple[str, ...] = ()
    changed_disks: tuple[DiskChange, ...] = ()
    changed_network_ports: tuple[NetworkPortChange, ...] = ()
    media: tuple[MediumChange, ...] = ()
    added_disks: tuple[DiskSpec, ...] = ()
    added_network_ports: tuple[NetworkPortSpec, ...] = ()
    image_size: ImageSize | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything stays as it is."""
        return self == _NOTHING

    @property
    def concerns_devices(self) -> bool:
        """Whether more than names and what happens at the next start shall change."""
        return any(
            getattr(self, name) != getattr(_NOTHING, name)
            for name in self.__slots__
            if name not in _DESCRIPTION
        )


_DESCRIPTION = frozenset(
    {"name_label", "name_description", "boot_order", "auto_start", "actions_after_crash"}
)
_NOTHING = VirtualSystemChange()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedDevices:
    """The ``id`` that each added device got, in the order of the change."""

    disks: tuple[str, ...] = ()
    network_ports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What an operation has made, by UUID; empty where it was nothing of the kind.

    ``devices`` are those that ``changed_system`` was given.
    """

    system: str = ""
    changed_system: str = ""
    devices: AddedDevices = AddedDevices()
    repository: str = ""
    image: str = ""
