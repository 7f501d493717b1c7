"""Records of VM and VM_metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import libvirt

from virtcim.toolstack.datamodel import EPOCH
from virtcim.toolstack.names import shown_name
from virtcim.toolstack.reading.extra import EXTRA_FIELDS
from virtcim.toolstack.reading.views import DomainView, DomainXml, HostView
from virtcim.toolstack.records.boot import boot_words
from virtcim.toolstack.records.identity import (
    console_identity,
    vbd_identity,
    vif_identity,
)
from virtcim.toolstack.records.problem import stated
from virtcim.toolstack.refs import NULL, derived_uuid, reference

__all__ = [
    "BOOT_LETTERS",
    "CRASH_ACTIONS",
    "EXIT_ACTIONS",
    "EXTRA_FIELDS",
    "PASSED_BOOT_LETTERS",
    "TITLE",
    "power_state",
    "vm_metrics_values",
    "vm_values",
]

# The key in VM_metrics.other_config that holds the domain's <title>.
TITLE = "title"
# XenAPI's letters for boot devices (QEMU's -boot order) and libvirt's words.
BOOT_LETTERS = {"a": "fd", "c": "hd", "d": "cdrom", "n": "network"}
# Letters of our own for devices of the host, and those of clients elsewhere (libvirt's elements):
# they have places in the boot order device by device only.
PASSED_BOOT_LETTERS = {"h": "hostdev", "r": "redirdev"}
_LETTERS = {word: letter for letter, word in (BOOT_LETTERS | PASSED_BOOT_LETTERS).items()}

# XenAPI on_normal_exit and on_crash_behaviour, and libvirt's words for them.
EXIT_ACTIONS = {"destroy": "destroy", "restart": "restart"}
CRASH_ACTIONS = {
    **EXIT_ACTIONS,
    "preserve": "preserve",
    "rename_restart": "rename-restart",
    "coredump_and_destroy": "coredump-destroy",
    "coredump_and_restart": "coredump-restart",
}
_ACTIONS = {word: action for action, word in CRASH_ACTIONS.items()}

_ALWAYS = ("changing_memory_limits", "changing_VCPUs", "changing_dynamic_range")
_ALLOWED = {
    "Halted": ("start", "start_on", "destroy", "changing_static_range", *_ALWAYS),
    "Running": (
        "pause",
        "suspend",
        "clean_shutdown",
        "clean_reboot",
        "hard_shutdown",
        "hard_reboot",
        "changing_memory_live",
        "changing_VCPUs_live",
        *_ALWAYS,
    ),
    "Paused": ("unpause", "hard_shutdown", "hard_reboot", *_ALWAYS),
    "Suspended": ("resume", "resume_on", "hard_shutdown", *_ALWAYS),
}

_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: "Running",
    libvirt.VIR_DOMAIN_RUNNING: "Running",
    libvirt.VIR_DOMAIN_BLOCKED: "Running",
    libvirt.VIR_DOMAIN_PAUSED: "Paused",
    libvirt.VIR_DOMAIN_SHUTDOWN: "Running",
    libvirt.VIR_DOMAIN_SHUTOFF: "Halted",
    # Kept for inspection after a panic (on_crash preserve): the emulator is there, nothing runs.
    libvirt.VIR_DOMAIN_CRASHED: "Paused",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "Suspended",
}


def power_state(domain: DomainView) -> str:
    """Give XenAPI's vm_power_state."""
    if domain.live is None:
        return "Suspended" if domain.saved else "Halted"
    return _STATES.get(domain.state, "Running")


