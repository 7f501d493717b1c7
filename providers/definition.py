"""What DefineSystem is given, read into a VirtualSystemSpec.

Every property is applied, or accepted since it says what happens anyway, or refused by name;
docs/cim-model.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from virtcim.hypervisor.model import DiskSpec, NetworkPortSpec, VirtualSystemSpec
from virtcim.providers.definition_devices import read_disk, read_network_port
from virtcim.providers.embedded import read_instance
from virtcim.providers.errors import rejected
from virtcim.providers.instance_class import ClassModel
from virtcim.providers.records import Record, Value
from virtcim.providers.resource_allocation import CD_DRIVE, FLOPPY_DRIVE
from virtcim.providers.resource_pool import DISK_DRIVE, ETHERNET_ADAPTER, MEMORY, PROCESSOR
from virtcim.providers.setting_reader import SettingReader
from virtcim.providers.settings import BOOT_DEVICES, RESTART_ALWAYS, RESTART_NEVER
from virtcim.providers.units import Unit
from virtcim.providers.view import View

__all__ = ["DEFAULT_MEMORY_BYTES", "DEFAULT_PROCESSORS", "read_definition"]

# What a virtual system gets where no setting says it (DSP1042 clause 8.2.2 leaves it to us).
DEFAULT_PROCESSORS = 1
DEFAULT_MEMORY_BYTES = 512 * 2**20
_SYSTEM = "CIM_VirtualSystemSettingData"
_RESOURCE = "CIM_ResourceAllocationSettingData"
_MAX_RESOURCES = 1000
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_DVD_DRIVE, _LOGICAL_DISK, _STORAGE_EXTENT, _STORAGE_VOLUME = 16, 31, 19, 32
_RECOVERY: Mapping[int, str] = MappingProxyType({2: "destroy", 3: "restart"})
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
_KINDS: Mapping[int, str] = MappingProxyType(
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


class Amount(NamedTuple):
    """What a system has at the start, and the most it can be given."""

    initial: int
    maximum: int


def read_definition(
    view: View, classes: ClassModel, system_settings: Value, resource_settings: Value
) -> VirtualSystemSpec:
    """The system that the parameters of DefineSystem describe. Raises CimError."""
    settings = _reader(classes, system_settings, "SystemSettings", _SYSTEM)
    processors: Amount | None = None
    memory: Amount | None = None
    disks: list[DiskSpec] = []
    ports: list[NetworkPortSpec] = []
    for reader in _resource_readers(classes, resource_settings):
        resource_type = _resource_type(reader)
        kind = _KINDS[resource_type]
        reader.accept("AutomaticAllocation", True)
        reader.accept("AutomaticDeallocation", True)
        # Unknown or virtualized: nothing is passed through.
        reader.accept("ConsumerVisibility", 0, 3)
        reader.accept("MappingBehavior", 0, 2)
        reader.ignore(*_DESCRIPTIVE)
        if kind == "processor":
            processors = _once(reader, processors, _read_processors)
        elif kind == "memory":
            memory = _once(reader, memory, _read_memory)
        elif kind == "disk":
            disks.append(read_disk(reader, view, resource_type))
        else:
            ports.append(read_network_port(reader, view))
        reader.finish()
    processors = processors or Amount(DEFAULT_PROCESSORS, DEFAULT_PROCESSORS)
    memory = memory or Amount(DEFAULT_MEMORY_BYTES, DEFAULT_MEMORY_BYTES)
    return _read_system(settings, processors, memory, tuple(disks), tuple(ports))


# Properties that name or describe a setting, but are no part of what is asked for: the new
# setting gets its own.
_DESCRIPTIVE = ("InstanceID", "ElementName", "Caption", "Description", "Generation")


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
        boot_order=_boot_order(settings),
        auto_start=_auto_start(settings),
        actions_after_crash=_recovery(settings),
        disks=disks,
        network_ports=ports,
    )
    settings.finish()
    return spec


def _names(settings: SettingReader) -> tuple[str, str]:
    """The label and the UUID, empty where the hypervisor shall choose one."""
    label = settings.text("ElementName")
    identifier = settings.text("VirtualSystemIdentifier")
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


def _boot_order(settings: SettingReader) -> str:
    order = ""
    for device in settings.texts("BootDevices"):
        letter = BOOT_DEVICES.get(device.lower())
        if letter is None or letter in order:
            known = ", ".join(BOOT_DEVICES)
            raise settings.refuse("BootDevices", device, f"is not one of {known}, each once")
        order += letter
    return order


def _auto_start(settings: SettingReader) -> bool:
    action = settings.number("AutomaticStartupAction")
    flag = settings.flag("AutoStart")
    if action not in (None, RESTART_NEVER, RESTART_ALWAYS):
        raise settings.refuse(
            "AutomaticStartupAction", action, "cannot be applied; possible are 2 None, 4 Always"
        )
    return action == RESTART_ALWAYS if action is not None else bool(flag)


def _recovery(settings: SettingReader) -> str:
    action = settings.number("AutomaticRecoveryAction")
    if action is None:
        return ""
    if action not in _RECOVERY:
        raise settings.refuse(
            "AutomaticRecoveryAction", action, "cannot be applied; possible are 2 None, 3 Restart"
        )
    return _RECOVERY[action]


def _read_processors(reader: SettingReader) -> Amount:
    allocation_unit = reader.unit("AllocationUnits") or _COUNT
    quantity_unit = reader.unit("VirtualQuantityUnits") or allocation_unit
    _accept_pool(reader, "ProcessorPool")
    quantity = reader.quantity("VirtualQuantity", quantity_unit, "count")
    limit = reader.quantity("Limit", allocation_unit, "count")
    return _amount(reader, quantity, limit, DEFAULT_PROCESSORS)


def _read_memory(reader: SettingReader) -> Amount:
    allocation_unit = reader.unit("AllocationUnits")
    quantity_unit = reader.unit("VirtualQuantityUnits")
    # "count" is the default that the schema declares: it was not chosen by anybody.
    if quantity_unit is None or quantity_unit == _COUNT:
        quantity_unit = allocation_unit or _BYTE
    _accept_pool(reader, "MemoryPool")
    quantity = reader.quantity("VirtualQuantity", quantity_unit, "byte")
    limit = reader.quantity("Limit", allocation_unit or quantity_unit, "byte")
    return _amount(reader, quantity, limit, DEFAULT_MEMORY_BYTES)


def _accept_pool(reader: SettingReader, part: str) -> None:
    """Processors and memory come from the host that the hypervisor chooses."""
    pool = reader.text("PoolID")
    if pool and part.lower() not in pool.lower():
        raise reader.refuse("PoolID", pool, f"is no {part}")


def _amount(reader: SettingReader, quantity: int | None, limit: int | None, default: int) -> Amount:
    # A reservation or weight of nothing is what happens anyway.
    reader.accept("Reservation", 0)
    reader.accept("Weight", 0)
    if quantity == 0:
        raise reader.refuse("VirtualQuantity", quantity, "is too little for a virtual system")
    initial = quantity or limit or default
    maximum = limit or initial
    if maximum < initial:
        raise reader.refuse("Limit", limit, "is below VirtualQuantity")
    return Amount(initial, maximum)


def _once(
    reader: SettingReader, known: Amount | None, read: Callable[[SettingReader], Amount]
) -> Amount:
    if known is not None:
        raise rejected(f"{reader.where}: there is already a setting of this resource type")
    return read(reader)


def _resource_readers(classes: ClassModel, settings: Value) -> Sequence[SettingReader]:
    if settings is None:
        return ()
    items: list[Any] = settings if isinstance(settings, list) else [settings]
    if len(items) > _MAX_RESOURCES:
        raise rejected(f"ResourceSettings: more than {_MAX_RESOURCES} settings")
    return [
        _reader(classes, item, f"ResourceSettings[{index}]", _RESOURCE)
        for index, item in enumerate(items)
    ]


def _reader(classes: ClassModel, value: Value, where: str, base: str) -> SettingReader:
    """The reader of one embedded instance of the right kind of class.

    Classes of other implementations are known by the end of their names.
    """
    record: Record = read_instance(value, where)
    name = record.class_name
    if classes.canonical(name) is None:
        fits = name.lower().endswith("settingdata")
    else:
        fits = classes.is_a(name, base)
    if not fits:
        raise rejected(f"{where}: an instance of {name} cannot be used here")
    return SettingReader(record, where)


def _resource_type(reader: SettingReader) -> int:
    given = reader.number("ResourceType")
    name = reader.class_name.lower()
    by_class = next((kind for suffix, kind in _CLASS_KINDS if name.endswith(suffix.lower())), None)
    resource_type = given if given is not None else by_class
    if resource_type is None:
        raise rejected(f"{reader.where}.ResourceType: it is needed in a {reader.class_name}")
    if resource_type not in _KINDS:
        known = ", ".join(map(str, _KINDS))
        raise reader.refuse("ResourceType", resource_type, f"cannot be used; possible are {known}")
    if by_class is not None and _KINDS[by_class] != _KINDS[resource_type]:
        raise reader.refuse("ResourceType", resource_type, f"is not that of a {reader.class_name}")
    return resource_type
