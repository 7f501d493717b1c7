"""Storage as it can be changed: repositories and the disk images in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from virtcim.hypervisor.monitor import Monitor

__all__ = ["DIRECTORY", "DiskImageSpec", "Storage", "StorageRepositorySpec"]

#: The type of the repositories that can be made.
DIRECTORY = "dir"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRepositorySpec:
    """A storage repository to be made: a directory of the host, by its absolute path."""

    name_label: str
    location: str
    name_description: str = ""
    type: str = DIRECTORY


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskImageSpec:
    """A disk image to be made in the storage repository ``sr_uuid``."""

    name_label: str
    sr_uuid: str
    size_bytes: int
    name_description: str = ""
    format: str = ""  # "raw", "qcow2", ...; empty: the hypervisor's default
    fully_allocated: bool = False  # else it takes space as it is written


class Storage(Protocol):
    """The storage of one endpoint; safe to use from many threads.

    As with ``Endpoint``, operations block until they ended and the inventory shows their effect,
    and raise HypervisorError.
    """

    def create_repository(self, spec: StorageRepositorySpec, monitor: Monitor | None = None) -> str:
        """Make a storage repository, all of it or none, and give its UUID."""

    def remove_repository(self, uuid: str, monitor: Monitor | None = None) -> None:
        """Detach and remove a storage repository; disk images that are in it stay where they are.

        Where it cannot be removed it is attached again.
        """

    def create_image(self, spec: DiskImageSpec, monitor: Monitor | None = None) -> str:
        """Make a disk image and give its UUID."""

    def resize_image(self, uuid: str, size_bytes: int, monitor: Monitor | None = None) -> None:
        """Give a disk image another size, also while a virtual system uses it."""

    def delete_image(self, uuid: str, monitor: Monitor | None = None) -> None:
        """Delete a disk image and all that is in it."""
