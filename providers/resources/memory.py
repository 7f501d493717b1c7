"""Memory (DSP1045)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.cim.value_maps import Access, ResourceType, SharingMode
from virtcim.hypervisor.model import Host, VirtualSystem
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.per_object import all_hosts, per_object
from virtcim.providers.engine.sources import OfSystem
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.allocation_ranges import AllocationRange
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import Unit
from virtcim.providers.resource_pool.pools import pool_id, pool_values
from virtcim.providers.resources.allocation import (
    ALLOCATED,
    SystemAtHost,
    allocation_per_system,
)
from virtcim.providers.resources.amounts import (
    Amount,
    AmountOfSystem,
    PoolPerHost,
    amount_kind,
)
from virtcim.providers.resources.devices import device_per_system, device_values, is_on
from virtcim.providers.resources.kind import Profile

__all__ = ["MEMORY", "MEMORY_POOL", "HostMemory", "memory_pool"]

_MIB = 2**20
# What a virtual system gets where no setting says it: DSP1042 leaves it to us.
_DEFAULT_BYTES = 512 * _MIB
_LEAST_BYTES = _MIB
_BYTE, _COUNT = Unit("byte", Fraction(1)), Unit("count", Fraction(1))


def _units(reader: SettingReader) -> tuple[Unit, Unit]:
    allocation_unit = reader.unit("AllocationUnits")
    quantity_unit = reader.unit("VirtualQuantityUnits")
    # "count" is the default that the schema declares: it was not chosen by anybody.
    if quantity_unit is None or quantity_unit == _COUNT:
        quantity_unit = allocation_unit or _BYTE
    return quantity_unit, allocation_unit or quantity_unit


def _range(host: Host) -> AllocationRange:
    """The memory that one virtual system can have."""
    step = host.memory_increment_bytes
    most = host.memory_total_bytes // step * step or None
    return AllocationRange(
        units="byte",
        default=_DEFAULT_BYTES if most is None else min(_DEFAULT_BYTES, most),
        minimum=max(_LEAST_BYTES, step),
        maximum=most,
        increment=step,
    )


class HostMemory(NamedTuple):
    """A host, and how much of its memory is in use."""

    host: Host
    in_use_bytes: int


def _memory_of(view: View, host: Host) -> HostMemory:
    return HostMemory(host, view.inventory.memory_in_use.get(host.uuid, 0))


def _pool_values(of: HostMemory) -> Mapping[str, Value]:
    host, in_use_bytes = of
    return {
        **pool_values(
            pool_id(MEMORY_POOL, host.uuid),
            f"Memory of {host.name_label}",
            ResourceType.MEMORY,
            "byte",
        ),
        "Caption": "Memory pool",
        "Capacity": host.memory_total_bytes,
        # What the host itself uses was not had from the pool.
        "Reserved": in_use_bytes,
        "CurrentlyConsumedResource": in_use_bytes,
        "MaxConsumableResource": host.memory_total_bytes,
    }


MEMORY_POOL = per_object(
    "VirtCIM_MemoryPool",
    all_hosts,
    lambda view: partial(_memory_of, view),
    lambda of: of.host.uuid,
    _pool_values,
    part="MemoryPool",
)


def memory_pool(view: View, host: Host) -> Node[HostMemory]:
    """The memory pool of a host."""
    return MEMORY_POOL.node(_memory_of(view, host))


def _allocation_values(of: SystemAtHost) -> Mapping[str, Value]:
    system = of.system
    return {
        **ALLOCATED,
        "ElementName": f"Memory of {system.name_label}",
        "Caption": "Memory allocation",
        "ResourceType": ResourceType.MEMORY,
        "PoolID": pool_id(MEMORY_POOL, of.host_uuid) if of.host_uuid else None,
        "AllocationUnits": "byte",
        "VirtualQuantity": system.memory_dynamic_max_bytes or None,
        "VirtualQuantityUnits": "byte",
        "Limit": system.memory_static_max_bytes or None,
    }


_ALLOCATION = allocation_per_system(
    "VirtCIM_MemoryResourceAllocationSettingData", "memory", _allocation_values
)


def _device_values(system: VirtualSystem) -> Mapping[str, Value]:
    actual = system.memory_actual_bytes if is_on(system) else 0
    size = actual or system.memory_dynamic_max_bytes
    return {
        **device_values(system, "Memory", "Virtual memory"),
        "Volatile": True,
        "Access": Access.READ_WRITE_SUPPORTED,
        "BlockSize": 1,
        "NumberOfBlocks": size,
        "ConsumableBlocks": size,
        "Primordial": False,
    }


_DEVICE = device_per_system("VirtCIM_Memory", "memory", _device_values)


MEMORY = amount_kind(
    "memory",
    AmountOfSystem(
        pool="MemoryPool",
        range_of=_range,
        base="byte",
        units=_units,
        default=_DEFAULT_BYTES,
        present=lambda system: Amount(
            system.memory_dynamic_max_bytes, system.memory_static_max_bytes
        ),
        define=lambda spec, amount: replace(
            spec, memory_dynamic_max_bytes=amount.initial, memory_static_max_bytes=amount.maximum
        ),
        change=lambda change, initial, maximum: replace(
            change, memory_dynamic_max_bytes=initial, memory_static_max_bytes=maximum
        ),
    ),
    profile=Profile(1045, "Memory Resource Virtualization", "1.0.0"),
    resource_type=ResourceType.MEMORY,
    class_names=(
        "MemoryResourceAllocationSettingData",
        "MemResourceAllocationSettingData",
        "MemorySettingData",
    ),
    allocation=_ALLOCATION,
    device=_DEVICE,
    devices=lambda system: (_DEVICE.node(OfSystem(system)),),
    pools=PoolPerHost(
        pool=MEMORY_POOL,
        of_host=_memory_of,
        host=lambda of: of.host,
        sharing_mode=SharingMode.DEDICATED,
    ),
)
