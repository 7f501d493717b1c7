"""``<disk>`` and ``<interface>`` of a domain description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from virtcim.toolstack.reading.disk_source import disk_sources
from virtcim.toolstack.reading.elements import (
    NONE,
    Children,
    boot_order,
    children_of,
    device_address,
    pci_address,
    user_alias,
)
from virtcim.toolstack.reading.views import DiskView, InterfaceView

__all__ = ["read_disk", "read_interfaces"]

_NUMBERED = re.compile(r"ua-vif(\d{1,4})")
# The attribute of <source> that names what interfaces of a type have in common.
_INTERFACE_SOURCES = {
    "network": "network",
    "bridge": "bridge",
    "direct": "dev",
    "vdpa": "dev",
    "vhostuser": "path",
    "internal": "name",
    "vds": "switchid",
}


def read_disk(element: Element) -> DiskView:
    """Read ``<disk>``."""
    children = children_of(element)
    kind = element.get("type", "file")
    source, target = children.get("source"), children.get("target", NONE)
    sources = disk_sources(kind, source)
    volume = NONE if source is None or kind != "volume" else source
    return DiskView(
        target=target.get("dev", ""),
        device=element.get("device", "disk"),
        bus=target.get("bus", ""),
        kind=kind,
        sources=sources,
        source=sources[0] if sources else "",
        pool=volume.get("pool", ""),
        volume=volume.get("volume", ""),
        format=children.get("driver", NONE).get("type", ""),
        read_only="readonly" in children,
        boot_order=boot_order(children),
        alias=user_alias(children),
        address=device_address(children.get("address")),
    )


def read_interfaces(elements: Sequence[Element]) -> tuple[InterfaceView, ...]:
    """Number the interfaces: those with our alias keep theirs, others take the lowest free."""
    children = [children_of(element) for element in elements]
    aliases = [user_alias(each) for each in children]
    numbers = _numbers(aliases) if any(aliases) else range(len(aliases))
    return tuple(
        _interface(element.get("type", ""), each, alias, number)
        for element, each, alias, number in zip(elements, children, aliases, numbers, strict=True)
    )


def _numbers(aliases: Sequence[str]) -> Sequence[int]:
    numbers = [_NUMBERED.fullmatch(alias) for alias in aliases]
    taken = {int(match[1]) for match in numbers if match}
    free = (number for number in range(len(aliases) + len(taken)) if number not in taken)
    return [int(match[1]) if match else next(free) for match in numbers]


def _interface(kind: str, children: Children, alias: str, number: int) -> InterfaceView:
    return InterfaceView(
        mac=children.get("mac", NONE).get("address", "").lower(),
        number=number,
        kind=kind,
        source=_interface_source(kind, children.get("source", NONE)),
        model=children.get("model", NONE).get("type", ""),
        mtu=int(children.get("mtu", NONE).get("size", 0)),
        link_up=children.get("link", NONE).get("state") != "down",
        boot_order=boot_order(children),
        alias=alias,
        address=device_address(children.get("address")),
    )


def _interface_source(kind: str, source: Element) -> str:
    if kind == "hostdev":
        address = source.find("address")
        return "" if address is None else pci_address(address)
    if kind in ("udp", "mcast", "server", "client"):
        return ":".join(filter(None, (source.get("address"), source.get("port"))))
    return source.get(_INTERFACE_SOURCES.get(kind, ""), "")
