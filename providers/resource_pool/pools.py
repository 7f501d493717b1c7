"""The resource pools: processors and memory of a host, storage repositories, networks (DSP1041)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host, Network, StorageRepository
from virtcim.providers.engine.identities import instance_id
from virtcim.providers.engine.instance_class import AnyClass, Node, ServedClass
from virtcim.providers.engine.per_object import all_hosts, per_host, per_object
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.engine.sources import OfHost
from virtcim.providers.engine.view import View

__all__ = [
    "DISK_DRIVE",
    "ETHERNET_ADAPTER",
    "MEMORY",
    "MEMORY_POOL",
    "NETWORK_POOL",
    "POOLS",
    "PRIMORDIAL_NETWORK_POOL",
    "PRIMORDIAL_STORAGE_POOL",
    "PROCESSOR",
    "PROCESSOR_POOL",
    "STORAGE_POOL",
    "HostMemory",
    "OfNetwork",
    "OfRepository",
    "PoolSources",
    "memory_pool",
    "pool_id",
]

# CIM_ResourceAllocationSettingData.ResourceType.
PROCESSOR, MEMORY, ETHERNET_ADAPTER, DISK_DRIVE = 3, 4, 10, 17
_OK, _STOPPED = 2, 10
_HEALTHY = 5


class HostMemory(NamedTuple):
    """A host, and how much of its memory is in use."""

    host: Host
    in_use_bytes: int


class OfRepository(NamedTuple):
    """The pool of the images in a storage repository."""

    repository: StorageRepository


class OfNetwork(NamedTuple):
    """The pool of the ports that a network can have."""

    network: Network


PoolSources = OfHost | HostMemory | OfRepository | OfNetwork


def _memory_of(view: View, host: Host) -> HostMemory:
    return HostMemory(host, view.inventory.memory_in_use.get(host.uuid, 0))


def memory_pool(view: View, host: Host) -> Node[HostMemory]:
    """The memory pool of a host."""
    return MEMORY_POOL.node(_memory_of(view, host))


def pool_id(pool: AnyClass, uuid: str) -> str:
    """The PoolID (and InstanceID) of the pool of the object ``uuid``."""
    return instance_id(uuid, pool.name.removeprefix("VirtCIM_"))


def _common(
    identity: str,
    name: str,
    resource_type: int,
    units: str,
    *,
    active: bool = True,
    primordial: bool = True,
    problem: str = "",
) -> Mapping[str, Value]:
    values: dict[str, Value] = {
        "PoolID": identity,
        "Name": identity,
        "ElementName": name,
        "Primordial": primordial,
        "ResourceType": resource_type,
        "AllocationUnits": units,
        "ConsumedResourceUnits": units,
        "OperationalStatus": [_OK if active else _STOPPED],
        "StatusDescriptions": ["OK" if active else "Not active"],
        "HealthState": _HEALTHY,
    }
    return with_problem(values, problem)


def _processor_values(host: Host) -> Mapping[str, Value]:
    model = " ".join(part for part in (host.cpu_vendor, host.cpu_model) if part)
    return {
        **_common(
            pool_id(PROCESSOR_POOL, host.uuid),
            f"Processors of {host.name_label}",
            PROCESSOR,
            "count",
        ),
        "Caption": "Processor pool",
        "Description": model or None,
        "Capacity": host.cpu_count,
        # Virtual processors share the physical ones: none is set aside.
        "Reserved": 0,
    }


def _memory_values(of: HostMemory) -> Mapping[str, Value]:
    host, in_use_bytes = of
    return {
        **_common(pool_id(MEMORY_POOL, host.uuid), f"Memory of {host.name_label}", MEMORY, "byte"),
        "Caption": "Memory pool",
        "Capacity": host.memory_total_bytes,
        # What the host itself uses was not had from the pool.
        "Reserved": in_use_bytes,
        "CurrentlyConsumedResource": in_use_bytes,
        "MaxConsumableResource": host.memory_total_bytes,
    }


def _storage_values(of: OfRepository) -> Mapping[str, Value]:
    repository = of.repository
    size = repository.physical_size_bytes or None
    return {
        **_common(
            pool_id(STORAGE_POOL, repository.uuid),
            repository.name_label,
            DISK_DRIVE,
            "byte",
            active=repository.attached,
            primordial=False,
            problem=repository.problem,
        ),
        "Caption": "Storage pool",
        "Description": repository.name_description or None,
        "ResourceSubType": repository.type or None,
        "Capacity": size,
        "Reserved": repository.physical_utilisation_bytes,
        "CurrentlyConsumedResource": repository.physical_utilisation_bytes,
        "MaxConsumableResource": size,
    }


def _network_values(of: OfNetwork) -> Mapping[str, Value]:
    network = of.network
    return {
        **_common(
            pool_id(NETWORK_POOL, network.uuid),
            network.name_label,
            ETHERNET_ADAPTER,
            "count",
            active=network.active,
            primordial=False,
            problem=network.problem,
        ),
        "Caption": "Network pool",
        "Description": network.name_description or None,
        # A network takes as many ports as are asked for: there is no capacity to tell.
        "Reserved": 0,
    }


def _primordial_storage_values(host: Host) -> Mapping[str, Value]:
    identity = pool_id(PRIMORDIAL_STORAGE_POOL, host.uuid)
    return {
        **_common(identity, f"Storage of {host.name_label}", DISK_DRIVE, "byte"),
        "Caption": "Primordial storage pool",
        # No sum of the child pools: several of them may lie on the same file system.
        "Reserved": 0,
    }


def _primordial_network_values(host: Host) -> Mapping[str, Value]:
    identity = pool_id(PRIMORDIAL_NETWORK_POOL, host.uuid)
    return {
        **_common(identity, f"Networks of {host.name_label}", ETHERNET_ADAPTER, "count"),
        "Caption": "Primordial network pool",
        "Reserved": 0,
    }


def _first_host(view: View) -> Mapping[str, Host]:
    """The host that stands for the whole pool of hosts where storage and networks are concerned."""
    host = view.first_host
    return {} if host is None else {host.uuid: host}


PROCESSOR_POOL = per_host("VirtCIM_ProcessorPool", _processor_values, part="ProcessorPool")
MEMORY_POOL = per_object(
    "VirtCIM_MemoryPool",
    all_hosts,
    lambda view: partial(_memory_of, view),
    lambda of: of.host.uuid,
    _memory_values,
    part="MemoryPool",
)
STORAGE_POOL = per_object(
    "VirtCIM_StoragePool",
    lambda view: view.inventory.storage_repositories,
    lambda _: OfRepository,
    lambda of: of.repository.uuid,
    _storage_values,
    part="StoragePool",
)
NETWORK_POOL = per_object(
    "VirtCIM_NetworkPool",
    lambda view: view.inventory.networks,
    lambda _: OfNetwork,
    lambda of: of.network.uuid,
    _network_values,
    part="NetworkPool",
)
PRIMORDIAL_STORAGE_POOL = per_host(
    "VirtCIM_PrimordialStoragePool",
    _primordial_storage_values,
    part="PrimordialStoragePool",
    hosts=_first_host,
)
PRIMORDIAL_NETWORK_POOL = per_host(
    "VirtCIM_PrimordialNetworkPool",
    _primordial_network_values,
    part="PrimordialNetworkPool",
    hosts=_first_host,
)
POOLS: tuple[ServedClass[PoolSources], ...] = (
    PROCESSOR_POOL,
    MEMORY_POOL,
    PRIMORDIAL_STORAGE_POOL,
    STORAGE_POOL,
    PRIMORDIAL_NETWORK_POOL,
    NETWORK_POOL,
)
