"""Setting the fields of a VM that are no resources: names, notes, boot order, actions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import libvirt
from lxml import etree

from virtcim.toolstack.accessors import Change, SetField, setter_calls
from virtcim.toolstack.calls.vm import BOOT_FILES, FEATURES, boot_devices, check_actions
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.documents import Document, child_of, set_text, to_xml
from virtcim.toolstack.documents.boot import set_boot_order
from virtcim.toolstack.documents.build import extra_text
from virtcim.toolstack.documents.document import remove
from virtcim.toolstack.faults import handle_invalid
from virtcim.toolstack.images.choice import require_inside
from virtcim.toolstack.machines.domains import (
    Machine,
    all_or_nothing,
    change_machine,
    changing,
    redefine,
    require_persistent,
)
from virtcim.toolstack.machines.settings_change import describe, set_live
from virtcim.toolstack.names import MACHINE, check_name, stays_named
from virtcim.toolstack.reading.domain_reader import EXTRA_NAMESPACE
from virtcim.toolstack.records.vm import EXTRA_FIELDS

__all__ = ["VM_FIELD_CALLS", "write_extra"]

VM_FIELD_CALLS = CallTable()

_VM = CLASSES["VM"]
_EXTRA_PREFIX = "virtcim"


@VM_FIELD_CALLS.add("VM.set_name_label", "VM self, string value")
def set_name_label(context: Context, vm: str, value: str) -> None:
    """Rename a VM; libvirt does it for halted ones only."""
    with change_machine(context, vm, "set_name_label") as machine:
        if not stays_named(machine.view.config.name, value):
            check_name(MACHINE, value)
            require_persistent(context, machine, "ElementName")
            context.services.connection.call(machine.domain.rename, value)


@VM_FIELD_CALLS.add("VM.set_name_description", "VM self, string value")
def set_name_description(context: Context, vm: str, value: str) -> None:
    """Describe a VM, in both of its descriptions."""
    with (
        change_machine(context, vm, "set_name_description") as machine,
        all_or_nothing(context, machine),
    ):
        if machine.view.persistent:
            redefine(context, machine, "Description", describe(value))
        if machine.view.live is not None:
            set_live(context.services.connection, machine.domain, "name_description", value)


@contextmanager
def _changing_field(
    context: Context, vm: str, field: str, change: Change
) -> Iterator[tuple[Machine, Any]]:
    """Give a VM and what a field of it shall be; meanwhile nobody else changes the VM through us.

    Its state is read anew: what others changed since is not taken back. All steps of the block are
    made, or none.
    """
    inventory = context.services.inventory
    with change_machine(context, vm, f"set_{field}") as machine, changing(context, machine):
        view = inventory.refresh_domain(machine.uuid)
        if view is None:
            raise handle_invalid("VM", vm)
        present = replace(machine, view=view)
        with all_or_nothing(context, present):
            yield present, change(context.record("VM", vm)[field])


def _set_action(context: Context, vm: str, field: str, change: Change) -> None:
    tags = {
        "actions_after_shutdown": "on_poweroff",
        "actions_after_reboot": "on_reboot",
        "actions_after_crash": "on_crash",
    }
    with _changing_field(context, vm, field, change) as (machine, value):
        _set_text(context, machine, tags[field], check_actions(field, value), field)


def _set_kernel(context: Context, vm: str, field: str, change: Change) -> None:
    tags = {"PV_kernel": "kernel", "PV_ramdisk": "initrd", "PV_args": "cmdline"}
    with _changing_field(context, vm, field, change) as (machine, value):
        # What the machine has already it may keep.
        if value and field in BOOT_FILES and value != context.record("VM", vm)[field]:
            require_inside(context, BOOT_FILES[field], value, field=field)
        _set_text(context, machine, f"os/{tags[field]}", value, field)


def _set_text(context: Context, machine: Machine, path: str, value: str, field: str) -> None:
    parent, _, tag = path.rpartition("/")

    def change(document: Document) -> None:
        element = child_of(document.root, parent) if parent else document.root
        set_text(element, tag, value, field=field)

    redefine(context, machine, field, change)


def _set_extra(context: Context, vm: str, field: str, change: Change) -> None:
    with _changing_field(context, vm, field, change) as (machine, value):
        write_extra(context, machine, field, value)


def write_extra(context: Context, machine: Machine, field: str, value: Any) -> None:
    """Write one field of our element in ``<metadata>``; the others stay as they are."""
    services = context.services
    with changing(context, machine):
        view = services.inventory.refresh_domain(machine.uuid) or machine.view
        extra = {**view.config.extra, field: value}
        # libvirt puts it into the namespace itself.
        element = etree.Element("record")
        element.text = extra_text({name: item for name, item in extra.items() if item})
        flags = (
            libvirt.VIR_DOMAIN_AFFECT_CONFIG if view.persistent else libvirt.VIR_DOMAIN_AFFECT_LIVE
        )
        services.connection.call(
            machine.domain.setMetadata,
            libvirt.VIR_DOMAIN_METADATA_ELEMENT,
            to_xml(element),
            _EXTRA_PREFIX,
            EXTRA_NAMESPACE,
            flags,
        )


def _set_other_config(context: Context, vm: str, field: str, change: Change) -> None:
    """Keep the map, and let libvirt start the VM with the host or not."""
    with _changing_field(context, vm, field, change) as (machine, value):
        kept = dict(value)
        autostart = kept.pop("auto_poweron", "false") == "true"
        if autostart != machine.view.autostart:
            require_persistent(context, machine, "AutomaticStartupAction")
        write_extra(context, machine, field, kept)
        if autostart != machine.view.autostart:
            context.services.connection.call(machine.domain.setAutostart, int(autostart))


def _set_boot_params(context: Context, vm: str, field: str, change: Change) -> None:
    with _changing_field(context, vm, field, change) as (machine, value):
        kept = dict(value)
        order = kept.pop("order", None)
        if order != context.record("VM", vm)[field].get("order"):
            devices = boot_devices(order or "", passed=True)
            redefine(
                context, machine, "BootDevices", lambda document: set_boot_order(document, devices)
            )
        write_extra(context, machine, field, kept)


def _set_platform(context: Context, vm: str, field: str, change: Change) -> None:
    def set_features(document: Document) -> None:
        features = child_of(document.root, "features")
        for name in FEATURES:
            known = features.find(name)
            if value.get(name) == "true" and known is None:
                etree.SubElement(features, name)
            elif value.get(name) != "true" and known is not None:
                remove(known)
        os_type = document.root.find("os/type")
        if os_type is not None and value.get("machine"):
            os_type.set("machine", value["machine"])

    with _changing_field(context, vm, field, change) as (machine, value):
        kept = {key: text for key, text in value.items() if key not in {*FEATURES, "machine"}}
        redefine(context, machine, "platform", set_features)
        write_extra(context, machine, field, kept)


_OWN_SETTERS: dict[str, SetField] = {
    "other_config": _set_other_config,
    "HVM_boot_params": _set_boot_params,
    "platform": _set_platform,
    "actions_after_shutdown": _set_action,
    "actions_after_reboot": _set_action,
    "actions_after_crash": _set_action,
    "PV_kernel": _set_kernel,
    "PV_ramdisk": _set_kernel,
    "PV_args": _set_kernel,
}
# Memory has calls of its own.
_EXTRA_SETTERS: dict[str, SetField] = {
    name: _set_extra
    for name in EXTRA_FIELDS
    if name not in _OWN_SETTERS and not name.startswith("memory_")
}

for _field, _setter in (_OWN_SETTERS | _EXTRA_SETTERS).items():
    for _call in setter_calls(_VM, _field, _setter):
        VM_FIELD_CALLS.enter(_call)