def vm_values(
    domain: DomainView, host_uuid: str, operations: Mapping[str, str]
) -> dict[str, object]:
    """Give the values of a VM record; ``operations`` are those in progress, by task."""
    config, state = domain.config, power_state(domain)
    resident = reference("host", host_uuid) if domain.live is not None else NULL
    values: dict[str, object] = {
        "uuid": domain.uuid,
        "name_label": shown_name(config.name),
        "name_description": config.description,
        "power_state": state,
        "allowed_operations": list(_ALLOWED[state]),
        "current_operations": dict(operations),
        "resident_on": resident,
        "memory_static_max": config.memory_max_bytes,
        "memory_dynamic_max": config.memory_current_bytes,
        "memory_dynamic_min": config.memory_current_bytes,
        "memory_static_min": 0,
        "memory_target": _current(domain).memory_current_bytes,
        "VCPUs_max": config.vcpus_max,
        "VCPUs_at_startup": config.vcpus_current,
        "actions_after_shutdown": _ACTIONS.get(config.on_poweroff, config.on_poweroff),
        "actions_after_reboot": _ACTIONS.get(config.on_reboot, config.on_reboot),
        "actions_after_crash": _ACTIONS.get(config.on_crash, config.on_crash),
        "actions_after_softreboot": "soft_reboot",
        "VBDs": [reference("VBD", vbd_identity(domain.uuid, disk)) for disk in config.disks],
        "VIFs": [reference("VIF", vif_identity(domain.uuid, item)) for item in config.interfaces],
        "consoles": [
            reference("console", console_identity(domain.uuid, console.id))
            for console in _current(domain).consoles
            if domain.live is not None
        ],
        "metrics": reference("VM_metrics", domain.uuid),
        "domid": domain.id,
        "domarch": config.arch,
        "HVM_boot_policy": "BIOS order" if config.os_type == "hvm" else "",
        "HVM_shadow_multiplier": 1.0,
        "PV_kernel": config.kernel,
        "PV_ramdisk": config.initrd,
        "PV_args": config.cmdline,
        "domain_type": "hvm" if config.os_type == "hvm" else "pv",
    }
    return values | _extra_values(domain)


def _current(domain: DomainView) -> DomainXml:
    return domain.live or domain.config


def _extra_values(domain: DomainView) -> dict[str, object]:
    config = domain.config
    extra = {name: value for name, value in config.extra.items() if name in EXTRA_FIELDS}
    if domain.live is not None:
        # What runs is a machine, whatever its metadata says: clients leave templates out.
        extra.pop("is_a_template", None)
    maps: dict[str, dict[str, str]] = {
        name: dict(extra.get(name, {})) for name, kind in EXTRA_FIELDS.items() if kind == "map"
    }
    maps["other_config"]["auto_poweron"] = "true" if domain.autostart else "false"
    order = "".join(_LETTERS.get(word, "") for word in boot_words(config))
    if order:
        maps["HVM_boot_params"]["order"] = order
    for name in ("acpi", "apic", "pae"):
        maps["platform"][name] = "true" if getattr(config, name) else "false"
    if config.machine:
        maps["platform"]["machine"] = config.machine
    dynamic_min = min(int(extra.get("memory_dynamic_min", 2**63)), config.memory_current_bytes)
    return {**extra, **maps, "memory_dynamic_min": dynamic_min}


def vm_metrics_values(domain: DomainView, host: HostView) -> dict[str, object]:
    """Give the values of a VM_metrics record."""
    running = domain.live
    state = power_state(domain)
    return {
        "uuid": derived_uuid("VM_metrics", domain.uuid),
        "memory_actual": running.memory_current_bytes if running else 0,
        "VCPUs_number": running.vcpus_current if running else 0,
        "start_time": domain.started or EPOCH,
        "state": [state.lower()],
        "hvm": domain.config.os_type == "hvm",
        "current_domain_type": "hvm" if running else "unspecified",
        "other_config": {
            **_stop(domain),
            **_happened(domain),
            **_texts(domain),
            **stated(domain.problem),
            "hypervisor": host.driver,
        },
    }


def _texts(domain: DomainView) -> dict[str, str]:
    """The title; and what the running domain says of itself, where that is something else."""
    config, live = domain.config, domain.live or domain.config
    texts = {TITLE: config.title} if config.title else {}
    if live.title != config.title:
        texts["live-title"] = live.title
    if live.description != config.description:
        texts["live-description"] = live.description
    return texts


def _happened(domain: DomainView) -> dict[str, str]:
    """What the XenAPI has no field for: when the state changed, and what the guest survived."""
    # Empty: nobody saw it.
    since = "" if domain.since is None else domain.since.isoformat(timespec="milliseconds")
    values = {"state-changed": since}
    if domain.panicked is not None:
        values["last-panic"] = domain.panicked.isoformat(timespec="milliseconds")
    if domain.watchdog_at is not None:
        values["last-watchdog"] = domain.watchdog_at.isoformat(timespec="milliseconds")
        values["last-watchdog-action"] = domain.watchdog
    if domain.io_errors:
        values["io-errors"] = json.dumps(
            [
                {"time": each.time.isoformat(timespec="milliseconds"), "event": each.event}
                for each in domain.io_errors
            ]
        )
    return values


def _stop(domain: DomainView) -> dict[str, Any]:
    if domain.stop is None:
        return {}
    values = {"stop-reason": domain.stop.reason, "stop-event": json.dumps(domain.stop.event)}
    if domain.since is not None:
        values["stop-time"] = domain.since.isoformat(timespec="milliseconds")
    return values
