"""Quantities with units as CIM clients send them (DSP0004 "Units", and what came before it)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["Unit", "UnitError", "parse_unit"]

# The units that clients spell out in words; binary multiples, as every client means them.
_WORDS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "bytes": ("byte", 1),
        "b": ("byte", 1),
        "kilobytes": ("byte", 2**10),
        "kb": ("byte", 2**10),
        "kib": ("byte", 2**10),
        "kibibyte": ("byte", 2**10),
        "kibibytes": ("byte", 2**10),
        "megabytes": ("byte", 2**20),
        "mb": ("byte", 2**20),
        "mib": ("byte", 2**20),
        "mebibyte": ("byte", 2**20),
        "mebibytes": ("byte", 2**20),
        "gigabytes": ("byte", 2**30),
        "gb": ("byte", 2**30),
        "gib": ("byte", 2**30),
        "gibibyte": ("byte", 2**30),
        "gibibytes": ("byte", 2**30),
        "terabytes": ("byte", 2**40),
        "tb": ("byte", 2**40),
        "tib": ("byte", 2**40),
        "tebibyte": ("byte", 2**40),
        "tebibytes": ("byte", 2**40),
        "processors": ("count", 1),
        "virtual processors": ("count", 1),
    }
)
_BASES = frozenset({"byte", "count", "percent", "count(fixed size block)", "count(processor)"})
_FACTOR = re.compile(r"\s*([*/])\s*([0-9]{1,18})(?:\s*\^\s*([+-]?[0-9]{1,2}))?")
_BASE = re.compile(r"\s*([a-z]+(?:\s+[a-z]+)?\s*(?:\([a-z ]*\))?)\s*")
_MAX_LENGTH = 100


class UnitError(ValueError):
    """A text is no unit that is known here."""


class Unit(NamedTuple):
    """A base unit ("byte", "count", "percent", "count(fixed size block)") times a number."""

    base: str
    multiple: Fraction


def parse_unit(text: str) -> Unit:
    """The unit that ``text`` names, without regard to case and blanks. Raises UnitError.

    ``byte * 2^20``, ``byte*1024``, ``count / 100``, ``MegaBytes``, ``KiB``, ``percent``.
    """
    lowered = text.strip().lower()
    if len(lowered) > _MAX_LENGTH:
        raise UnitError("the unit is too long")
    base_match = _BASE.match(lowered)
    if base_match is None:
        raise UnitError(f"{text!r} is no unit")
    base = " ".join(base_match[1].split())
    multiple = Fraction(1)
    if base in _WORDS:
        base, factor = _WORDS[base]
        multiple = Fraction(factor)
    elif base not in _BASES:
        raise UnitError(f"{text!r} is no unit that can be used here")
    position = base_match.end()
    while position < len(lowered):
        match = _FACTOR.match(lowered, position)
        if match is None:
            raise UnitError(f"{text!r} is no unit")
        multiple *= _factor(match)
        position = match.end()
    return Unit("count" if base == "count(processor)" else base, multiple)


def _factor(match: re.Match[str]) -> Fraction:
    number = Fraction(int(match[2]))
    exponent = int(match[3] or 1)
    if number == 0 or (number > 10 and abs(exponent) > 1):
        raise UnitError(f"{match[0].strip()!r} is no factor of a unit")
    value: Fraction = number**exponent
    return value if match[1] == "*" else 1 / value
