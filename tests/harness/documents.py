"""Domain documents as libvirt gives them: read, compared, and what libvirt makes of an edit."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import libvirt
from lxml import etree

__all__ = ["Documents", "Edit", "EditedDocument", "Element", "Oracle", "difference", "parse"]

Element: TypeAlias = etree._Element
#: Changes a document in place, by hand.
Edit: TypeAlias = Callable[[Element], None]

_PERSISTENT = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
_LIVE = libvirt.VIR_DOMAIN_XML_SECURE


def parse(xml: str) -> Element:
    """Read a document with all that it holds: comments, prefixes, CDATA."""
    return etree.fromstring(xml.encode(), etree.XMLParser(strip_cdata=False, no_network=True))


def difference(expected: str, found: str) -> str:
    """The lines in which two documents differ, empty where they say the same."""
    lines = (_canonical(expected), _canonical(found))
    return "\n".join(difflib.unified_diff(*lines, "expected", "found", n=2, lineterm=""))


def _canonical(xml: str) -> list[str]:
    """A document line by line: attributes in order, one way of indenting, all else as it is.

    Controllers come in the order of their numbers: libvirt gives them another one each time that
    it is given its own document.
    """
    root = parse(xml)
    _sort_controllers(root)
    for element in root.iter():
        if not (element.text or "").strip() and len(element):
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
    written = etree.tostring(
        parse(etree.tostring(root, method="c14n2").decode()), pretty_print=True
    )
    return written.decode().splitlines()


def _sort_controllers(root: Element) -> None:
    devices = root.find("devices")
    if devices is None:
        return
    controllers = devices.findall("controller")
    places = [devices.index(each) for each in controllers]
    controllers.sort(key=lambda each: (each.get("type", ""), int(each.get("index", "0"))))
    for each in controllers:
        devices.remove(each)
    for place, each in zip(places, controllers, strict=True):
        devices.insert(place, each)


class Documents(NamedTuple):
    """What libvirt says of one domain: its documents with all secrets, and its autostart."""

    persistent: str
    live: str  # empty while it does not run
    autostart: bool

    @classmethod
    def of(cls, domain: Any) -> Documents:
        """Ask libvirt."""
        live = domain.XMLDesc(_LIVE) if domain.isActive() else ""
        return cls(domain.XMLDesc(_PERSISTENT), live, bool(domain.autostart()))

    def differs_from(self, expected: Documents) -> str:
        """What is not as expected, empty where everything is."""
        found = [
            difference(expected.persistent, self.persistent),
            difference(expected.live, self.live) if expected.live and self.live else "",
        ]
        if bool(expected.live) != bool(self.live):
            found.append("the machine was started or stopped")
        if expected.autostart != self.autostart:
            found.append(f"autostart is {self.autostart}")
        return "\n".join(text for text in found if text)


class EditedDocument(NamedTuple):
    """What libvirt gives for a document that was edited by hand, and what it did not keep."""

    text: str
    lost: list[str]


def _items(element: Element, path: str = "") -> Counter[str]:
    """Everything that a document says, and how often."""
    own = f"{path}/{element.tag!s}"
    found = Counter([f"{own}@{name}={value}" for name, value in element.attrib.items()])
    found[f"{own}={(element.text or '').strip()}"] += 1
    for child in element.iterchildren(tag=etree.Element):
        found += _items(child, own)
    return found


class Oracle:
    """A libvirtd of its own, which says what a document is after an edit by hand."""

    def __init__(self, uri: str) -> None:
        self._connection = libvirt.open(uri)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def after(self, xml: str, edit: Edit) -> EditedDocument:
        """What libvirt makes of the edited document; raises libvirt.libvirtError."""
        root = parse(xml)
        edit(root)
        edited = etree.tostring(root, encoding="unicode")
        domain = self._connection.defineXML(edited)
        try:
            given = str(domain.XMLDesc(_PERSISTENT))
        finally:
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
        lost = _items(parse(edited)) - _items(parse(given))
        return EditedDocument(given, sorted({item.partition("=")[0] for item in lost}))
