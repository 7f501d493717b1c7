"""Calls that only our own toolstack has: a whole change of a virtual machine in one.

It edits what was asked in the documents of the virtual machine and leaves the rest as it is, which
the XenAPI, where a device is removed and made again, has no calls for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import uuid4

from virtcim.errormap import ErrorCode, HypervisorError, from_xapi, translate
from virtcim.hypervisor.change import (
    AddedDevices,
    DiskChange,
    NetworkPortChange,
    RolledBackError,
    VirtualSystemChange,
)
from virtcim.hypervisor.endpoint import Monitor
from virtcim.hypervisor.model import (
    DiskSpec,
    Inventory,
    NetworkPortSpec,
    VirtualDisk,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.hypervisor.xenapi.operations import TaskRunner
from virtcim.hypervisor.xenapi.records import NULL_REF
from virtcim.hypervisor.xenapi.rollback import GUEST_KEEPS, still_asked
from virtcim.wire.labels import image_label

__all__ = ["DeviceRecords", "WholeChange", "added_devices", "added_ids", "settled"]

_MODIFY = "virtcim.VM.modify"
# How faults call it: what it is for the error table, whoever serves it.
_OPERATION = "VM.modify"
_FIELDS: Mapping[str, str] = {
    "name_label": "name_label",
    "name_description": "name_description",
    "boot_order": "boot_order",
    "auto_start": "auto_poweron",
    "actions_after_crash": "actions_after_crash",
    "memory_static_max_bytes": "memory_static_max",
    "memory_dynamic_max_bytes": "memory_dynamic_max",
    "vcpus_max": "VCPUs_max",
    "vcpus_at_startup": "VCPUs_at_startup",
}
# The key in sm_config for the URIs of an image that several hosts have.
_URIS = "uris"
# What the toolstack could not take back itself, so that something of the change remains.
_REMAINS = frozenset({"ROLLBACK_FAILED"})


class DeviceRecords:
    """Disks and network ports as the toolstack's own calls take them."""

    def __init__(self, inventory: Inventory, vm_name: str) -> None:
        self._inventory = inventory
        self._vm_name = vm_name

    def disk(self, spec: DiskSpec) -> dict[str, object]:
        """The record of a disk or drive to be made, with what it is on. Raises HypervisorError."""
        options = {
            name: value for name, value in (("bus", spec.bus), ("type", spec.format)) if value
        }
        return {
            "userdevice": spec.id or "autodetect",
            "bootable": spec.bootable,
            "mode": "RO" if spec.read_only else "RW",
            "type": str(spec.kind),
            "other_config": options,
            **self.image(spec, spec.id),
        }

    def image(self, spec: DiskSpec, disk_id: str) -> dict[str, object]:
        """The image that ``spec`` names, or the new one that it describes; empty for none."""
        # Where nothing of images is known, only who names one has to hear of that.
        images = self._inventory.disk_images if spec.image_uuid else {}
        image = images.get(spec.image_uuid.lower())
        if spec.image_uuid and image is None and not spec.path:
            raise _gone("VDI", spec.image_uuid)
        if image is not None:
            repository = self._inventory.storage_repositories.get(image.sr_uuid)
            of_paths = repository is not None and repository.takes_paths
            if of_paths and image.location.startswith("/"):
                # Outside pools an image is known only while some machine has it: at this moment
                # the last one may be removed, or the file become a volume of a pool.
                return {"location": image.location}
            return {"VDI": image.ref}
        if spec.path:
            hosts = {"sm_config": {_URIS: " ".join(spec.uris)}} if spec.uris else {}
            return {"location": spec.path, **hosts}
        if not spec.sr_uuid:
            return {"empty": True}
        repository = self._inventory.storage_repositories.get(spec.sr_uuid.lower())
        if repository is None:
            raise _gone("SR", spec.sr_uuid)
        return {
            "SR": repository.ref,
            "virtual_size": str(spec.size_bytes),
            # Images outlive their machine, and some storage wants names to differ.
            "name_label": image_label(self._vm_name, disk_id or "disk", uuid4().hex[:8]),
            "sm_config": {"type": spec.format} if spec.format else {},
        }

    def port(self, spec: NetworkPortSpec) -> dict[str, object]:
        """The record of a network port to be made. Raises HypervisorError."""
        return {
            "network": self.network(spec.network_uuid),
            "device": spec.id or "autodetect",
            "MAC": spec.mac_address,
            "MTU": str(spec.mtu),
            "other_config": {"model": spec.model} if spec.model else {},
        }

    def network(self, uuid: str) -> str:
        """The reference of a network. Raises HypervisorError."""
        network = self._inventory.networks.get(uuid.lower())
        if network is None:
            raise _gone("network", uuid)
        return network.ref


