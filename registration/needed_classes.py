"""Which classes the served ones need, and an order in which a server can compile them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pywbem import CIMClass, CIMMethod, CIMParameter, CIMProperty

from virtcim.mof import Schema

__all__ = ["UnknownClassError", "needed_classes"]


class UnknownClassError(Exception):
    """A class that is needed is not in the schema; the text is a sentence for a person."""


def needed_classes(schema: Schema, names: Iterable[str]) -> tuple[CIMClass, ...]:
    """The classes ``names`` and all that they need, each behind what it needs.

    A superclass and the classes that properties name stand in front of a class: without them no
    server compiles it. Those that parameters of methods name do so, too, unless they need the
    class themselves (DSP0004 lets methods name each other's classes). Where there is a choice,
    names decide. Raises UnknownClassError.
    """
    classes: dict[str, CIMClass] = {}
    pending = list(names)
    while pending:
        name = pending.pop()
        if name.lower() in classes:
            continue
        declared = schema.find(name)
        if declared is None:
            raise UnknownClassError(f"the compiled CIM schema has no class {name}")
        classes[name.lower()] = declared
        pending += [*_before(declared), *_named_by_methods(declared)]
    return tuple(_ordered(classes))


def _ordered(classes: dict[str, CIMClass]) -> Iterator[CIMClass]:
    before = {name: {*map(str.lower, _before(one))} - {name} for name, one in classes.items()}
    wished = {
        name: {*map(str.lower, _named_by_methods(one))} - {name} for name, one in classes.items()
    }
    waiting = sorted(classes)
    done: set[str] = set()
    while waiting:
        ready = [name for name in waiting if before[name] <= done]
        if not ready:
            raise UnknownClassError(f"classes need each other: {', '.join(waiting)}")
        taken = [name for name in ready if wished[name] <= done] or ready[:1]
        for name in taken:
            yield classes[name]
        done.update(taken)
        waiting = [name for name in waiting if name not in done]


def _before(declared: CIMClass) -> Iterator[str]:
    if declared.superclass:
        yield declared.superclass
    for one in declared.properties.values():
        yield from _named(one)


def _named_by_methods(declared: CIMClass) -> Iterator[str]:
    for method in declared.methods.values():
        yield from _named(method)
        for parameter in method.parameters.values():
            yield from _named(parameter)


def _named(one: CIMProperty | CIMMethod | CIMParameter) -> Iterator[str]:
    """The class that a reference or an embedded instance is of."""
    reference = getattr(one, "reference_class", None)
    if reference:
        yield str(reference)
    embedded = one.qualifiers.get("EmbeddedInstance")
    if embedded is not None and embedded.value:
        yield str(embedded.value)
