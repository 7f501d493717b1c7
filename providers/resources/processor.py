"""Processors (DSP1044)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from virtcim.cim.records import Value
from virtcim.cim.value_maps import ResourceType, SharingMode
from virtcim.hypervisor.model import Host, VirtualSystem
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.per_object import per_host
from virtcim.providers.engine.sources import OfHost, SystemPart
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
from virtcim.providers.resources.devices import device_per_number, device_values, is_on
from virtcim.providers.resources.kind import Profile

__all__ = ["PROCESSORS", "PROCESSOR_POOL", "UNKNOWN_FAMILY"]

# What a virtual system gets where no setting says it: DSP1042 leaves it to us.
_DEFAULT = 1
# CIM_Processor.Family, which has no ValueMap in the compiled schema.
UNKNOWN_FAMILY = 2
_COUNT = Unit("count", Fraction(1))


def _units(reader: SettingReader) -> tuple[Unit, Unit]:
    allocation_unit = reader.unit("AllocationUnits") or _COUNT
    return reader.unit("VirtualQuantityUnits") or allocation_unit, allocation_unit


def _range(host: Host) -> AllocationRange:
    """The processors that one virtual system can have.

    More of them than the host has can be had, but nobody is served well by them.
    """
    return AllocationRange(
        units="count",
        default=_DEFAULT,
        minimum=1,
        maximum=host.cpu_count or None,
        increment=1,
    )


def _pool_values(host: Host) -> Mapping[str, Value]:
    model = " ".join(part for part in (host.cpu_vendor, host.cpu_model) if part)
    return {
        **pool_values(
            pool_id(PROCESSOR_POOL, host.uuid),
            f"Processors of {host.name_label}",
            ResourceType.PROCESSOR,
            "count",
        ),
        "Caption": "Processor pool",
        "Description": model or None,
        "Capacity": host.cpu_count,
        # Virtual processors share the physical ones: none is set aside.
        "Reserved": 0,
    }


PROCESSOR_POOL = per_host("VirtCIM_ProcessorPool", _pool_values, part="ProcessorPool")


def _allocation_values(of: SystemAtHost) -> Mapping[str, Value]:
    system = of.system
    return {
        **ALLOCATED,
        "ElementName": f"Processors of {system.name_label}",
        "Caption": "Processor allocation",
        "ResourceType": ResourceType.PROCESSOR,
        "PoolID": pool_id(PROCESSOR_POOL, of.host_uuid) if of.host_uuid else None,
        "AllocationUnits": "count",
        "VirtualQuantity": system.vcpus_at_startup,
        "VirtualQuantityUnits": "count",
        "Limit": system.vcpus_max,
    }


_ALLOCATION = allocation_per_system(
    "VirtCIM_ProcessorResourceAllocationSettingData", "processor", _allocation_values
)


def _device_values(system: VirtualSystem, number: int) -> Mapping[str, Value]:
    return {
        **device_values(system, f"Processor {number}", "Virtual processor"),
        "Role": "Central Processor",
        "Family": UNKNOWN_FAMILY,
        "NumberOfEnabledCores": 1,
    }


def _numbers(system: VirtualSystem) -> range:
    """The numbers of the processors that the system has now, or would have if it started."""
    return range((system.vcpus_actual if is_on(system) else 0) or system.vcpus_at_startup)


_DEVICE = device_per_number("VirtCIM_Processor", "processor", _numbers, _device_values)


def _processors(system: VirtualSystem) -> Iterator[Node[SystemPart[int]]]:
    return (_DEVICE.node(SystemPart(system, number)) for number in _numbers(system))


PROCESSORS = amount_kind(
    "processor",
    AmountOfSystem(
        pool="ProcessorPool",
        range_of=_range,
        base="count",
        units=_units,
        default=_DEFAULT,
        present=lambda system: Amount(system.vcpus_at_startup, system.vcpus_max),
        define=lambda spec, amount: replace(
            spec, vcpus_at_startup=amount.initial, vcpus_max=amount.maximum
        ),
        change=lambda change, initial, maximum: replace(
            change, vcpus_at_startup=initial, vcpus_max=maximum
        ),
    ),
    profile=Profile(1044, "Processor Resource Virtualization", "1.0.0"),
    resource_type=ResourceType.PROCESSOR,
    class_names=(
        "ProcessorResourceAllocationSettingData",
        "ProcResourceAllocationSettingData",
        "ProcessorSettingData",
    ),
    allocation=_ALLOCATION,
    device=_DEVICE,
    devices=_processors,
    pools=PoolPerHost(
        pool=PROCESSOR_POOL,
        of_host=lambda _, host: OfHost(host),
        host=lambda of: of.host,
        sharing_mode=SharingMode.SHARED,
    ),
)
