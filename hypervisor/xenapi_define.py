"""Making a virtual machine with its disks and network ports, all of it or none."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from virtcim.errormap import Fault, HypervisorError, from_xapi
from virtcim.hypervisor.endpoint import Monitor
from virtcim.hypervisor.model import (
    DiskSpec,
    Inventory,
    NetworkPortSpec,
    VirtualSystemSpec,
)
from virtcim.hypervisor.xenapi_operations import TaskRunner
from virtcim.hypervisor.xenapi_records import NULL_REF
from virtcim.hypervisor.xenapi_session import XenApiSession

__all__ = ["Definition", "UnfinishedNames"]

_log = logging.getLogger(__name__)

_PATH_SR_TYPE = "path"
_DEFAULT_MTU = 1500
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


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

    def __init__(
        self,
        session: XenApiSession,
        tasks: TaskRunner,
        inventory: Inventory,
        monitor: Monitor | None,
    ) -> None:
        self._session = session
        self._tasks = tasks
        self._inventory = inventory
        self._monitor = monitor
        self._undo: list[tuple[str, str]] = []  # (call, reference), in the order to do them

    def make(self, spec: VirtualSystemSpec) -> str:
        """Make it and give its UUID.

        Raises HypervisorError with what failed; nothing then remains of it. If something could
        not be removed again, a fault ROLLBACK_FAILED names it, with what failed as its cause.
        """
        try:
            vm_ref = str(self._tasks.call("VM.create", _vm_record(spec)))
            # With the virtual machine go its VBDs and VIFs; only then are its images free.
            self._undo.append(("VM.destroy", vm_ref))
            uuid = str(self._session.call("VM.get_uuid", vm_ref)).lower()
            for disk in spec.disks:
                self._add_disk(vm_ref, disk, spec.name_label)
            taken = {port.id for port in spec.network_ports}
            numbers = (str(number) for number in range(len(taken) + len(spec.network_ports)))
            free = (number for number in numbers if number not in taken)
            for port in spec.network_ports:
                self._add_port(vm_ref, port, port.id or next(free))
        except HypervisorError as exc:
            raise HypervisorError(self._roll_back(exc.fault)) from exc
        return uuid

    def _roll_back(self, fault: Fault) -> Fault:
        remaining: list[str] = []
        for call, ref in self._undo:
            try:
                self._session.call(call, ref)
            except HypervisorError as exc:
                _log.error("%s of %s, made by a failed definition: %s", call, ref, exc)
                remaining += [call, ref, str(exc)]
        if not remaining:
            return fault
        return Fault(
            source="xapi",
            operation=fault.operation,
            code="ROLLBACK_FAILED",
            arguments=tuple(remaining),
            text=f"{HypervisorError(fault)}; what had been made before could not be removed",
            sent=fault.sent,
            cause=fault,
        )

    def _add_disk(self, vm_ref: str, spec: DiskSpec, vm_name: str) -> None:
        image_ref = self._image(spec, vm_name)
        self._tasks.call(
            "VBD.create",
            {
                "VM": vm_ref,
                "VDI": image_ref,
                "userdevice": spec.id or "autodetect",
                "bootable": spec.bootable,
                "mode": "RO" if spec.read_only else "RW",
                "type": str(spec.kind),
                "unpluggable": True,
                "empty": image_ref == NULL_REF,
                "other_config": {},
                "qos_algorithm_type": "",
                "qos_algorithm_params": {},
            },
        )

    def _image(self, spec: DiskSpec, vm_name: str) -> str:
        if spec.image_uuid:
            known = self._inventory.disk_images.get(spec.image_uuid.lower())
            if known is not None:
                return known.ref
            return str(self._session.call("VDI.get_by_uuid", spec.image_uuid))
        if spec.path:
            return self._image_at(spec)
        if spec.sr_uuid:
            return self._new_image(spec, vm_name)
        return NULL_REF

    def _image_at(self, spec: DiskSpec) -> str:
        for image in self._inventory.disk_images.values():
            if image.location == spec.path:
                return image.ref
        repositories = self._inventory.storage_repositories.values()
        sr_ref = next((sr.ref for sr in repositories if sr.type == _PATH_SR_TYPE), "")
        if not sr_ref:
            fault = from_xapi(["VDI_LOCATION_MISSING", "", spec.path], operation="VDI.introduce")
            raise HypervisorError(fault)
        name = spec.path.rpartition("/")[2]
        sm_config = {"type": spec.format} if spec.format else {}
        image_ref = str(
            self._tasks.call(
                "VDI.introduce",
                *("", name, "", sr_ref, "user", False, spec.read_only, {}, spec.path),
                *({}, sm_config, True, "0", "0", NULL_REF, False, _NEVER, NULL_REF),
            )
        )
        self._undo.append(("VDI.forget", image_ref))
        return image_ref

    def _new_image(self, spec: DiskSpec, vm_name: str) -> str:
        repository = self._inventory.storage_repositories.get(spec.sr_uuid.lower())
        if repository is not None:
            sr_ref = repository.ref
        else:
            sr_ref = str(self._session.call("SR.get_by_uuid", spec.sr_uuid))
        image_ref = self._tasks.run(
            "VDI.create",
            {
                # Images outlive their machine, and some storage wants names to differ.
                "name_label": f"{vm_name}-{spec.id or 'disk'}-{uuid4().hex[:8]}",
                "name_description": "",
                "SR": sr_ref,
                "virtual_size": str(spec.size_bytes),
                "type": "user",
                "sharable": False,
                "read_only": False,
                "other_config": {},
                "xenstore_data": {},
                "sm_config": {"type": spec.format} if spec.format else {},
                "tags": [],
            },
            monitor=self._monitor,
        )
        self._undo.append(("VDI.destroy", image_ref))
        return image_ref

    def _add_port(self, vm_ref: str, spec: NetworkPortSpec, device: str) -> None:
        network = self._inventory.networks.get(spec.network_uuid.lower())
        if network is not None:
            network_ref = network.ref
        else:
            network_ref = str(self._session.call("network.get_by_uuid", spec.network_uuid))
        mtu = spec.mtu or (network.mtu if network is not None else 0) or _DEFAULT_MTU
        self._tasks.call(
            "VIF.create",
            {
                "VM": vm_ref,
                "network": network_ref,
                "device": device,
                "MAC": spec.mac_address,
                "MTU": str(mtu),
                "other_config": {"model": spec.model} if spec.model else {},
                "qos_algorithm_type": "",
                "qos_algorithm_params": {},
            },
        )


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
