"""How services and capabilities are reached from what they are for, and back.

Each function takes the view and an instance at one end, and gives those at the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from virtcim.providers.associations.ends import (
    hosts_of_pool,
    hosts_of_system,
    pools_of_host,
    systems_of_host,
)
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.view import View
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.host.power_management import POWER_SERVICE
from virtcim.providers.resource_pool.allocation_capabilities import (
    ALLOCATION_CAPABILITIES,
    DESCRIBED_POOLS,
    pool_of_capabilities,
)
from virtcim.providers.resource_pool.pools import POOLS
from virtcim.providers.resource_pool_configuration.capabilities import (
    POOL_CONFIGURATION_CAPABILITIES,
)
from virtcim.providers.resource_pool_configuration.service import POOL_CONFIGURATION_SERVICE
from virtcim.providers.virtual_system.capabilities import SYSTEM_CAPABILITIES, name_limit
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system_management.capabilities import MANAGEMENT_CAPABILITIES
from virtcim.providers.virtual_system_management.service import MANAGEMENT_SERVICE

__all__ = [
    "affected_elements",
    "affecting_services",
    "capabilities_of",
    "capable_elements",
    "services_of_host",
]


def capabilities_of(view: View, node: Node) -> Iterator[Node]:
    """The capabilities of a system, a pool, or the service that manages systems."""
    source = node.sources[0]
    if node.instance_class is COMPUTER_SYSTEM:
        yield Node(SYSTEM_CAPABILITIES, (source, name_limit(view, source)))
    elif node.instance_class in (MANAGEMENT_SERVICE, HOST_SYSTEM):
        yield Node(MANAGEMENT_CAPABILITIES, (source,))
    elif node.instance_class is POOL_CONFIGURATION_SERVICE:
        yield Node(POOL_CONFIGURATION_CAPABILITIES, (source,))
    elif node.instance_class in DESCRIBED_POOLS:
        yield Node(ALLOCATION_CAPABILITIES, (node.instance_class, source))


def capable_elements(view: View, node: Node) -> Iterator[Node]:
    """What has the capabilities."""
    if node.instance_class is SYSTEM_CAPABILITIES:
        yield Node(COMPUTER_SYSTEM, node.sources[:1])
    elif node.instance_class is POOL_CONFIGURATION_CAPABILITIES:
        yield Node(POOL_CONFIGURATION_SERVICE, node.sources)
    elif node.instance_class is ALLOCATION_CAPABILITIES:
        yield pool_of_capabilities(view, node)
    else:
        yield Node(HOST_SYSTEM, node.sources)
        yield Node(MANAGEMENT_SERVICE, node.sources)


def services_of_host(_: View, node: Node) -> Iterable[Node]:
    """The services that a host offers."""
    services = (MANAGEMENT_SERVICE, POOL_CONFIGURATION_SERVICE, POWER_SERVICE)
    return (Node(service, node.sources) for service in services)


def affected_elements(view: View, node: Node) -> Iterator[Node]:
    """What a service acts on: the pools of its host, or the host and the systems there."""
    host = Node(HOST_SYSTEM, node.sources)
    if node.instance_class is POOL_CONFIGURATION_SERVICE:
        yield from pools_of_host(view, host)
        return
    yield host
    yield from systems_of_host(view, host)


def affecting_services(view: View, node: Node) -> Iterator[Node]:
    """The service that acts on a pool, a host or a virtual system."""
    if node.instance_class in POOLS:
        for host in hosts_of_pool(view, node):
            yield Node(POOL_CONFIGURATION_SERVICE, host.sources)
        return
    hosts = (node,) if node.instance_class is HOST_SYSTEM else hosts_of_system(view, node)
    for host in hosts:
        yield Node(MANAGEMENT_SERVICE, host.sources)
