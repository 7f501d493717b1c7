"""The vocabulary: what each standard code is for a CIM client, and what a person is told.

``vocabulary.toml`` is its one source. ``error_code.py`` and the ValueMaps of our MOF are written
from it by scripts/vocabulary.py; the reference pages, the exports and the releases of the table
read it here.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from virtcim.errormap.compiled import checked
from virtcim.errormap.error_code import ErrorCode

__all__ = [
    "ERROR_TYPES",
    "PATH",
    "SEVERITIES",
    "VocabularyError",
    "Word",
    "as_enumeration",
    "as_value_map",
    "parse",
    "vocabulary",
]

PATH = Path(__file__).parent / "vocabulary.toml"
# CIM_Error.ErrorType and CIM_Error.PerceivedSeverity (CIM schema 2.49), as far as they are used.
ERROR_TYPES: Mapping[str, int] = {
    "unknown": 0,
    "communications": 2,
    "software": 4,
    "security": 7,
    "oversubscription": 8,
    "unavailable": 9,
    "unsupported": 10,
}
SEVERITIES: Mapping[str, int] = {"information": 2, "minor": 4, "major": 5, "critical": 6}
# DSP0200 "Status Codes", as far as a failed operation ends so; 0 belongs to what is no failure.
_STATUSES = frozenset((0, 1, 2, 4, 6, 7, 11))
_INDENT = " " * 9
_WIDTH = 80
_ENUMERATION = '''"""The standard codes. scripts/vocabulary.py writes this file: do not edit it."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ErrorCode"]


class ErrorCode(IntEnum):
    """The {number} standard error codes; ``CIM_ConcreteJob.ErrorCode`` carries the number."""

{members}

    @property
    def cim_status(self) -> int:
        """CIM status code (DSP0200) of an operation that failed so; 0 for success."""
        return _CIM_STATUSES[self]


_CIM_STATUSES = (
{statuses}
)  # fmt: skip
'''


class VocabularyError(ValueError):
    """The table is wrong; the text names the code and the slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One code; ``error_type``, ``severity`` and ``probable_cause`` are numbers of CIM_Error."""

    name: str
    number: int
    cim_status: int
    error_type: int
    severity: int
    sentence: str
    probable_cause: int
    cause: str
    actions: tuple[str, ...]


@cache
def vocabulary() -> Mapping[ErrorCode, Word]:
    """Every code in the order of its number. Raises VocabularyError where the table is wrong."""
    copy = checked(PATH)
    words = parse(PATH.read_text(encoding="utf-8")) if copy is None else _words(copy)
    return {ErrorCode[word.name]: word for word in words}


def parse(document: str) -> tuple[Word, ...]:
    """The words of a TOML ``document``; raises VocabularyError."""
    import tomllib

    try:
        content = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise VocabularyError(f"vocabulary: {error}") from error
    if set(content) != {"code"}:
        raise VocabularyError("vocabulary: it consists of code")
    words = _words(content)
    for number, word in enumerate(words):
        if word.number != number:
            raise VocabularyError(f"{word.name}: its number is {number}, not {word.number}")
    if len({word.name for word in words}) < len(words):
        raise VocabularyError("vocabulary: a name stands there twice")
    return words


def as_enumeration(words: Sequence[Word]) -> str:
    """The source of ``error_code.py``."""
    statuses = ", ".join(str(word.cim_status) for word in words)
    return _ENUMERATION.format(
        number=len(words),
        members="\n".join(f"    {word.name} = {word.number}" for word in words),
        statuses=textwrap.indent(textwrap.fill(f"{statuses},", _WIDTH), " " * 4),
    )


def as_value_map(words: Sequence[Word]) -> str:
    """The qualifiers, in MOF, of a uint16 property that holds the number of a code."""
    numbers = textwrap.fill(
        ", ".join(f'"{word.number}"' for word in words),
        _WIDTH,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
    )
    names = ",\n".join(f'{_INDENT}"{word.name}"' for word in words)
    return f"       ValueMap {{\n{numbers} }},\n       Values {{\n{names} }}"


def _words(content: Mapping[str, Any]) -> tuple[Word, ...]:
    return tuple(map(_word, content["code"]))


def _word(entry: Mapping[str, object]) -> Word:
    name = entry.get("name")
    if not isinstance(name, str) or not name.startswith("ERR_"):
        raise VocabularyError(f"vocabulary: {name!r} is no name of a code")
    unknown, missing = set(entry) - set(_FIELDS), set(_FIELDS) - set(entry)
    if unknown or missing:
        slip = f"unknown field {min(unknown)}" if unknown else f"{min(missing)} is missing"
        raise VocabularyError(f"{name}: {slip}")
    for field, fits in _FIELDS.items():
        if not fits(entry[field]):
            raise VocabularyError(f"{name}: {field} cannot be {json.dumps(entry[field])}")
    values: dict[str, Any] = {
        **entry,
        "error_type": ERROR_TYPES[str(entry["error_type"])],
        "severity": SEVERITIES[str(entry["severity"])],
        "actions": tuple(_list(entry["actions"])),
    }
    return Word(**values)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


_FIELDS: Mapping[str, Callable[[object], bool]] = {
    "name": _is_text,
    "number": _is_number,
    "cim_status": lambda value: _is_number(value) and value in _STATUSES,
    "error_type": lambda value: value in ERROR_TYPES,
    "severity": lambda value: value in SEVERITIES,
    "sentence": _is_text,
    "probable_cause": _is_number,
    "cause": _is_text,
    "actions": lambda value: bool(_list(value)) and all(map(_is_text, _list(value))),
}
