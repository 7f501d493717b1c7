"""The table of associations, and how their ends are reached from one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from virtcim.providers.association_engine import Association, End
from virtcim.providers.host import HOST_SYSTEM
from virtcim.providers.instance_class import InstanceClass, Node
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

__all__ = ["ASSOCIATIONS"]


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
