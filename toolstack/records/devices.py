"""Records of VBD, VIF and console."""

from __future__ import annotations

from virtcim.toolstack.reading.views import ConsoleView, DiskView, DomainView, InterfaceView
from virtcim.toolstack.records.boot import has_device_order
from virtcim.toolstack.records.identity import (
    console_identity,
    vbd_identity,
    vif_identity,
    vm_ref,
)
from virtcim.toolstack.refs import NULL, derived_uuid

__all__ = [
    "CONSOLE_ID",
    "LINK",
    "LINK_DOWN",
    "NETWORK_NAME",
    "PROBLEM",
    "console_values",
    "vbd_values",
    "vif_values",
]

# libvirt's <disk device=...> and XenAPI's vbd_type.
_DISK_TYPES = {"disk": "Disk", "lun": "Disk", "cdrom": "CD", "floppy": "Floppy"}

_DEFAULT_MTU = 1500
# The key in a device's runtime_properties that holds what is wrong with it.
PROBLEM = "problem"
# Keys in a VIF's runtime_properties, and the value where the link is cut.
LINK, LINK_DOWN = "link", "down"
NETWORK_NAME = "network"
# The key in a console's other_config that holds the name that it keeps.
CONSOLE_ID = "virtcim-id"


def vbd_values(domain: DomainView, disk: DiskView, vdi: str) -> dict[str, object]:
    """Give the values of a VBD record; ``vdi`` is the reference of its medium."""
    kind = _DISK_TYPES.get(disk.device, "Disk")
    empty = not disk.sources
    removable = kind != "Disk"
    attach = "unplug" if disk.attached else "attach"
    return {
        "uuid": derived_uuid("VBD", vbd_identity(domain.uuid, disk)),
        "VM": vm_ref(domain.uuid),
        "VDI": vdi,
        "userdevice": str(disk.number),
        "device": disk.target,
        "bootable": _bootable(domain, disk),
        "mode": "RO" if disk.read_only or kind == "CD" else "RW",
        "type": kind,
        "unpluggable": True,
        "runtime_properties": _properties(
            id=disk.id, bus=disk.bus, type=disk.format, **{PROBLEM: disk.problem}
        ),
        "empty": empty,
        "currently_attached": disk.attached,
        "allowed_operations": [
            *([] if domain.live is None else [attach]),
            *([] if not removable else ["insert" if empty else "eject"]),
        ],
    }


def _properties(**values: str) -> dict[str, str]:
    """Give what XenAPI has no fields for; ``id`` is the device's name for its life."""
    return {name: value for name, value in values.items() if value}


def _bootable(domain: DomainView, disk: DiskView) -> bool:
    """The firmware tries the device: by its own order, or as the first of a kind that it tries."""
    if has_device_order(domain.config):
        return disk.boot_order > 0
    kinds = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}
    kind = kinds.get(disk.device, "")
    first = next((item for item in domain.config.disks if kinds.get(item.device, "") == kind), None)
    return kind in domain.config.boot and first is not None and first.target == disk.target


def vif_values(domain: DomainView, interface: InterfaceView, network: str) -> dict[str, object]:
    """Give the values of a VIF record; ``network`` is the reference of its network, or NULL."""
    properties = {
        "id": interface.id,
        "model": interface.model,
        LINK: "" if interface.link_up else LINK_DOWN,
        # libvirt defines domains with networks that do not exist.
        NETWORK_NAME: interface.source if network == NULL else "",
        PROBLEM: f"the network {interface.source!r} does not exist" if network == NULL else "",
    }
    return {
        "uuid": derived_uuid("VIF", vif_identity(domain.uuid, interface)),
        "VM": vm_ref(domain.uuid),
        "network": network,
        "device": str(interface.number),
        "MAC": interface.mac,
        "MTU": interface.mtu or _DEFAULT_MTU,
        "currently_attached": interface.attached,
        "allowed_operations": (
            [] if domain.live is None else ["unplug" if interface.attached else "plug"]
        ),
        "runtime_properties": _properties(**properties),
        "locking_mode": "network_default",
        "ipv4_configuration_mode": "None",
        "ipv6_configuration_mode": "None",
    }


def console_values(domain: DomainView, console: ConsoleView, hostname: str) -> dict[str, object]:
    """Give the values of a console record; ``hostname`` is where clients find the host."""
    return {
        "uuid": derived_uuid("console", console_identity(domain.uuid, console.id)),
        "VM": vm_ref(domain.uuid),
        "protocol": console.protocol,
        "location": console.location_at(hostname),
        "other_config": {CONSOLE_ID: console.id},
    }
