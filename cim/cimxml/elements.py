"""Reading untrusted XML into a small tree: no DTD, no entities, UTF-8 only, bounded.

The reader is fed bytes as they come, and it makes no difference how they were cut: they are handed
to the parser in blocks of one size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from virtcim.cim.errors import CimXmlError

__all__ = ["Element", "ElementReader", "MessageLimits", "read_element"]

_UTF8_NAMES = frozenset({"utf-8", "utf8", "us-ascii"})
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")
_BLOCK_BYTES = 64 * 1024
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """How large a document may be."""

    size_bytes: int = 4 * 1024 * 1024
    depth: int = 64
    elements: int = 100_000


@dataclass(slots=True)
class Element:
    """One XML element; ``text`` is all character data directly inside it."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def attribute(self, name: str) -> str:
        """The attribute ``name``. Raises CimXmlError where it is missing."""
        value = self.attributes.get(name)
        if value is None:
            raise CimXmlError(
                f"{self.name} has no attribute {name}", cim_error="request-not-loosely-valid"
            )
        return value

    def only_child(self, *names: str) -> Element:
        """The one child, which is called one of ``names``. Raises CimXmlError otherwise."""
        if len(self.children) == 1 and self.children[0].name in names:
            return self.children[0]
        raise CimXmlError(
            f"{self.name} must hold one {' or '.join(names)}",
            cim_error="request-not-loosely-valid",
        )


def read_element(data: bytes, limits: MessageLimits) -> Element:
    """The root of a whole document. Raises CimXmlError as ElementReader does."""
    reader = ElementReader(limits)
    reader.feed(data)
    return reader.close()


class ElementReader:
    """Reads one document that comes in pieces.

    ``feed`` and ``close`` raise CimXmlError for what is not well-formed or beyond the limits; after
    that the reader gives the same error for ever. A mistake may be told later than it was fed, at
    the latest by ``close``. ``was_text`` says that the document has come as text: then what it
    declares its encoding to be means nothing.
    """

    def __init__(
        self, limits: MessageLimits, *, was_text: bool = False, block_bytes: int = _BLOCK_BYTES
    ) -> None:
        # Without this expat would believe any encoding that the document declares.
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._parser.buffer_text = True
        if not was_text:
            self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._limits = limits
        # The first block tells UTF-16 by its first two bytes.
        self._block_bytes = max(block_bytes, 2)
        self._held = bytearray()
        self._room = limits.size_bytes
        self._is_first = True
        self._failure: CimXmlError | None = None
        self._elements = limits.elements
        self._depth = limits.depth
        self._open: list[Element] = []
        # What stands in each of the open elements; most have no text, or all of it in one piece.
        self._texts: list[list[str] | None] = []
        self._root = Element("", {})

    def feed(self, data: bytes) -> None:
        """Take the next piece of the document."""
        if self._failure is not None:
            raise self._failure
        self._held += data[: self._room]
        is_too_large = len(data) > self._room
        self._room -= min(len(data), self._room)
        whole = len(self._held) - len(self._held) % self._block_bytes
        for start in range(0, whole, self._block_bytes):
            self._parse(bytes(self._held[start : start + self._block_bytes]), is_last=False)
        del self._held[:whole]
        if is_too_large:
            self._fail(
                CimXmlError(
                    f"a message has at most {self._limits.size_bytes} bytes",
                    status_hint=_TOO_LARGE,
                )
            )

    def close(self) -> Element:
        """The root element, as the document has ended."""
        self._parse(bytes(self._held), is_last=True)
        return self._root

    def _parse(self, block: bytes, *, is_last: bool) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            if self._is_first and block.startswith(_UTF16_STARTS):
                raise _not_well_formed("the message must be encoded in UTF-8")
            self._is_first = False
            self._parser.Parse(block, is_last)
        except expat.ExpatError as exc:
            self._fail(_not_well_formed(f"the message is no well-formed XML: {exc}"), exc)
        except CimXmlError as exc:
            self._fail(exc)

    def _fail(self, error: CimXmlError, cause: Exception | None = None) -> None:
        if self._failure is None:
            self._failure = error
        raise self._failure from cause

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _UTF8_NAMES:
            raise _not_well_formed(f"the message must be encoded in UTF-8, not {encoding:.40}")

    def _doctype(self, *_: object) -> None:
        raise _not_well_formed("a document type declaration is not accepted")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements -= 1
        if self._elements < 0:
            raise CimXmlError("the message has too many elements", status_hint=_TOO_LARGE)
        element = Element(name, attributes, [], "")
        around = self._open
        if not around:
            self._root = element
        elif len(around) < self._depth:
            around[-1].children.append(element)
        else:
            raise _not_well_formed("the elements of the message are nested too deeply")
        around.append(element)
        self._texts.append(None)

    def _end(self, _name: str) -> None:
        element, text = self._open.pop(), self._texts.pop()
        if text is not None:
            element.text = "".join(text)

    def _text(self, text: str) -> None:
        before = self._texts[-1]
        if before is None:
            self._texts[-1] = [text]
        else:
            before.append(text)


def _not_well_formed(detail: str) -> CimXmlError:
    return CimXmlError(detail, cim_error="request-not-well-formed")
