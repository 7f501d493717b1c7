"""Reading untrusted XML into a small tree: no DTD, no entities, UTF-8 only, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from virtcim.cimserver.errors import HttpProblem
from virtcim.cimserver.limits import Limits

__all__ = ["Element", "parse"]

_UTF8_NAMES = frozenset({"utf-8", "utf8", "us-ascii"})
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")


@dataclass(slots=True)
class Element:
    """One XML element; ``text`` is all character data directly inside it."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def attribute(self, name: str) -> str:
        """The attribute ``name``. Raises HttpProblem where it is missing."""
        value = self.attributes.get(name)
        if value is None:
            raise HttpProblem(
                status=400,
                cim_error="request-not-loosely-valid",
                detail=f"{self.name} has no attribute {name}",
            )
        return value

    def only_child(self, *names: str) -> Element:
        """The one child, which is called one of ``names``. Raises HttpProblem otherwise."""
        if len(self.children) == 1 and self.children[0].name in names:
            return self.children[0]
        raise HttpProblem(
            status=400,
            cim_error="request-not-loosely-valid",
            detail=f"{self.name} must hold one {' or '.join(names)}",
        )


def parse(data: bytes, limits: Limits) -> Element:
    """Parse a document. Raises HttpProblem for what is not well-formed or beyond the limits."""
    if data.startswith(_UTF16_STARTS):
        raise _not_well_formed("the message must be encoded in UTF-8")
    reader = _Reader(limits)
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as exc:
        raise _not_well_formed(f"the message is no well-formed XML: {exc}") from exc
    return reader.root


class _Reader:
    """The handlers of one expat parser, and the tree that they build."""

    def __init__(self, limits: Limits) -> None:
        # Without this expat would believe any encoding that the document declares.
        self.parser = expat.ParserCreate(encoding="utf-8")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._limits = limits
        self._elements = 0
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self.root: Element = Element("", {})

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _UTF8_NAMES:
            raise _not_well_formed(f"the message must be encoded in UTF-8, not {encoding:.40}")

    def _doctype(self, *_: object) -> None:
        raise _not_well_formed("a document type declaration is not accepted")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > self._limits.request_elements:
            raise HttpProblem(status=413, detail="the message has too many elements")
        if len(self._open) >= self._limits.request_depth:
            raise _not_well_formed("the elements of the message are nested too deeply")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def _text(self, text: str) -> None:
        self._texts[-1].append(text)


def _not_well_formed(detail: str) -> HttpProblem:
    return HttpProblem(status=400, cim_error="request-not-well-formed", detail=detail)