class WholeChange:
    """One change of one virtual machine, made by one call of our own toolstack."""

    def __init__(self, tasks: TaskRunner, inventory: Inventory, monitor: Monitor | None) -> None:
        self._tasks = tasks
        self._inventory = inventory
        self._monitor = monitor

    def make(self, system: VirtualSystem, change: VirtualSystemChange) -> Mapping[str, list[str]]:
        """Make the change; gives the references of the added ``VBDs`` and ``VIFs``, in order.

        Raises RolledBackError where it was refused or failed, and HypervisorError where it is not
        known whether it took effect, or where something of it remains.
        """
        try:
            added = self._tasks.run(
                _MODIFY,
                system.ref,
                self._record(system, change),
                monitor=self._monitor,
                decisive=True,
            )
        except HypervisorError as exc:
            raise settled(exc, _OPERATION) from exc
        return added_devices(added)

    def _record(self, system: VirtualSystem, change: VirtualSystemChange) -> dict[str, object]:
        records = DeviceRecords(self._inventory, system.name_label)
        fields = {
            theirs: _on_the_wire(value)
            for ours, theirs in _FIELDS.items()
            if (value := getattr(change, ours)) is not None
        }
        media = [
            {"VBD": _ref("VBD", system.disks, one.id)}
            | ({"VDI": NULL_REF} if one.medium is None else records.image(one.medium, one.id))
            for one in change.media
        ]
        lists: dict[str, list[object]] = {
            "removed_VBDs": [_ref("VBD", system.disks, one) for one in change.removed_disks],
            "removed_VIFs": [
                _ref("VIF", system.network_ports, one) for one in change.removed_network_ports
            ],
            "changed_VBDs": [
                *(_changed_disk(records, system, one) for one in change.changed_disks),
                *media,
            ],
            "changed_VIFs": [
                _changed_port(records, system, one) for one in change.changed_network_ports
            ],
            "added_VBDs": [records.disk(one) for one in change.added_disks],
            "added_VIFs": [records.port(one) for one in change.added_network_ports],
        }
        record = fields | {name: items for name, items in lists.items() if items}
        if change.image_size is not None:
            record["resized"] = {
                "VBD": _ref("VBD", system.disks, change.image_size.id),
                "virtual_size": str(change.image_size.size_bytes),
            }
        return record


def settled(error: HypervisorError, operation: str) -> HypervisorError:
    """What is to be raised after the toolstack's one call for ``operation`` failed.

    The toolstack itself takes back what it has begun: nothing remains unless it says so, or nobody
    knows how the call ended.
    """
    fault = replace(error.fault, operation=operation)
    # It may also be the toolstack that lost its connection in the middle.
    unknown = translate(fault).code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    if unknown or fault.code in _REMAINS:
        return HypervisorError(fault)
    if fault.code == GUEST_KEEPS:
        return HypervisorError(still_asked(HypervisorError(fault)))
    return RolledBackError(fault)


def added_devices(answer: str) -> Mapping[str, list[str]]:
    """The references in the toolstack's answer; raises HypervisorError where it is none."""
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HypervisorError(from_xapi(["INTERNAL_ERROR", answer[:200]], operation=_OPERATION))
    return found


def added_ids(system: VirtualSystem | None, refs: Mapping[str, list[str]]) -> AddedDevices:
    """The ids that added devices got, as the inventory shows them."""
    if system is None:
        return AddedDevices()
    disks = {disk.ref: disk.id for disk in system.disks}
    ports = {port.ref: port.id for port in system.network_ports}
    return AddedDevices(
        disks=tuple(disks[ref] for ref in refs.get("VBDs", ()) if ref in disks),
        network_ports=tuple(ports[ref] for ref in refs.get("VIFs", ()) if ref in ports),
    )


def _on_the_wire(value: object) -> object:
    """XenAPI writes 64 bits as decimal text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _changed_disk(
    records: DeviceRecords, system: VirtualSystem, change: DiskChange
) -> dict[str, object]:
    changed: dict[str, object] = {"VBD": _ref("VBD", system.disks, change.id)}
    image_format = change.format
    if change.image is not None:
        changed |= records.image(change.image, change.id)
        image_format = image_format or change.image.format
    if image_format:
        changed["type"] = image_format
    if change.bus is not None:
        changed["bus"] = change.bus
    if change.read_only is not None:
        changed["mode"] = "RO" if change.read_only else "RW"
    return changed


def _changed_port(
    records: DeviceRecords, system: VirtualSystem, change: NetworkPortChange
) -> dict[str, object]:
    changed: dict[str, object] = {"VIF": _ref("VIF", system.network_ports, change.id)}
    if change.network_uuid is not None:
        changed["network"] = records.network(change.network_uuid)
    if change.mac_address is not None:
        changed["MAC"] = change.mac_address
    if change.model is not None:
        changed["model"] = change.model
    return changed


def _ref(class_name: str, devices: Iterable[VirtualDisk | VirtualNetworkPort], wanted: str) -> str:
    found = next((device.ref for device in devices if device.id == wanted), None)
    if found is None:
        raise _gone(class_name, wanted)
    return found


def _gone(class_name: str, name: str) -> HypervisorError:
    return HypervisorError(from_xapi(["HANDLE_INVALID", class_name, name], operation=_OPERATION))
