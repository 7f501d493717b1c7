"""Changing a VM as a whole: ``virtcim.VM.modify``, which the XenAPI has not.

All of what is asked is made, or nothing; what nobody asked for stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from virtcim.toolstack.calls import vdi as vdi_calls
from virtcim.toolstack.calls.vm import boot_devices, check_actions
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.documents import Document, set_text
from virtcim.toolstack.documents.boot import set_boot_order
from virtcim.toolstack.documents.disk import DiskChange
from virtcim.toolstack.documents.interface import InterfaceChange
from virtcim.toolstack.faults import (
    bad_power_state,
    field_type_error,
    handle_invalid,
    value_not_supported,
)
from virtcim.toolstack.images.choice import check_format
from virtcim.toolstack.images.formats import RAW
from virtcim.toolstack.machines.change_journal import Before, written_down
from virtcim.toolstack.machines.device_kinds import KINDS, Device, DeviceChange, find_device
from virtcim.toolstack.machines.domains import (
    Machine,
    change_machine,
    changing,
    check_blocked,
    look_again,
)
from virtcim.toolstack.machines.new_devices import NewDevice, note_new_devices, references
from virtcim.toolstack.machines.new_disk import MODES, given_image, read_new_disk
from virtcim.toolstack.machines.new_images import NewImages
from virtcim.toolstack.machines.new_interface import check_mac, network_source, read_new_interface
from virtcim.toolstack.machines.settings_change import (
    SettingsChange,
    describe,
    refuse_next_start_only,
)
from virtcim.toolstack.machines.transaction import Transaction
from virtcim.toolstack.machines.vm_change import DeviceChanges, Edit, MachineChange
from virtcim.toolstack.parameters import check_value
from virtcim.toolstack.refs import NULL

__all__ = ["MODIFY_CALLS"]

MODIFY_CALLS = CallTable()

_SUSPENDED = "Suspended"
# Parts of a change that a VM takes whose memory is saved.
_DESCRIPTION = frozenset(
    {"name_label", "name_description", "boot_order", "auto_poweron", "actions_after_crash"}
)

# Fields of a changed VBD that name another image, or none.
_IMAGE_FIELDS = frozenset({"VDI", "location", "SR", "empty"})
# The fields of a change that are no devices, and their types.
_FIELDS: Mapping[str, str] = {
    "name_label": "string",
    "name_description": "string",
    "actions_after_crash": "string",
    "boot_order": "string",
    "auto_poweron": "bool",
    "memory_static_max": "int",
    "memory_dynamic_max": "int",
    "VCPUs_max": "int",
    "VCPUs_at_startup": "int",
}
_DEVICE_FIELDS = frozenset(
    {
        *("removed_VBDs", "removed_VIFs", "changed_VBDs", "changed_VIFs"),
        *("added_VBDs", "added_VIFs", "resized"),
    }
)
# What an administrator may have blocked (VM.blocked_operations), by part of a change.
_OPERATIONS: Mapping[str, str] = {
    "name_label": "set_name_label",
    "name_description": "set_name_description",
    "actions_after_crash": "set_actions_after_crash",
    "boot_order": "set_HVM_boot_params",
    "auto_poweron": "set_other_config",
    "memory_static_max": "changing_static_range",
    "memory_dynamic_max": "changing_dynamic_range",
    "VCPUs_max": "changing_VCPUs",
    "VCPUs_at_startup": "changing_VCPUs",
    "removed_VBDs": "unplug",
    "removed_VIFs": "unplug",
}


@MODIFY_CALLS.add("virtcim.VM.modify", "VM self, record change", asynchronous=True)
def modify(context: Context, vm: str, change: dict[str, object]) -> str:
    """Change a VM, all of it or nothing; gives the references of added devices as JSON.

    Raises ``VIRTCIM_NEXT_START_ONLY`` for what a running VM cannot take, ``VIRTCIM_TRANSIENT`` for
    what one cannot that exists only while it runs, ``ROLLBACK_FAILED`` for what remains where
    something could not be taken back.
    """
    wanted = _Wanted(context, vm, change)
    with change_machine(context, vm, "modify") as machine:
        wanted.check_state(machine)
        with NewImages(context, machine.uuid) as images:
            made = _make(context, machine, wanted, wanted.devices(images))
            images.keep()
        for pool in images.pools:
            context.services.inventory.refresh_pool(pool)
    note_new_devices(context, machine.uuid, made.added)
    wanted.look_at_resized()
    return json.dumps(references(machine.uuid, made.added))


def _make(
    context: Context, machine: Machine, wanted: _Wanted, devices: DeviceChanges
) -> MachineChange:
    with changing(context, machine):
        machine = look_again(context, machine)
        wanted.check_state(machine)
        change = MachineChange(
            context=context, machine=machine, devices=devices, edits=wanted.edits()
        )
        change.prepare()
        settings = SettingsChange(context, machine, wanted.fields)
        before = Before(
            uuid=machine.uuid,
            name=machine.view.config.name,
            config=change.config_before,
            autostart=machine.view.autostart,
            steps=change.live_steps,
            live=settings.live_before(),
        )
        with written_down(context.services, before) as change.defined, Transaction() as steps:
            change.make(steps)
            settings.make(steps)
            change.note_defined()
            change.make_last(steps)
            wanted.resize()
        context.services.inventory.refresh_domain(machine.uuid)
    return change


class _Wanted:
    """What a client wants of a VM, checked as far as it can be without looking at the VM."""

    def __init__(self, context: Context, vm: str, change: Mapping[str, object]) -> None:
        for name in change:
            if name not in _FIELDS and name not in _DEVICE_FIELDS:
                raise value_not_supported("change", name, "is no part of a change")
        self._context = context
        self._vm = vm
        self._change = change
        self.fields: dict[str, Any] = {
            name: check_value(kind, name, change[name])
            for name, kind in _FIELDS.items()
            if name in change
        }
        self._resized = self._read_resized()

    # Reading

    def _list(self, name: str, item_type: type) -> list[Any]:
        items = self._change.get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, item_type) for item in items):
            raise field_type_error(name)
        return items

    def _device(self, class_name: str, ref: object) -> Device:
        kind = KINDS[class_name]
        device = find_device(self._context, kind, str(check_value("string", class_name, ref)))
        if device.record["VM"] != self._vm:
            raise handle_invalid(class_name, device.ref)
        return device

    def _read_resized(self) -> tuple[Device, int] | None:
        if "resized" not in self._change:
            return None
        fields = check_value("record", "resized", self._change["resized"])
        assert isinstance(fields, dict)
        size = check_value("int", "virtual_size", fields.get("virtual_size"))
        assert isinstance(size, int)
        if not 0 < size < 2**63:
            raise value_not_supported("virtual_size", size, "must be positive")
        device = self._device("VBD", fields.get("VBD"))
        exchanged = [
            record.get("VBD")
            for record in self._list("changed_VBDs", dict)
            if not _IMAGE_FIELDS.isdisjoint(record)
        ]
        if device.ref in (*exchanged, *self._list("removed_VBDs", str)):
            raise value_not_supported("resized", device.id, "will not have its image any more")
        return device, size

    def devices(self, images: NewImages) -> DeviceChanges:
        """Find everything that the devices need; images that are asked for are made."""
        removed = [
            self._device(name, ref) for name in KINDS for ref in self._list(f"removed_{name}s", str)
        ]
        changed: list[tuple[Device, DeviceChange]] = [
            *(self._disk_change(record, images) for record in self._list("changed_VBDs", dict)),
            *(self._interface_change(record) for record in self._list("changed_VIFs", dict)),
        ]
        added: list[NewDevice] = [
            *(
                read_new_disk(self._context, record, images)
                for record in self._list("added_VBDs", dict)
            ),
            *(
                read_new_interface(self._context, record)
                for record in self._list("added_VIFs", dict)
            ),
        ]
        return DeviceChanges(removed=removed, changed=changed, added=added)

    def _disk_change(
        self, record: Mapping[str, Any], images: NewImages
    ) -> tuple[Device, DiskChange]:
        device = self._device("VBD", record.get("VBD"))
        text = {
            name: str(check_value("string", name, record.get(name, "")))
            for name in ("VDI", "type", "bus", "mode")
        }
        if text["mode"] and text["mode"] not in MODES:
            raise value_not_supported("mode", text["mode"], f"must be one of {', '.join(MODES)}")
        eject = text["VDI"] == NULL or record.get("empty") is True
        check_format(text["type"])
        # A medium is what a drive reads: raw, unless somebody states something else.
        wanted = text["type"] or ("" if device.record["type"] == "Disk" else RAW)
        vm = device.record["VM"]
        image = None if eject else given_image(self._context, record, wanted, images, vm=vm)
        return device, DiskChange(
            source=image.source if image else None,
            eject=eject,
            format=image.format if image else text["type"],
            bus=text["bus"],
            read_only=MODES.get(text["mode"]),
        )

    def _interface_change(self, record: Mapping[str, Any]) -> tuple[Device, InterfaceChange]:
        device = self._device("VIF", record.get("VIF"))
        network = str(check_value("string", "network", record.get("network", "")))
        if network:
            self._context.record("network", network)
        return device, InterfaceChange(
            source=network_source(self._context, network) if network else None,
            mac=check_mac(str(check_value("string", "MAC", record.get("MAC", "")))),
            model=str(check_value("string", "model", record.get("model", ""))),
        )

    # Making

    def check_state(self, machine: Machine) -> None:
        """Refuse what the state of the VM, or its administrator, does not allow."""
        check_blocked(machine, {_OPERATIONS.get(part, "attach") for part in self._change})
        if machine.power_state == _SUSPENDED and not self._change.keys() <= _DESCRIPTION:
            # Its memory image fits the devices that it had.
            raise bad_power_state(machine.ref, "halted, running, paused", _SUSPENDED)
        if machine.view.live is not None:
            refuse_next_start_only(machine, self.fields)

    def edits(self) -> list[Edit]:
        """Give the edits of the persistent description that are about no device."""
        edits: list[Edit] = []
        if "name_description" in self.fields:
            text = self.fields["name_description"]
            edits.append(Edit(what="Description", apply=describe(text), also_live=True))
        if "actions_after_crash" in self.fields:
            word = check_actions("actions_after_crash", self.fields["actions_after_crash"])
            edits.append(Edit(what="AutomaticRecoveryAction", apply=_crash_action(word)))
        if "boot_order" in self.fields:
            devices = boot_devices(self.fields["boot_order"], passed=True)
            edits.append(
                Edit(what="BootDevices", apply=lambda document: set_boot_order(document, devices))
            )
        return edits

    def resize(self) -> None:
        """Resize an image; it cannot be taken back, so nothing that can fail comes after it."""
        if self._resized is not None:
            device, size = self._resized
            vdi_calls.resize_image(self._context, device.record["VDI"], size)

    def look_at_resized(self) -> None:
        """Show the new size of an image."""
        if self._resized is not None:
            vdi_calls.update(self._context, self._resized[0].record["VDI"])


def _crash_action(word: str) -> Callable[[Document], None]:
    def apply(document: Document) -> None:
        set_text(document.root, "on_crash", word, field="actions_after_crash")

    return apply
