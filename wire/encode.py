"""Values in, XML-RPC bytes out. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite

from virtcim.wire.errors import IntegerOutOfRange, UnencodableValue

__all__ = ["carriable", "datetime_text", "encode_call", "encode_fault", "encode_response"]

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
    name = encoder.escaped(method)
    encoder.out.append(f"{_HEADER}<methodCall><methodName>{name}</methodName><params>")
    for number, param in enumerate(params):
        encoder.out.append("<param>")
        encoder.value(param, f"params[{number}]")
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
    encoder.value(value, "result")
    encoder.out.append("</param></params></methodResponse>\n")
    return encoder.bytes()


def encode_fault(code: int, string: str) -> bytes:
    """Encode ``<methodResponse>`` with ``<fault>``; uncarriable characters become U+FFFD."""
    encoder = _Encoder(replace=True)
    encoder.out.append(f"{_HEADER}<methodResponse><fault>")
    encoder.value({"faultCode": code, "faultString": string}, "fault")
    encoder.out.append("</fault></methodResponse>\n")
    return encoder.bytes()


def carriable(text: str) -> str:
    """The text as ``encode_response`` writes it: with U+FFFD for what XML cannot carry."""
    return _UNCARRIABLE.sub("\ufffd", text)


def datetime_text(value: datetime) -> str:
    """The text of ``dateTime.iso8601``. Raises UnencodableValue for a time without a time zone."""
    if value.tzinfo is None:
        raise UnencodableValue("a time without a time zone is ambiguous")
    utc = value.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='seconds').replace('-', '')}Z"


class _Encoder:
    __slots__ = ("_names", "out", "replace")

    def __init__(self, *, replace: bool) -> None:
        self.out: list[str] = []
        self.replace = replace
        self._names: dict[str, str] = {}

    def bytes(self) -> bytes:
        return "".join(self.out).encode("utf-8")

    def escaped(self, text: str) -> str:
        if not _SPECIAL.search(text):
            return text
        if found := _UNCARRIABLE.search(text):
            if not self.replace:
                raise UnencodableValue(f"character U+{ord(found[0]):04X} cannot be carried by XML")
            text = carriable(text)
        return text.translate(_ESCAPES)

    def value(self, value: object, place: str) -> None:
        try:
            self.any(value, 0)
        except UnencodableValue as exc:
            raise type(exc)(f"{place}{_after(exc)}") from None

    def any(self, value: object, depth: int) -> None:
        # Text needs no type element; XAPI writes none either.
        if isinstance(value, str):
            self.out.append(f"<value>{self.escaped(value)}</value>")
        elif isinstance(value, Mapping):
            self.struct(value, depth)
        elif isinstance(value, (list, tuple)):
            self.array(value, depth)
        else:
            self.out.append(f"<value>{_scalar(value)}</value>")

    def struct(self, value: Mapping[object, object], depth: int) -> None:
        _check_depth(depth)
        out = self.out
        names = self._names
        search = _SPECIAL.search
        out.append("<value><struct>")
        key: object = ""
        try:
            for key, item in value.items():
                # A thousand records share their sixty names.
                start = names.get(key) or self.name(key)  # type: ignore[call-overload]
                if type(item) is str and not search(item):  # nine of ten members in XenAPI records
                    out.append(f"{start}<value>{item}</value></member>")
                else:
                    out.append(start)
                    self.any(item, depth + 1)
                    out.append("</member>")
        except UnencodableValue as exc:
            raise type(exc)(f".{str(key)[:100]}{_after(exc)}") from None
        out.append("</struct></value>")

    def name(self, key: object) -> str:
        if not isinstance(key, str):
            raise UnencodableValue("a member name must be text")
        start = f"<member><name>{self.escaped(key)}</name>"
        self._names[key] = start
        return start

    def array(self, value: Sequence[object], depth: int) -> None:
        _check_depth(depth)
        self.out.append("<value><array><data>")
        for number, item in enumerate(value):
            try:
                self.any(item, depth + 1)
            except UnencodableValue as exc:
                raise type(exc)(f"[{number}]{_after(exc)}") from None
        self.out.append("</data></array></value>")


def _after(exc: UnencodableValue) -> str:
    """What follows a step of the path to a value: the next step, or the reason."""
    text = str(exc)
    return text if text.startswith((".", "[")) else f": {text}"


def _check_depth(depth: int) -> None:
    if depth >= _MAX_NESTING:
        raise UnencodableValue(f"nested deeper than {_MAX_NESTING} levels")


def _scalar(value: object) -> str:
    for kind, encode in _SCALARS:
        if isinstance(value, kind):
            return encode(value)
    raise UnencodableValue(f"XML-RPC has no type for {type(value).__name__}")


def _boolean(value: bool) -> str:
    return "<boolean>1</boolean>" if value else "<boolean>0</boolean>"


def _int(value: int) -> str:
    if not _INT_MIN <= value <= _INT_MAX:
        raise IntegerOutOfRange("the integer does not fit the 32 bits of <int>")
    return f"<int>{int(value)}</int>"


def _double(value: float) -> str:
    if not isfinite(value):
        raise UnencodableValue(f"{value!r} is no number that <double> can carry")
    return f"<double>{value!r}</double>"


def _datetime(value: datetime) -> str:
    return f"<dateTime.iso8601>{datetime_text(value)}</dateTime.iso8601>"


def _base64(value: bytes) -> str:
    return f"<base64>{b64encode(value).decode('ascii')}</base64>"


def _nil(_value: None) -> str:
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
