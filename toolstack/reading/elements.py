"""Reading XML that libvirt wrote: the children of an element by their tag, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from xml.etree.ElementTree import Element

__all__ = [
    "NONE",
    "Children",
    "boot_order",
    "children_of",
    "device_address",
    "pci_address",
    "user_alias",
]

Children = Mapping[str, Element]

NONE = Element("none")
"""Stands for a child that is not there: it has no text, attributes or children."""

_USER_ALIAS = "ua-"  # libvirt's prefix of the aliases that users give


def children_of(element: Element) -> Children:
    """Give the first child of each tag."""
    children: dict[str, Element] = {}
    for child in element:
        children.setdefault(child.tag, child)
    return children


def user_alias(children: Children) -> str:
    """Give the alias that a user gave a device; empty for one that libvirt made."""
    alias = children.get("alias", NONE).get("name", "")
    return alias if alias.startswith(_USER_ALIAS) else ""


def boot_order(children: Children) -> int:
    """Give a device's place in the boot order, from 1; 0 if the firmware does not try it."""
    return int(children.get("boot", NONE).get("order", 0))


def device_address(element: Element | None) -> str:
    """Give ``<address>`` of a device in canonical text, empty if there is none.

    https://libvirt.org/formatdomain.html#device-addresses
    """
    if element is None:
        return ""
    get = element.get
    kind = get("type", "")
    if kind == "pci":
        return _pci_device(
            *(get("domain", "0"), get("bus", "0"), get("slot", "0"), get("function", "0"))
        )
    if kind == "drive":
        parts = (element.get(name, "0") for name in ("controller", "bus", "target", "unit"))
        return ":".join((kind, *parts))
    # The other kinds have few devices: what libvirt says, in the order of its names.
    others = (f"{name}={value}" for name, value in sorted(element.items()) if name != "type")
    return ":".join((kind, *others))


def pci_address(element: Element) -> str:
    """Give the attributes of a PCI address as ``0000:00:05.0``."""
    names = ("domain", "bus", "slot", "function")
    return _pci_address(*(element.get(name, "0") for name in names))


def _pci_address(domain: str, bus: str, slot: str, function: str) -> str:
    return f"{int(domain, 0):04x}:{int(bus, 0):02x}:{int(slot, 0):02x}.{int(function, 0):x}"


# Machines have their devices in the same few places.
@lru_cache(maxsize=1 << 12)
def _pci_device(domain: str, bus: str, slot: str, function: str) -> str:
    return f"pci:{_pci_address(domain, bus, slot, function)}"
