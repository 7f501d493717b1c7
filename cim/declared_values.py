"""Values as the properties of a known class want them, whatever text they were read from.

A text says less than the declaration: MOF has numbers without a width, and datetimes and references
in quotes; in CIM-XML clients leave types out or write other ones. What counts is the declaration.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from virtcim.cim.data_types import DATA_TYPES
from virtcim.cim.declarations import DeclaredType
from virtcim.cim.path_text import read_path_text
from virtcim.cim.records import ObjectPath, Record, Scalar, Value

__all__ = ["MisfitError", "declared_value"]

_SHOWN_CHARACTERS = 80
# Texts in which a character counts, and nothing else is written.
_TEXTS = ("string", "char16")


class MisfitError(ValueError):
    """A value is none of the declared type; ``place`` is the property, and the element if any."""

    def __init__(self, why: str, *, place: str) -> None:
        super().__init__(f"{place}: {why}")
        self.why = why
        self.place = place


def declared_value(
    value: Value, declared: DeclaredType, read_embedded: Callable[[str, str], Record]
) -> Value:
    """``value`` as one of the declared type. Raises MisfitError.

    One value stands for an array of it and the other way round, as sblim clients write them.
    ``read_embedded`` reads the text of an embedded instance that stands at a place.
    """
    if value is None:
        return None
    if declared.is_array:
        items = value if isinstance(value, list) else [value]
        return [
            _scalar(item, declared, read_embedded, f"{declared.name}[{index}]")
            for index, item in enumerate(items)
        ]
    if isinstance(value, list):
        if len(value) != 1:
            raise MisfitError(f"{_shown(value)} is no single value", place=declared.name)
        value = value[0]
    return _scalar(value, declared, read_embedded, declared.name)


def _scalar(
    value: object,
    declared: DeclaredType,
    read_embedded: Callable[[str, str], Record],
    place: str,
) -> Scalar:
    if declared.is_embedded and isinstance(value, str):
        return read_embedded(value, place)
    kind = "embedded instance" if declared.is_embedded else declared.type_name
    try:
        if declared.is_embedded:
            return _embedded(value)
        return _reference(value) if kind == "reference" else _simple(value, kind)
    except ValueError as error:
        raise MisfitError(f"{_shown(value)} is no {kind}: {error}", place=place) from error


def _simple(value: object, type_name: str) -> Scalar:
    data_type = DATA_TYPES[type_name]
    if isinstance(value, str):
        return data_type.read(value)
    if type_name in _TEXTS:
        raise ValueError("a text in quotes is expected")
    if isinstance(value, datetime | timedelta):
        if type_name != "datetime":
            raise ValueError("this is a datetime")
        return value
    if type_name == "boolean" and value in (0, 1):
        return bool(value)
    return data_type.read(_number_text(value))


def _number_text(value: object) -> str:
    if isinstance(value, bool):
        return DATA_TYPES["boolean"].write(value)
    return DATA_TYPES["real64"].write(value) if isinstance(value, float) else str(value)


def _reference(value: object) -> ObjectPath:
    if isinstance(value, ObjectPath):
        return value
    if not isinstance(value, str):
        raise ValueError("an object path in quotes is expected")
    return read_path_text(value)


def _embedded(value: object) -> Record:
    if not isinstance(value, Record):
        raise ValueError("the text of an instance is expected")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
