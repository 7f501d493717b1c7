"""Storage pools and disk images that the pool configuration service is asked for."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from virtcim.cim.records import Record, Value
from virtcim.hypervisor.labels import label_fault
from virtcim.hypervisor.model import StorageRepository
from virtcim.hypervisor.storage import DIRECTORY, DiskImageSpec, StorageRepositorySpec
from virtcim.providers.engine.instance_class import ClassModel
from virtcim.providers.engine.view import View
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.disk.images import (
    check_new_image,
    plain_path,
    read_repository,
    read_size,
)
from virtcim.providers.resources.disk.kind import DISKS
from virtcim.providers.resources.registry import read_kind
from virtcim.providers.resources.settings import RESOURCE, accept_usual, check_class

__all__ = ["read_image_settings", "read_pool_settings"]

# libvirt-cim's number of a pool that is a directory.
_PEERS_DIRECTORY = 1


def read_pool_settings(
    classes: ClassModel, element_name: Value, settings: Value
) -> StorageRepositorySpec:
    """The storage pool that the parameters of CreateChildResourcePool describe. Raises CimError."""
    items: list[Any] = settings if isinstance(settings, list) else [settings]
    if settings is None or len(items) != 1:
        raise rejected("Settings: one setting is needed, which says what directory the pool is")
    reader = _reader(classes, read_instance(classes, items[0], "Settings[0]"), "Settings[0]")
    location = _location(reader)
    kind = reader.text("ResourceSubType")
    if kind not in ("", DIRECTORY):
        raise reader.refuse("ResourceSubType", kind, f"cannot be made; possible is {DIRECTORY}")
    reader.accept("Type", _PEERS_DIRECTORY)
    name = _name(element_name, "ElementName")
    own_name = reader.label("ElementName")
    if own_name and name and own_name != name:
        raise reader.refuse("ElementName", own_name, f"is not the parameter ElementName, {name!r}")
    reader.ignore("AllocationUnits", "VirtualQuantityUnits")
    spec = StorageRepositorySpec(
        name_label=name or own_name or PurePosixPath(location).name,
        location=location,
        name_description=reader.text("Description"),
    )
    reader.finish()
    return spec


def read_image_settings(
    view: View, classes: ClassModel, settings: Value, pool: StorageRepository
) -> DiskImageSpec:
    """The disk image that the parameters of CreateResourceInPool describe. Raises CimError."""
    record = read_instance(classes, settings, "Settings")
    reader = _reader(classes, record, "Settings")
    named_pool = read_repository(reader, view)
    if named_pool is not None and named_pool is not pool:
        raise reader.refuse("PoolID", named_pool.name_label, "is another pool than Pool")
    name = reader.label("ElementName")
    if not name:
        raise reader.refuse("ElementName", None, "an image needs a name")
    reservation = reader.number("Reservation")
    size_bytes = read_size(reader)
    if size_bytes is None:
        raise reader.refuse("VirtualQuantity", None, "an image needs a size")
    check_new_image(reader, pool, size_bytes)
    if reservation and _in_bytes(record, reservation) != size_bytes:
        raise reader.refuse(
            "Reservation", reservation, "cannot be applied; possible are 0 and the whole size"
        )
    spec = DiskImageSpec(
        name_label=name,
        name_description=reader.text("Description"),
        sr_uuid=pool.uuid,
        size_bytes=size_bytes,
        format=reader.text("ResourceSubType"),
        fully_allocated=bool(reservation),
    )
    reader.finish()
    return spec


def _in_bytes(record: Record, reservation: int) -> int | None:
    """A Reservation, which is in AllocationUnits unless there are none."""
    units = {name.lower(): value for name, value in record.values.items()}
    names = ("AllocationUnits", "VirtualQuantityUnits", "VirtualResourceBlockSize")
    given = {name: units[name.lower()] for name in names if units.get(name.lower()) is not None}
    if "AllocationUnits" in given:
        given.pop("VirtualQuantityUnits", None)
    values = {**given, "VirtualQuantity": reservation}
    return read_size(SettingReader(Record(record.class_name, values), "Settings"))


def _reader(classes: ClassModel, record: Record, where: str) -> SettingReader:
    """The reader of a setting of storage, without what says nothing about what is to be made."""
    check_class(classes, record, where, RESOURCE)
    reader = SettingReader(record, where)
    if reader.has("ResourceType"):
        requested = read_kind(reader)
        if requested.kind is not DISKS:
            number = requested.resource_type
            raise reader.refuse("ResourceType", number, "is not that of storage")
    accept_usual(reader)
    reader.ignore("InstanceID", "Caption", "Generation")
    return reader


def _location(reader: SettingReader) -> str:
    """The directory, by one of the properties that name what a resource is on."""
    given = [*reader.texts("HostResource")]
    given += [text for name in ("Address", "HostExtentName", "Path") if (text := reader.text(name))]
    paths = set(map(plain_path, given))
    if len(paths) != 1:
        raise reader.refuse("HostResource", given or None, "must name one directory")
    (path,) = paths
    if not path.startswith("/") or path.strip("/") == "":
        raise reader.refuse("HostResource", path, "is no absolute path of a directory")
    reader.ignore("HostExtentNameFormat", "HostExtentNameNamespace", "HostResourceBlockSize")
    return path


def _name(value: Value, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise rejected(f"{where}: {value!r} is no name")
    fault = label_fault(value)
    if fault:
        raise rejected(f"{where}: {value!r} {fault}")
    return value.strip()
