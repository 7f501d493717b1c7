"""A virtual system after another one: what ReferenceConfiguration says where the client does not.

Nothing that only one system may have is shared: names, MAC addresses, and images that are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from virtcim.cim.records import Record, Value
from virtcim.errormap import ErrorCode
from virtcim.hypervisor.model import VirtualDisk, VirtualSystem
from virtcim.providers.engine.view import View
from virtcim.providers.errors import failure
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.allocation import (
    DISK_ALLOCATION,
    MEMORY_ALLOCATION,
    NETWORK_PORT_ALLOCATION,
    PROCESSOR_ALLOCATION,
)
from virtcim.providers.resources.settings import KINDS, RESOURCE, resource_type
from virtcim.providers.virtual_system.settings import PASSED_BOOT_DEVICES, SYSTEM_SETTINGS

__all__ = ["complemented"]

_WHERE = "ReferenceConfiguration"
_TAKEN_OVER = (
    *("Description", "VirtualSystemType", "AutomaticStartupAction", "AutomaticRecoveryAction"),
    "BootDevices",
)
# The words of other implementations for what is taken over.
_SYNONYMS = {"AutomaticStartupAction": "autostart", "Description": "notes"}
_AMOUNT = ("ResourceType", "AllocationUnits", "VirtualQuantity", "VirtualQuantityUnits", "Limit")
_DISK = (
    *("ResourceType", "AddressOnParent", "BusType", "Access", "ResourceSubType"),
    *("PoolID", "HostResource"),
)
_NEW_DISK = (
    *("ResourceType", "AddressOnParent", "BusType", "Access", "ResourceSubType", "PoolID"),
    *("VirtualQuantity", "VirtualQuantityUnits"),
)
_PORT = ("ResourceType", "AddressOnParent", "PoolID", "ResourceSubType")
_SINGLE = (("processor", PROCESSOR_ALLOCATION), ("memory", MEMORY_ALLOCATION))


def complemented(
    view: View,
    reference: VirtualSystem,
    system: Record,
    resources: Sequence[tuple[Record, str]],
) -> tuple[Record, list[tuple[Record, str]]]:
    """The settings of a definition, with those of ``reference`` that it does not give itself.

    A disk or port is given where a setting has its kind and address, a disk also by its number
    (the XenAPI's, which over our own toolstack is beside the name); processors and memory are,
    where there is a setting for them. Raises CimError for a disk that cannot be had a second time.
    """
    given = {_place(record, where) for record, where in resources}
    added = [
        _setting(resource.values(reference, ""), _AMOUNT)
        for kind, resource in _SINGLE
        if (kind, "") not in given
    ]
    added += [
        _disk(view, reference, disk)
        for disk in reference.disks
        if not given & {("disk", disk.id), ("disk", disk.number)}
    ]
    added += [
        _setting(NETWORK_PORT_ALLOCATION.values(reference, port), _PORT)
        for port in reference.network_ports
        if ("network", port.id) not in given
    ]
    return _system(reference, system), [*resources, *((record, _WHERE) for record in added)]


def _place(record: Record, where: str) -> tuple[str, str]:
    reader = SettingReader(record, where)
    kind = KINDS[resource_type(reader)]
    if kind in ("processor", "memory"):
        return kind, ""
    return kind, reader.text("AddressOnParent") or reader.text("VirtualDevice")


def _system(reference: VirtualSystem, system: Record) -> Record:
    given = {name.lower() for name, value in system.values.items() if value is not None}
    values: dict[str, Value] = dict(system.values)
    for name in _TAKEN_OVER:
        value = SYSTEM_SETTINGS.values(reference).get(name)
        if name == "BootDevices":
            value = _boot_devices(value)
        if value is not None and not {name.lower(), _SYNONYMS.get(name, "")} & given:
            values = {key: each for key, each in values.items() if key.lower() != name.lower()}
            values[name] = value
    return Record(system.class_name, values)


def _boot_devices(value: Value) -> Value:
    """The devices to boot from, without those of the host: they are not taken over."""
    words = value if isinstance(value, list | tuple) else ()
    return [word for word in words if word not in PASSED_BOOT_DEVICES] or None


def _disk(view: View, reference: VirtualSystem, disk: VirtualDisk) -> Record:
    """A disk like another: the same image where it is only read, else an empty one like it."""
    values = DISK_ALLOCATION.values(reference, disk)
    if disk.image is None or disk.read_only:
        return _setting(values, _DISK)
    repository = view.inventory.storage_repositories.get(disk.image.sr_uuid)
    if repository is None or not repository.makes_images or not disk.image.virtual_size_bytes:
        raise failure(
            ErrorCode.ERR_OPERATION_FAILED,
            f"{_WHERE}: the disk {disk.id} writes to {disk.image.location!r}, which is in no pool "
            "that could hold another one like it; give a disk with that AddressOnParent in "
            "ResourceSettings",
        )
    return _setting(values, _NEW_DISK)


def _setting(values: Mapping[str, Value], names: Iterable[str]) -> Record:
    return Record(RESOURCE, {name: values[name] for name in names if name in values})
