"""The long numbers that mean something: those that a pattern asks for."""

from __future__ import annotations

import re
from functools import cache

from virtcim.errormap.patterns import written
from virtcim.errormap.reading.objects import rows
from virtcim.errormap.rules import rules
from virtcim.errormap.telling.advice import read

__all__ = ["asked_for", "may_mean_something"]

# Quantifiers, classes and escapes of a pattern: their digits and letters stand for no text.
_NO_LITERAL = r"\{[0-9,]+\}|\[(?:[^\]\\]|\\.)*\]|\\[a-zA-Z]"
_NUMBER = r"[0-9]{4,}"
_WORD = r"([A-Za-z][A-Za-z-]*)[0-9]"


@cache
def asked_for() -> frozenset[str]:
    """The long numbers in patterns, such as those that Windows has for errno: 10061."""
    return frozenset(number for text in _literals() for number in re.findall(_NUMBER, text))


def may_mean_something(before: str) -> bool:
    """Whether a number is more than a number by what stands right before it.

    The rest of a code, of an escaped character, or of a word that a pattern asks for, as in x509.
    """
    return _before().search(before) is not None


@cache
def _before() -> re.Pattern[str]:
    words = {word.lower() for text in _literals() for word in re.findall(_WORD, text)}
    return re.compile(rf"(?:[A-Z]_|\\x?|&\#x?|(?<![A-Za-z])(?i:{'|'.join(sorted(words))}))\Z")


@cache
def _literals() -> tuple[str, ...]:
    """All patterns, those of the tables among them, without what stands for no text."""
    rules(), rows(), read()
    return tuple(re.sub(_NO_LITERAL, " ", pattern) for pattern in written())
