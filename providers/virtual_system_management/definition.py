"""What DefineSystem is given, read into a VirtualSystemSpec.

Every property is applied, or accepted since it says what happens anyway, or refused by name;
docs/cim-model.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.hypervisor.model import DiskSpec, NetworkPortSpec, VirtualSystem, VirtualSystemSpec
from virtcim.providers.engine.instance_class import ClassModel
from virtcim.providers.engine.view import View
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.allocation_ranges import (
    DEFAULT_MEMORY_BYTES,
    DEFAULT_PROCESSORS,
)
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.device_definition import read_disk, read_network_port
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
from virtcim.providers.virtual_system_management.reference_configuration import complemented
from virtcim.providers.virtual_system_management.system_settings import (
    auto_start,
    boot_order,
    recovery,
)

__all__ = ["read_definition"]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class Amount(NamedTuple):
    """What a system has at the start, and the most it can be given."""

    initial: int
    maximum: int


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
    system = read_instance(system_settings, "SystemSettings")
    check_class(classes, system, "SystemSettings", SYSTEM)
    resources = resource_records(resource_settings)
    for record, where in resources:
        check_class(classes, record, where, RESOURCE)
    if reference is not None:
        system, resources = complemented(view, reference, system, resources)
    present = _present(reference) if reference is not None else {}
    amounts: dict[str, Amount] = {}
    disks: list[DiskSpec] = []
    ports: list[NetworkPortSpec] = []
    readers = [SettingReader(record, where) for record, where in resources]
    numbers = [resource_type(reader) for reader in readers]
    _refuse_second(readers, numbers)
    for reader, kind_number in zip(readers, numbers, strict=True):
        kind = KINDS[kind_number]
        accept_usual(reader)
        reader.ignore(*DESCRIPTIVE)
        if kind == "processor":
            given = read_processors(reader, view, present.get(kind, ()))
            amounts[kind] = _amount(reader, given, DEFAULT_PROCESSORS)
        elif kind == "memory":
            given = read_memory(reader, view, present.get(kind, ()))
            amounts[kind] = _amount(reader, given, DEFAULT_MEMORY_BYTES)
        elif kind == "disk":
            disks.append(read_disk(reader, view, kind_number, present.get(kind, ())))
        else:
            ports.append(read_network_port(reader, view))
        reader.finish()
    return _read_system(
        SettingReader(system, "SystemSettings"),
        amounts.get("processor", Amount(DEFAULT_PROCESSORS, DEFAULT_PROCESSORS)),
        amounts.get("memory", Amount(DEFAULT_MEMORY_BYTES, DEFAULT_MEMORY_BYTES)),
        tuple(disks),
        tuple(ports),
    )


def _refuse_second(readers: Iterable[SettingReader], numbers: Iterable[int]) -> None:
    """Refuse a second setting of what a system has once."""
    seen: set[str] = set()
    for reader, number in zip(readers, numbers, strict=True):
        if KINDS[number] in seen & {"processor", "memory"}:
            raise rejected(f"{reader.where}: there is already a setting of this resource type")
        seen.add(KINDS[number])


def _present(system: VirtualSystem) -> Mapping[str, Collection[int]]:
    """The amounts that a system has of each kind of resource."""
    return {
        "processor": (system.vcpus_at_startup, system.vcpus_max),
        "memory": (system.memory_dynamic_max_bytes, system.memory_static_max_bytes),
        "disk": [disk.image.virtual_size_bytes for disk in system.disks if disk.image],
    }


def _read_system(
    settings: SettingReader,
    processors: Amount,
    memory: Amount,
    disks: tuple[DiskSpec, ...],
    ports: tuple[NetworkPortSpec, ...],
) -> VirtualSystemSpec:
    name, uuid = _names(settings)
    description = settings.text("Description") or " ".join(settings.texts("Notes"))
    settings.ignore("InstanceID", "Caption", "Generation", "CreationTime", "ConfigurationID")
    spec = VirtualSystemSpec(
        name_label=name,
        name_description=description,
        uuid=uuid,
        memory_static_max_bytes=memory.maximum,
        memory_dynamic_max_bytes=memory.initial,
        vcpus_max=processors.maximum,
        vcpus_at_startup=processors.initial,
        os_type=_os_type(settings),
        boot_order=boot_order(settings) or "",
        auto_start=auto_start(settings) or False,
        actions_after_crash=recovery(settings) or "",
        disks=disks,
        network_ports=ports,
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


def _amount(reader: SettingReader, given: Quantities, default: int) -> Amount:
    initial = given.quantity or given.limit or default
    maximum = given.limit or initial
    if maximum < initial:
        raise reader.refuse("Limit", given.limit, "is below VirtualQuantity")
    return Amount(initial, maximum)
