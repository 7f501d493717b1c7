"""What the methods that change virtual systems are given, read into a VirtualSystemChange.

A property that is NULL, or that says what is so already, asks for nothing: clients read an
instance, change one property, and send all of it back. Every other property is applied, or refused
by name; docs/cim-model.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from virtcim.cim.path_text import path_text
from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.errormap import ErrorCode
from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.engine.identities import parse_instance_id
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, ClassModel, Node
from virtcim.providers.engine.sources import OfSystem
from virtcim.providers.engine.view import View
from virtcim.providers.errors import failure, rejected
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_difference import QUANTITIES, different, differing
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.allocation import AllocationSources
from virtcim.providers.resources.kind import ResourceKind, ResourceSetting
from virtcim.providers.resources.registry import KIND_OF_ALLOCATION, KINDS, read_kinds
from virtcim.providers.resources.settings import (
    DESCRIPTIVE,
    SYSTEM,
    accept_usual,
    check_class,
    resource_records,
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


class ResourceChange(NamedTuple):
    """A change of the resources of one system, and the settings that it concerns, in order."""

    uuid: str
    change: VirtualSystemChange
    settings: Sequence[tuple[AnyClass, str]]


class AddedResources(NamedTuple):
    """Resources that a system shall get; ``kinds`` are theirs, in order."""

    change: VirtualSystemChange
    kinds: Sequence[ResourceKind[Any]]


def read_modified_system(
    view: View, classes: ClassModel, system_settings: Value
) -> tuple[str, VirtualSystemChange]:
    """The system that ModifySystemSettings is about (its UUID), and the change of it."""
    where = "SystemSettings"
    given = read_instance(classes, system_settings, where)
    check_class(classes, given, where, SYSTEM)
    system = _named_system(view, SettingReader(given, where))
    reader = SettingReader(
        differing(given, _present(SYSTEM_SETTINGS.node(OfSystem(system)))), where
    )
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
        name_label=different(label, system.name_label),
        name_description=different(description, system.name_description),
        boot_order=different(boot_order(reader, system.boot_order), system.boot_order),
        auto_start=different(auto_start(reader), system.auto_start),
        actions_after_crash=different(recovery(reader), system.actions_after_crash),
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


def read_added_resources(
    view: View, classes: ClassModel, resource_settings: Value
) -> AddedResources:
    """The resources that AddResourceSettings asks for."""
    change = VirtualSystemChange()
    kinds: list[ResourceKind[Any]] = []
    records = resource_records(classes, resource_settings, least=1)
    for (kind, _, number), setting in read_kinds(view, records):
        reader = setting.reader
        if kind.plugging is None:
            raise failure(
                ErrorCode.ERR_ALREADY_EXIST,
                f"{reader.where}.ResourceType: {number} ({kind.name}) is there already in every "
                "virtual system; ModifyResourceSettings changes it",
            )
        accept_usual(reader)
        reader.ignore(*DESCRIPTIVE)
        change = kind.plugging.add(setting, change)
        kinds.append(kind)
        reader.finish()
    return AddedResources(change, kinds)


def read_removed_resources(
    resolve: Callable[[ObjectPath], AnyNode | None], resource_settings: Value
) -> ResourceChange:
    """The devices that RemoveResourceSettings names, all of one system."""
    paths = resource_settings if isinstance(resource_settings, list) else []
    if not paths:
        raise rejected("ResourceSettings: references to settings of resources are needed")
    found: list[tuple[str, Node[AllocationSources]]] = []
    change = VirtualSystemChange()
    for index, path in enumerate(paths):
        where = f"ResourceSettings[{index}]"
        if not isinstance(path, ObjectPath):
            raise rejected(f"{where}: a reference to a setting is needed")
        node = resolve(path)
        kind = None if node is None else KIND_OF_ALLOCATION.get(node.instance_class)
        if node is None or kind is None or not kind.allocation.owns(node):
            raise rejected(f"{where}: there is no setting of a resource {path_text(path)}")
        if kind.plugging is None:
            raise failure(
                ErrorCode.ERR_OPERATION_FAILED,
                f"{where}: {path_text(path)} cannot be removed: only {_removable()} can be removed",
            )
        found.append((where, node))
        change = kind.plugging.remove(change, node.sources)
    uuid, settings = _of_one_system(found)
    return ResourceChange(uuid, change, settings)


def _removable() -> str:
    """What can be removed, in words."""
    *others, last = [each for kind in KINDS if kind.plugging for each in kind.plugging.plurals]
    return f"{', '.join(others)} and {last}"


def read_modified_resources(
    view: View, classes: ClassModel, resource_settings: Value
) -> ResourceChange:
    """The change that ModifyResourceSettings asks for, of settings of one system."""
    found: list[tuple[str, Node[AllocationSources]]] = []
    change = VirtualSystemChange()
    for record, where in resource_records(classes, resource_settings, least=1):
        node = _named_setting(view, SettingReader(record, where))
        found.append((where, node))
        _of_one_system(found)
        change = _changed(view, node, record, where, change)
    uuid, settings = _of_one_system(found)
    return ResourceChange(uuid, change, settings)


def _named_setting(view: View, reader: SettingReader) -> Node[AllocationSources]:
    identity = reader.text("InstanceID")
    if not identity:
        raise rejected(f"{reader.where}.InstanceID: it is needed to find the setting")
    for kind in KINDS:
        node = kind.allocation.find(view, identity)
        if node is not None:
            return node
    parsed = parse_instance_id(identity)
    if parsed is not None and parsed[0] not in view.inventory.virtual_systems:
        raise failure(
            ErrorCode.ERR_VM_NOT_FOUND,
            f"{reader.where}.InstanceID: {identity!r} is of a virtual system that does not exist",
        )
    raise reader.refuse("InstanceID", identity, "names no setting of a resource")


def _of_one_system(
    found: Sequence[tuple[str, Node[AllocationSources]]],
) -> tuple[str, Sequence[tuple[AnyClass, str]]]:
    """The UUID of the system that all settings are of, and their classes and InstanceIDs."""
    uuid = found[0][1].sources.system.uuid
    settings: dict[str, AnyClass] = {}
    for where, node in found:
        identity = node.identity
        if node.sources.system.uuid != uuid:
            raise rejected(f"{where}: {identity!r} is of another virtual system than the first")
        if identity in settings:
            raise rejected(f"{where}: {identity!r} is given twice")
        settings[identity] = node.instance_class
    return uuid, [(each, identity) for identity, each in settings.items()]


def _present(node: AnyNode) -> Mapping[str, Value]:
    """The values of an instance with its key, as a client reads them."""
    return {**node.values(), **node.keys()}


def _changed(
    view: View,
    node: Node[AllocationSources],
    given: Record,
    where: str,
    change: VirtualSystemChange,
) -> VirtualSystemChange:
    """``change`` with what one setting asks for."""
    present = _present(node)
    asked = differing(given, present, QUANTITIES)
    setting = ResourceSetting(reader=SettingReader(asked, where), view=view, given=given)
    accept_usual(setting.reader)
    change = KIND_OF_ALLOCATION[node.instance_class].change(setting, node.sources, change)
    setting.reader.finish()
    return change
