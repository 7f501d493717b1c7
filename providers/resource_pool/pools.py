"""The resource pools: processors and memory of a host, storage repositories, networks (DSP1041)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host, Network, StorageRepository
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass, Node, Sources
from virtcim.providers.engine.problems import with_problem
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
    "memory_pool",
    "pool_id",
]

# CIM_ResourceAllocationSettingData.ResourceType.
PROCESSOR, MEMORY, ETHERNET_ADAPTER, DISK_DRIVE = 3, 4, 10, 17
_OK, _STOPPED = 2, 10
_HEALTHY = 5


def _pool_class(
    part: str,
    objects: Callable[[View], Mapping[str, Any]],
    values: Callable[..., Mapping[str, Value]],
    more: Callable[[View, Any], Sources] = lambda *_: (),
) -> InstanceClass:
    """A class of pools, each of one domain object; ``more`` gives what else it is told from."""

    def find(view: View, identity: str) -> Sources | None:
        parsed = parse_instance_id(identity)
        if parsed is None or parsed[1] != part:
            return None
        found = objects(view).get(parsed[0])
        return None if found is None else (found, *more(view, found))

    def all_pools(view: View) -> Iterable[Sources]:
        return ((each, *more(view, each)) for each in objects(view).values())

    return InstanceClass(
        name=f"VirtCIM_{part}",
        identity=lambda each, *_: instance_id(each.uuid, part),
        find=find,
        all=all_pools,
        values=values,
    )


def memory_pool(view: View, host: Host) -> Node:
    """The memory pool of a host."""
    return Node(MEMORY_POOL, (host, _memory_in_use(view, host)))


def _memory_in_use(view: View, host: Host) -> int:
    return view.inventory.memory_in_use.get(host.uuid, 0)


def pool_id(pool: InstanceClass, uuid: str) -> str:
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


def _memory_values(host: Host, in_use_bytes: int) -> Mapping[str, Value]:
    return {
        **_common(pool_id(MEMORY_POOL, host.uuid), f"Memory of {host.name_label}", MEMORY, "byte"),
        "Caption": "Memory pool",
        "Capacity": host.memory_total_bytes,
        # What the host itself uses was not had from the pool.
        "Reserved": in_use_bytes,
        "CurrentlyConsumedResource": in_use_bytes,
        "MaxConsumableResource": host.memory_total_bytes,
    }


def _storage_values(repository: StorageRepository) -> Mapping[str, Value]:
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


def _network_values(network: Network) -> Mapping[str, Value]:
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


PROCESSOR_POOL = _pool_class("ProcessorPool", lambda view: view.inventory.hosts, _processor_values)
MEMORY_POOL = _pool_class(
    "MemoryPool",
    lambda view: view.inventory.hosts,
    _memory_values,
    lambda view, host: (_memory_in_use(view, host),),
)
STORAGE_POOL = _pool_class(
    "StoragePool", lambda view: view.inventory.storage_repositories, _storage_values
)
NETWORK_POOL = _pool_class("NetworkPool", lambda view: view.inventory.networks, _network_values)
PRIMORDIAL_STORAGE_POOL = _pool_class(
    "PrimordialStoragePool", _first_host, _primordial_storage_values
)
PRIMORDIAL_NETWORK_POOL = _pool_class(
    "PrimordialNetworkPool", _first_host, _primordial_network_values
)
POOLS = (
    PROCESSOR_POOL,
    MEMORY_POOL,
    PRIMORDIAL_STORAGE_POOL,
    STORAGE_POOL,
    PRIMORDIAL_NETWORK_POOL,
    NETWORK_POOL,
)
