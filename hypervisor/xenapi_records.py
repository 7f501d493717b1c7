"""XenAPI records in, parts of the domain model out: here the wire's dictionaries die.

A part is a domain object without what other objects contribute to it; ``xenapi_assembly`` joins
them by reference. Fields that a version of the XenAPI lacks have the domain model's defaults.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from virtcim.errormap import from_qemu, from_xapi, translate
from virtcim.hypervisor.model import (
    Console,
    DiskKind,
    Host,
    Network,
    PowerState,
    StopReason,
    StorageRepository,
    Task,
    TaskStatus,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.hypervisor.xenapi_parts import (
    ConsolePart,
    DiskPart,
    HostCpuPart,
    HostMetricsPart,
    HostPart,
    ImagePart,
    MetricsPart,
    PlugPart,
    PoolPart,
    PortPart,
    SystemPart,
)

__all__ = [
    "NULL_REF",
    "PARTS",
    "Record",
    "RecordError",
    "device_id",
    "task_from_record",
]

NULL_REF = "OpaqueRef:NULL"

Record = Mapping[str, Any]


class RecordError(ValueError):
    """A record's field holds something else than its type; the text names the field."""


def _text(record: Record, field: str) -> str:
    value = record.get(field, "")
    if not isinstance(value, str):
        raise RecordError(f"{field} is no text")
    return value


def _integer(record: Record, field: str) -> int:
    """An integer: the XenAPI writes 64 bits as decimal text."""
    value = record.get(field, "0")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 20:
        try:
            return int(value)
        except ValueError:
            pass
    raise RecordError(f"{field} is no integer")


def _flag(record: Record, field: str, default: bool = False) -> bool:
    value = record.get(field, default)
    if not isinstance(value, bool):
        raise RecordError(f"{field} is no boolean")
    return value


def _time(record: Record, field: str) -> datetime | None:
    """A time; the XenAPI has no null and writes the epoch for never."""
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise RecordError(f"{field} is no time")
    return None if value.timestamp() == 0 else value


