"""Making a virtual machine with its disks and network ports, all of it or none."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from virtcim.errormap import HypervisorError
from virtcim.hypervisor.endpoint import Monitor
from virtcim.hypervisor.model import Inventory, VirtualSystemSpec
from virtcim.hypervisor.xenapi.devices import DeviceMaker, free_device
from virtcim.hypervisor.xenapi.operations import TaskRunner
from virtcim.hypervisor.xenapi.own_calls import DeviceRecords, settled
from virtcim.hypervisor.xenapi.records import NULL_REF
from virtcim.hypervisor.xenapi.steps import Steps

__all__ = ["Definition", "UnfinishedNames", "WholeDefinition"]

_DEFINE = "virtcim.VM.define"
# How faults call it: what it is for the error table, whoever serves it.
_OPERATION = "VM.create"


class UnfinishedNames:
    """The names of the virtual machines that are being made; safe to use from many threads.

    XenAPI makes a machine first and its devices one by one afterwards: who keeps machines of these
    names back until they are whole never shows half of one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: Counter[str] = Counter()

    def __contains__(self, name_label: object) -> bool:
        with self._lock:
            return self._names[str(name_label)] > 0

    @contextmanager
    def making(self, name_label: str) -> Iterator[None]:
        """Hold the name until the end of the block."""
        with self._lock:
            self._names[name_label] += 1
        try:
            yield
        finally:
            with self._lock:
                self._names[name_label] -= 1
                self._names += Counter()  # forgets the names that nobody holds


class Definition:
    """One definition under way, and how to undo what it has made so far."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._devices = DeviceMaker(steps)

    def make(self, spec: VirtualSystemSpec) -> str:
        """Make it and give its UUID.

        Raises RolledBackError with what failed; nothing then remains of it. If something could
        not be removed again, HypervisorError says so (``Rollback.failure``).
        """
        steps = self._steps
        with steps.rollback.all_or_nothing():
            with steps.rollback.making("VM") as step:
                record = step.marked(_vm_record(spec))
                vm_ref = step.made(str(steps.tasks.call("VM.create", record)))
            uuid = str(steps.session.call("VM.get_uuid", vm_ref)).lower()
            for disk in spec.disks:
                self._devices.add_disk(vm_ref, disk, spec.name_label)
            taken = {port.id for port in spec.network_ports if port.id}
            for port in spec.network_ports:
                device = port.id or free_device(taken)
                taken.add(device)
                self._devices.add_port(vm_ref, port, device)
        return uuid


class WholeDefinition:
    """A definition made by the one call that our own toolstack has for it."""

    def __init__(self, tasks: TaskRunner, inventory: Inventory, monitor: Monitor | None) -> None:
        self._tasks = tasks
        self._inventory = inventory
        self._monitor = monitor

    def make(self, spec: VirtualSystemSpec) -> str:
        """Make it and give its UUID.

        Raises RolledBackError where it was refused or failed, and HypervisorError where it is not
        known whether it took effect, or where something of it remains.
        """
        uuid = spec.uuid or str(uuid4())
        try:
            self._tasks.run(_DEFINE, self._record(spec, uuid), monitor=self._monitor, decisive=True)
        except HypervisorError as exc:
            raise settled(exc, _OPERATION) from exc
        return uuid

    def _record(self, spec: VirtualSystemSpec, uuid: str) -> dict[str, object]:
        devices = DeviceRecords(self._inventory, spec.name_label)
        return _vm_record(spec) | {
            "uuid": uuid,
            "VBDs": [devices.disk(disk) for disk in spec.disks],
            "VIFs": [devices.port(port) for port in spec.network_ports],
        }


def _vm_record(spec: VirtualSystemSpec) -> dict[str, object]:
    """Give the record for VM.create; XAPI wants every field that is not read-only."""
    other_config = dict(spec.other_config)
    if spec.auto_start:
        other_config["auto_poweron"] = "true"
    hvm = spec.os_type == "hvm"
    record: dict[str, object] = {
        "name_label": spec.name_label,
        "name_description": spec.name_description,
        "user_version": "1",
        "is_a_template": False,
        "affinity": NULL_REF,
        "memory_static_max": str(spec.memory_static_max_bytes),
        "memory_dynamic_max": str(spec.memory_dynamic_max_bytes),
        "memory_dynamic_min": str(spec.memory_dynamic_max_bytes),
        "memory_static_min": str(spec.memory_dynamic_max_bytes),
        "VCPUs_params": {},
        "VCPUs_max": str(spec.vcpus_max),
        "VCPUs_at_startup": str(spec.vcpus_at_startup),
        "actions_after_shutdown": spec.actions_after_shutdown or "destroy",
        "actions_after_reboot": spec.actions_after_reboot or "restart",
        "actions_after_crash": spec.actions_after_crash or "restart",
        "HVM_boot_policy": "BIOS order" if hvm else "",
        "HVM_boot_params": {"order": spec.boot_order or "cd"} if hvm else {},
        "domain_type": spec.os_type,
        "platform": {},
        "other_config": other_config,
        "recommendations": "",
    }
    empty = "PV_bootloader PV_kernel PV_ramdisk PV_args PV_bootloader_args PV_legacy_args PCI_bus"
    record |= dict.fromkeys(empty.split(), "")
    if spec.uuid:
        record["uuid"] = spec.uuid
    return record
