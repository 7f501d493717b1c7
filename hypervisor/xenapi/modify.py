"""Changing a virtual machine step by step, as a XenServer has calls for it: all of it or nothing.

What a device has no call for is changed by removing it and making it again. Over our own toolstack
``xenapi_own_calls`` changes it in place.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from virtcim.errormap import HypervisorError, from_xapi
from virtcim.hypervisor.change import (
    AddedDevices,
    DiskChange,
    MediumChange,
    NetworkPortChange,
    RolledBackError,
    VirtualSystemChange,
)
from virtcim.hypervisor.model import (
    DiskSpec,
    NetworkPortSpec,
    PowerState,
    VirtualDisk,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.hypervisor.xenapi.devices import DeviceMaker, free_device
from virtcim.hypervisor.xenapi.records import device_id
from virtcim.hypervisor.xenapi.resources import ResourceChange
from virtcim.hypervisor.xenapi.rollback import GUEST_KEEPS, still_asked
from virtcim.hypervisor.xenapi.steps import Steps

__all__ = ["Modification", "OneAtATime"]

# The fields of which a device can be made again.
_DEVICE_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "VBD": (
            *("VM", "VDI", "userdevice", "bootable", "mode", "type", "unpluggable", "empty"),
            *("other_config", "qos_algorithm_type", "qos_algorithm_params"),
        ),
        "VIF": (
            *("VM", "network", "device", "MAC", "MTU", "other_config"),
            *("qos_algorithm_type", "qos_algorithm_params"),
        ),
    }
)
# What tells a device that was made again from one that has taken its place.
_PLACES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"VBD": ("VM", "userdevice", "VDI"), "VIF": ("VM", "device", "MAC")}
)
_KINDS_OF_DEVICES = ("bus", "type", "model")
_LIVE = (PowerState.RUNNING, PowerState.PAUSED)
_MODES = {True: "RO", False: "RW"}


class OneAtATime:
    """Lets one thread at a time work on what has one key."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy: set[str] = set()

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Wait until nobody else works on ``key``, and keep others waiting meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: key not in self._busy)
            self._busy.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._busy.remove(key)
                self._changed.notify_all()


@dataclass(slots=True)
class _Device:
    """A VBD or VIF that is taken away; ``ref`` is another one after it was made again."""

    class_name: str
    ref: str
    id: str
    record: Mapping[str, Any]


