"""Domain descriptions for tests, and what differs between two."""

from __future__ import annotations

from collections import Counter
from xml.etree.ElementTree import Element, fromstring

import libvirt

__all__ = ["PERSISTENT", "difference", "document"]

PERSISTENT = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


def document(name: str, devices: str, *, more: str = "", kind: str = "qemu") -> str:
    """A small machine with these devices."""
    return (
        f"<domain type='{kind}'><name>{name}</name><memory unit='MiB'>32</memory>{more}"
        f"<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def difference(before: str, after: str, *, without: tuple[str, ...] = ()) -> list[str]:
    """Give what one description says of its devices and itself that the other does not."""
    old, new = _items(before), _items(after)
    found = [f"- {item}" for item in (old - new).elements()]
    found += [f"+ {item}" for item in (new - old).elements()]
    return sorted(item for item in found if not any(word in item for word in without))


def _items(xml: str) -> Counter[str]:
    items: Counter[str] = Counter()
    root = fromstring(xml)
    for child in root:
        for element in child if child.tag == "devices" else [child]:
            _collect(element, element.tag, items)
    return items


def _collect(element: Element, path: str, items: Counter[str]) -> None:
    text = (element.text or "").strip()
    items[f"{path}={text}" if text else path] += 1
    for name, value in element.attrib.items():
        items[f"{path}@{name}={value}"] += 1
    for child in element:
        _collect(child, f"{path}/{child.tag}", items)
