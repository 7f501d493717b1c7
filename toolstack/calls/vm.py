"""Making and removing virtual machines (XenAPI ``VM.create``, ``VM.destroy``)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from uuid import UUID, uuid4

import libvirt

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.documents.boot import BOOT_FIELD
from virtcim.toolstack.documents.build import DomainPlan, build_domain
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.images.choice import require_inside
from virtcim.toolstack.machines.domains import change_machine, changing
from virtcim.toolstack.names import MACHINE, check_name
from virtcim.toolstack.reading.views import HostView
from virtcim.toolstack.records.identity import vm_ref
from virtcim.toolstack.records.vm import (
    BOOT_LETTERS,
    CRASH_ACTIONS,
    EXIT_ACTIONS,
    EXTRA_FIELDS,
    PASSED_BOOT_LETTERS,
)

__all__ = [
    "BOOT_FILES",
    "FEATURES",
    "VM_CALLS",
    "boot_devices",
    "check_actions",
    "plan_machine",
    "require_new",
]

VM_CALLS = CallTable()

FEATURES = ("acpi", "apic", "pae")
_DEFAULT_FEATURES = {"acpi": "true", "apic": "true", "pae": "false"}
# As many numbers as a XenServer offers to disks that are found without help from the guest.
_OFFERED_DEVICES = 16
_KVM_DEVICE = "/dev/kvm"

# Fields that name files which QEMU boots from, and what these are.
BOOT_FILES: Mapping[str, str] = {"PV_kernel": "a kernel", "PV_ramdisk": "an initial RAM disk"}
# Switches in other_config: what a headless domain does not have unless it is asked for.
_VNC, _SERIAL = "vnc", "serial"


@VM_CALLS.add("VM.create", "record args", asynchronous=True)
def create(context: Context, args: dict[str, object]) -> str:
    """Define a VM without devices and give its reference.

    ``uuid`` in the record is the wanted UUID. Raises ``DB_UNIQUENESS_CONSTRAINT_VIOLATION`` when
    that is taken; a taken name is libvirt's to refuse.
    """
    services = context.services
    given = GivenRecord("VM", args)
    plan = plan_machine(context, given)
    uuid = plan.uuid
    call, handle = services.connection.call, services.connection.handle
    with services.inventory.changing(uuid):
        require_new(context, uuid)
        domain = call(handle.defineXML, build_domain(plan).text)
        try:
            if given.map("other_config").get("auto_poweron") == "true":
                call(domain.setAutostart, 1)
        except libvirt.libvirtError:
            call(domain.undefine)
            raise
        services.inventory.refresh_domain(uuid)
    return vm_ref(uuid)


def plan_machine(context: Context, given: GivenRecord) -> DomainPlan:
    """Read a VM.create record; a UUID is chosen where it has none."""
    services = context.services
    uuid = _wanted_uuid(given.text("uuid"))
    host = services.inventory.host
    if host is None:
        raise services.connection.failure()
    for field, what in BOOT_FILES.items():
        if path := given.text(field):
            require_inside(context, what, path, field=field)
    return _plan(given, uuid, _domain_type(services.domain_type, host))


def require_new(context: Context, uuid: str) -> None:
    """Refuse a UUID that is taken: libvirt would change the domain that has it.

    Raises ``DB_UNIQUENESS_CONSTRAINT_VIOLATION``.
    """
    if _exists(context, uuid):
        raise XapiFailure("DB_UNIQUENESS_CONSTRAINT_VIOLATION", "VM", "uuid", uuid)


def _wanted_uuid(text: str) -> str:
    if not text:
        return str(uuid4())
    try:
        return str(UUID(text))
    except ValueError:
        raise value_not_supported("uuid", text, "is no UUID") from None


def _exists(context: Context, uuid: str) -> bool:
    connection = context.services.connection
    try:
        connection.call(connection.handle.lookupByUUIDString, uuid)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise
    return True


def _domain_type(wanted: str, host: HostView) -> str:
    if wanted != "auto":
        return wanted
    if "kvm" in host.domain_types and os.access(_KVM_DEVICE, os.R_OK | os.W_OK):
        return "kvm"
    if "qemu" in host.domain_types:
        return "qemu"
    return min(host.domain_types, default=host.driver.lower())


def _plan(given: GivenRecord, uuid: str, domain_type: str) -> DomainPlan:
    static_max = _positive(given, "memory_static_max")
    dynamic_max = given.get("memory_dynamic_max") or static_max
    vcpus_max = given.get("VCPUs_max") or given.get("VCPUs_at_startup") or 1
    platform = _DEFAULT_FEATURES | given.map("platform")
    other_config = given.map("other_config")
    return DomainPlan(
        type=domain_type,
        name=check_name(MACHINE, given.required("name_label")),
        uuid=uuid,
        description=given.text("name_description"),
        memory_max_bytes=static_max,
        memory_current_bytes=dynamic_max,
        vcpus_max=vcpus_max,
        vcpus_current=given.get("VCPUs_at_startup") or vcpus_max,
        machine=platform.get("machine", ""),
        arch=given.text("domarch"),
        boot=boot_devices(given.map("HVM_boot_params").get("order", "")),
        kernel=given.text("PV_kernel"),
        initrd=given.text("PV_ramdisk"),
        cmdline=given.text("PV_args"),
        features=tuple(name for name in FEATURES if platform[name] == "true"),
        on_poweroff=given.choice("actions_after_shutdown", EXIT_ACTIONS, "destroy"),
        on_reboot=given.choice("actions_after_reboot", EXIT_ACTIONS, "restart"),
        on_crash=given.choice("actions_after_crash", CRASH_ACTIONS, "destroy"),
        vnc=other_config.get(_VNC) == "true",
        serial=other_config.get(_SERIAL) == "true",
        extra=_extra(given),
    )


def _positive(given: GivenRecord, name: str) -> int:
    value: int = given.required(name)
    if value <= 0:
        raise value_not_supported(name, value, "must be positive")
    return value


def _extra(given: GivenRecord) -> Mapping[str, object]:
    """Give what libvirt has no place for, without what it has."""
    extra = {name: value for name in EXTRA_FIELDS if (value := given.get(name))}
    for name, keys in (
        ("other_config", ("auto_poweron",)),
        ("platform", (*FEATURES, "machine")),
        ("HVM_boot_params", ("order",)),
    ):
        kept = {key: value for key, value in extra.pop(name, {}).items() if key not in keys}
        if kept:
            extra[name] = kept
    return extra


def boot_devices(order: str, *, passed: bool = False) -> tuple[str, ...]:
    """Give libvirt's words for a boot order such as ``cdn``; the disk when there is none.

    ``passed``: whether the machine can have passed-through devices, which have letters of our own.
    """
    letters = BOOT_LETTERS | PASSED_BOOT_LETTERS if passed else BOOT_LETTERS
    if any(letter not in letters for letter in order):
        raise value_not_supported(BOOT_FIELD, order, f"may only contain {', '.join(letters)}")
    return tuple(dict.fromkeys(letters[letter] for letter in order)) or ("hd",)


def check_actions(field: str, value: str) -> str:
    """Give libvirt's word for an action after shutdown, reboot or crash."""
    choices = CRASH_ACTIONS if field == "actions_after_crash" else EXIT_ACTIONS
    if value not in choices:
        raise value_not_supported(field, value, f"must be one of {', '.join(choices)}")
    return choices[value]


