"""What DefineSystem is given, read into a VirtualSystemSpec.

Every property is applied, or accepted since it says what happens anyway, or refused by name;
docs/cim-model.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from virtcim.cim.records import Value
from virtcim.hypervisor.model import VirtualSystem, VirtualSystemSpec
from virtcim.providers.engine.instance_class import ClassModel
from virtcim.providers.engine.view import View
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.kind import ResourceKind, ResourceSetting
from virtcim.providers.resources.registry import KINDS, Requested, no_setting, read_kinds
from virtcim.providers.resources.settings import (
    DESCRIPTIVE,
    SYSTEM,
    accept_usual,
    check_class,
    resource_records,
)
from virtcim.providers.virtual_system_management.reference_configuration import complemented
from virtcim.providers.virtual_system_management.system_settings import (
    auto_start,
    boot_order,
    recovery,
)

__all__ = ["read_definition"]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
# A system of which nothing was read yet: its kinds of resources give it what it must have.
_NOTHING = VirtualSystemSpec(
    name_label="",
    memory_static_max_bytes=0,
    memory_dynamic_max_bytes=0,
    vcpus_max=0,
    vcpus_at_startup=0,
)


def read_definition(
    view: View,
    classes: ClassModel,
    system_settings: Value,
    resource_settings: Value,
    reference: VirtualSystem | None = None,
) -> VirtualSystemSpec:
    """The system that the parameters of DefineSystem describe. Raises CimError.

    What they do not say is as in ``reference``.
    """
    system = read_instance(classes, system_settings, "SystemSettings")
    check_class(classes, system, "SystemSettings", SYSTEM)
    resources = resource_records(classes, resource_settings)
    if reference is not None:
        system, resources = complemented(view, reference, system, resources)
    settings = list(read_kinds(view, resources))
    _refuse_second(settings)
    spec = _NOTHING
    for requested, setting in settings:
        accept_usual(setting.reader)
        setting.reader.ignore(*DESCRIPTIVE)
        spec = requested.definition.read(setting, spec, reference)
        setting.reader.finish()
    given = [requested.kind for requested, _ in settings]
    for kind in KINDS:
        if kind.single and kind.definition is not None and kind not in given:
            spec = kind.definition.read(no_setting(view), spec, reference)
    return _read_system(SettingReader(system, "SystemSettings"), spec)


def _refuse_second(settings: Iterable[tuple[Requested, ResourceSetting]]) -> None:
    """Refuse a second setting of what a system has once."""
    seen: set[ResourceKind[Any]] = set()
    for requested, setting in settings:
        if requested.kind.single and requested.kind in seen:
            where = setting.reader.where
            raise rejected(f"{where}: there is already a setting of this resource type")
        seen.add(requested.kind)


def _read_system(settings: SettingReader, resources: VirtualSystemSpec) -> VirtualSystemSpec:
    """``resources`` as the system that the settings of the whole system describe."""
    name, uuid = _names(settings)
    description = settings.text("Description") or " ".join(settings.texts("Notes"))
    settings.ignore("InstanceID", "Caption", "Generation", "CreationTime", "ConfigurationID")
    spec = replace(
        resources,
        name_label=name,
        name_description=description,
        uuid=uuid,
        os_type=_os_type(settings),
        boot_order=boot_order(settings) or "",
        auto_start=auto_start(settings) or False,
        actions_after_crash=recovery(settings) or "",
    )
    settings.finish()
    return spec


def _names(settings: SettingReader) -> tuple[str, str]:
    """The label and the UUID, empty where the hypervisor shall choose one."""
    label = settings.label("ElementName")
    identifier = settings.label("VirtualSystemIdentifier")
    uuid = settings.text("UUID")
    if uuid and not _UUID.fullmatch(uuid):
        raise settings.refuse("UUID", uuid, "is no UUID")
    if _UUID.fullmatch(identifier):
        if uuid and uuid.lower() != identifier.lower():
            raise settings.refuse("UUID", uuid, "is not that of VirtualSystemIdentifier")
        uuid = identifier
    elif identifier and label and identifier != label:
        raise settings.refuse(
            "VirtualSystemIdentifier", identifier, f"is neither a UUID nor ElementName ({label!r})"
        )
    elif identifier:
        label = identifier
    if not label:
        raise rejected(f"{settings.where}.ElementName: a name is needed")
    return label, uuid.lower()


def _os_type(settings: SettingReader) -> str:
    """``virtcim:hvm``, ``DMTF:xen:HVM`` and the like: the last part decides."""
    given = settings.text("VirtualSystemType")
    kind = given.rpartition(":")[2].lower()
    if not given or given == "DMTF:unknown":
        return "hvm"
    if kind in ("hvm", "pv", "pvh"):
        return kind
    # The names of hypervisors, as libvirt-cim's clients send them, leave the choice to them.
    if given.lower() in ("kvm", "qemu"):
        return "hvm"
    raise settings.refuse("VirtualSystemType", given, "is none of virtcim:hvm, virtcim:pv")
