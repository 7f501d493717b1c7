"""XenAPI records in, parts of the domain model out: here the wire's dictionaries die.

A part is a domain object without what other objects contribute to it; ``xenapi_assembly`` joins
them by reference. Fields that a version of the XenAPI lacks have the domain model's defaults.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from virtcim.errormap import Fault, from_libvirt_event, from_qemu, from_xapi, translate
from virtcim.hypervisor.model import (
    Console,
    DiskKind,
    Host,
    Incident,
    Network,
    StopReason,
    StorageRepository,
    Task,
    TaskStatus,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.hypervisor.xenapi.fields import (
    Fields,
    Record,
    RecordError,
    flag,
    identity,
    integer,
    owner,
    size,
    text,
    text_map,
    texts,
    time,
)
from virtcim.hypervisor.xenapi.parts import (
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
from virtcim.hypervisor.xenapi.words import (
    PATH_REPOSITORY,
    console_kind,
    power_state,
    system_types,
    transition,
)

__all__ = [
    "NULL_REF",
    "PARTS",
    "device_id",
    "read_record",
    "task_from_record",
]

NULL_REF = "OpaqueRef:NULL"


# More processors than any machine has: what says more is no number of processors.
_MOST_CPUS = 2**16 - 1
_MOST_MHZ = 2**32 - 1
# So that the sum over many machines still fits 64 bits.
_MOST_MEMORY = 2**56


def _system(ref: str, record: Fields) -> SystemPart:
    other_config = text_map(record, "other_config")
    system = VirtualSystem(
        ref=ref,
        uuid=identity(record),
        name_label=text(record, "name_label"),
        name_description=text(record, "name_description"),
        power_state=power_state(text(record, "power_state")),
        memory_static_max_bytes=integer(record, "memory_static_max", most=_MOST_MEMORY),
        memory_dynamic_max_bytes=integer(record, "memory_dynamic_max", most=_MOST_MEMORY),
        vcpus_max=integer(record, "VCPUs_max", most=_MOST_CPUS),
        vcpus_at_startup=integer(record, "VCPUs_at_startup", most=_MOST_CPUS),
        os_type=_os_type(record),
        boot_order=text_map(record, "HVM_boot_params").get("order", ""),
        auto_start=other_config.get("auto_poweron") == "true",
        actions_after_shutdown=text(record, "actions_after_shutdown"),
        actions_after_reboot=text(record, "actions_after_reboot"),
        actions_after_crash=text(record, "actions_after_crash"),
        transition=transition(text_map(record, "current_operations").values()),
        other_config=other_config,
    )
    # All of them are looked at, as each may be odd.
    marks = ("is_a_template", "is_a_snapshot", "is_control_domain", "is_vmss_snapshot")
    special = [flag(record, mark) for mark in marks]
    return SystemPart(
        system=system,
        metrics_ref=text(record, "metrics"),
        host_ref=text(record, "resident_on"),
        ordinary=not any(special),
    )


def _os_type(record: Fields) -> str:
    # domain_type exists since XenServer 7.5; before, a boot policy meant full virtualization.
    domain_type = text(record, "domain_type")
    if domain_type and domain_type != "unspecified":
        return domain_type
    return "hvm" if text(record, "HVM_boot_policy") else "pv"


def _metrics(_ref: str, record: Fields) -> MetricsPart:
    other_config = text_map(record, "other_config")
    return MetricsPart(
        memory_actual_bytes=integer(record, "memory_actual", most=_MOST_MEMORY),
        vcpus_actual=integer(record, "VCPUs_number", most=_MOST_CPUS),
        start_time=time(record, "start_time"),
        # Our toolstack's: the XenAPI has no titles.
        title=other_config.get("title", ""),
        live_title=other_config.get("live-title"),
        live_description=other_config.get("live-description"),
        stop=_stop_reason(other_config, record),
        tells_changes="state-changed" in other_config,
        state_since=_moment(other_config.get("state-changed", "")),
        incident=_incident(other_config),
        incidents=tuple(_incidents(other_config, record)),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _incident(other_config: Mapping[str, str]) -> str:
    """What our toolstack saw a guest survive, as a phrase."""
    phrases = []
    if panic := other_config.get("last-panic"):
        phrases.append(f"its guest panicked at {panic}")
    if watchdog := other_config.get("last-watchdog"):
        action = other_config.get("last-watchdog-action", "")
        phrases.append(f"its watchdog expired at {watchdog} (action {action})")
    return "; ".join(phrases)


# What a watchdog did without stopping its machine; a stop has a reason of its own.
_SURVIVED = frozenset({"none", "reset", "inject-nmi", "debug"})


def _incidents(other_config: Mapping[str, str], record: Fields) -> Iterator[Incident]:
    """What our toolstack saw a guest survive, and what only the guest was told of."""
    if panic := other_config.get("last-panic"):
        yield _incident_of("panic", {"event": "GUEST_PANICKED"}, panic)
    action = other_config.get("last-watchdog-action", "")
    if (watchdog := other_config.get("last-watchdog")) and action in _SURVIVED:
        yield _incident_of("watchdog", {"event": "WATCHDOG", "data": {"action": action}}, watchdog)
    try:
        told = json.loads(other_config.get("io-errors", "[]"))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, list):
        record.problems.append("other_config[io-errors] is no JSON array")
        return
    for each in told:
        match each:
            case {"time": str(time), "event": {"data": {"device": str(device)}} as event}:
                yield _incident_of("io-error", event, time, device)
            case _:
                record.problems.append("other_config[io-errors] holds what is no error of a disk")


def _incident_of(what: str, event: Mapping[str, object], time: str, device: str = "") -> Incident:
    error = translate(_stop_fault(event))
    return Incident(what=what, device=device, error=error, since=_moment(time))


def _stop_reason(other_config: Mapping[str, str], record: Fields) -> StopReason | None:
    """Read what our toolstack says of a virtual machine that stopped by itself."""
    reason = other_config.get("stop-reason", "")
    if not reason:
        return None
    raw: dict[str, object] = {"query-status": {"status": reason}}
    if event := other_config.get("stop-event"):
        try:
            told = json.loads(event)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            raw = told
        else:
            record.problems.append("other_config[stop-event] is no JSON object")
    return StopReason(
        reason=reason,
        error=translate(_stop_fault(raw)),
        since=_moment(other_config.get("stop-time", "")),
    )


def _stop_fault(raw: Mapping[str, object]) -> Fault:
    """What an event says, in QEMU's own form or in libvirt's."""
    is_libvirts = str(raw.get("event", raw.get("state", ""))).startswith("VIR_")
    read = from_libvirt_event if is_libvirts else from_qemu
    return read(raw, operation="(event)")


_DISK_KINDS: Mapping[str, DiskKind] = {str(kind): kind for kind in DiskKind}


def device_id(record: Record, field: str) -> str:
    """Give the name that a VBD or VIF keeps: ``field``, unless our own toolstack says better."""
    return text_map(record, "runtime_properties").get("id", "") or text(record, field)


def _disk(ref: str, record: Fields) -> DiskPart:
    kind = text(record, "type")
    disk = VirtualDisk(
        ref=ref,
        uuid=identity(record),
        id=device_id(record, "userdevice"),
        number=text(record, "userdevice"),
        kind=_DISK_KINDS.get(kind, DiskKind.DISK),
        bootable=flag(record, "bootable"),
        read_only=text(record, "mode") == "RO",
        empty=flag(record, "empty"),
        attached=flag(record, "currently_attached"),
        device=text(record, "device"),
        bus=text_map(record, "runtime_properties").get("bus", ""),
        format=text_map(record, "runtime_properties").get("type", ""),
    )
    return DiskPart(disk=disk, vm_ref=owner(record, "VM"), image_ref=text(record, "VDI"))


def _port(ref: str, record: Fields) -> PortPart:
    properties = text_map(record, "runtime_properties")
    port = VirtualNetworkPort(
        ref=ref,
        uuid=identity(record),
        id=device_id(record, "device"),
        mac_address=text(record, "MAC").lower(),
        mtu=integer(record, "MTU"),
        # Our toolstack's: a XenServer has neither ports without a network nor cut links.
        network_name=properties.get("network", ""),
        link_up=properties.get("link") != "down",
        attached=flag(record, "currently_attached"),
        model=text_map(record, "other_config").get("model") or properties.get("model", ""),
    )
    return PortPart(port=port, vm_ref=owner(record, "VM"), network_ref=text(record, "network"))


def _console(ref: str, record: Fields) -> ConsolePart:
    console = Console(
        ref=ref,
        uuid=identity(record),
        # Our toolstack's; consoles of others are numbered.
        id=text_map(record, "other_config").get("virtcim-id", ""),
        kind=console_kind(text(record, "protocol")),
        protocol=text(record, "protocol"),
        location=text(record, "location"),
    )
    return ConsolePart(console=console, vm_ref=owner(record, "VM"))


def _image(ref: str, record: Fields) -> ImagePart:
    # "image-format" since XCP-ng 8.3 (qcow2 or vhd), "type" before and in our toolstack.
    sm_config = text_map(record, "sm_config")
    image = VirtualDiskImage(
        ref=ref,
        uuid=identity(record),
        name_label=text(record, "name_label"),
        sr_uuid="",
        virtual_size_bytes=size(record, "virtual_size"),
        physical_utilisation_bytes=size(record, "physical_utilisation"),
        location=text(record, "location"),
        uris=tuple(sm_config.get("uris", "").split()),
        format=sm_config.get("image-format") or sm_config.get("type", ""),
        read_only=flag(record, "read_only"),
    )
    return ImagePart(image=image, sr_ref=text(record, "SR"))


# SRs of XenServer whose disk images come from elsewhere: ISO libraries, devices of the host.
_LIBRARIES = frozenset({"iso", "udev"})


# The blocks that XenServer's storage manager makes images of; our toolstack tells its own.
_IMAGE_INCREMENT = 2**21


def _image_increment(record: Fields) -> int:
    told = text_map(record, "sm_config").get("image-increment", "")
    valid = told.isascii() and told.isdigit() and len(told) < 12 and int(told) > 0
    return int(told) if valid else _IMAGE_INCREMENT


def _makes_images(record: Fields) -> bool:
    """Whether VDI.create is possible.

    By its kind where the SR lists no operations, or not all of them while there is one under way.
    """
    allowed = texts(record, "allowed_operations")
    if allowed and not record.get("current_operations"):
        return "vdi_create" in allowed
    return not {text(record, "type"), text(record, "content_type")} & {*_LIBRARIES, "path"}


def _repository(ref: str, record: Fields) -> StorageRepository:
    return StorageRepository(
        ref=ref,
        uuid=identity(record),
        name_label=text(record, "name_label"),
        name_description=text(record, "name_description"),
        type=text(record, "type"),
        content_type=text(record, "content_type"),
        physical_size_bytes=size(record, "physical_size"),
        physical_utilisation_bytes=size(record, "physical_utilisation"),
        virtual_allocation_bytes=size(record, "virtual_allocation"),
        attached=False,
        image_increment_bytes=_image_increment(record),
        makes_images=_makes_images(record),
        takes_paths=text(record, "type") == PATH_REPOSITORY,
    )


def _plug(_ref: str, record: Fields) -> PlugPart:
    config = text_map(record, "device_config")
    location = next((config[key] for key in ("location", "path", "device") if key in config), "")
    return PlugPart(
        sr_ref=owner(record, "SR"),
        attached=flag(record, "currently_attached"),
        location=location,
    )


def _network(ref: str, record: Fields) -> Network:
    other_config = text_map(record, "other_config")
    return Network(
        ref=ref,
        uuid=identity(record),
        name_label=text(record, "name_label"),
        name_description=text(record, "name_description"),
        bridge=text(record, "bridge"),
        mtu=integer(record, "MTU"),
        active=other_config.get("active", "true") == "true",
        takes_ports=other_config.get("takes-ports", "true") == "true",
        # Our own toolstack's alone: networks of XenServer are all managed.
        user_mode=not flag(record, "managed", default=True)
        and other_config.get("interface-type") == "user",
    )


# libvirt counts memory in KiB, XAPI's ballooning in MiB.
_OUR_MEMORY_INCREMENT, _MEMORY_INCREMENT = 2**10, 2**20
# A file of libvirt's is named after the machine: NAME_MAX less the longest of the other parts.
_OUR_NAME_LIMIT_BYTES = 245


def _host(ref: str, record: Fields) -> HostPart:
    cpu_info = record.within("cpu_info")
    is_ours = text(record, "API_version_vendor") == "virtcim"
    host = Host(
        ref=ref,
        uuid=identity(record),
        name_label=text(record, "name_label"),
        hostname=text(record, "hostname"),
        address=text(record, "address"),
        enabled=flag(record, "enabled", default=True),
        memory_increment_bytes=_OUR_MEMORY_INCREMENT if is_ours else _MEMORY_INCREMENT,
        cpu_count=integer(cpu_info, "cpu_count", most=_MOST_CPUS),
        cpu_model=cpu_info.get("modelname", ""),
        cpu_vendor=cpu_info.get("vendor", ""),
        software_version=text_map(record, "software_version"),
        system_types=system_types(texts(record, "capabilities")),
        name_limit_bytes=_OUR_NAME_LIMIT_BYTES if is_ours else 0,
        left_out=text_map(record, "other_config").get("virtcim-problem", "") if is_ours else "",
    )
    return HostPart(
        host=host,
        metrics_ref=text(record, "metrics"),
        vendor=text(record, "API_version_vendor"),
    )


def _host_metrics(_ref: str, record: Fields) -> HostMetricsPart:
    return HostMetricsPart(
        live=flag(record, "live"),
        memory_total_bytes=integer(record, "memory_total", most=_MOST_MEMORY),
        memory_free_bytes=integer(record, "memory_free", most=_MOST_MEMORY),
    )


def _host_cpu(_ref: str, record: Fields) -> HostCpuPart:
    return HostCpuPart(
        host_ref=owner(record, "host"),
        model=text(record, "modelname"),
        vendor=text(record, "vendor"),
        mhz=integer(record, "speed", most=_MOST_MHZ),
    )


def _pool(_ref: str, record: Fields) -> PoolPart:
    return PoolPart(uuid=identity(record))


def task_from_record(ref: str, record: Record) -> Task:
    """Read a ``task``; one that failed or was cancelled has its fault. Raises RecordError."""
    name = text(record, "name_label")
    try:
        status = TaskStatus(text(record, "status"))
    except ValueError as exc:
        raise RecordError(f"status is no task_status_type: {exc}") from exc
    fault = None
    if status in (TaskStatus.FAILURE, TaskStatus.CANCELLED):
        error_info = texts(record, "error_info")
        fault = from_xapi(
            list(error_info), operation=name.removeprefix("Async."), version="", task_status=status
        )
    progress = record.get("progress", 0.0)
    return Task(
        ref=ref,
        uuid=identity(record),
        name_label=name,
        status=status,
        progress=float(progress) if isinstance(progress, int | float) else 0.0,
        created=time(record, "created"),
        finished=time(record, "finished"),
        result=text(record, "result"),
        fault=fault,
    )


# What is followed, and read at the start: one ``get_all_records`` for each class.
PARTS: Mapping[str, Callable[[str, Fields], object]] = MappingProxyType(
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

# Where our toolstack says what cannot be shown of an object: field and key in it.
_STATED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "VM_metrics": ("other_config", "virtcim-problem"),
        "VBD": ("runtime_properties", "problem"),
        "VIF": ("runtime_properties", "problem"),
        "VDI": ("other_config", "virtcim-problem"),
        "SR": ("other_config", "virtcim-problem"),
        "network": ("other_config", "virtcim-problem"),
    }
)


def read_record(class_name: str, ref: str, record: object) -> object:
    """Read a record of one of ``PARTS``; what is odd in it is the ``problem`` of what is given.

    Raises RecordError where nothing can be shown of the object.
    """
    if not isinstance(record, dict):
        raise RecordError("there is no record")
    fields = Fields(record)
    try:
        part: Any = PARTS[class_name](ref, fields)
    except RecordError:
        raise
    except Exception as exc:
        raise RecordError(f"it cannot be understood: {exc!r:.200}") from exc
    if class_name == "task":
        return part
    stated = ""
    if class_name in _STATED:
        field, key = _STATED[class_name]
        stated = text_map(fields, field).get(key, "")
    problem = "; ".join(filter(None, (stated, fields.problem)))
    return replace(part, problem=problem) if problem else part
