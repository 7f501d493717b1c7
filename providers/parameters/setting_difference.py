"""What a setting that a client sends back says otherwise than the present one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from virtcim.cim.records import Record, Value

__all__ = ["QUANTITIES", "different", "differing"]

T = TypeVar("T")

# A number says nothing without its unit, and the unit nothing without a number.
QUANTITIES = frozenset(
    {
        "VirtualQuantity",
        "VirtualQuantityUnits",
        "AllocationUnits",
        "Limit",
        "VirtualResourceBlockSize",
    }
)
# What clients make of NULL.
_NOTHING: tuple[Value, ...] = (None, "", [], [""])


def different(wanted: T | None, present: T) -> T | None:
    """What is wanted, None where that is so already."""
    return None if wanted == present else wanted


def differing(given: Record, present: Mapping[str, Value], keep: Collection[str] = ()) -> Record:
    """``given`` without the properties that are as in ``present``; those in ``keep`` all stay."""
    kept = {name.lower() for name in keep}
    known = {name.lower(): value for name, value in present.items()}
    values = {
        name: value
        for name, value in given.values.items()
        if name.lower() in kept or not _same(value, known.get(name.lower()))
    }
    return Record(given.class_name, values)


def _same(given: Value, present: Value) -> bool:
    """Whether two values are equal, also where one of them was sent as text."""
    if given is None or present is None:
        return given in _NOTHING and present in _NOTHING
    if isinstance(given, list) and isinstance(present, list):
        return len(given) == len(present) and all(map(_same, given, present))
    if isinstance(given, str) != isinstance(present, str):
        return str(given).strip().lower() == str(present).strip().lower()
    return given == present
