"""Identifiers and long numbers in a text: they name objects or measure them.

No rule asks for one, so that texts which differ in nothing else are decided alike. Whatever a rule
may ask for is no value: an errno, a status, a sign, a word, a path.
"""

from __future__ import annotations

from typing import Any

from virtcim.errormap.patterns import later

__all__ = ["Parts", "parted"]

# Texts, and between them of what kind each value is.
Parts = list[Any]

# An errno, a status and a number of the storage manager have three digits, or four that begin with
# 0. The letters that end a word are none that an identifier begins with, and letters alone are a
# word. All values begin with one class of characters, as the patterns do that are found fastest.
_REST_OF_VALUE = (
    r"(?:(?:(?<=[0-9])|(?=[a-f-]{0,40}[0-9]))[0-9a-f]{7}(?:(?<=[0-9].{7})|(?<![0-9A-Za-z].{8}))"
    r"(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{0,27}(?![0-9A-Za-z]))"
    r"|(?<=[1-9])[0-9]{3,29}"
    r"|(?<=0)[0-9]{4,29}))"
)
_VALUE = later(rf"([0-9a-f]{_REST_OF_VALUE}")
# The digits of an escaped character are no value.
_ESCAPE = "\\u"
_VALUE_BESIDE_ESCAPES = later(
    rf"([0-9a-f](?<!\\u.)(?<!\\u..)(?<!\\u...)(?<!\\u....){_REST_OF_VALUE}"
)
# Beyond the length of any number.
_NO_NUMBER = 100


def parted(text: str) -> tuple[Parts, list[str]]:
    """The texts around the values of ``text`` with the values' kinds between them, and the values.

    A kind is the length of a number, negative where it begins with 0; of an identifier it is 100
    and its length.
    """
    pattern = _VALUE_BESIDE_ESCAPES if _ESCAPE in text else _VALUE
    parts: Parts = pattern.split(text)
    values = parts[1::2]
    if values:
        parts[1::2] = map(_kind, values)
    return parts, values


def _kind(value: str) -> int:
    length = len(value)
    if not value.isdecimal():
        return _NO_NUMBER + length
    return -length if value[0] == "0" else length
