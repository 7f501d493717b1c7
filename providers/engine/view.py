"""What one operation sees: one inventory, the jobs, and what is worth deriving from them once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from virtcim.errormap import ENGLISH, ErrorCode
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.hypervisor.model import (
    Host,
    Inventory,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.providers.engine.repository import InstanceRepository
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.errors import failure
from virtcim.providers.peers.agreement import Agreement
from virtcim.providers.state.errors import StateError
from virtcim.providers.state.job import Job, JobElement
from virtcim.providers.state.job_store import JobStore

__all__ = ["Derived", "View"]

T = TypeVar("T")


class Derived:
    """What was derived from the newest inventory; thrown away as a whole with it."""

    def __init__(self) -> None:
        # One attribute, so that a reader in another thread never sees one half of a change.
        self._state: tuple[Inventory | None, dict[str, object]] = (None, {})

    def get(self, inventory: Inventory, name: str, derive: Callable[[Inventory], T]) -> T:
        """The value of ``derive(inventory)``, computed once per inventory."""
        known, values = self._state
        if known is not inventory:
            values = {}
            self._state = (inventory, values)
        if name not in values:
            values[name] = derive(inventory)
        return values[name]  # type: ignore[return-value]


class View:
    """One consistent state of one namespace, for the length of one operation.

    The inventory is taken when it is first needed: what does not need it works without a
    connection. Everything raises HypervisorError while there is none. ``inventory`` is one that is
    not the newest. ``repository`` gives what the host keeps, None where it keeps nothing.
    """

    def __init__(
        self,
        *,
        namespace: str,
        namespaces: Callable[[], Sequence[str]] = tuple,
        endpoint: Endpoint | None = None,
        derived: Derived | None = None,
        jobs: JobStore | None = None,
        implementations: Callable[[], Sequence[View]] = tuple,
        language: str = ENGLISH,
        inventory: Inventory | None = None,
        repository: Callable[[], InstanceRepository | None] = lambda: None,
        agreement: Agreement | None = None,
    ) -> None:
        self.namespace = namespace
        self.language = language
        self._implementations = implementations
        self._namespaces = namespaces
        self._endpoint = endpoint
        self._derived = derived or Derived()
        self._jobs = jobs
        self._repository_now = repository
        self._inventory = inventory
        self._agreement = agreement

    @property
    def inventory(self) -> Inventory:
        """The same inventory for the whole operation."""
        if self._inventory is None:
            assert self._endpoint is not None
            if self._agreement is not None:
                self._agreement.require_current(self.namespace)
            self._inventory = self._endpoint.inventory()
        return self._inventory

    @property
    def state(self) -> object | None:
        """What stays the same object while everything does; None without a hypervisor."""
        return None if self._endpoint is None else self.inventory

    @cached_property
    def repository(self) -> InstanceRepository | None:
        """What the host keeps, the same for the whole operation."""
        return self._repository_now()

    @property
    def namespaces(self) -> Sequence[str]:
        """The names of all namespaces that are served."""
        return self._namespaces()

    def implementations(self) -> Sequence[View]:
        """The namespaces that show hypervisors, as far as this one tells of them.

        Of a namespace that shows one: this one; of the interop namespace: all others.
        """
        return self._implementations() if self._endpoint is None else (self,)

    def jobs(self) -> tuple[Job, ...]:
        """The jobs of this namespace."""
        return self._fresh_jobs.all(self.namespace) if self._fresh_jobs else ()

    def jobs_concerning(self, element: JobElement) -> tuple[Job, ...]:
        """The jobs of this namespace that have to do with an element."""
        return self._fresh_jobs.concerning(self.namespace, element) if self._fresh_jobs else ()

    def job(self, uuid: str) -> Job | None:
        """The job ``uuid`` of this namespace."""
        return self._fresh_jobs.find(self.namespace, uuid) if self._fresh_jobs else None

    @cached_property
    def _fresh_jobs(self) -> JobStore | None:
        """The jobs of all servers that share the database, as they are now."""
        if self._jobs is not None:
            try:
                self._jobs.refresh()
            except StateError as error:
                raise failure(ErrorCode.ERR_OPERATION_FAILED, str(error)) from error
        return self._jobs

    def home(self, system: VirtualSystem) -> Host | None:
        """The host that ``system`` runs on; one that runs nowhere belongs to the first host."""
        return self.inventory.hosts.get(system.resident_on) or self.first_host

    @cached_property
    def first_host(self) -> Host | None:
        """The host that stands for a pool of hosts: the one with the smallest UUID."""
        return self.inventory.first_host

    def systems_at(self, host: Host) -> Sequence[VirtualSystem]:
        """The virtual systems whose home is ``host``."""
        return self._systems_by_home.get(host.uuid, ())

    def disks_in(self, repository: str) -> Sequence[SystemPart[VirtualDisk]]:
        """The virtual disks whose images are in the storage repository (its UUID)."""
        return self._disks_by_repository.get(repository, ())

    def disks_with(self, image: str) -> Sequence[SystemPart[VirtualDisk]]:
        """The virtual disks that the image (its UUID) is in."""
        return self._disks_by_image.get(image, ())

    def images_in(self, repository: str) -> Sequence[VirtualDiskImage]:
        """The disk images in the storage repository (its UUID)."""
        return self._images_by_repository.get(repository, ())

    def ports_on(self, network: str) -> Sequence[SystemPart[VirtualNetworkPort]]:
        """The network ports that are connected to the network (its UUID)."""
        return self._ports_by_network.get(network, ())

    # What is asked for thousands of objects in one operation is looked for once.

    @cached_property
    def _systems_by_home(self) -> Mapping[str, list[VirtualSystem]]:
        return self._derive("systems_at", self._group_by_home)

    @cached_property
    def _disks_by_repository(self) -> Mapping[str, list[SystemPart[VirtualDisk]]]:
        return self._derive("disks_in", _group_disks)

    @cached_property
    def _disks_by_image(self) -> Mapping[str, list[SystemPart[VirtualDisk]]]:
        return self._derive("disks_with", _group_disks_by_image)

    @cached_property
    def _images_by_repository(self) -> Mapping[str, list[VirtualDiskImage]]:
        return self._derive("images_in", _group_images)

    @cached_property
    def _ports_by_network(self) -> Mapping[str, list[SystemPart[VirtualNetworkPort]]]:
        return self._derive("ports_on", _group_ports)

    def _derive(self, name: str, derive: Callable[[Inventory], T]) -> T:
        return self._derived.get(self.inventory, name, derive)

    def _group_by_home(self, inventory: Inventory) -> Mapping[str, list[VirtualSystem]]:
        groups: dict[str, list[VirtualSystem]] = {}
        for system in inventory.virtual_systems.values():
            host = self.home(system)
            if host is not None:
                groups.setdefault(host.uuid, []).append(system)
        return groups


def _group_disks(inventory: Inventory) -> Mapping[str, list[SystemPart[VirtualDisk]]]:
    groups: dict[str, list[SystemPart[VirtualDisk]]] = {}
    for system in inventory.virtual_systems.values():
        for disk in system.disks:
            if disk.image is not None:
                groups.setdefault(disk.image.sr_uuid, []).append(SystemPart(system, disk))
    return groups


def _group_disks_by_image(
    inventory: Inventory,
) -> Mapping[str, list[SystemPart[VirtualDisk]]]:
    groups: dict[str, list[SystemPart[VirtualDisk]]] = {}
    for system in inventory.virtual_systems.values():
        for disk in system.disks:
            if disk.image is not None:
                groups.setdefault(disk.image.uuid, []).append(SystemPart(system, disk))
    return groups


def _group_images(inventory: Inventory) -> Mapping[str, list[VirtualDiskImage]]:
    groups: dict[str, list[VirtualDiskImage]] = {}
    for image in inventory.disk_images.values():
        groups.setdefault(image.sr_uuid, []).append(image)
    return groups


def _group_ports(
    inventory: Inventory,
) -> Mapping[str, list[SystemPart[VirtualNetworkPort]]]:
    groups: dict[str, list[SystemPart[VirtualNetworkPort]]] = {}
    for system in inventory.virtual_systems.values():
        for port in system.network_ports:
            groups.setdefault(port.network_uuid, []).append(SystemPart(system, port))
    return groups
