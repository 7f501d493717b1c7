"""The scalar values of XML-RPC, from the text of their element.

Every function raises NotXmlRpc for text that is none of its type.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as BinasciiError
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from virtcim.wire.errors import NotXmlRpc
from virtcim.wire.grammar import State

__all__ = ["CONVERTERS", "is_datetime", "to_datetime"]

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE = re.compile(
    r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
)
_DATETIME = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,6})[0-9]{0,6})?(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?"
)


def _to_int(text: str) -> int:
    number = _to_i8(text)
    if not -(2**31) <= number < 2**31:
        raise NotXmlRpc(f"<int> {text} exceeds 32 bits")
    return number


def _to_i8(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise NotXmlRpc(f"{text[:40]!r} is no integer")
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise NotXmlRpc(f"integer {text} exceeds 64 bits")
    return number


def _to_boolean(text: str) -> bool:
    if text not in ("0", "1"):
        raise NotXmlRpc(f"{text[:40]!r} is no boolean")
    return text == "1"


def _to_double(text: str) -> float:
    # The specification knows no infinities, but OCaml's and Python's servers print them.
    if _DOUBLE.fullmatch(text) or text.lower() in ("nan", "-nan", "inf", "+inf", "-inf"):
        return float(text)
    raise NotXmlRpc(f"{text[:40]!r} is no double")


def is_datetime(text: str) -> bool:
    """Whether a text has the form of ``dateTime.iso8601``; there may be no such time."""
    return _DATETIME.fullmatch(text) is not None


def to_datetime(text: str) -> datetime:
    """The time that the text of ``dateTime.iso8601`` names. Raises NotXmlRpc."""
    found = _DATETIME.fullmatch(text)
    if not found:
        raise NotXmlRpc(f"{text[:40]!r} is no ISO 8601 time")
    year, month, day, hour, minute, second, fraction, _utc, sign, zone_h, zone_m = found.groups()
    # Servers that name no zone (xend) mean UTC.
    zone: timezone = UTC
    try:
        if sign:
            offset = timedelta(hours=int(zone_h), minutes=int(zone_m))
            zone = timezone(-offset if sign == "-" else offset)
        return datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second),
            int((fraction or "0").ljust(6, "0")),
            zone,
        )
    except ValueError as exc:
        raise NotXmlRpc(f"{text[:40]!r} is no possible time: {exc}") from exc


def _to_bytes(text: str) -> bytes:
    try:
        return b64decode("".join(text.split()), validate=True)
    except (BinasciiError, ValueError) as exc:
        raise NotXmlRpc(f"base64 content is damaged: {exc}") from exc


def _to_nil(text: str) -> None:
    if text:
        raise NotXmlRpc("<nil> holds text")


CONVERTERS: Final[dict[int, Callable[[str], object]]] = {
    State.INT: _to_int,
    State.I8: _to_i8,
    State.BOOLEAN: _to_boolean,
    State.DOUBLE: _to_double,
    State.DATETIME: to_datetime,
    State.BASE64: _to_bytes,
    State.NIL: _to_nil,
}
