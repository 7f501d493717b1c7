"""The order in which the firmware of a domain tries its devices.

A domain has it by kind of device (``<os><boot dev='hd'/>``) or device by device
(``<boot order='1'/>``), never both: https://libvirt.org/formatdomain.html#bios-bootloader
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from virtcim.toolstack.documents.document import (
    Document,
    Element,
    child_of,
    remove,
    remove_children,
)
from virtcim.toolstack.faults import value_not_supported

__all__ = ["BOOT_FIELD", "boot_kinds", "set_boot_order"]

BOOT_FIELD = "HVM_boot_params[order]"

_DISK_KINDS = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}
# Kinds that have no word in <os><boot>: they are tried device by device only.
_PASSED = ("hostdev", "redirdev")


def _kind(device: Element) -> str:
    """Give libvirt's word for a device's kind, empty for those that cannot be tried."""
    if device.tag == "disk":
        return _DISK_KINDS.get(device.get("device", "disk"), "")
    if device.tag in _PASSED:
        return str(device.tag)
    return "network" if device.tag == "interface" else ""


def _bootable(document: Document) -> list[Element]:
    devices = document.root.find("devices")
    return [] if devices is None else list(devices.iterchildren(tag=etree.Element))


def _order(device: Element) -> int:
    boot = device.find("boot")
    return 0 if boot is None else int(boot.get("order", "0"))


def _ordered(document: Document) -> list[Element]:
    """Give the devices that have a place of their own, in their order."""
    return sorted((device for device in _bootable(document) if _order(device)), key=_order)


def boot_kinds(document: Document) -> tuple[str, ...]:
    """Give the kinds of devices that the firmware tries, in order."""
    ordered = _ordered(document)
    if ordered:
        return tuple(dict.fromkeys(kind for device in ordered if (kind := _kind(device))))
    return tuple(boot.get("dev", "") for boot in document.root.iterfind("os/boot"))


def set_boot_order(document: Document, kinds: Sequence[str]) -> None:
    """Let the firmware try the devices of these kinds in this order.

    In a domain that has an order device by device that is kept as far as it can be: devices of one
    kind stay in their order, and those of kinds that were not asked for lose their place. Raises
    ``VALUE_NOT_SUPPORTED`` for an order without passed-through devices that the machine boots from
    (whoever leaves them out may not know of them), or with ones that cannot have a place.
    """
    present = boot_kinds(document)
    if tuple(kinds) == present:
        return
    ordered = _ordered(document)
    for kind in _PASSED:
        if kind in present and kind not in kinds:
            raise value_not_supported(
                BOOT_FIELD,
                " ".join(kinds),
                f"leaves out {kind}, a passed-through device that the machine boots from",
            )
        if kind in kinds and not (ordered and _devices_of(document, ordered, [kind])):
            raise value_not_supported(
                BOOT_FIELD,
                " ".join(kinds),
                f"names {kind}, and no such device of the machine can have a place in the order",
            )
    if ordered:
        wanted = _devices_of(document, ordered, kinds)
        # Devices of a kind that is still to come are tried afterwards.
        wanted += [device for device in ordered if not _kind(device)]
        for device in ordered:
            if device not in wanted:
                remove_children(device, "boot")
        if wanted:
            for place, device in enumerate(wanted, 1):
                child_of(device, "boot").set("order", str(place))
            return
    os_element = child_of(document.root, "os")
    for boot in os_element.findall("boot"):
        remove(boot)
    for kind in kinds:
        etree.SubElement(os_element, "boot", dev=kind)


def _devices_of(
    document: Document, ordered: Sequence[Element], kinds: Sequence[str]
) -> list[Element]:
    devices = _bootable(document)
    wanted: list[Element] = []
    for kind in kinds:
        own = [device for device in ordered if _kind(device) == kind]
        wanted += own or [device for device in devices if _kind(device) == kind][:1]
    return wanted
