"""Domain objects as texts, for whoever must know later what they were.

A text holds what differs from the defaults of the model, by field name: an older or newer model
reads it, too. What instances showed is computed from the objects again, by the same code as ever.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType, NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from virtcim.errormap import StandardError, from_transport
from virtcim.errormap.stored import as_stored, recalled
from virtcim.hypervisor.unread import UnreadParts

__all__ = ["object_of", "packed", "stored_text", "unpacked"]

T = TypeVar("T")
_Coder = Callable[[Any], Any]
_PLAIN = (str, int, float, bool, NoneType)


class _Coding(NamedTuple):
    """How the values of one type are written and read."""

    write: _Coder
    read: _Coder


class _Stored(NamedTuple):
    """One field of a class: its name, its default, and how its values are stored."""

    name: str
    default: object
    coding: _Coding


def stored_text(value: object) -> bytes:
    """The text of a domain object: equal for equal objects."""
    return packed(_of_class(type(value)).write(value))


def object_of(kind: type[T], text: bytes) -> T:
    """The object of a class that ``stored_text`` gave. Raises ValueError where it is none."""
    try:
        made: T = _of_class(kind).read(unpacked(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no {kind.__name__} can be read: {error!r}") from error
    return made


def packed(value: object) -> bytes:
    """A value of JSON, compressed."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def unpacked(text: bytes) -> Any:
    """The value that ``packed`` gave. Raises ValueError."""
    try:
        return json.loads(zlib.decompress(text).decode("utf-8", "surrogatepass"))
    except zlib.error as error:
        raise ValueError(f"what was kept cannot be read: {error}") from error


_CODINGS: dict[type[Any], _Coding] = {}


def _of_class(kind: type[Any]) -> _Coding:
    """How the objects of a class are stored; found out once."""
    coding = _CODINGS.get(kind)
    return _CODINGS.setdefault(kind, _made_for(kind)) if coding is None else coding


def _made_for(kind: type[Any]) -> _Coding:
    hints = get_type_hints(kind)
    stored = tuple(
        _Stored(each.name, _default(each), _of(hints[each.name])) for each in fields(kind)
    )
    readers = {each.name: each.coding.read for each in stored}

    def write(value: Any) -> dict[str, Any]:
        values = ((each, getattr(value, each.name)) for each in stored)
        return {
            each.name: each.coding.write(found)
            for each, found in values
            # Parts that nobody could read equal no parts, and are something else.
            if isinstance(found, UnreadParts) or found != each.default
        }

    def read(values: Mapping[str, Any]) -> Any:
        known = (each for each in values.items() if each[0] in readers)
        return kind(**{name: readers[name](value) for name, value in known})

    return _Coding(write, read)


def _default(field: Field[Any]) -> object:
    if field.default is not MISSING:
        return field.default
    return MISSING if field.default_factory is MISSING else field.default_factory()


def _of(hint: Any) -> _Coding:
    """How the values of an annotated type are stored."""
    if isinstance(hint, UnionType):
        (kind,) = (each for each in get_args(hint) if each is not NoneType)
        return _optional(_of(kind))
    if get_origin(hint) is tuple:
        return _parts(_of(get_args(hint)[0]))
    if get_origin(hint) is Mapping:
        return _Coding(dict, lambda value: MappingProxyType({**value}))
    if hint in _PLAIN:
        return _Coding(_same, _same)
    if hint is StandardError:
        return _Coding(as_stored, recalled)
    if hint is datetime:
        return _Coding(datetime.isoformat, datetime.fromisoformat)
    if issubclass(hint, Enum):
        return _Coding(lambda value: value.value, hint)
    assert isinstance(hint, type)
    assert is_dataclass(hint)
    return _of_class(hint)


def _same(value: Any) -> Any:
    return value


def _optional(coding: _Coding) -> _Coding:
    return _Coding(
        lambda value: None if value is None else coding.write(value),
        lambda value: None if value is None else coding.read(value),
    )


def _parts(coding: _Coding) -> _Coding:
    """Parts of an object; those that nobody could read stay unread."""
    return _Coding(
        lambda value: None if isinstance(value, UnreadParts) else [*map(coding.write, value)],
        lambda value: _unread() if value is None else tuple(map(coding.read, value)),
    )


def _unread() -> UnreadParts:
    fault = from_transport(phase="connect", message="the parts could not be read then")
    return UnreadParts.because(fault)
