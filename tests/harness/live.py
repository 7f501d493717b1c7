"""A twin of a running machine in another libvirtd: what libvirt makes of an edit at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import libvirt
from lxml import etree

from tests.harness.documents import Edit, Element, parse

__all__ = ["LiveTwin", "Mirror", "live_text"]

_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


def live_text(xml: str) -> str:
    """A running machine's document without what each run, and each opened image, is numbered by."""
    root = parse(xml)
    root.attrib.pop("id", None)
    for source in root.iter("source"):
        source.attrib.pop("index", None)
    return etree.tostring(root, encoding="unicode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Another libvirtd: what lies in ``here`` of ours has its like in ``there``."""

    connection: libvirt.virConnect
    here: Path
    there: Path

    def to_twin(self, xml: str) -> str:
        """A document of ours as the other libvirtd needs it."""
        return xml.replace(str(self.here), str(self.there))

    def from_twin(self, xml: str) -> str:
        """A document of the other libvirtd as ours would say it."""
        return xml.replace(str(self.there), str(self.here))

    @contextmanager
    def running(self, xml: str) -> Iterator[LiveTwin]:
        """Run a machine there, too, from its persistent description; it has an identity of its own.

        The same one is defined there with each edit.
        """
        root = parse(self.to_twin(xml))
        own = {}
        for tag, value in (("uuid", str(uuid4())), ("name", f"twin-{uuid4()}")):
            element = root.find(tag)
            assert element is not None
            own[value], element.text = str(element.text), value
        domain = self.connection.createXML(etree.tostring(root, encoding="unicode"))
        try:
            yield LiveTwin(self, domain, own)
        finally:
            domain.destroy()


class LiveTwin:
    """A machine like ours that runs elsewhere, and is changed by libvirt's own calls alone."""

    def __init__(self, mirror: Mirror, domain: libvirt.virDomain, own: Mapping[str, str]) -> None:
        self._mirror = mirror
        self._domain = domain
        self._own = own  # its identity, and what ours has instead

    def text(self) -> str:
        """Its document, as ours would say it."""
        return live_text(self._document())

    def _document(self) -> str:
        text = self._mirror.from_twin(self._domain.XMLDesc())
        for its, ours in self._own.items():
            text = text.replace(its, ours)
        return text

    def make(self, edit: Edit) -> None:
        """Make at once what of an edit can be made so; raises libvirt.libvirtError."""
        before = parse(self._document())
        after = deepcopy(before)
        pairs = list(zip(before.iterfind("devices/*"), after.iterfind("devices/*"), strict=True))
        edit(after)
        for old, new in pairs:
            if new.getparent() is None:
                self._domain.detachDeviceFlags(self._xml(old), _LIVE)
            elif _said(old) != _said(new):
                self._domain.updateDeviceFlags(self._xml(new), _LIVE)
        known = {new for _, new in pairs}
        for device in after.iterfind("devices/*"):
            if device not in known:
                self._domain.attachDeviceFlags(self._xml(device), _LIVE)
        self._make_amounts(before, after)

    def _make_amounts(self, before: Element, after: Element) -> None:
        memory = after.findtext("currentMemory")
        if memory != before.findtext("currentMemory"):
            self._domain.setMemoryFlags(int(memory or "0"), _LIVE)
        if (wanted := _processors(after)) != _processors(before):
            self._domain.setVcpusFlags(wanted, _LIVE)
        description = after.findtext("description")
        if description != before.findtext("description"):
            kind = libvirt.VIR_DOMAIN_METADATA_DESCRIPTION
            self._domain.setMetadata(kind, description, None, None, _LIVE)

    def _xml(self, device: Element) -> str:
        return self._mirror.to_twin(_said(device))


def _said(device: Element) -> str:
    return etree.tostring(device, encoding="unicode", with_tail=False)


def _processors(root: Element) -> int:
    vcpu = root.find("vcpu")
    assert vcpu is not None
    return int(vcpu.get("current", vcpu.text or "1"))