class Modification:
    """One modification under way, and how to undo what it has changed so far.

    What a guest can refuse comes after what it cannot, and what can be undone only approximately,
    or not at all, comes last.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._devices = DeviceMaker(steps)

    def make(self, vm_ref: str, change: VirtualSystemChange) -> AddedDevices:
        """Make the change and give the ids of the added devices.

        Raises RolledBackError with what failed; nothing then remains of the change. If something
        could not be taken back, HypervisorError says so (``Rollback.failure``), and also if a guest
        may still do what it did not do in time.
        """
        try:
            with self._steps.rollback.all_or_nothing():
                return self._make(vm_ref, change)
        except RolledBackError as exc:
            if exc.fault.code == GUEST_KEEPS:
                raise HypervisorError(still_asked(exc)) from exc
            raise

    def _make(self, vm_ref: str, change: VirtualSystemChange) -> AddedDevices:
        record: Mapping[str, Any] = self._steps.session.call("VM.get_record", vm_ref)
        state = str(record["power_state"]).capitalize()
        if state == PowerState.SUSPENDED and change.concerns_devices:
            # Its memory image fits the devices that it had.
            description = ["VM_BAD_POWER_STATE", vm_ref, "halted, running, paused", state.lower()]
            raise HypervisorError(from_xapi(description, operation="VM.modify"))
        live = state in _LIVE
        system = self._system(vm_ref)
        asked = change
        change = self._change_in_place(system, asked, live=live)
        self._change_fields(vm_ref, record, change)
        resources = ResourceChange(self._steps, vm_ref, record)
        resources.change_memory(change, live=live)
        resources.change_vcpus(change, live=live)
        removed = [
            *self._removed("VBD", system.disks, change.removed_disks),
            *self._removed("VIF", system.network_ports, change.removed_network_ports),
        ]
        for device in removed:
            self._unplug(device)
        added_ids = {disk.id for disk in change.added_disks}
        added_ids |= {port.id for port in change.added_network_ports}
        replaced = [device for device in removed if device.id in added_ids]
        for device in replaced:
            self._destroy(device)
        disks, ports = self._add(vm_ref, system, change)
        for medium in change.media:
            self._change_medium(system, medium)
        if live:
            for ref in disks:
                self._plug("VBD", ref)
            for ref in ports:
                self._plug("VIF", ref)
            resources.change_vcpus_now(change)
        # Those that were made in the place of others stand before them.
        new_disks = disks[len(disks) - len(asked.added_disks) :]
        new_ports = ports[len(ports) - len(asked.added_network_ports) :]
        added = AddedDevices(
            disks=tuple(self._id("VBD", ref, "userdevice") for ref in new_disks),
            network_ports=tuple(self._id("VIF", ref, "device") for ref in new_ports),
        )
        for device in removed:
            if device not in replaced:
                self._destroy(device)
        self._resize(system, change)
        return added

    def _change_in_place(
        self, system: VirtualSystem, change: VirtualSystemChange, *, live: bool
    ) -> VirtualSystemChange:
        """Change devices that there is a call for; gives the change with the others replaced.

        What takes the place of another device is made before those whose place the server chooses.
        """
        disks = {disk.id: disk for disk in system.disks}
        ports = {port.id: port for port in system.network_ports}
        replaced_disks: list[DiskSpec] = []
        replaced_ports: list[NetworkPortSpec] = []
        for wanted in change.changed_disks:
            disk = disks.get(wanted.id)
            if disk is None:
                raise _gone("VBD", wanted.id)
            if live or wanted != DiskChange(id=wanted.id, read_only=wanted.read_only):
                replaced_disks.append(_disk_instead(disk, wanted))
            elif wanted.read_only is not None and wanted.read_only != disk.read_only:
                mode = _MODES[wanted.read_only]
                before = _MODES[disk.read_only]
                with self._steps.rollback.step(
                    "VBD.set_mode", disk.ref, before, expects={"mode": mode}
                ):
                    self._steps.tasks.call("VBD.set_mode", disk.ref, mode)
        for moved in change.changed_network_ports:
            port = ports.get(moved.id)
            if port is None:
                raise _gone("VIF", moved.id)
            alone = NetworkPortChange(id=moved.id, network_uuid=moved.network_uuid)
            if moved != alone or not self._move(port, moved):
                replaced_ports.append(_port_instead(port, moved))
        return replace(
            change,
            changed_disks=(),
            changed_network_ports=(),
            removed_disks=(*change.removed_disks, *(one.id for one in replaced_disks)),
            added_disks=(*replaced_disks, *change.added_disks),
            removed_network_ports=(
                *change.removed_network_ports,
                *(one.id for one in replaced_ports),
            ),
            added_network_ports=(*replaced_ports, *change.added_network_ports),
        )

    def _move(self, port: VirtualNetworkPort, change: NetworkPortChange) -> bool:
        """Connect a port to another network; False where the server is too old to have the call."""
        before = self._steps.inventory.networks.get(port.network_uuid)
        after = self._steps.inventory.networks.get((change.network_uuid or "").lower())
        if before is None or after is None:
            return False
        moved = {"network": after.ref}
        try:
            with self._steps.rollback.step("VIF.move", port.ref, before.ref, expects=moved) as step:
                self._steps.run(step, "VIF.move", port.ref, after.ref)
        except HypervisorError as exc:
            if exc.fault.code == "MESSAGE_METHOD_UNKNOWN":
                return False
            raise
        return True

    def _id(self, class_name: str, ref: str, field: str) -> str:
        return device_id(self._steps.session.call(f"{class_name}.get_record", ref), field)

    def _system(self, vm_ref: str) -> VirtualSystem:
        systems = self._steps.inventory.virtual_systems.values()
        found = next((system for system in systems if system.ref == vm_ref), None)
        if found is None:
            raise _gone("VM", vm_ref)
        return found

    def _change_fields(
        self, vm_ref: str, record: Mapping[str, Any], change: VirtualSystemChange
    ) -> None:
        wanted: dict[str, object] = {
            name: getattr(change, name)
            for name in ("name_label", "name_description", "actions_after_crash")
        }
        if change.boot_order is not None:
            wanted["HVM_boot_params"] = {**record["HVM_boot_params"], "order": change.boot_order}
        if change.auto_start is not None:
            auto_poweron = "true" if change.auto_start else "false"
            wanted["other_config"] = {**record["other_config"], "auto_poweron": auto_poweron}
        for name, value in wanted.items():
            if value is not None and value != record.get(name):
                call = f"VM.set_{name}"
                with self._steps.rollback.step(call, vm_ref, record[name], expects={name: value}):
                    self._steps.tasks.call(call, vm_ref, value)

    def _removed(
        self,
        class_name: str,
        devices: Iterable[VirtualDisk | VirtualNetworkPort],
        ids: Iterable[str],
    ) -> list[_Device]:
        known = {device.id: device.ref for device in devices}
        found: list[_Device] = []
        for each in ids:
            if each not in known:
                raise _gone(class_name, each)
            record = self._steps.session.call(f"{class_name}.get_record", known[each])
            found.append(_Device(class_name, known[each], each, record))
        return found

    def _unplug(self, device: _Device) -> None:
        if not device.record["currently_attached"]:
            return
        unplug, plug = f"{device.class_name}.unplug", f"{device.class_name}.plug"
        with self._steps.rollback.step(plug, device.ref, does=unplug) as step:
            self._steps.run(step, unplug, device.ref)

    def _destroy(self, device: _Device) -> None:
        fields = _DEVICE_FIELDS[device.class_name]
        record = {name: device.record[name] for name in fields if name in device.record}
        # Our toolstack tells here what other_config at the making of a device takes.
        found = device.record.get("runtime_properties", {})
        known = {name: found[name] for name in _KINDS_OF_DEVICES if name in found}
        record["other_config"] = {**known, **record.get("other_config", {})}
        destroy, create = f"{device.class_name}.destroy", f"{device.class_name}.create"
        place = {name: record[name] for name in _PLACES[device.class_name] if name in record}
        with self._steps.rollback.step(
            create, record, does=destroy, replaces=device.ref, found_by=place
        ):
            self._steps.tasks.call(destroy, device.ref)

    def _add(
        self, vm_ref: str, system: VirtualSystem, change: VirtualSystemChange
    ) -> tuple[list[str], list[str]]:
        """Make the new devices for the next start, and give their references."""
        disks = [
            self._devices.add_disk(vm_ref, disk, system.name_label) for disk in change.added_disks
        ]
        taken = {port.id for port in system.network_ports} - {*change.removed_network_ports}
        taken |= {port.id for port in change.added_network_ports if port.id}
        ports: list[str] = []
        for port in change.added_network_ports:
            device = port.id or free_device(taken)
            taken.add(device)
            ports.append(self._devices.add_port(vm_ref, port, device))
        return disks, ports

    def _plug(self, class_name: str, ref: str) -> None:
        plug = f"{class_name}.plug"
        with self._steps.rollback.step(f"{class_name}.unplug", ref, does=plug) as step:
            # A machine that is not defined beyond its running has new devices at once.
            if not self._steps.session.call(f"{class_name}.get_currently_attached", ref):
                self._steps.run(step, plug, ref)

    def _change_medium(self, system: VirtualSystem, change: MediumChange) -> None:
        drive = next((disk for disk in system.disks if disk.id == change.id), None)
        if drive is None:
            raise _gone("VBD", change.id)
        image = "" if change.medium is None else self._devices.image(change.medium, "")
        record: Mapping[str, Any] = self._steps.session.call("VBD.get_record", drive.ref)
        if not record["empty"]:
            former = (drive.ref, record["VDI"])
            empty = {"empty": True}
            with self._steps.rollback.step(
                "VBD.insert", *former, does="VBD.eject", expects=empty
            ) as step:
                self._steps.run(step, "VBD.eject", drive.ref)
        if image:
            put_in = {"VDI": image}
            with self._steps.rollback.step(
                "VBD.eject", drive.ref, does="VBD.insert", expects=put_in
            ) as step:
                self._steps.run(step, "VBD.insert", drive.ref, image)

    def _resize(self, system: VirtualSystem, change: VirtualSystemChange) -> None:
        """Resize an image; it cannot be undone, so nothing that can fail may come after it."""
        size = change.image_size
        if size is None:
            return
        disk = next((disk for disk in system.disks if disk.id == size.id), None)
        if disk is None or disk.image is None:
            raise _gone("VBD", size.id)
        self._steps.tasks.run(
            "VDI.resize", disk.image.ref, str(size.size_bytes), monitor=self._steps.monitor
        )


def _disk_instead(disk: VirtualDisk, change: DiskChange) -> DiskSpec:
    """The disk that takes the place of ``disk``, with everything that the XenAPI tells of it."""
    image = change.image
    if image is None:
        # Never to be guessed anew: what a guest wrote could look like another format.
        image = DiskSpec(image_uuid=disk.image.uuid if disk.image else "", format=disk.format)
    return replace(
        image,
        id=disk.id,
        kind=disk.kind,
        format=change.format or image.format,
        bus=disk.bus if change.bus is None else change.bus,
        bootable=disk.bootable,
        read_only=disk.read_only if change.read_only is None else change.read_only,
    )


def _port_instead(port: VirtualNetworkPort, change: NetworkPortChange) -> NetworkPortSpec:
    return NetworkPortSpec(
        id=port.id,
        network_uuid=change.network_uuid or port.network_uuid,
        mac_address=change.mac_address or port.mac_address,
        mtu=port.mtu,
        model=change.model or port.model,
    )


def _gone(class_name: str, name: str) -> HypervisorError:
    return HypervisorError(from_xapi(["HANDLE_INVALID", class_name, name], operation="VM.modify"))
