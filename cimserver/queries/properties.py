"""The properties that a query names, found in the classes, and how they are read in a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.records import Record, Value
from virtcim.cimserver.queries.syntax import Chain, Element, InvalidQuery, Step, Symbol

__all__ = ["Classes", "Property", "Scope"]

# WQL's name for the class of an instance, as if it were a property.
_CLASS = "__class"


class Classes(DeclaredClasses, Protocol):
    """The classes that queries are about."""

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether a class is ``ancestor`` or one of its subclasses."""

    def value_map(self, class_name: str, property_name: str) -> Mapping[str, str]:
        """The values of a property by what its Values qualifier calls them, as texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """What a chain ends in.

    ``kind`` is number, string, boolean, datetime, reference, embedded, or empty where only the
    record knows. ``any_element``: what is read is an array of which any element is meant.
    """

    name: str
    kind: str
    any_element: bool
    read: Callable[[Record], Value]

    def can_be(self, *kinds: str) -> bool:
        """Whether it is of one of these kinds, as far as is known."""
        return not self.kind or self.kind in kinds


class Scope:
    """One class that a query selects from, under its name and its alias."""

    def __init__(self, classes: Classes, class_name: str, alias: str) -> None:
        self._classes = classes
        self._class_name = class_name
        self._names = {name.lower() for name in (class_name, alias) if name}

    def class_name(self, name: str, place: int) -> str:
        """The declared name of a class. Raises InvalidQuery."""
        found = self._classes.canonical(name)
        if found is None:
            raise InvalidQuery(f"there is no class {name:.80}", place)
        return found

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether a class is ``ancestor`` or one of its subclasses."""
        return self._classes.is_a(class_name, ancestor)

    def is_itself(self, chain: Chain) -> bool:
        """Whether a chain is the class that is selected from, or its alias."""
        [*before, last] = chain.steps
        return not before and last.index is None and last.name.lower() in self._names

    def selected(self, chain: Chain) -> str:
        """The name of a property that is selected, in lower case. Raises InvalidQuery."""
        [step, *others] = self._without_class(chain)
        if others or step.scope or step.index is not None:
            raise InvalidQuery("only whole properties of the class can be selected", chain.place)
        self._declared(self._class_name, step)
        return step.name.lower()

    def property(self, chain: Chain, *, whole: bool = False) -> Property:
        """What a chain ends in; ``whole``: an array need not be one element.

        Raises InvalidQuery where there is no such property.
        """
        steps = self._without_class(chain)
        reads: list[Callable[[Record], Value]] = []
        class_name, declared = self._class_name, None
        for number, step in enumerate(steps):
            is_last = number == len(steps) - 1
            if step.scope:
                class_name = self.class_name(step.scope, step.place)
            declared = self._declared(class_name, step)
            if declared is not None and not (is_last and whole):
                _check_array(declared, step)
            if not is_last and declared is not None and not declared.is_embedded:
                raise InvalidQuery(f"{step.name} is no embedded instance", step.place)
            if not is_last and step.index is Element.ANY:
                raise InvalidQuery("[*] stands at the end of a property", step.place)
            reads.append(self._reading(step))
            class_name = ""  # the record knows what is embedded in it
        return Property(
            name=".".join(step.name for step in steps),
            kind=_kind(declared),
            any_element=steps[-1].index is Element.ANY,
            read=reads[0] if len(reads) == 1 else _one_after_the_other(reads),
        )

    def symbol(self, symbol: Symbol) -> Value:
        """The value that a property has a word for. Raises InvalidQuery."""
        steps = self._without_class(symbol.chain)
        class_name = steps[-1].scope or (self._class_name if len(steps) == 1 else "")
        if not class_name:
            raise InvalidQuery("its class is not known; put CLASS:: before it", steps[-1].place)
        name, class_name = steps[-1].name, self.class_name(class_name, steps[-1].place)
        self._declared(class_name, steps[-1])
        words = self._classes.value_map(class_name, name)
        found = next((one for word, one in words.items() if word == symbol.text), None)
        if found is None:
            raise InvalidQuery(f"{name} has no value {symbol.text!r}", symbol.place)
        return int(found) if found.lstrip("-").isdigit() else found

    def _without_class(self, chain: Chain) -> tuple[Step, ...]:
        first = chain.steps[0]
        named = first.name.lower() in self._names and not first.scope and first.index is None
        return chain.steps[1:] if named and len(chain.steps) > 1 else chain.steps

    def _declared(self, class_name: str, step: Step) -> Declared | None:
        if step.name.lower() == _CLASS:
            return Declared(name=step.name, type_name="string")
        if not class_name:
            return None
        declared = self._classes.properties(class_name).get(step.name.lower())
        if declared is None:
            raise InvalidQuery(f"{class_name} has no property {step.name:.80}", step.place)
        return declared

    def _reading(self, step: Step) -> Callable[[Record], Value]:
        wanted, scope, classes = step.name.lower(), step.scope, self._classes
        if wanted == _CLASS:
            return lambda record: record.class_name
        names: dict[str, str] = {}  # what the classes of records call it

        def read(record: Record) -> Value:
            name = names.get(record.class_name)
            if name is None:
                declared = classes.properties(record.class_name).get(wanted)
                fits = not scope or classes.is_a(record.class_name, scope)
                name = names[record.class_name] = declared.name if declared and fits else ""
            value = record.values.get(name)
            if not isinstance(step.index, int):
                return value
            elements = value if isinstance(value, list | tuple) else ()
            return elements[step.index] if step.index < len(elements) else None

        return read


def _one_after_the_other(reads: list[Callable[[Record], Value]]) -> Callable[[Record], Value]:
    def read(record: Record) -> Value:
        value: Value = record
        for one in reads:
            if not isinstance(value, Record):
                return None
            value = one(value)
        return value

    return read


def _check_array(declared: Declared, step: Step) -> None:
    if declared.is_array and step.index is None:
        raise InvalidQuery(
            f"{declared.name} is an array: [*] means any of its elements, [0] the first", step.place
        )
    if not declared.is_array and step.index is not None:
        raise InvalidQuery(f"{declared.name} is no array", step.place)


def _kind(declared: Declared | None) -> str:
    if declared is None:
        return ""
    if declared.is_embedded:
        return "embedded"
    if declared.type_name in ("boolean", "datetime", "reference"):
        return declared.type_name
    return "string" if declared.type_name in ("string", "char16") else "number"