@VM_CALLS.add("VM.destroy", "VM self", asynchronous=True)
def destroy(context: Context, vm: str) -> None:
    """Remove a halted VM; its disk images stay."""
    flags = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    )
    host = context.services.inventory.host
    if host is not None and host.driver == "QEMU":
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    with (
        change_machine(context, vm, "destroy", "Halted") as machine,
        # A description that another call has read and writes back would make the VM anew.
        changing(context, machine),
    ):
        context.services.connection.call(machine.domain.undefineFlags, flags)


@VM_CALLS.add("VM.get_allowed_VBD_devices", "VM vm", inline=True)
def get_allowed_vbd_devices(context: Context, vm: str) -> list[str]:
    """Give the numbers that are free for another disk."""
    services = context.services
    record = services.database.get("VM", vm) or {}
    taken = {
        vbd["userdevice"] for ref in record["VBDs"] if (vbd := services.database.get("VBD", ref))
    }
    numbers = (str(number) for number in range(_OFFERED_DEVICES))
    return [number for number in numbers if number not in taken]


@VM_CALLS.add("VM.get_possible_hosts", "VM vm", inline=True)
def get_possible_hosts(context: Context, _vm: str) -> list[str]:
    """Give the hosts that could run the VM: the one there is."""
    return list(context.services.database.records("host"))
