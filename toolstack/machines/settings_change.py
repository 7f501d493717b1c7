"""Changing what of a VM is no device: memory, processors, its name, and its start with the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import libvirt

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.documents import Document, set_text
from virtcim.toolstack.documents.document import carriable
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.machines.domains import Machine, require_persistent
from virtcim.toolstack.machines.transaction import Transaction
from virtcim.toolstack.names import MACHINE, check_name, stays_named
from virtcim.toolstack.native.connection import LibvirtConnection

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Domain

__all__ = ["SettingsChange", "describe", "refuse_next_start_only", "set_live"]

_CONFIG, _LIVE = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE
_MEMORY_MAX, _VCPU_MAX = libvirt.VIR_DOMAIN_MEM_MAXIMUM, libvirt.VIR_DOMAIN_VCPU_MAXIMUM
# What only a halted VM takes: of which of its settings which CIM property it is.
_HALTED_ONLY: Mapping[str, tuple[str, str]] = {
    "name_label": ("system", "ElementName"),
    "memory_static_max": ("memory", "Limit"),
    "VCPUs_max": ("processor", "Limit"),
}


def refuse_next_start_only(machine: Machine, fields: Mapping[str, Any]) -> None:
    """Raise ``VIRTCIM_NEXT_START_ONLY`` for what a running VM cannot take."""
    config = machine.view.config
    present = {
        "name_label": config.name,
        "memory_static_max": config.memory_max_bytes,
        "VCPUs_max": config.vcpus_max,
    }
    for name, where in _HALTED_ONLY.items():
        if name in fields and fields[name] != present[name]:
            if not machine.view.persistent:
                raise XapiFailure("VIRTCIM_TRANSIENT", machine.ref, where[1])
            raise XapiFailure("VIRTCIM_NEXT_START_ONLY", *where)


def describe(text: str) -> Callable[[Document], None]:
    """Give the edit that sets a domain's description."""

    def apply(document: Document) -> None:
        set_text(document.root, "description", text, field="name_description")

    return apply


class SettingsChange:
    """Sets the fields that are given of a VM, each with what takes it back.

    The persistent description is taken back as a whole by whoever changed it.
    """

    def __init__(self, context: Context, machine: Machine, fields: Mapping[str, Any]) -> None:
        self._context = context
        self._machine = machine
        self._fields = fields
        self._call = context.services.connection.call
        self._check()

    def _check(self) -> None:
        config = self._machine.view.config
        for name in ("memory_static_max", "memory_dynamic_max"):
            if name in self._fields:
                _kib(name, self._fields[name])
        for name in ("VCPUs_max", "VCPUs_at_startup"):
            if name in self._fields and not 0 < self._fields[name] < 2**31:
                raise value_not_supported(
                    name, self._fields[name], "must be a positive number of processors"
                )
        name_label = self._fields.get("name_label")
        if name_label is not None and not stays_named(config.name, name_label):
            check_name(MACHINE, name_label)
        if self._fields.get("auto_poweron", self._machine.view.autostart) != (
            self._machine.view.autostart
        ):
            require_persistent(self._context, self._machine, "AutomaticStartupAction")

    def make(self, transaction: Transaction) -> None:
        """Make the changes, those that a guest must follow last."""
        self._set_memory_and_vcpus()
        self._set_name(transaction)
        self._set_autostart(transaction)
        self._set_live(transaction)

    def _set_memory_and_vcpus(self) -> None:
        """Let libvirt set them for the next start: it knows what else of a description they are."""
        if not self._machine.view.persistent:
            return
        domain, config = self._machine.domain, self._machine.view.config
        static, dynamic = self._memory("memory_static_max"), self._memory("memory_dynamic_max")
        if static is not None:
            self._call(domain.setMemoryFlags, static, _CONFIG | _MEMORY_MAX)
        if dynamic is not None:
            self._call(domain.setMemoryFlags, dynamic, _CONFIG)
        most = self._fields.get("VCPUs_max", config.vcpus_max)
        initial = self._fields.get("VCPUs_at_startup", config.vcpus_current)
        steps = [
            (most, config.vcpus_max, _CONFIG | _VCPU_MAX),
            (initial, config.vcpus_current, _CONFIG),
        ]
        # There must not be more at the start than at most, in between neither.
        for wanted, present, flags in steps if most >= config.vcpus_current else reversed(steps):
            if wanted != present:
                self._call(domain.setVcpusFlags, wanted, flags)

    def _memory(self, name: str) -> int | None:
        """Give an amount of memory in KiB, or None where it stays as it is."""
        config = self._machine.view.config
        present = {
            "memory_static_max": config.memory_max_bytes,
            "memory_dynamic_max": config.memory_current_bytes,
        }
        if self._fields.get(name, present[name]) == present[name]:
            return None
        return _kib(name, self._fields[name])

    def _set_name(self, transaction: Transaction) -> None:
        name, domain = self._fields.get("name_label"), self._machine.domain
        before = self._machine.view.config.name
        if name is None or stays_named(before, name):
            return
        self._call(domain.rename, name)
        transaction.taken_back_by(lambda: self._call(domain.rename, before), "the new name")

    def _set_autostart(self, transaction: Transaction) -> None:
        before = self._machine.view.autostart
        wanted = self._fields.get("auto_poweron", before)
        if wanted == before:
            return
        set_autostart = self._machine.domain.setAutostart
        self._call(set_autostart, int(wanted))
        transaction.taken_back_by(lambda: self._call(set_autostart, int(before)), "autostart")

    def live_before(self) -> dict[str, Any]:
        """Give those fields of the running machine that will be others, as they are now."""
        live = self._machine.view.live
        if live is None:
            return {}
        present: dict[str, Any] = {
            "name_description": live.description,
            "memory_dynamic_max": live.memory_current_bytes,
            "VCPUs_at_startup": live.vcpus_current,
        }
        return {
            name: value for name, value in present.items() if self._fields.get(name, value) != value
        }

    def _set_live(self, transaction: Transaction) -> None:
        connection, domain = self._context.services.connection, self._machine.domain
        for name, before in self.live_before().items():
            set_live(connection, domain, name, self._fields[name])
            transaction.taken_back_by(
                partial(set_live, connection, domain, name, before), f"{name} while it runs"
            )


def set_live(connection: LibvirtConnection, domain: Domain, name: str, value: Any) -> None:
    """Set a field of a running machine at once."""
    if name == "memory_dynamic_max":
        connection.call(domain.setMemoryFlags, _kib(name, value), _LIVE)
    elif name == "VCPUs_at_startup":
        connection.call(domain.setVcpusFlags, value, _LIVE)
    else:
        description = carriable(value, "name_description") or None
        kind = libvirt.VIR_DOMAIN_METADATA_DESCRIPTION
        connection.call(domain.setMetadata, kind, description, None, None, _LIVE)


def _kib(name: str, size_bytes: int) -> int:
    if size_bytes <= 0:
        raise value_not_supported(name, size_bytes, "must be positive")
    return -(-size_bytes // 1024)
