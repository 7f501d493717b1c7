"""Values in, XML-RPC bytes out. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite

from virtcim.wire.errors import IntegerOutOfRange, UnencodableValue

__all__ = ["encode_call", "encode_fault", "encode_response"]

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_MAX_NESTING = 100

# XML 1.0 production [2] Char: these have no representation at all, escaped or not.
_UNCARRIABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A parser turns a bare CR into LF (XML 1.0 section 2.11), so it travels as a reference.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})

_HEADER = '<?xml version="1.0" encoding="utf-8"?>\n'


def encode_call(method: str, params: Sequence[object]) -> bytes:
    """Encode ``<methodCall>``.

    Raises UnencodableValue naming the parameter that XML-RPC cannot carry; text with control
    characters is refused, as the server must receive exactly what was meant.
    """
    encoder = _Encoder(replace=False)
    encoder.out.append(f"{_HEADER}<methodCall><methodName>")
    encoder.text(method, "methodName")
    encoder.out.append("</methodName><params>")
    for number, param in enumerate(params):
        encoder.out.append("<param>")
        encoder.value(param, f"params[{number}]", 0)
        encoder.out.append("</param>")
    encoder.out.append("</params></methodCall>\n")
    return encoder.bytes()


def encode_response(value: object) -> bytes:
    """Encode ``<methodResponse>`` with one result.

    Characters that XML cannot carry become U+FFFD, so that a hypervisor's odd text does not hide
    the whole answer. Raises UnencodableValue for values of other types, or integers too large.
    """
    encoder = _Encoder(replace=True)
    encoder.out.append(f"{_HEADER}<methodResponse><params><param>")
    encoder.value(value, "result", 0)
    encoder.out.append("</param></params></methodResponse>\n")
    return encoder.bytes()


def encode_fault(code: int, string: str) -> bytes:
    """Encode ``<methodResponse>`` with ``<fault>``; uncarriable characters become U+FFFD."""
    encoder = _Encoder(replace=True)
    encoder.out.append(f"{_HEADER}<methodResponse><fault>")
    encoder.value({"faultCode": code, "faultString": string}, "fault", 0)
    encoder.out.append("</fault></methodResponse>\n")
    return encoder.bytes()


class _Encoder:
    __slots__ = ("out", "replace")

    def __init__(self, *, replace: bool) -> None:
        self.out: list[str] = []
        self.replace = replace

    def bytes(self) -> bytes:
        return "".join(self.out).encode("utf-8")

    def text(self, text: str, place: str) -> None:
        if _SPECIAL.search(text):
            if found := _UNCARRIABLE.search(text):
                if not self.replace:
                    raise UnencodableValue(
                        f"{place}: character U+{ord(found[0]):04X} cannot be carried by XML"
                    )
                text = _UNCARRIABLE.sub("\ufffd", text)
            text = text.translate(_ESCAPES)
        self.out.append(text)

    def value(self, value: object, place: str, depth: int) -> None:
        if type(value) is str:  # nine of ten values in XenAPI records
            if _SPECIAL.search(value):
                self.out.append("<value><string>")
                self.text(value, place)
                self.out.append("</string></value>")
            else:
                self.out.append(f"<value><string>{value}</string></value>")
        elif isinstance(value, Mapping):
            self.struct(value, place, depth)
        elif isinstance(value, (list, tuple)):
            self.array(value, place, depth)
        else:
            self.out.append(f"<value>{self.scalar(value, place)}</value>")

    def struct(self, value: Mapping[object, object], place: str, depth: int) -> None:
        self.check_depth(place, depth)
        self.out.append("<value><struct>")
        for key, item in value.items():
            if not isinstance(key, str):
                raise UnencodableValue(f"{place}: member name {key!r} is no text")
            self.out.append("<member><name>")
            self.text(key, place)
            self.out.append("</name>")
            self.value(item, f"{place}.{key}", depth + 1)
            self.out.append("</member>")
        self.out.append("</struct></value>")

    def array(self, value: Sequence[object], place: str, depth: int) -> None:
        self.check_depth(place, depth)
        self.out.append("<value><array><data>")
        for number, item in enumerate(value):
            self.value(item, f"{place}[{number}]", depth + 1)
        self.out.append("</data></array></value>")

    @staticmethod
    def check_depth(place: str, depth: int) -> None:
        if depth >= _MAX_NESTING:
            raise UnencodableValue(f"{place[:200]}: nested deeper than {_MAX_NESTING} levels")

    def scalar(self, value: object, place: str) -> str:
        for kind, encode in _SCALARS:
            if isinstance(value, kind):
                return encode(value, place)
        if isinstance(value, str):
            return self.subclassed_text(value, place)
        raise UnencodableValue(f"{place}: XML-RPC has no type for {type(value).__name__}")

    def subclassed_text(self, value: str, place: str) -> str:
        inner = _Encoder(replace=self.replace)
        # str() of a StrEnum member is its value; other subclasses are text already.
        inner.text(str.__str__(value), place)
        return f"<string>{inner.out[0]}</string>"


def _boolean(value: bool, _place: str) -> str:
    return "<boolean>1</boolean>" if value else "<boolean>0</boolean>"


def _int(value: int, place: str) -> str:
    if not _INT_MIN <= value <= _INT_MAX:
        raise IntegerOutOfRange(f"{place}: the integer does not fit the 32 bits of <int>")
    return f"<int>{int(value)}</int>"


def _double(value: float, place: str) -> str:
    if not isfinite(value):
        raise UnencodableValue(f"{place}: {value!r} is no number that <double> can carry")
    return f"<double>{value!r}</double>"


def _datetime(value: datetime, place: str) -> str:
    if value.tzinfo is None:
        raise UnencodableValue(f"{place}: a time without a time zone is ambiguous")
    utc = value.astimezone(UTC).replace(tzinfo=None)
    compact = utc.isoformat(timespec="seconds").replace("-", "")
    return f"<dateTime.iso8601>{compact}Z</dateTime.iso8601>"


def _base64(value: bytes, _place: str) -> str:
    return f"<base64>{b64encode(value).decode('ascii')}</base64>"


def _nil(_value: None, _place: str) -> str:
    return "<nil/>"


# bool stands before int: it is a subclass of it.
_SCALARS: tuple[tuple[type, Callable[..., str]], ...] = (
    (bool, _boolean),
    (int, _int),
    (float, _double),
    (datetime, _datetime),
    (bytes, _base64),
    (type(None), _nil),
)
