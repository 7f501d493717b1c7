"""The associations: one table, and one engine that evaluates it from either end.

A row names the association class and its two ends; each end tells which instances it reaches
from an instance at the other end. The cost of an answer grows with the answer, not with the
inventory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from virtcim.providers.host import HOST_SYSTEM
from virtcim.providers.instance_class import ClassModel, InstanceClass, Node
from virtcim.providers.record_cache import path_of
from virtcim.providers.records import ObjectPath, Record
from virtcim.providers.resource_allocation import (
    ALLOCATIONS,
    DISK_ALLOCATION,
    MEMORY_ALLOCATION,
    NETWORK_PORT_ALLOCATION,
    PROCESSOR_ALLOCATION,
    allocations_of,
    system_of,
)
from virtcim.providers.resource_pool import (
    MEMORY_POOL,
    NETWORK_POOL,
    POOLS,
    PROCESSOR_POOL,
    STORAGE_POOL,
)
from virtcim.providers.settings import SYSTEM_SETTINGS
from virtcim.providers.view import View
from virtcim.providers.virtual_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system_management_capabilities import (
    MANAGEMENT_CAPABILITIES,
)
from virtcim.providers.virtual_system_management_service import MANAGEMENT_SERVICE

__all__ = ["ASSOCIATIONS", "Association", "AssociationEngine", "End", "Filters"]

# Below this number of records nobody looks for those that are gone.
_FEW = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end: its role, the classes found there, and how they are reached from the other end."""

    role: str
    classes: tuple[InstanceClass, ...]
    reached: Callable[[View, Node], Iterable[Node]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One association class; the second end is the one of which there may be many."""

    name: str
    ends: tuple[End, End]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The filters of the association operations (DSP0200 5.4.2.11); empty: no restriction."""

    assoc_class: str = ""
    result_class: str = ""
    role: str = ""
    result_role: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One instance of an association: from the end ``near`` (0 or 1) to the other one."""

    association: Association
    near: int
    source: Node
    target: Node


def _hosts_of_system(view: View, node: Node) -> Iterable[Node]:
    host = view.home(node.sources[0])
    return () if host is None else (Node(HOST_SYSTEM, (host,)),)


def _systems_of_host(view: View, node: Node) -> Iterable[Node]:
    return (Node(COMPUTER_SYSTEM, (each,)) for each in view.systems_at(node.sources[0]))


def _same(instance_class: InstanceClass) -> Callable[[View, Node], Iterable[Node]]:
    """The instance of another class that comes from the same domain object."""
    return lambda _, node: (Node(instance_class, node.sources[:1]),)


def _allocations_of_settings(view: View, node: Node) -> Iterable[Node]:
    return allocations_of(view, node.sources[0])


def _settings_of_allocation(_: View, node: Node) -> Iterable[Node]:
    return (Node(SYSTEM_SETTINGS, (system_of(node),)),)


def _pools_of_host(view: View, node: Node) -> Iterator[Node]:
    host = node.sources[0]
    yield Node(PROCESSOR_POOL, (host,))
    yield Node(MEMORY_POOL, (host,))
    # What all hosts of a pool share is shown at the one that stands for the pool.
    if host is view.first_host:
        for repository in view.inventory.storage_repositories.values():
            yield Node(STORAGE_POOL, (repository,))
        for network in view.inventory.networks.values():
            yield Node(NETWORK_POOL, (network,))


def _hosts_of_pool(view: View, node: Node) -> Iterable[Node]:
    if node.instance_class in (PROCESSOR_POOL, MEMORY_POOL):
        return (Node(HOST_SYSTEM, node.sources),)
    host = view.first_host
    return () if host is None else (Node(HOST_SYSTEM, (host,)),)


def _allocations_from_pool(view: View, node: Node) -> Iterator[Node]:
    source = node.sources[0]
    if node.instance_class is STORAGE_POOL:
        for found in view.disks_in(source.uuid):
            yield Node(DISK_ALLOCATION, found)
    elif node.instance_class is NETWORK_POOL:
        for connected in view.ports_on(source.uuid):
            yield Node(NETWORK_PORT_ALLOCATION, connected)
    else:
        is_processor = node.instance_class is PROCESSOR_POOL
        wanted = PROCESSOR_ALLOCATION if is_processor else MEMORY_ALLOCATION
        for system in view.systems_at(source):
            yield Node(wanted, (system, source.uuid))


def _pool_of_allocation(view: View, node: Node) -> Iterator[Node]:
    system, detail = node.sources
    inventory = view.inventory
    if node.instance_class is DISK_ALLOCATION:
        repository = detail.image and inventory.storage_repositories.get(detail.image.sr_uuid)
        if repository:
            yield Node(STORAGE_POOL, (repository,))
    elif node.instance_class is NETWORK_PORT_ALLOCATION:
        network = inventory.networks.get(detail.network_uuid)
        if network:
            yield Node(NETWORK_POOL, (network,))
    else:
        host = view.home(system)
        is_processor = node.instance_class is PROCESSOR_ALLOCATION
        if host:
            yield Node(PROCESSOR_POOL if is_processor else MEMORY_POOL, (host,))


ASSOCIATIONS = (
    Association(
        name="VirtCIM_HostedDependency",
        ends=(
            End(role="Antecedent", classes=(HOST_SYSTEM,), reached=_hosts_of_system),
            End(role="Dependent", classes=(COMPUTER_SYSTEM,), reached=_systems_of_host),
        ),
    ),
    Association(
        name="VirtCIM_SettingsDefineState",
        ends=(
            End(role="ManagedElement", classes=(COMPUTER_SYSTEM,), reached=_same(COMPUTER_SYSTEM)),
            End(role="SettingData", classes=(SYSTEM_SETTINGS,), reached=_same(SYSTEM_SETTINGS)),
        ),
    ),
    Association(
        name="VirtCIM_VirtualSystemSettingDataComponent",
        ends=(
            End(role="GroupComponent", classes=(SYSTEM_SETTINGS,), reached=_settings_of_allocation),
            End(role="PartComponent", classes=ALLOCATIONS, reached=_allocations_of_settings),
        ),
    ),
    Association(
        name="VirtCIM_HostedResourcePool",
        ends=(
            End(role="GroupComponent", classes=(HOST_SYSTEM,), reached=_hosts_of_pool),
            End(role="PartComponent", classes=POOLS, reached=_pools_of_host),
        ),
    ),
    Association(
        name="VirtCIM_ResourceAllocationFromPool",
        ends=(
            End(role="Antecedent", classes=POOLS, reached=_pool_of_allocation),
            End(role="Dependent", classes=ALLOCATIONS, reached=_allocations_from_pool),
        ),
    ),
    Association(
        name="VirtCIM_HostedService",
        ends=(
            End(role="Antecedent", classes=(HOST_SYSTEM,), reached=_same(HOST_SYSTEM)),
            End(role="Dependent", classes=(MANAGEMENT_SERVICE,), reached=_same(MANAGEMENT_SERVICE)),
        ),
    ),
    Association(
        name="VirtCIM_ElementCapabilities",
        ends=(
            End(
                role="ManagedElement",
                classes=(MANAGEMENT_SERVICE,),
                reached=_same(MANAGEMENT_SERVICE),
            ),
            End(
                role="Capabilities",
                classes=(MANAGEMENT_CAPABILITIES,),
                reached=_same(MANAGEMENT_CAPABILITIES),
            ),
        ),
    ),
)


class _Records:
    """The records of one association class; an association has no values but its keys."""

    __slots__ = ("entries", "enumerated", "lock")

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Record] = {}
        self.enumerated = 0
        self.lock = threading.Lock()


class AssociationEngine:
    """Evaluates the table in one namespace; safe to use from many threads."""

    def __init__(
        self, namespace: str, classes: ClassModel, table: tuple[Association, ...] = ASSOCIATIONS
    ) -> None:
        self._namespace = namespace
        self._classes = classes
        self._table = table
        self._by_name = {each.name: each for each in table}
        self._known = {each.name: _Records() for each in table}

    def links(self, view: View, source: Node, filters: Filters) -> Iterator[Link]:
        """The associations of ``source`` that pass the filters, from its own end."""
        for association in self._table:
            if filters.assoc_class and not self._is_a(association.name, filters.assoc_class):
                continue
            for near, end in enumerate(association.ends):
                far = association.ends[1 - near]
                if (
                    source.instance_class in end.classes
                    and _role_fits(filters.role, end.role)
                    and _role_fits(filters.result_role, far.role)
                    and self._any_fits(far.classes, filters.result_class)
                ):
                    for target in far.reached(view, source):
                        if self._any_fits((target.instance_class,), filters.result_class):
                            yield Link(association, near, source, target)

    def record(self, link: Link) -> Record:
        """The association instance of a link."""
        nodes = (link.source, link.target) if link.near == 0 else (link.target, link.source)
        known = self._known[link.association.name]
        with known.lock:
            if len(known.entries) > 2 * known.enumerated + _FEW:
                known.entries.clear()
            key = _key(nodes)
            record = known.entries.get(key) or self._make(link.association, nodes)
            known.entries[key] = record
        return record

    def enumerate(self, view: View, name: str) -> list[Record]:
        """Every instance of one association class."""
        association, known = self._by_name[name], self._known[name]
        near, far = association.ends
        with known.lock:
            entries: dict[tuple[str, str], Record] = {}
            for instance_class in near.classes:
                for sources in instance_class.all(view):
                    source = Node(instance_class, sources)
                    for target in far.reached(view, source):
                        key = _key((source, target))
                        entries[key] = known.entries.get(key) or self._make(
                            association, (source, target)
                        )
            known.entries = entries
            known.enumerated = len(entries)
        return list(entries.values())

    def find(self, view: View, name: str, nodes: tuple[Node, Node]) -> Record | None:
        """The association instance between two instances, None where they are not associated."""
        association = self._by_name[name]
        first, second = nodes
        near, far = association.ends
        if first.instance_class not in near.classes or second.instance_class not in far.classes:
            return None
        wanted = _key(nodes)
        # From the second end, where there is at most one to be reached.
        for target in near.reached(view, second):
            if _key((target, second)) == wanted:
                return self.record(Link(association, 0, target, second))
        return None

    def roles(self, name: str) -> tuple[str, str]:
        """The roles of the two ends of one association class."""
        first, second = self._by_name[name].ends
        return first.role, second.role

    def _make(self, association: Association, nodes: tuple[Node, Node]) -> Record:
        keys = {
            end.role: path_of(node, self._namespace)
            for end, node in zip(association.ends, nodes, strict=True)
        }
        path = ObjectPath(association.name, keys, namespace=self._namespace)
        return Record(association.name, keys, path)

    def _any_fits(self, classes: Iterable[InstanceClass], wanted: str) -> bool:
        return not wanted or any(self._is_a(each.name, wanted) for each in classes)

    def _is_a(self, name: str, ancestor: str) -> bool:
        return self._classes.is_a(name, ancestor)


def _key(nodes: tuple[Node, Node]) -> tuple[str, str]:
    """What tells the instances of one association apart."""
    first, second = nodes
    return (
        first.instance_class.identity(*first.sources),
        second.instance_class.identity(*second.sources),
    )


def _role_fits(wanted: str, role: str) -> bool:
    return not wanted or wanted.lower() == role.lower()
