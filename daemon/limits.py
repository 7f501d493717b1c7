"""Limits that an administrator can set: a daemon's are the fields of one frozen dataclass.

Options, their help and their ranges are made of these fields, wherever they are read.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar, cast

__all__ = ["Limit", "LimitError", "limit", "limits_of"]

_Number = TypeVar("_Number", int, float)
_KEY = "limit"


class LimitError(Exception):
    """Limits do not go with each other; the text is one sentence for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit: the name of its field, the values it may have, and what it bounds.

    A field in seconds ends in ``_s``, which options leave out.
    """

    field: str
    default: int | float
    least: int | float
    most: int | float
    what: str

    @property
    def parameter(self) -> str:
        """The name of the option in Python, of ``--limit-...`` on a command line."""
        return f"limit_{self.field.removesuffix('_s')}"

    @property
    def option(self) -> str:
        """The option on a command line."""
        return f"--{self.parameter.replace('_', '-')}"


def limit(default: _Number, *, least: _Number, most: _Number, what: str) -> _Number:
    """Declare a field of a dataclass of limits, with its default and its range."""
    return field(default=default, metadata={_KEY: (least, most, what)})


def limits_of(limits: type[Any]) -> tuple[Limit, ...]:
    """The limits of a dataclass, in the order of its fields."""
    return tuple(map(_declared, fields(limits)))


def _declared(one: Field[Any]) -> Limit:
    least, most, what = one.metadata[_KEY]
    default = cast("int | float", one.default)
    return Limit(field=one.name, default=default, least=least, most=most, what=what)
