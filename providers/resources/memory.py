"""Memory (DSP1045)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from virtcim.providers.parameters.allocation_ranges import DEFAULT_MEMORY_BYTES, memory_range
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import Unit
from virtcim.providers.resource_pool.pools import MEMORY as MEMORY_TYPE
from virtcim.providers.resources.allocation import MEMORY_ALLOCATION
from virtcim.providers.resources.amounts import Amount, AmountOfSystem, amount_kind

__all__ = ["MEMORY"]

_BYTE, _COUNT = Unit("byte", Fraction(1)), Unit("count", Fraction(1))


def _units(reader: SettingReader) -> tuple[Unit, Unit]:
    allocation_unit = reader.unit("AllocationUnits")
    quantity_unit = reader.unit("VirtualQuantityUnits")
    # "count" is the default that the schema declares: it was not chosen by anybody.
    if quantity_unit is None or quantity_unit == _COUNT:
        quantity_unit = allocation_unit or _BYTE
    return quantity_unit, allocation_unit or quantity_unit


MEMORY = amount_kind(
    "memory",
    MEMORY_ALLOCATION,
    AmountOfSystem(
        pool="MemoryPool",
        range_of=memory_range,
        base="byte",
        units=_units,
        default=DEFAULT_MEMORY_BYTES,
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
    resource_type=MEMORY_TYPE,
    class_names=(
        "MemoryResourceAllocationSettingData",
        "MemResourceAllocationSettingData",
        "MemorySettingData",
    ),
)
