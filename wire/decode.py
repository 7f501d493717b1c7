"""XML-RPC bytes in, values out. Pure and incremental: no I/O, no clock.

A message that leaves the grammar is refused with the element that was wrong. Document type
declarations are refused as such, so there are no entities to expand and nothing external to fetch.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from xml.parsers import expat

from virtcim.wire.errors import (
    MalformedMessage,
    MessageTooLarge,
    NotXml,
    NotXmlRpc,
    RemoteFault,
    TruncatedMessage,
)
from virtcim.wire.grammar import CONTAINERS, GRAMMAR, SILENT_ENDS, State
from virtcim.wire.scalars import CONVERTERS

__all__ = [
    "RESPONSE_LIMITS",
    "CallDecoder",
    "Limits",
    "ResponseDecoder",
    "decode_call",
    "decode_response",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a message may be: bytes, depth of nested XML elements, number of elements.

    One level of XML-RPC array costs three levels of XML.
    """

    max_bytes: int = 16 * 2**20
    max_depth: int = 200
    max_elements: int = 1_000_000


# A pool with ten thousand virtual machines sends replies of this order.
RESPONSE_LIMITS: Final = Limits(max_bytes=512 * 2**20, max_elements=40_000_000)


_METHOD_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,255}")
_WHITE = " \t\r\n"
# An envelope holds a value, which holds the records.
_RECORD_DEPTH = 2


