"""The CIM data types (DSP0004 clause 5.2): reading and writing the text of one value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from pywbem import CIMDateTime

from virtcim.cimserver.errors import EncodingError, OutOfRange

__all__ = ["INTEGER_RANGES", "escape", "formatter", "parse_scalar"]

INTEGER_RANGES: dict[str, tuple[int, int]] = {
    f"{'u' if unsigned else 's'}int{bits}": (0, 2**bits - 1)
    if unsigned
    else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for unsigned in (True, False)
    for bits in (8, 16, 32, 64)
}

_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}")
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9a-fA-F]{1,16}")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?|[+-]?INF|NaN")
_MAX_REAL_LENGTH = 400

# XML 1.0 cannot carry these characters at all, the rest would be read as markup; a reader turns
# a carriage return into a line feed, unless it comes as a reference.
_UNSAFE = re.compile('[&<>"\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]')
_REPLACEMENTS: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20)}
_REPLACEMENTS |= dict.fromkeys([*range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd")
_REPLACEMENTS |= {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    ord("\t"): "\t",
    ord("\n"): "\n",
    ord("\r"): "&#13;",
}


def escape(text: str) -> str:
    """Make ``text`` safe inside an element; what XML cannot carry becomes a visible symbol.

    Control characters become the control pictures of Unicode, other impossible ones U+FFFD.
    """
    return text.translate(_REPLACEMENTS) if _UNSAFE.search(text) else text


def parse_scalar(type_name: str, text: str) -> bool | int | float | str | datetime | timedelta:
    """Read the text of one value of a CIM type. Raises ValueError saying what was expected."""
    if type_name == "string":
        return text
    if type_name in INTEGER_RANGES:
        return _parse_integer(type_name, text.strip())
    return _PARSERS[type_name](text)


def _parse_integer(type_name: str, text: str) -> int:
    lowest, highest = INTEGER_RANGES[type_name]
    if _DECIMAL.fullmatch(text):
        value = int(text)
    elif _HEXADECIMAL.fullmatch(text):
        value = int(text, 16)
    else:
        raise ValueError(f"a {type_name} is expected")
    if not lowest <= value <= highest:
        raise ValueError(f"a {type_name} is between {lowest} and {highest}")
    return value


def _parse_boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("true", "false"):
        raise ValueError("a boolean is TRUE or FALSE")
    return word == "true"


def _parse_real(text: str) -> float:
    number = text.strip()
    if len(number) > _MAX_REAL_LENGTH or not _REAL.fullmatch(number):
        raise ValueError("a real number is expected")
    return float(number)


def _parse_char16(text: str) -> str:
    if len(text) != 1 or ord(text) > 0xFFFF:
        raise ValueError("a char16 is one character of the basic multilingual plane")
    return text


def _parse_datetime(text: str) -> datetime | timedelta:
    try:
        value = CIMDateTime(text.strip())
    except ValueError as exc:
        raise ValueError(
            "a datetime is yyyymmddhhmmss.mmmmmmsutc or ddddddddhhmmss.mmmmmm:000"
        ) from exc
    moment: datetime | timedelta = value.timedelta if value.is_interval else value.datetime
    return moment


_PARSERS: dict[str, Callable[[str], bool | int | float | str | datetime | timedelta]] = {
    "boolean": _parse_boolean,
    "char16": _parse_char16,
    "datetime": _parse_datetime,
    "real32": _parse_real,
    "real64": _parse_real,
}


def formatter(type_name: str) -> Callable[[object], str]:
    """The function that writes a value of a CIM type as escaped text.

    It raises EncodingError for a value that is not of the type.
    """
    if type_name in INTEGER_RANGES:
        return _integer_formatter(type_name)
    return _FORMATTERS[type_name]


def _integer_formatter(type_name: str) -> Callable[[object], str]:
    lowest, highest = INTEGER_RANGES[type_name]

    def write(value: object) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            raise EncodingError(f"{value!r} is no {type_name}")
        if not lowest <= value <= highest:
            raise OutOfRange(f"{value} is out of the range of {type_name}")
        return int.__repr__(value)  # an IntEnum would print its name

    return write


def _format_string(value: object) -> str:
    if not isinstance(value, str):
        raise EncodingError(f"{value!r} is no string")
    return value.translate(_REPLACEMENTS) if _UNSAFE.search(value) else str(value)


def _format_boolean(value: object) -> str:
    if not isinstance(value, bool):
        raise EncodingError(f"{value!r} is no boolean")
    return "TRUE" if value else "FALSE"


def _format_real(value: object) -> str:
    if not isinstance(value, float | int) or isinstance(value, bool):
        raise EncodingError(f"{value!r} is no real number")
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "INF" if number > 0 else "-INF"
    return repr(number) if "e" not in repr(number) else f"{number:.17E}"


def _format_char16(value: object) -> str:
    if not isinstance(value, str) or len(value) != 1 or ord(value) > 0xFFFF:
        raise EncodingError(f"{value!r} is no char16")
    return escape(value)


def _format_datetime(value: object) -> str:
    if isinstance(value, timedelta):
        minutes, seconds = divmod(value.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        if not 0 <= value.days <= 99_999_999:
            raise OutOfRange(f"{value!r} is no interval that CIM can carry")
        time = f"{hours:02}{minutes:02}{seconds:02}.{value.microseconds:06}"
        return f"{value.days:08}{time}:000"
    offset = value.utcoffset() if isinstance(value, datetime) else None
    if not isinstance(value, datetime) or offset is None:
        raise EncodingError(f"{value!r} is no aware datetime")
    sign, distance = ("-", -offset) if offset.days < 0 else ("+", offset)
    return (
        f"{value.year:04}{value.month:02}{value.day:02}"
        f"{value.hour:02}{value.minute:02}{value.second:02}.{value.microsecond:06}"
        f"{sign}{distance // timedelta(minutes=1):03}"
    )


_FORMATTERS: dict[str, Callable[[object], str]] = {
    "string": _format_string,
    "boolean": _format_boolean,
    "char16": _format_char16,
    "datetime": _format_datetime,
    "real32": _format_real,
    "real64": _format_real,
}
