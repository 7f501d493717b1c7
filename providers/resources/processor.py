"""Processors (DSP1044)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from virtcim.providers.parameters.allocation_ranges import DEFAULT_PROCESSORS, processor_range
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import Unit
from virtcim.providers.resource_pool.pools import PROCESSOR
from virtcim.providers.resources.allocation import PROCESSOR_ALLOCATION
from virtcim.providers.resources.amounts import Amount, AmountOfSystem, amount_kind

__all__ = ["PROCESSORS"]

_COUNT = Unit("count", Fraction(1))


def _units(reader: SettingReader) -> tuple[Unit, Unit]:
    allocation_unit = reader.unit("AllocationUnits") or _COUNT
    return reader.unit("VirtualQuantityUnits") or allocation_unit, allocation_unit


PROCESSORS = amount_kind(
    "processor",
    PROCESSOR_ALLOCATION,
    AmountOfSystem(
        pool="ProcessorPool",
        range_of=processor_range,
        base="count",
        units=_units,
        default=DEFAULT_PROCESSORS,
        present=lambda system: Amount(system.vcpus_at_startup, system.vcpus_max),
        define=lambda spec, amount: replace(
            spec, vcpus_at_startup=amount.initial, vcpus_max=amount.maximum
        ),
        change=lambda change, initial, maximum: replace(
            change, vcpus_at_startup=initial, vcpus_max=maximum
        ),
    ),
    resource_type=PROCESSOR,
    class_names=(
        "ProcessorResourceAllocationSettingData",
        "ProcResourceAllocationSettingData",
        "ProcessorSettingData",
    ),
)
