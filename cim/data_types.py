"""The CIM data types (DSP0004 "Data Types"): one table of how a value of each is read and written.

The texts are those of CIM-XML (DSP0201 "VALUE"), without the escapes of XML. Blanks around
numbers, booleans and datetimes say nothing; in strings and characters they are the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from virtcim.cim.datetimes import read_datetime, write_datetime
from virtcim.cim.errors import EncodingError, OutOfRange

__all__ = ["DATA_TYPES", "INTEGER_RANGES", "DataType", "Simple", "read_value"]

Simple = bool | int | float | str | datetime | timedelta

_BLANKS = " \t\r\n"
# More digits than any value has, leading zeros included.
_MAX_NUMBER_LENGTH = 400
_INTEGER = re.compile(r"[+-]?([0-9]+|0[xX][0-9a-fA-F]+)")
# A whole number is read as a real, too: that is how clients and their users write 1.0.
_REAL = re.compile(r"[+-]?([0-9]*\.[0-9]+([eE][+-]?[0-9]+)?|[0-9]+)")
_NO_NUMBERS: Mapping[str, float] = MappingProxyType(
    {"INF": math.inf, "-INF": -math.inf, "NaN": math.nan}
)
_BOOLEANS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})

INTEGER_RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
    | {f"sint{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
)
# From here on a number is rounded to infinity.
_REAL_ENDS: Mapping[str, float] = MappingProxyType(
    {"real32": float(2**128 - 2**103), "real64": math.inf}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataType:
    """One CIM data type.

    ``read`` raises ValueError saying what was expected, ``write`` EncodingError for a value that is
    not of the type, OutOfRange for one that the type cannot carry.
    """

    name: str
    read: Callable[[str], Simple]
    write: Callable[[object], str]


def read_value(type_name: str, text: str) -> Simple:
    """The value that ``text`` stands for. Raises ValueError, also for what is no CIM data type."""
    found = DATA_TYPES.get(type_name)
    if found is None:
        raise ValueError(f"there is no data type {type_name:.40}")
    return found.read(text)


def _integer(name: str) -> DataType:
    lowest, highest = INTEGER_RANGES[name]

    def read(text: str) -> int:
        number = text.strip(_BLANKS)
        if len(number) > _MAX_NUMBER_LENGTH or not _INTEGER.fullmatch(number):
            raise ValueError(f"a {name} is expected")
        value = int(number, 16 if "x" in number.lower() else 10)
        if not lowest <= value <= highest:
            raise ValueError(f"a {name} is between {lowest} and {highest}")
        return value

    def write(value: object) -> str:
        if type(value) is int and lowest <= value <= highest:
            return f"{value}"
        if not isinstance(value, int) or isinstance(value, bool):
            raise EncodingError(f"{value!r} is no {name}")
        if not lowest <= value <= highest:
            raise OutOfRange(f"{value} is out of the range of {name}")
        return int.__repr__(value)  # an IntEnum would print its name

    return DataType(name=name, read=read, write=write)


def _real(name: str) -> DataType:
    end = _REAL_ENDS[name]

    def read(text: str) -> float:
        number = text.strip(_BLANKS)
        if number in _NO_NUMBERS:
            return _NO_NUMBERS[number]
        if len(number) > _MAX_NUMBER_LENGTH or not _REAL.fullmatch(number):
            raise ValueError(f"a {name} is expected, like -1.5E+3, INF, -INF or NaN")
        value = float(number)
        if abs(value) >= end:
            raise ValueError(f"the number is beyond a {name}")
        return value

    def write(value: object) -> str:
        if not isinstance(value, float | int) or isinstance(value, bool):
            raise EncodingError(f"{value!r} is no real number")
        try:
            number = float(value)
        except OverflowError as exc:
            raise OutOfRange(f"an integer is out of the range of {name}") from exc
        if math.isnan(number):
            return "NaN"
        if math.isinf(number):
            return "INF" if number > 0 else "-INF"
        if abs(number) >= end:
            raise OutOfRange(f"{value} is out of the range of {name}")
        return repr(number) if "e" not in repr(number) else f"{number:.17E}"

    return DataType(name=name, read=read, write=write)


def _read_boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.strip(_BLANKS).lower())
    if value is None:
        raise ValueError("a boolean is TRUE or FALSE")
    return value


def _write_boolean(value: object) -> str:
    if not isinstance(value, bool):
        raise EncodingError(f"{value!r} is no boolean")
    return "TRUE" if value else "FALSE"


def _is_character(text: str) -> bool:
    return len(text) == 1 and ord(text) <= 0xFFFF and not 0xD800 <= ord(text) <= 0xDFFF


def _read_character(text: str) -> str:
    if not _is_character(text):
        raise ValueError("a char16 is one character of the basic multilingual plane")
    return text


def _write_character(value: object) -> str:
    if not isinstance(value, str) or not _is_character(value):
        raise EncodingError(f"{value!r} is no char16")
    return value


def _read_string(text: str) -> str:
    return text


def _write_string(value: object) -> str:
    if not isinstance(value, str):
        raise EncodingError(f"{value!r} is no string")
    return str(value)  # a StrEnum would print its name


def _read_datetime(text: str) -> datetime | timedelta:
    return read_datetime(text.strip(_BLANKS))


DATA_TYPES: Mapping[str, DataType] = MappingProxyType(
    {
        one.name: one
        for one in (
            *(_integer(name) for name in INTEGER_RANGES),
            _real("real32"),
            _real("real64"),
            DataType(name="boolean", read=_read_boolean, write=_write_boolean),
            DataType(name="string", read=_read_string, write=_write_string),
            DataType(name="char16", read=_read_character, write=_write_character),
            DataType(name="datetime", read=_read_datetime, write=write_datetime),
        )
    }
)
