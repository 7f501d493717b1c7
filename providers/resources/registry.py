"""All kinds of resources, and of which one a setting is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from virtcim.cim.records import Record
from virtcim.hypervisor.change import AddedDevices
from virtcim.providers.engine.identities import instance_id
from virtcim.providers.engine.instance_class import AnyClass, ServedClass
from virtcim.providers.engine.view import View
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resource_pool.offer import AnyOffer
from virtcim.providers.resources.allocation import AllocationSources
from virtcim.providers.resources.console import CONSOLES
from virtcim.providers.resources.devices import DeviceSources
from virtcim.providers.resources.disk.kind import DISKS
from virtcim.providers.resources.kind import Definition, ResourceKind, ResourceSetting
from virtcim.providers.resources.memory import MEMORY
from virtcim.providers.resources.network_port import NETWORK_PORTS
from virtcim.providers.resources.processor import PROCESSORS
from virtcim.providers.resources.settings import RESOURCE

__all__ = [
    "ALLOCATIONS",
    "DEVICES",
    "KINDS",
    "KIND_OF_ALLOCATION",
    "OFFERS",
    "POOLS",
    "Requested",
    "added_settings",
    "no_setting",
    "read_kind",
    "read_kinds",
]

KINDS: tuple[ResourceKind[Any], ...] = (PROCESSORS, MEMORY, DISKS, NETWORK_PORTS, CONSOLES)
ALLOCATIONS: tuple[ServedClass[AllocationSources], ...] = tuple(kind.allocation for kind in KINDS)
DEVICES: tuple[ServedClass[DeviceSources], ...] = tuple(
    each for kind in KINDS for each in kind.devices.classes
)
OFFERS: tuple[AnyOffer, ...] = tuple(
    offer for kind in KINDS if kind.pools is not None for offer in kind.pools.offers
)
POOLS: tuple[AnyClass, ...] = tuple(offer.pool for offer in OFFERS)
KIND_OF_ALLOCATION: Mapping[AnyClass, ResourceKind[Any]] = MappingProxyType(
    {kind.allocation: kind for kind in KINDS}
)


class Requested(NamedTuple):
    """The kind of resource that a setting asks for, and the number that says it."""

    kind: ResourceKind[Any]
    definition: Definition[Any]
    resource_type: int


_REQUESTABLE: Mapping[int, Requested] = MappingProxyType(
    {
        number: Requested(kind, kind.definition, number)
        for kind in KINDS
        if kind.definition is not None
        for number in kind.definition.resource_types
    }
)


def read_kind(reader: SettingReader) -> Requested:
    """The kind of resource that a setting asks for. Raises CimError.

    ResourceType says it, or else the class, of which only the last part of the name counts.
    """
    given = reader.number("ResourceType")
    name = reader.class_name.lower()
    by_class = next(
        (
            requested
            for requested in _REQUESTABLE.values()
            if any(name.endswith(each.lower()) for each in requested.definition.class_names)
        ),
        None,
    )
    if given is None:
        if by_class is None:
            raise rejected(f"{reader.where}.ResourceType: it is needed in a {reader.class_name}")
        return by_class
    found = _REQUESTABLE.get(given)
    if found is None:
        known = ", ".join(map(str, sorted(_REQUESTABLE)))
        raise reader.refuse("ResourceType", given, f"cannot be used; possible are {known}")
    if by_class is not None and by_class.kind is not found.kind:
        raise reader.refuse("ResourceType", given, f"is not that of a {reader.class_name}")
    return found


def no_setting(view: View) -> ResourceSetting:
    """What says nothing: for what every system has, also where nobody asks for it."""
    record = Record(RESOURCE, {})
    return ResourceSetting(
        reader=SettingReader(record, "ResourceSettings"), view=view, given=record
    )


def read_kinds(
    view: View, records: Iterable[tuple[Record, str]]
) -> Iterator[tuple[Requested, ResourceSetting]]:
    """The settings in these places, each with the kind that it asks for. Raises CimError."""
    for record, where in records:
        reader = SettingReader(record, where)
        requested = read_kind(reader)
        yield (
            requested,
            ResourceSetting(
                reader=reader, view=view, given=record, resource_type=requested.resource_type
            ),
        )


def added_settings(kind: ResourceKind[Any], uuid: str, devices: AddedDevices) -> list[str]:
    """The InstanceIDs of the settings that the resources of one kind got in a system."""
    added = () if kind.plugging is None else kind.plugging.added(devices)
    return [instance_id(uuid, f"{kind.name}/{each}") for each in added]
