"""What the methods that change virtual systems are given, read into a VirtualSystemChange.

A property that is NULL, or that says what is so already, asks for nothing: clients read an
instance, change one property, and send all of it back. Every other property is applied, or refused
by name; docs/cim-model.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.errormap import ErrorCode
from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.engine.identities import parse_instance_id
from virtcim.providers.engine.instance_class import INSTANCE_ID, ClassModel, InstanceClass, Node
from virtcim.providers.engine.view import View
from virtcim.providers.errors import failure, path_text, rejected
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_difference import QUANTITIES, differing
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.allocation import (
    ALLOCATIONS,
    DISK_ALLOCATION,
    MEMORY_ALLOCATION,
    NETWORK_PORT_ALLOCATION,
    PROCESSOR_ALLOCATION,
    system_of,
)
from virtcim.providers.resources.device_definition import read_disk, read_network_port
from virtcim.providers.resources.device_modification import change_disk, change_network_port
from virtcim.providers.resources.settings import (
    DESCRIPTIVE,
    KINDS,
    RESOURCE,
    SYSTEM,
    Quantities,
    accept_usual,
    check_class,
    read_memory,
    read_processors,
    resource_records,
    resource_type,
)
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS
from virtcim.providers.virtual_system_management.system_settings import (
    auto_start,
    boot_order,
    recovery,
)

__all__ = [
    "AddedResources",
    "ResourceChange",
    "read_added_resources",
    "read_modified_resources",
    "read_modified_system",
    "read_removed_resources",
]

_Wanted = TypeVar("_Wanted")
_REMOVABLE = "only disks, drives and network ports can be removed"


class ResourceChange(NamedTuple):
    """A change of the resources of one system, and the settings that it concerns, in order."""

    uuid: str
    change: VirtualSystemChange
    settings: Sequence[tuple[InstanceClass, str]]


class AddedResources(NamedTuple):
    """Devices that a system shall get; ``disks`` says for each in order whether it is one."""

    change: VirtualSystemChange
    disks: Sequence[bool]


def read_modified_system(
    view: View, classes: ClassModel, system_settings: Value
) -> tuple[str, VirtualSystemChange]:
    """The system that ModifySystemSettings is about (its UUID), and the change of it."""
    where = "SystemSettings"
    given = read_instance(system_settings, where)
    check_class(classes, given, where, SYSTEM)
    system = _named_system(view, SettingReader(given, where))
    reader = SettingReader(differing(given, _present(SYSTEM_SETTINGS, (system,))), where)
    label = reader.label("ElementName") if reader.has("ElementName") else None
    if label == "":
        raise rejected(f"{where}.ElementName: a name is needed")
    identifier = reader.text("VirtualSystemIdentifier")
    uuid = reader.text("UUID")
    if identifier and identifier not in (system.name_label, label):
        raise reader.refuse("VirtualSystemIdentifier", identifier, "cannot be changed")
    if uuid and uuid.lower() != system.uuid:
        raise reader.refuse("UUID", uuid, "cannot be changed")
    description = None
    if reader.has("Description") or reader.has("Notes"):
        description = reader.text("Description") or " ".join(reader.texts("Notes"))
    reader.ignore("InstanceID")
    change = VirtualSystemChange(
        name_label=_different(label, system.name_label),
        name_description=_different(description, system.name_description),
        boot_order=_different(boot_order(reader, system.boot_order), system.boot_order),
        auto_start=_different(auto_start(reader), system.auto_start),
        actions_after_crash=_different(recovery(reader), system.actions_after_crash),
    )
    reader.finish()
    return system.uuid, change


def _named_system(view: View, reader: SettingReader) -> VirtualSystem:
    """The system that InstanceID names, else VirtualSystemIdentifier or UUID."""
    systems = view.inventory.virtual_systems
    identity = reader.text("InstanceID")
    if identity:
        parsed = parse_instance_id(identity)
        if parsed is None or parsed[1]:
            raise reader.refuse("InstanceID", identity, "does not name the settings of a system")
        found = systems.get(parsed[0])
        given = identity
    else:
        given = reader.text("UUID") or reader.text("VirtualSystemIdentifier")
        if not given:
            raise rejected(f"{reader.where}.InstanceID: it is needed to find the virtual system")
        by_name = (system for system in systems.values() if system.name_label == given)
        found = systems.get(given.lower()) or next(by_name, None)
    if found is None:
        raise failure(
            ErrorCode.ERR_VM_NOT_FOUND, f"{reader.where}: there is no virtual system {given!r}"
        )
    return found


def _different(wanted: _Wanted | None, present: _Wanted) -> _Wanted | None:
    return None if wanted == present else wanted


def read_added_resources(
    view: View, classes: ClassModel, resource_settings: Value
) -> AddedResources:
    """The devices that AddResourceSettings asks for."""
    change = VirtualSystemChange()
    are_disks: list[bool] = []
    for record, where in _some_records(classes, resource_settings):
        reader = SettingReader(record, where)
        kind_number = resource_type(reader)
        kind = KINDS[kind_number]
        if kind in ("processor", "memory"):
            raise failure(
                ErrorCode.ERR_ALREADY_EXIST,
                f"{where}.ResourceType: {kind_number} ({kind}) is there already in every virtual "
                "system; ModifyResourceSettings changes it",
            )
        accept_usual(reader)
        reader.ignore(*DESCRIPTIVE)
        if kind == "disk":
            disk = read_disk(reader, view, kind_number)
            change = replace(change, added_disks=(*change.added_disks, disk))
        else:
            port = read_network_port(reader, view)
            change = replace(change, added_network_ports=(*change.added_network_ports, port))
        are_disks.append(kind == "disk")
        reader.finish()
    return AddedResources(change, are_disks)


def read_removed_resources(
    resolve: Callable[[ObjectPath], Node | None], resource_settings: Value
) -> ResourceChange:
    """The devices that RemoveResourceSettings names, all of one system."""
    paths = resource_settings if isinstance(resource_settings, list) else []
    if not paths:
        raise rejected("ResourceSettings: references to settings of resources are needed")
    found: list[tuple[str, Node]] = []
    for index, path in enumerate(paths):
        where = f"ResourceSettings[{index}]"
        if not isinstance(path, ObjectPath):
            raise rejected(f"{where}: a reference to a setting is needed")
        node = resolve(path)
        if node is None or node.instance_class not in ALLOCATIONS:
            raise rejected(f"{where}: there is no setting of a resource {path_text(path)}")
        if node.instance_class not in (DISK_ALLOCATION, NETWORK_PORT_ALLOCATION):
            raise failure(
                ErrorCode.ERR_OPERATION_FAILED,
                f"{where}: {path_text(path)} cannot be removed: {_REMOVABLE}",
            )
        found.append((where, node))
    uuid, settings = _of_one_system(found)

    def ids(instance_class: InstanceClass) -> tuple[str, ...]:
        nodes = (node for _, node in found if node.instance_class is instance_class)
        return tuple(node.sources[1].id for node in nodes)

    change = VirtualSystemChange(
        removed_disks=ids(DISK_ALLOCATION), removed_network_ports=ids(NETWORK_PORT_ALLOCATION)
    )
    return ResourceChange(uuid, change, settings)


def read_modified_resources(
    view: View, classes: ClassModel, resource_settings: Value
) -> ResourceChange:
    """The change that ModifyResourceSettings asks for, of settings of one system."""
    found: list[tuple[str, Node]] = []
    change = VirtualSystemChange()
    for record, where in _some_records(classes, resource_settings):
        node = _named_setting(view, SettingReader(record, where))
        found.append((where, node))
        _of_one_system(found)
        change = _changed(view, node, record, where, change)
    uuid, settings = _of_one_system(found)
    return ResourceChange(uuid, change, settings)


def _some_records(classes: ClassModel, resource_settings: Value) -> Sequence[tuple[Record, str]]:
    records = resource_records(resource_settings)
    if not records:
        raise rejected("ResourceSettings: settings of resources are needed")
    for record, where in records:
        check_class(classes, record, where, RESOURCE)
    return records


def _named_setting(view: View, reader: SettingReader) -> Node:
    identity = reader.text("InstanceID")
    if not identity:
        raise rejected(f"{reader.where}.InstanceID: it is needed to find the setting")
    for instance_class in ALLOCATIONS:
        sources = instance_class.find(view, identity)
        if sources is not None:
            return Node(instance_class, sources)
    parsed = parse_instance_id(identity)
    if parsed is not None and parsed[0] not in view.inventory.virtual_systems:
        raise failure(
            ErrorCode.ERR_VM_NOT_FOUND,
            f"{reader.where}.InstanceID: {identity!r} is of a virtual system that does not exist",
        )
    raise reader.refuse("InstanceID", identity, "names no setting of a resource")


def _of_one_system(
    found: Sequence[tuple[str, Node]],
) -> tuple[str, Sequence[tuple[InstanceClass, str]]]:
    """The UUID of the system that all settings are of, and their classes and InstanceIDs."""
    uuid = system_of(found[0][1]).uuid
    settings: dict[str, InstanceClass] = {}
    for where, node in found:
        identity: str = node.instance_class.identity(*node.sources)
        if system_of(node).uuid != uuid:
            raise rejected(f"{where}: {identity!r} is of another virtual system than the first")
        if identity in settings:
            raise rejected(f"{where}: {identity!r} is given twice")
        settings[identity] = node.instance_class
    return uuid, [(each, identity) for identity, each in settings.items()]


def _present(instance_class: InstanceClass, sources: tuple[object, ...]) -> Mapping[str, Value]:
    """The values of an instance with its key, as a client reads them."""
    identity = instance_class.identity(*sources)
    return {**instance_class.values(*sources), **INSTANCE_ID.keys(identity)}


def _changed(
    view: View, node: Node, given: Record, where: str, change: VirtualSystemChange
) -> VirtualSystemChange:
    """``change`` with what one setting asks for."""
    present = _present(node.instance_class, node.sources)
    asked = differing(given, present, QUANTITIES)
    reader = SettingReader(asked, where)
    accept_usual(reader)
    if node.instance_class is DISK_ALLOCATION:
        return change_disk(reader, view, given, node.sources[1], change)
    if node.instance_class is NETWORK_PORT_ALLOCATION:
        return change_network_port(reader, view, node.sources[1], change)
    amount = _AMOUNTS.get(node.instance_class)
    if amount is not None:
        change = amount.changed(reader, view, system_of(node), change)
    else:
        reader.accept("VirtualQuantity", 1)
        reader.accept("VirtualQuantityUnits", "count")
        reader.accept("AllocationUnits", "count")
    reader.finish()
    return change


class _Amount(NamedTuple):
    """How an amount is read, and where it is in VirtualSystem and VirtualSystemChange."""

    read: Callable[[SettingReader, View, Collection[int]], Quantities]
    initial: str
    most: str

    def changed(
        self, reader: SettingReader, view: View, system: VirtualSystem, change: VirtualSystemChange
    ) -> VirtualSystemChange:
        """``change`` with what a setting asks for; more than the limit raises a limit not given.

        A limit that is sent back as it was is not given.
        """
        initial, most = getattr(system, self.initial), getattr(system, self.most)
        wanted = self.read(reader, view, (initial, most))
        new_initial = wanted.quantity or initial
        limit = None if wanted.limit == most else wanted.limit
        new_most = limit or max(most, new_initial)
        if new_most < new_initial:
            raise reader.refuse("Limit", new_most, f"is below VirtualQuantity, {new_initial}")
        changed = {
            self.initial: _different(new_initial, initial),
            self.most: _different(new_most, most),
        }
        return replace(change, **changed)  # type: ignore[arg-type]  # both are numbers


_AMOUNTS: Mapping[InstanceClass, _Amount] = MappingProxyType(
    {
        PROCESSOR_ALLOCATION: _Amount(read_processors, "vcpus_at_startup", "vcpus_max"),
        MEMORY_ALLOCATION: _Amount(
            read_memory, "memory_dynamic_max_bytes", "memory_static_max_bytes"
        ),
    }
)