class _Decoder:
    """The common part of CallDecoder and ResponseDecoder: feed bytes, then close."""

    root: str
    root_state: int

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = 0
        # What expat has taken and not looked through yet, in newer releases a good while later.
        self._pending = bytearray()
        self._states: list[int] = [State.DOCUMENT]
        self._text: list[str] = []
        self._values: list[Any] = []
        self._marks: list[int] = []
        self._names: dict[str, str] = {}
        #: How many structs of the third level are complete: the records in an answer of records.
        self.records = 0
        self.method = ""
        self.is_fault = False
        # The encoding is fixed, whatever the document says: no second reading of the same bytes.
        parser = self._parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = 2**16
        parser.StartElementHandler = self._make_start()
        parser.EndElementHandler = self._make_end()
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.XmlDeclHandler = self._check_declaration

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the message. Raises MalformedMessage as soon as it is known.

        However the message is cut, what is wrong first in it is what is raised.
        """
        refusal: MalformedMessage | None = None
        if self._size + len(data) > self._limits.max_bytes:
            data = data[: self._limits.max_bytes - self._size]
            refusal = MessageTooLarge(f"message is larger than {self._limits.max_bytes} bytes")
        # expat reads UTF-16 where it finds signs of it, whatever encoding it was told.
        if b"\0" in data or (not self._size and data[:1] in (b"\xfe", b"\xff")):
            data = b"" if data[:1] in (b"\xfe", b"\xff") else data[: data.index(b"\0")]
            refusal = NotXml("not UTF-8: it holds NUL bytes or begins as UTF-16")
        self._size += len(data)
        self._parse(data, final=False)
        if refusal is not None:
            # expat may have put off looking at the last bytes: what is wrong in them comes first.
            with contextlib.suppress(TruncatedMessage):
                self._parse(b"", final=True)
            raise refusal

    def _finish(self) -> list[Any]:
        if not self._size:
            raise TruncatedMessage("message is empty")
        self._parse(b"", final=True)
        # This object and its parser hold each other: what was read is not to wait for that to be
        # found out.
        found = [*self._values]
        self._values.clear()
        return found

    def _parse(self, data: bytes, *, final: bool) -> None:
        """Let expat take ``data``, the last bytes of the ``self._size`` that there have been."""
        begin = self._size - len(data)
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as exc:
            raise self._explain(exc, data) from exc
        # -1 is that expat has put off looking at anything.
        looked = self._parser.CurrentByteIndex
        if looked >= begin:
            # No copy of a large message that arrives whole.
            self._pending[:] = data[looked - begin :]
        else:
            del self._pending[: max(looked - begin + len(self._pending), 0)]
            self._pending += data

    def _explain(self, exc: expat.ExpatError, data: bytes) -> MalformedMessage:
        reason = expat.errors.messages[exc.code]
        place = f"line {exc.lineno}, column {exc.offset}"
        truncated = (
            expat.errors.XML_ERROR_NO_ELEMENTS,
            expat.errors.XML_ERROR_UNCLOSED_TOKEN,
            expat.errors.XML_ERROR_PARTIAL_CHAR,
            expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        )
        if reason in truncated:
            return TruncatedMessage(f"message ends before it is complete: {reason}, {place}")
        unread = self._pending + data
        index = self._parser.ErrorByteIndex - (self._size - len(unread))
        invalid = reason == expat.errors.XML_ERROR_INVALID_TOKEN
        if invalid and 0 <= index < len(unread) and unread[index] >= 0x80:
            return NotXml(f"not UTF-8: byte 0x{unread[index]:02x} at {place}")
        return NotXml(f"not XML: {reason}, {place}")

    def _refuse_doctype(self, *_args: object) -> None:
        raise NotXml("document type declarations are refused")

    def _check_declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise NotXml(f"encoding {encoding[:40]!r} is refused, only UTF-8 is read")

    def _make_start(self) -> Callable[[str, object], None]:
        # What runs for each element; names of the closure are found faster than attributes.
        states, text, marks, values = self._states, self._text, self._marks, self._values
        max_depth, max_elements = self._limits.max_depth, self._limits.max_elements
        elements = 0

        def start(tag: str, _attributes: object) -> None:
            nonlocal elements
            elements += 1
            if elements > max_elements:
                raise MessageTooLarge(f"more than {max_elements} elements")
            if text:
                self._expect_white_space(tag)
            try:
                own, parent = GRAMMAR[states[-1]][tag]
            except KeyError:
                own, parent = self._start_root(tag)
            states[-1] = parent
            states.append(own)
            if own in CONTAINERS:
                # By the grammar, nothing else can nest without end.
                if len(states) > max_depth:
                    raise MessageTooLarge(f"elements nested deeper than {max_depth}")
                marks.append(len(values))

        return start

    def _start_root(self, tag: str) -> tuple[int, int]:
        if self._states[-1] != State.DOCUMENT:
            raise NotXmlRpc(f"<{tag[:40]}> is not allowed here")
        if tag != self.root:
            raise NotXmlRpc(f"expected <{self.root}>, found <{tag[:40]}>")
        return self.root_state, State.DONE

    def _make_end(self) -> Callable[[str], None]:
        states, text, closers = self._states, self._text, self._make_closers()

        def end(tag: str) -> None:
            try:
                closer = closers[states.pop()]
            except KeyError:
                raise NotXmlRpc(f"<{tag[:40]}> lacks something it must contain") from None
            if closer is not None:
                closer()
            elif text:
                self._expect_white_space(tag)

        return end

    def _expect_white_space(self, tag: str) -> None:
        text = self._take_text()
        if text.strip(_WHITE):
            raise NotXmlRpc(f"stray text beside <{tag[:40]}>")

    def _take_text(self) -> str:
        parts = self._text
        text = parts[0] if len(parts) == 1 else "".join(parts)
        parts.clear()
        return text

    def _make_closers(self) -> dict[int, Callable[[], None] | None]:
        closers: dict[int, Callable[[], None] | None] = dict.fromkeys(SILENT_ENDS)
        closers[State.STRING] = closers[State.VALUE] = self._end_string
        closers[State.NAME] = self._end_name
        closers[State.METHOD_NAME] = self._end_method_name
        closers[State.STRUCT] = self._end_struct
        closers[State.DATA] = self._end_data
        closers[State.FAULT_END] = self._end_fault
        for state, convert in CONVERTERS.items():
            closers[state] = self._make_converter(convert)
        return closers

    def _make_converter(self, convert: Callable[[str], object]) -> Callable[[], None]:
        def end_scalar() -> None:
            self._values.append(convert(self._take_text().strip(_WHITE)))

        return end_scalar

    def _end_name(self) -> None:
        # A thousand records share their sixty names: keep each once.
        name = self._take_text()
        self._values.append(self._names.setdefault(name, name))

    def _end_string(self) -> None:
        # <string>, and a <value> without a type, which is a string too.
        parts = self._text
        if len(parts) == 1:
            self._values.append(parts[0])
            parts.clear()
        elif parts:
            self._values.append(self._take_text())
        else:
            self._values.append("")

    def _end_method_name(self) -> None:
        name = self._take_text().strip(_WHITE)
        if not _METHOD_NAME.fullmatch(name):
            raise NotXmlRpc(f"{name[:80]!r} is no method name")
        self.method = name

    def _end_struct(self) -> None:
        if self._text:
            self._expect_white_space("struct")
        values = self._values
        mark = self._marks.pop()
        values[mark:] = [dict(zip(values[mark::2], values[mark + 1 :: 2], strict=True))]
        if len(self._marks) == _RECORD_DEPTH:
            self.records += 1

    def _end_data(self) -> None:
        if self._text:
            self._expect_white_space("data")
        mark = self._marks.pop()
        self._values[mark:] = [self._values[mark:]]

    def _end_fault(self) -> None:
        if self._text:
            self._expect_white_space("fault")
        self.is_fault = True


class CallDecoder(_Decoder):
    """Reads one ``<methodCall>`` from bytes that arrive in pieces."""

    root = "methodCall"
    root_state = State.CALL

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits or Limits())

    def close(self) -> tuple[str, list[Any]]:
        """Return (method, params) of the complete message. Raises MalformedMessage."""
        params = self._finish()
        return self.method, params


class ResponseDecoder(_Decoder):
    """Reads one ``<methodResponse>`` from bytes that arrive in pieces."""

    root = "methodResponse"
    root_state = State.RESPONSE

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits or RESPONSE_LIMITS)

    def close(self) -> Any:
        """Return the result of the complete message.

        Raises RemoteFault for a ``<fault>``, MalformedMessage for anything else.
        """
        (value,) = self._finish()
        if self.is_fault:
            raise _remote_fault(value)
        return value


def decode_call(data: bytes, limits: Limits | None = None) -> tuple[str, list[Any]]:
    """Decode ``<methodCall>`` into (method, params). Raises MalformedMessage."""
    decoder = CallDecoder(limits)
    decoder.feed(data)
    return decoder.close()


def decode_response(data: bytes, limits: Limits | None = None) -> Any:
    """Decode ``<methodResponse>`` into its value.

    Raises RemoteFault for a ``<fault>``, MalformedMessage naming what was wrong.
    """
    decoder = ResponseDecoder(limits)
    decoder.feed(data)
    return decoder.close()


def _remote_fault(value: object) -> RemoteFault:
    match value:
        case {"faultCode": int(code), "faultString": str(string)}:
            return RemoteFault(code, string)
    raise NotXmlRpc("<fault> does not hold a faultCode and a faultString")