def _texts(record: Record, field: str) -> tuple[str, ...]:
    value = record.get(field, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RecordError(f"{field} is no list of texts")
    return tuple(value)


def _map(record: Record, field: str) -> Mapping[str, str]:
    value = record.get(field, {})
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise RecordError(f"{field} is no map of texts")
    return MappingProxyType(value)


def _system(ref: str, record: Record) -> SystemPart:
    other_config = _map(record, "other_config")
    system = VirtualSystem(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        name_label=_text(record, "name_label"),
        name_description=_text(record, "name_description"),
        power_state=_power_state(_text(record, "power_state")),
        memory_static_max_bytes=_integer(record, "memory_static_max"),
        memory_dynamic_max_bytes=_integer(record, "memory_dynamic_max"),
        vcpus_max=_integer(record, "VCPUs_max"),
        vcpus_at_startup=_integer(record, "VCPUs_at_startup"),
        os_type=_os_type(record),
        boot_order=_map(record, "HVM_boot_params").get("order", ""),
        auto_start=other_config.get("auto_poweron") == "true",
        actions_after_shutdown=_text(record, "actions_after_shutdown"),
        actions_after_reboot=_text(record, "actions_after_reboot"),
        actions_after_crash=_text(record, "actions_after_crash"),
        current_operations=_map(record, "current_operations"),
        other_config=other_config,
    )
    special = ("is_a_template", "is_a_snapshot", "is_control_domain", "is_vmss_snapshot")
    return SystemPart(
        system=system,
        metrics_ref=_text(record, "metrics"),
        host_ref=_text(record, "resident_on"),
        ordinary=not any(_flag(record, field) for field in special),
    )


def _power_state(text: str) -> PowerState:
    try:
        return PowerState(text.capitalize())
    except ValueError:
        return PowerState.UNKNOWN


def _os_type(record: Record) -> str:
    # domain_type exists since XenServer 7.5; before, a boot policy meant full virtualization.
    domain_type = _text(record, "domain_type")
    if domain_type and domain_type != "unspecified":
        return domain_type
    return "hvm" if _text(record, "HVM_boot_policy") else "pv"


def _metrics(_ref: str, record: Record) -> MetricsPart:
    other_config = _map(record, "other_config")
    return MetricsPart(
        memory_actual_bytes=_integer(record, "memory_actual"),
        vcpus_actual=_integer(record, "VCPUs_number"),
        start_time=_time(record, "start_time"),
        # Our toolstack's: the XenAPI has no titles.
        title=other_config.get("title", ""),
        stop=_stop_reason(other_config),
    )


def _stop_reason(other_config: Mapping[str, str]) -> StopReason | None:
    """Read what our toolstack says of a virtual machine that stopped by itself."""
    reason = other_config.get("stop-reason", "")
    if not reason:
        return None
    raw: object = {"query-status": {"status": reason}}
    if event := other_config.get("stop-event"):
        try:
            raw = json.loads(event)
        except ValueError as exc:
            raise RecordError(f"other_config stop-event is no JSON: {exc}") from exc
    if not isinstance(raw, dict):
        raise RecordError("other_config stop-event is no object")
    try:
        since = datetime.fromisoformat(other_config["stop-time"])
    except (KeyError, ValueError):
        since = None
    return StopReason(
        reason=reason, error=translate(from_qemu(raw, operation="(event)")), since=since
    )


_DISK_KINDS: Mapping[str, DiskKind] = {str(kind): kind for kind in DiskKind}


def device_id(record: Record, field: str) -> str:
    """Give the name that a VBD or VIF keeps: ``field``, unless our own toolstack says better."""
    return _map(record, "runtime_properties").get("id", "") or _text(record, field)


def _disk(ref: str, record: Record) -> DiskPart:
    kind = _text(record, "type")
    disk = VirtualDisk(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        id=device_id(record, "userdevice"),
        kind=_DISK_KINDS.get(kind, DiskKind.DISK),
        bootable=_flag(record, "bootable"),
        read_only=_text(record, "mode") == "RO",
        empty=_flag(record, "empty"),
        attached=_flag(record, "currently_attached"),
        device=_text(record, "device"),
        bus=_map(record, "runtime_properties").get("bus", ""),
        format=_map(record, "runtime_properties").get("type", ""),
    )
    return DiskPart(disk=disk, vm_ref=_text(record, "VM"), image_ref=_text(record, "VDI"))


def _port(ref: str, record: Record) -> PortPart:
    properties = _map(record, "runtime_properties")
    port = VirtualNetworkPort(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        id=device_id(record, "device"),
        mac_address=_text(record, "MAC").lower(),
        mtu=_integer(record, "MTU"),
        # Our toolstack's: a XenServer has neither ports without a network nor cut links.
        network_name=properties.get("network", ""),
        link_up=properties.get("link") != "down",
        attached=_flag(record, "currently_attached"),
        model=_map(record, "other_config").get("model") or properties.get("model", ""),
    )
    return PortPart(port=port, vm_ref=_text(record, "VM"), network_ref=_text(record, "network"))


def _console(ref: str, record: Record) -> ConsolePart:
    console = Console(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        # Our toolstack's; consoles of others are numbered.
        id=_map(record, "other_config").get("virtcim-id", ""),
        protocol=_text(record, "protocol"),
        location=_text(record, "location"),
    )
    return ConsolePart(console=console, vm_ref=_text(record, "VM"))


def _image(ref: str, record: Record) -> ImagePart:
    # "image-format" since XCP-ng 8.3 (qcow2 or vhd), "type" before and in our toolstack.
    sm_config = _map(record, "sm_config")
    image = VirtualDiskImage(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        name_label=_text(record, "name_label"),
        sr_uuid="",
        virtual_size_bytes=_integer(record, "virtual_size"),
        physical_utilisation_bytes=_integer(record, "physical_utilisation"),
        location=_text(record, "location"),
        uris=tuple(sm_config.get("uris", "").split()),
        format=sm_config.get("image-format") or sm_config.get("type", ""),
        read_only=_flag(record, "read_only"),
    )
    return ImagePart(image=image, sr_ref=_text(record, "SR"))


# SRs of XenServer whose disk images come from elsewhere: ISO libraries, devices of the host.
_LIBRARIES = frozenset({"iso", "udev"})


# The blocks that XenServer's storage manager makes images of; our toolstack tells its own.
_IMAGE_INCREMENT = 2**21


def _image_increment(record: Record) -> int:
    told = _map(record, "sm_config").get("image-increment", "")
    valid = told.isascii() and told.isdigit() and len(told) < 12 and int(told) > 0
    return int(told) if valid else _IMAGE_INCREMENT


def _makes_images(record: Record) -> bool:
    """Whether VDI.create is possible.

    By its kind where the SR lists no operations, or not all of them while there is one under way.
    """
    allowed = _texts(record, "allowed_operations")
    if allowed and not record.get("current_operations"):
        return "vdi_create" in allowed
    return not {_text(record, "type"), _text(record, "content_type")} & {*_LIBRARIES, "path"}


def _repository(ref: str, record: Record) -> StorageRepository:
    return StorageRepository(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        name_label=_text(record, "name_label"),
        name_description=_text(record, "name_description"),
        type=_text(record, "type"),
        content_type=_text(record, "content_type"),
        physical_size_bytes=max(_integer(record, "physical_size"), 0),
        physical_utilisation_bytes=max(_integer(record, "physical_utilisation"), 0),
        virtual_allocation_bytes=max(_integer(record, "virtual_allocation"), 0),
        attached=False,
        image_increment_bytes=_image_increment(record),
        makes_images=_makes_images(record),
    )


def _plug(_ref: str, record: Record) -> PlugPart:
    config = _map(record, "device_config")
    location = next((config[key] for key in ("location", "path", "device") if key in config), "")
    return PlugPart(
        sr_ref=_text(record, "SR"),
        attached=_flag(record, "currently_attached"),
        location=location,
    )


def _network(ref: str, record: Record) -> Network:
    other_config = _map(record, "other_config")
    return Network(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        name_label=_text(record, "name_label"),
        name_description=_text(record, "name_description"),
        bridge=_text(record, "bridge"),
        mtu=_integer(record, "MTU"),
        active=other_config.get("active", "true") == "true",
        takes_ports=other_config.get("takes-ports", "true") == "true",
    )


# libvirt counts memory in KiB, XAPI's ballooning in MiB.
_OUR_MEMORY_INCREMENT, _MEMORY_INCREMENT = 2**10, 2**20
# A file of libvirt's is named after the machine: NAME_MAX less the longest of the other parts.
_OUR_NAME_LIMIT_BYTES = 245


def _host(ref: str, record: Record) -> HostPart:
    cpu_info = _map(record, "cpu_info")
    is_ours = _text(record, "API_version_vendor") == "virtcim"
    host = Host(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        name_label=_text(record, "name_label"),
        hostname=_text(record, "hostname"),
        address=_text(record, "address"),
        enabled=_flag(record, "enabled", default=True),
        memory_increment_bytes=_OUR_MEMORY_INCREMENT if is_ours else _MEMORY_INCREMENT,
        cpu_count=_integer(cpu_info, "cpu_count"),
        cpu_model=cpu_info.get("modelname", ""),
        cpu_vendor=cpu_info.get("vendor", ""),
        software_version=_map(record, "software_version"),
        capabilities=_texts(record, "capabilities"),
        name_limit_bytes=_OUR_NAME_LIMIT_BYTES if is_ours else 0,
    )
    return HostPart(
        host=host,
        metrics_ref=_text(record, "metrics"),
        vendor=_text(record, "API_version_vendor"),
    )


def _host_metrics(_ref: str, record: Record) -> HostMetricsPart:
    return HostMetricsPart(
        live=_flag(record, "live"),
        memory_total_bytes=_integer(record, "memory_total"),
        memory_free_bytes=_integer(record, "memory_free"),
    )


def _host_cpu(_ref: str, record: Record) -> HostCpuPart:
    return HostCpuPart(
        host_ref=_text(record, "host"),
        model=_text(record, "modelname"),
        vendor=_text(record, "vendor"),
        mhz=_integer(record, "speed"),
    )


def _pool(_ref: str, record: Record) -> PoolPart:
    return PoolPart(uuid=_text(record, "uuid").lower())


def task_from_record(ref: str, record: Record) -> Task:
    """Read a ``task``; one that failed or was cancelled has its fault. Raises RecordError."""
    name = _text(record, "name_label")
    try:
        status = TaskStatus(_text(record, "status"))
    except ValueError as exc:
        raise RecordError(f"status is no task_status_type: {exc}") from exc
    fault = None
    if status in (TaskStatus.FAILURE, TaskStatus.CANCELLED):
        error_info = record.get("error_info", [])
        if not isinstance(error_info, list):
            raise RecordError("error_info is no list")
        fault = from_xapi(
            error_info, operation=name.removeprefix("Async."), version="", task_status=status
        )
    progress = record.get("progress", 0.0)
    return Task(
        ref=ref,
        uuid=_text(record, "uuid").lower(),
        name_label=name,
        status=status,
        progress=float(progress) if isinstance(progress, int | float) else 0.0,
        created=_time(record, "created"),
        finished=_time(record, "finished"),
        result=_text(record, "result"),
        fault=fault,
    )


# What is followed, and read at the start: one ``get_all_records`` for each class.
PARTS: Mapping[str, Callable[[str, Record], object]] = MappingProxyType(
    {
        "pool": _pool,
        "host": _host,
        "host_metrics": _host_metrics,
        "host_cpu": _host_cpu,
        "network": _network,
        "SR": _repository,
        "PBD": _plug,
        "VDI": _image,
        "VM": _system,
        "VM_metrics": _metrics,
        "VBD": _disk,
        "VIF": _port,
        "console": _console,
        "task": task_from_record,
    }
)
