"""The fields of a XenAPI record by type: one that holds something else costs only itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

__all__ = [
    "Fields",
    "Record",
    "RecordError",
    "flag",
    "identity",
    "integer",
    "owner",
    "size",
    "text",
    "text_map",
    "texts",
    "time",
]

Record = Mapping[str, Any]

_MAX_64 = 2**64 - 1
_IDENTITY = re.compile(r"[^/\x00-\x1f\x7f]{1,200}")  # it becomes part of paths
_SAID = 500  # characters of a problem
_NOTHING: Mapping[str, str] = MappingProxyType({})


class RecordError(ValueError):
    """A record cannot be used at all; the text says why in half a sentence."""


class Fields(dict[str, Any]):
    """A record as it came, and what of it could not be understood."""

    __slots__ = ("problems",)

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.problems: list[str] = []

    def within(self, field: str) -> Fields:
        """The map in a field as a record of its own, whose problems are this one's."""
        inner = Fields(text_map(self, field))
        inner.problems = self.problems
        return inner

    @property
    def problem(self) -> str:
        """What could not be understood so far, in one sentence; empty if nothing."""
        return "; ".join(dict.fromkeys(self.problems))[:_SAID]


def _wrong(record: Record, problem: str) -> None:
    """Note a field that is not of its type; raises RecordError where nobody takes note."""
    if not isinstance(record, Fields):
        raise RecordError(problem)
    record.problems.append(problem)


def identity(record: Record) -> str:
    """The UUID, without which an object cannot be named. Raises RecordError."""
    value = record.get("uuid")
    if not isinstance(value, str) or not _IDENTITY.fullmatch(value):
        raise RecordError("uuid is no UUID")
    return value.lower()


def owner(record: Record, field: str) -> str:
    """The reference of the object that this one is a part of. Raises RecordError if it is none."""
    value = record.get(field, "")
    if not isinstance(value, str):
        raise RecordError(f"{field} is no reference")
    return value


def text(record: Record, field: str) -> str:
    """A text; empty where it is none."""
    value = record.get(field, "")
    if isinstance(value, str):
        return value
    _wrong(record, f"{field} is no text")
    return ""


def integer(record: Record, field: str, *, most: int = _MAX_64) -> int:
    """A number from 0 to ``most``, which the XenAPI writes as decimal text; 0 where it is none."""
    value = _any_integer(record, field)
    if 0 <= value <= most:
        return value
    _wrong(record, f"{field} is out of range")
    return 0


def size(record: Record, field: str) -> int:
    """Like ``integer``, for what a XenServer writes as -1 where it does not know it."""
    value = _any_integer(record, field)
    if value <= _MAX_64:
        return max(value, 0)
    _wrong(record, f"{field} is out of range")
    return 0


def _any_integer(record: Record, field: str) -> int:
    value = record.get(field, "0")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 20:
        try:
            return int(value)
        except ValueError:
            pass
    _wrong(record, f"{field} is no integer")
    return 0


def flag(record: Record, field: str, default: bool = False) -> bool:
    """A truth value; the default where it is none."""
    value = record.get(field, default)
    if isinstance(value, bool):
        return value
    _wrong(record, f"{field} is no boolean")
    return default


def time(record: Record, field: str) -> datetime | None:
    """A time; the XenAPI has no null and writes the epoch for never."""
    value = record.get(field)
    if value is None:
        return None
    if isinstance(value, datetime):
        try:
            return None if value.timestamp() == 0 else value
        except (OverflowError, ValueError, OSError):
            pass
    _wrong(record, f"{field} is no time")
    return None


def texts(record: Record, field: str) -> tuple[str, ...]:
    """A list of texts, without what in it is none."""
    value = record.get(field, [])
    if not isinstance(value, list):
        _wrong(record, f"{field} is no list of texts")
        return ()
    good = tuple(item for item in value if isinstance(item, str))
    if len(good) != len(value):
        _wrong(record, f"{field} is no list of texts")
    return good


def text_map(record: Record, field: str) -> Mapping[str, str]:
    """A map of texts, without what in it is none."""
    value = record.get(field, {})
    if not isinstance(value, dict):
        _wrong(record, f"{field} is no map of texts")
        return _NOTHING
    if not value:
        return _NOTHING
    good = {name: item for name, item in value.items() if isinstance(item, str)}
    for name in value.keys() - good.keys():
        _wrong(record, f"{field}[{name!r:.100}] is no text")
    return MappingProxyType(value if len(good) == len(value) else good)
