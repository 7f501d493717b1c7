"""What a query says, as it was read: nothing is known of classes and types yet.

``place`` is the number of the character at which something stands, from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "All",
    "AnyOf",
    "Chain",
    "Comparison",
    "Condition",
    "Element",
    "InvalidQuery",
    "IsA",
    "IsNull",
    "Like",
    "Literal",
    "Not",
    "Operand",
    "Select",
    "Step",
    "Symbol",
]


class InvalidQuery(Exception):  # noqa: N818 - it is named after the CIM status
    """A query cannot be understood, or asks for what there is not; the text says where and why."""

    def __init__(self, why: str, place: int) -> None:
        super().__init__(f"character {place}: {why}")


class Element(Enum):
    """Which element of an array is meant, where it is none by number."""

    ANY = "*"


@dataclass(frozen=True, slots=True)
class Step:
    """One property: of the class ``scope``, where one is given, and one element of it."""

    name: str
    scope: str
    index: int | Element | None
    place: int


@dataclass(frozen=True, slots=True)
class Chain:
    """A property, or one of an embedded instance in it, and so on."""

    steps: tuple[Step, ...]

    @property
    def place(self) -> int:
        """Where it stands."""
        return self.steps[0].place


@dataclass(frozen=True, slots=True)
class Literal:
    """A value; None is NULL."""

    value: str | int | float | bool | None
    place: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """The value of a property that its Values qualifier calls so (a symbolic constant)."""

    chain: Chain
    text: str
    place: int


Operand = Chain | Literal | Symbol


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left operator right``; the operator is one of ``= <> < <= > >=``."""

    left: Operand
    operator: str
    right: Operand
    place: int


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether something is NULL, or (``negated``) is not."""

    chain: Chain
    negated: bool


@dataclass(frozen=True, slots=True)
class IsA:
    """Whether an embedded instance, or the instance itself, is of a class."""

    chain: Chain
    class_name: str
    place: int


@dataclass(frozen=True, slots=True)
class Like:
    """Whether a text is like a pattern of the language, or (``negated``) is not."""

    chain: Chain
    pattern: str
    negated: bool
    place: int


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    of: Condition


@dataclass(frozen=True, slots=True)
class All:
    """Conditions joined by AND."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Conditions joined by OR."""

    of: tuple[Condition, ...]


Condition = Comparison | IsNull | IsA | Like | Not | All | AnyOf | Chain | Literal


@dataclass(frozen=True, slots=True)
class Select:
    """A whole query; no ``properties``: all of them."""

    properties: tuple[Chain, ...]
    class_name: str
    alias: str
    where: Condition | None
    place: int
