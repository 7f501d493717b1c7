"""What all settings of resources have in common, whatever is to be done with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from virtcim.cim.records import Record, Value
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.identities import parse_instance_id
from virtcim.providers.engine.instance_class import ClassModel
from virtcim.providers.engine.view import View
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.allocation_ranges import (
    AllocationRange,
    memory_range,
    processor_range,
    widest,
)
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import Unit
from virtcim.providers.resource_pool.pools import DISK_DRIVE, ETHERNET_ADAPTER, MEMORY, PROCESSOR
from virtcim.providers.resources.allocation import CD_DRIVE, FLOPPY_DRIVE

__all__ = [
    "DESCRIPTIVE",
    "KINDS",
    "RESOURCE",
    "SYSTEM",
    "Quantities",
    "accept_usual",
    "check_class",
    "read_memory",
    "read_processors",
    "resource_records",
    "resource_type",
]

SYSTEM = "CIM_VirtualSystemSettingData"
RESOURCE = "CIM_ResourceAllocationSettingData"
# Properties that name or describe a setting, but are no part of what is asked for: a new setting
# gets its own.
DESCRIPTIVE = ("InstanceID", "ElementName", "Caption", "Description", "Generation")
_MAX_RESOURCES = 1000
_DVD_DRIVE, _LOGICAL_DISK, _STORAGE_EXTENT, _STORAGE_VOLUME = 16, 31, 19, 32
_BYTE, _COUNT = Unit("byte", Fraction(1)), Unit("count", Fraction(1))
# The kind of resource that a class stands for where ResourceType is not given: the last part of
# the class name, ours and the peers'.
_CLASS_KINDS = (
    ("ProcessorResourceAllocationSettingData", PROCESSOR),
    ("ProcResourceAllocationSettingData", PROCESSOR),
    ("ProcessorSettingData", PROCESSOR),
    ("MemoryResourceAllocationSettingData", MEMORY),
    ("MemResourceAllocationSettingData", MEMORY),
    ("MemorySettingData", MEMORY),
    ("DiskResourceAllocationSettingData", DISK_DRIVE),
    ("DiskSettingData", DISK_DRIVE),
    ("StorageAllocationSettingData", DISK_DRIVE),
    ("NetworkPortResourceAllocationSettingData", ETHERNET_ADAPTER),
    ("NetResourceAllocationSettingData", ETHERNET_ADAPTER),
    ("NetworkPortSettingData", ETHERNET_ADAPTER),
    ("EthernetPortAllocationSettingData", ETHERNET_ADAPTER),
)
KINDS: Mapping[int, str] = MappingProxyType(
    {
        PROCESSOR: "processor",
        MEMORY: "memory",
        ETHERNET_ADAPTER: "network",
        FLOPPY_DRIVE: "disk",
        CD_DRIVE: "disk",
        _DVD_DRIVE: "disk",
        DISK_DRIVE: "disk",
        _STORAGE_EXTENT: "disk",
        _LOGICAL_DISK: "disk",
        _STORAGE_VOLUME: "disk",
    }
)


class Quantities(NamedTuple):
    """What a setting of processors or memory says; None where it does not."""

    quantity: int | None
    limit: int | None


def resource_records(settings: Value) -> Sequence[tuple[Record, str]]:
    """The instances in the parameter ResourceSettings, and where each is. Raises CimError."""
    if settings is None:
        return ()
    items: list[Any] = settings if isinstance(settings, list) else [settings]
    if len(items) > _MAX_RESOURCES:
        raise rejected(f"ResourceSettings: more than {_MAX_RESOURCES} settings")
    places = [f"ResourceSettings[{index}]" for index in range(len(items))]
    return [(read_instance(item, where), where) for item, where in zip(items, places, strict=True)]


def check_class(classes: ClassModel, record: Record, where: str, base: str) -> None:
    """Refuse an instance of a class that is not ``base`` or a subclass.

    Classes of other implementations are known by the end of their names.
    """
    name = record.class_name
    if classes.canonical(name) is None:
        fits = name.lower().endswith("settingdata")
    else:
        fits = classes.is_a(name, base)
    if not fits:
        raise rejected(f"{where}: an instance of {name} cannot be used here")


def resource_type(reader: SettingReader) -> int:
    """The kind of resource that a setting is of, one of KINDS."""
    given = reader.number("ResourceType")
    name = reader.class_name.lower()
    by_class = next((kind for suffix, kind in _CLASS_KINDS if name.endswith(suffix.lower())), None)
    found = given if given is not None else by_class
    if found is None:
        raise rejected(f"{reader.where}.ResourceType: it is needed in a {reader.class_name}")
    if found not in KINDS:
        known = ", ".join(map(str, KINDS))
        raise reader.refuse("ResourceType", found, f"cannot be used; possible are {known}")
    if by_class is not None and KINDS[by_class] != KINDS[found]:
        raise reader.refuse("ResourceType", found, f"is not that of a {reader.class_name}")
    return found


def accept_usual(reader: SettingReader) -> None:
    """Accept the properties of all resources that say what happens anyway."""
    reader.accept("AutomaticAllocation", True)
    reader.accept("AutomaticDeallocation", True)
    # Unknown or virtualized: nothing is passed through.
    reader.accept("ConsumerVisibility", 0, 3)
    reader.accept("MappingBehavior", 0, 2)


def read_processors(reader: SettingReader, view: View, present: Collection[int] = ()) -> Quantities:
    """Numbers of processors that can be had.

    Those that a system has already (``present``) can be had whatever the range is.
    """
    allocation_unit = reader.unit("AllocationUnits") or _COUNT
    quantity_unit = reader.unit("VirtualQuantityUnits") or allocation_unit
    possible = _possible(reader, view, "ProcessorPool", processor_range)
    quantity = reader.quantity("VirtualQuantity", quantity_unit, "count")
    limit = reader.quantity("Limit", allocation_unit, "count")
    return _quantities(reader, quantity, limit, possible, present)


def read_memory(reader: SettingReader, view: View, present: Collection[int] = ()) -> Quantities:
    """Sizes of memory in bytes that can be had; ``present`` as in `read_processors`."""
    allocation_unit = reader.unit("AllocationUnits")
    quantity_unit = reader.unit("VirtualQuantityUnits")
    # "count" is the default that the schema declares: it was not chosen by anybody.
    if quantity_unit is None or quantity_unit == _COUNT:
        quantity_unit = allocation_unit or _BYTE
    possible = _possible(reader, view, "MemoryPool", memory_range)
    quantity = reader.quantity("VirtualQuantity", quantity_unit, "byte")
    limit = reader.quantity("Limit", allocation_unit or quantity_unit, "byte")
    return _quantities(reader, quantity, limit, possible, present)


def _possible(
    reader: SettingReader, view: View, part: str, range_of: Callable[[Host], AllocationRange]
) -> AllocationRange | None:
    """What the pool that PoolID names can give, else any host: the hypervisor chooses it."""
    pool = reader.text("PoolID")
    if pool and part.lower() not in pool.lower():
        raise reader.refuse("PoolID", pool, f"is no {part}")
    hosts = view.inventory.hosts
    parsed = parse_instance_id(pool)
    named = hosts.get(parsed[0]) if parsed is not None else None
    return widest(range_of(host) for host in ((named,) if named else hosts.values()))


def _quantities(
    reader: SettingReader,
    quantity: int | None,
    limit: int | None,
    possible: AllocationRange | None,
    present: Collection[int],
) -> Quantities:
    # A reservation or weight of nothing is what happens anyway.
    reader.accept("Reservation", 0)
    reader.accept("Weight", 0)
    if quantity == 0:
        raise reader.refuse("VirtualQuantity", quantity, "is too little for a virtual system")
    for name, amount in (("VirtualQuantity", quantity), ("Limit", limit)):
        if amount and possible is not None:
            reader.check_range(name, amount, possible, present)
    return Quantities(quantity, limit)
