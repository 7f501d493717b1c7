"""``<interface>``: made, and changed in place.

https://libvirt.org/formatdomain.html#network-interfaces
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lxml import etree

from virtcim.toolstack.documents.document import Element, carriable, child_of, remove_children

__all__ = [
    "InterfaceChange",
    "InterfaceSource",
    "asked",
    "build_interface",
    "change_interface",
    "present_change",
    "replaced_items",
    "waits_for_next_start",
]

# The attribute of <source> that names the network, by type of interface.
_NAMED_BY = {"network": "network", "bridge": "bridge", "direct": "dev"}
_DIRECT_MODE = "bridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceSource:
    """The network of an interface: ``kind`` is the interface's type; ``name`` empty for none."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceChange:
    """What shall be different in an interface."""

    source: InterfaceSource | None = None
    mac: str = ""
    model: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether everything stays as it is."""
        return self == _NOTHING


_NOTHING = InterfaceChange()


def build_interface(*, source: InterfaceSource, mac: str, model: str = "", mtu: int = 0) -> Element:
    """Make an ``<interface>``."""
    interface = etree.Element("interface", type=source.kind)
    etree.SubElement(interface, "mac", address=carriable(mac, "MAC"))
    _add_source(interface, source)
    if model:
        etree.SubElement(interface, "model", type=carriable(model, "other_config[model]"))
    if mtu:
        etree.SubElement(interface, "mtu", size=str(mtu))
    return interface


def _add_source(interface: Element, source: InterfaceSource) -> None:
    if source.kind not in _NAMED_BY:
        return
    element = etree.SubElement(interface, "source", {_NAMED_BY[source.kind]: source.name})
    if source.kind == "direct":
        element.set("mode", _DIRECT_MODE)


def present_change(interface: Element, change: InterfaceChange) -> InterfaceChange:
    """Give the part of a change that is not so already."""
    mac, model = interface.find("mac"), interface.find("model")
    address = "" if mac is None else mac.get("address", "").lower()
    present = "" if model is None else model.get("type", "")
    return replace(
        change,
        source=None if change.source and _is_on(interface, change.source) else change.source,
        mac="" if change.mac == address else change.mac,
        model="" if change.model == present else change.model,
    )


def _is_on(interface: Element, source: InterfaceSource) -> bool:
    if interface.get("type") != source.kind:
        return False
    present = interface.find("source")
    named = _NAMED_BY.get(source.kind)
    name = "" if present is None or named is None else present.get(named, "")
    return name == source.name


def waits_for_next_start(_interface: Element, change: InterfaceChange) -> Iterator[str]:
    """Give the CIM properties of a change that a running machine cannot take at once.

    Some networks can be changed at once, as libvirt finds.
    """
    if change.mac:
        yield "Address"
    if change.model:
        yield "ResourceSubType"


def replaced_items(change: InterfaceChange) -> tuple[str, ...]:
    """Give the paths of what a change replaces, and of what libvirt chooses anew with it."""
    paths: list[str] = []
    if change.source is not None:
        paths += ["@type", "source"]
    if change.mac:
        paths.append("mac@address")
    if change.model:
        paths += ["model@type", "address"]
    return tuple(paths)


def asked(change: InterfaceChange) -> tuple[str, str]:
    """Give the name and value of what a change asks for first, for a refusal."""
    if change.model:
        return "model", change.model
    if change.source is not None:
        return "network", change.source.name or change.source.kind
    return "MAC", change.mac


def change_interface(interface: Element, change: InterfaceChange) -> None:
    """Change what was asked; of another network all of ``<source>`` is another one."""
    if change.source is not None:
        remove_children(interface, "source")
        interface.set("type", change.source.kind)
        _add_source(interface, change.source)
    if change.mac:
        child_of(interface, "mac").set("address", carriable(change.mac, "MAC"))
    if change.model:
        child_of(interface, "model").set("type", carriable(change.model, "model"))
        remove_children(interface, "address")
