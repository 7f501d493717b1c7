"""How services and capabilities are reached from what they are for, and back.

Each function takes the view and an instance at one end, and gives those at the other; each table
says which function serves the instances of which classes.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtcim.providers.associations.ends import (
    HOSTS_OF_POOLS,
    hosts_of_system,
    pools_of_host,
    systems_of_host,
)
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.reach import reach_from, same
from virtcim.providers.engine.sources import OfHost, OfSystem
from virtcim.providers.engine.view import View
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.host.power_management import POWER_SERVICE
from virtcim.providers.resource_pool_configuration.capabilities import (
    POOL_CONFIGURATION_CAPABILITIES,
)
from virtcim.providers.resource_pool_configuration.service import POOL_CONFIGURATION_SERVICE
from virtcim.providers.resources.allocation_capabilities import (
    ALLOCATION_CAPABILITIES,
    capabilities_of_pool,
    pool_of_capabilities,
)
from virtcim.providers.resources.registry import POOLS
from virtcim.providers.virtual_system.capabilities import (
    SYSTEM_CAPABILITIES,
    capabilities_of_system,
)
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system_management.capabilities import MANAGEMENT_CAPABILITIES
from virtcim.providers.virtual_system_management.service import MANAGEMENT_SERVICE

__all__ = [
    "AFFECTED_ELEMENTS",
    "AFFECTING_SERVICES",
    "CAPABILITIES",
    "CAPABLE_ELEMENTS",
    "services_of_host",
]


def _managed(_: View, node: Node[OfHost]) -> Iterator[Node[OfHost]]:
    yield HOST_SYSTEM.node(node.sources)
    yield MANAGEMENT_SERVICE.node(node.sources)


# From what has capabilities to them, and back.
CAPABILITIES = (
    reach_from(
        COMPUTER_SYSTEM, lambda view, node: (capabilities_of_system(view, node.sources.system),)
    )
    | reach_from((HOST_SYSTEM, MANAGEMENT_SERVICE), same(MANAGEMENT_CAPABILITIES))
    | reach_from(POOL_CONFIGURATION_SERVICE, same(POOL_CONFIGURATION_CAPABILITIES))
    | reach_from(POOLS, capabilities_of_pool)
)
CAPABLE_ELEMENTS = (
    reach_from(
        SYSTEM_CAPABILITIES,
        lambda _, node: (COMPUTER_SYSTEM.node(OfSystem(node.sources.system)),),
    )
    | reach_from(MANAGEMENT_CAPABILITIES, _managed)
    | reach_from(POOL_CONFIGURATION_CAPABILITIES, same(POOL_CONFIGURATION_SERVICE))
    | reach_from(ALLOCATION_CAPABILITIES, pool_of_capabilities)
)


def services_of_host(_: View, node: Node[OfHost]) -> Iterator[Node[OfHost]]:
    """The services that a host offers."""
    services = (MANAGEMENT_SERVICE, POOL_CONFIGURATION_SERVICE, POWER_SERVICE)
    return (service.node(node.sources) for service in services)


def _managed_systems(view: View, node: Node[OfHost]) -> Iterator[Node[OfHost | OfSystem]]:
    host = HOST_SYSTEM.node(node.sources)
    yield host
    yield from systems_of_host(view, host)


# From a service to what it acts on: the host and the systems there, or its pools; and back.
AFFECTED_ELEMENTS = reach_from(MANAGEMENT_SERVICE, _managed_systems) | reach_from(
    POOL_CONFIGURATION_SERVICE, pools_of_host
)
_MANAGEMENT_OF_HOST = reach_from(HOST_SYSTEM, same(MANAGEMENT_SERVICE))
_POOL_CONFIGURATION_OF_HOST = reach_from(HOST_SYSTEM, same(POOL_CONFIGURATION_SERVICE))
AFFECTING_SERVICES = (
    _MANAGEMENT_OF_HOST
    | reach_from(COMPUTER_SYSTEM, hosts_of_system).then(_MANAGEMENT_OF_HOST)
    | HOSTS_OF_POOLS.then(_POOL_CONFIGURATION_OF_HOST)
)
