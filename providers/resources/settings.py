"""What all settings of resources have in common, whatever is to be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from virtcim.cim.records import Record, Value
from virtcim.providers.engine.instance_class import ClassModel
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_reader import SettingReader

__all__ = [
    "DESCRIPTIVE",
    "REFERENCE",
    "RESOURCE",
    "SYSTEM",
    "accept_one",
    "accept_usual",
    "check_class",
    "resource_records",
    "setting_like",
]

# The parameter of DefineSystem that names a system to make another one after.
REFERENCE = "ReferenceConfiguration"
SYSTEM = "CIM_VirtualSystemSettingData"
RESOURCE = "CIM_ResourceAllocationSettingData"
# Properties that name or describe a setting, but are no part of what is asked for: a new setting
# gets its own.
DESCRIPTIVE = ("InstanceID", "ElementName", "Caption", "Description", "Generation")
_MAX_RESOURCES = 1000


def resource_records(
    classes: ClassModel, settings: Value, *, least: int = 0
) -> Sequence[tuple[Record, str]]:
    """The instances in the parameter ResourceSettings, and where each is. Raises CimError."""
    items: list[Any] = settings if isinstance(settings, list) else [settings]
    if settings is None:
        items = []
    if len(items) < least:
        raise rejected("ResourceSettings: settings of resources are needed")
    if len(items) > _MAX_RESOURCES:
        raise rejected(f"ResourceSettings: more than {_MAX_RESOURCES} settings")
    records = [
        (read_instance(classes, item, f"ResourceSettings[{index}]"), f"ResourceSettings[{index}]")
        for index, item in enumerate(items)
    ]
    for record, where in records:
        check_class(classes, record, where, RESOURCE)
    return records


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


def accept_usual(reader: SettingReader) -> None:
    """Accept the properties of all resources that say what happens anyway."""
    reader.accept("AutomaticAllocation", True)
    reader.accept("AutomaticDeallocation", True)
    # Unknown or virtualized: nothing is passed through.
    reader.accept("ConsumerVisibility", 0, 3)
    reader.accept("MappingBehavior", 0, 2)


def accept_one(reader: SettingReader) -> None:
    """Accept the quantity of what is there in ones."""
    reader.accept("VirtualQuantity", 1)
    reader.accept("VirtualQuantityUnits", "count")
    reader.accept("AllocationUnits", "count")


def setting_like(values: Mapping[str, Value], names: Iterable[str]) -> Record:
    """A setting that asks for what another one has (``values``) in the properties ``names``."""
    return Record(RESOURCE, {name: values[name] for name in names if name in values})
