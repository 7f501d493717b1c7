"""A domain description as libvirt gave it: read, edited in place, and written again.

Prefixes, comments, CDATA and the order of what other programs keep in it stay as they are.
"""

from __future__ import annotations

import re
from typing import Self, TypeAlias

from lxml import etree

from virtcim.toolstack.faults import value_not_supported
from virtcim.toolstack.native.written import as_meant

__all__ = [
    "Document",
    "Element",
    "carriable",
    "child_of",
    "items_of",
    "parse_element",
    "remove",
    "remove_children",
    "set_text",
    "to_xml",
]

Element: TypeAlias = etree._Element  # noqa: SLF001 - what the library calls it

_UNCARRIABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse_element(xml: str) -> Element:
    """Read XML of libvirt's: nothing is fetched, no entity replaced, nothing dropped."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, strip_cdata=False
    )
    return etree.fromstring(as_meant(xml), parser)


def to_xml(element: Element) -> str:
    """Write an element, without what stands after it."""
    return etree.tostring(element, encoding="unicode", with_tail=False)


class Document:
    """One domain description; ``root`` is its ``<domain>``."""

    def __init__(self, xml: str) -> None:
        self.root = parse_element(xml)

    @classmethod
    def of(cls, root: Element) -> Self:
        """Give the description that ``root`` is."""
        document = cls.__new__(cls)
        document.root = root
        return document

    @property
    def text(self) -> str:
        """The description as it is now."""
        return to_xml(self.root)

    def devices(self, tag: str) -> list[Element]:
        """Give the devices of one kind, such as ``disk``, in their order."""
        return self.root.findall(f"devices/{tag}")

    def add_device(self, element: Element) -> None:
        """Add a device after the others of its kind."""
        child_of(self.root, "devices").append(element)


def remove(element: Element) -> None:
    """Take an element out of its document; the text around it stays."""
    parent = element.getparent()
    assert parent is not None
    if element.tail and element.tail.strip():
        before = element.getprevious()
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)


def remove_children(parent: Element, *tags: str) -> None:
    """Take out all children of these names."""
    for tag in tags:
        for child in parent.findall(tag):
            remove(child)


def child_of(parent: Element, tag: str) -> Element:
    """Give a child element, which is made if need be."""
    child = parent.find(tag)
    return etree.SubElement(parent, tag) if child is None else child


def set_text(parent: Element, tag: str, text: str, *, field: str) -> None:
    """Set the text of a child element, which is made if need be, or removed when empty.

    Raises ``VALUE_NOT_SUPPORTED`` naming ``field`` for what XML cannot carry.
    """
    if text:
        child_of(parent, tag).text = carriable(text, field)
    else:
        remove_children(parent, tag)


def carriable(text: str, field: str) -> str:
    """Give a text that XML can carry; raises ``VALUE_NOT_SUPPORTED`` naming ``field``."""
    if _UNCARRIABLE.search(text):
        raise value_not_supported(field, text, "contains characters that XML cannot carry")
    return text


def items_of(element: Element, *, without: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    """Give everything that an element says: each path below it with its text or value.

    ``without`` names paths that are left out, with all below them.
    """
    found: set[tuple[str, str]] = set()
    _collect(element, "", without, found)
    return found


def _collect(
    element: Element, path: str, without: tuple[str, ...], found: set[tuple[str, str]]
) -> None:
    for name, value in element.attrib.items():
        attribute = path.removesuffix("/") + "@" + str(name)
        if attribute not in without:
            found.add((attribute, str(value)))
    text = (element.text or "").strip()
    if text or path:
        found.add((path.removesuffix("/"), text))
    for child in element.iterchildren(tag=etree.Element):
        below = path + str(child.tag)
        if below not in without:
            _collect(child, f"{below}/", without, found)
