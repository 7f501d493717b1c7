"""Conditions over records, with the types that the classes declare.

A condition is true, false or unknown (None): whatever is compared with NULL is unknown, and what is
not true is not selected (DSP0202).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from virtcim.cim.datetimes import read_datetime
from virtcim.cim.path_text import read_path_text
from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.cimserver.queries.patterns import PatternError, matcher
from virtcim.cimserver.queries.properties import Property, Scope
from virtcim.cimserver.queries.syntax import (
    All,
    AnyOf,
    Chain,
    Comparison,
    Condition,
    InvalidQuery,
    IsA,
    IsNull,
    Like,
    Literal,
    Not,
    Symbol,
)

__all__ = ["Truth", "compiled"]

Truth = Callable[[Record], bool | None]

_COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUALITIES = frozenset({"=", "<>"})
_UNORDERED = frozenset({"boolean", "reference"})


def compiled(condition: Condition, scope: Scope, *, cql: bool) -> Truth:
    """What says whether a condition is true of a record. Raises InvalidQuery."""
    match condition:
        case All(of):
            return _all([compiled(one, scope, cql=cql) for one in of])
        case AnyOf(of):
            return _any([compiled(one, scope, cql=cql) for one in of])
        case Not(of):
            return _not(compiled(of, scope, cql=cql))
        case IsNull(chain, negated):
            read = scope.property(chain, whole=True).read
            return lambda record: (read(record) is None) is not negated
        case IsA():
            return _is_a(condition, scope)
        case Like():
            return _like(condition, scope, cql=cql)
        case Comparison():
            return _comparison(condition, scope)
        case Chain():
            return _flag(condition, scope)
        case Literal(bool() | None as value):
            return lambda _: value
    raise InvalidQuery("a condition is expected", condition.place)


def _all(conditions: Sequence[Truth]) -> Truth:
    def truth(record: Record) -> bool | None:
        result: bool | None = True
        for condition in conditions:
            found = condition(record)
            if found is False:
                return False
            if found is None:
                result = None
        return result

    return truth


def _any(conditions: Sequence[Truth]) -> Truth:
    def truth(record: Record) -> bool | None:
        result: bool | None = False
        for condition in conditions:
            found = condition(record)
            if found:
                return True
            if found is None:
                result = None
        return result

    return truth


def _not(condition: Truth) -> Truth:
    def truth(record: Record) -> bool | None:
        found = condition(record)
        return None if found is None else not found

    return truth


def _is_a(condition: IsA, scope: Scope) -> Truth:
    class_name = scope.class_name(condition.class_name, condition.place)
    if scope.is_itself(condition.chain):
        return lambda record: scope.is_a(record.class_name, class_name)
    found = scope.property(condition.chain)
    if not found.can_be("embedded", "reference"):
        raise InvalidQuery(f"{found.name} is no instance", condition.chain.place)
    read = found.read

    def truth(record: Record) -> bool | None:
        value = read(record)
        if not isinstance(value, Record | ObjectPath):
            return None
        return scope.is_a(value.class_name, class_name)

    return truth


def _like(condition: Like, scope: Scope, *, cql: bool) -> Truth:
    found = scope.property(condition.chain)
    if not found.can_be("string"):
        raise InvalidQuery(f"{found.name} is no text", condition.chain.place)
    try:
        matches = matcher(condition.pattern, cql=cql)
    except PatternError as exc:
        raise InvalidQuery(str(exc), condition.place) from None

    def is_like(value: object) -> bool | None:
        return matches(value) is not condition.negated if isinstance(value, str) else None

    return _over(found, is_like)


def _flag(chain: Chain, scope: Scope) -> Truth:
    found = scope.property(chain)
    if not found.can_be("boolean"):
        raise InvalidQuery(f"{found.name} is no condition: it is no boolean", chain.place)
    return _over(found, lambda value: value if isinstance(value, bool) else None)


def _over(found: Property, test: Callable[[object], bool | None]) -> Truth:
    """The test of a value, or of any element where ``[*]`` says so."""
    read = found.read
    if not found.any_element:
        return lambda record: test(read(record))
    return lambda record: _some(map(test, _elements(read(record))))


def _elements(value: Value) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()


def _some(found: Iterable[bool | None]) -> bool | None:
    values = [*found]
    return True if True in values else None if None in values or not values else False


def _comparison(condition: Comparison, scope: Scope) -> Truth:
    left, right = condition.left, condition.right
    if not isinstance(left, Chain):
        left, right = right, left
        mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
        name = mirrored.get(condition.operator, condition.operator)
    else:
        name = condition.operator
    if not isinstance(left, Chain):
        raise InvalidQuery("a comparison needs a property", left.place)
    found = scope.property(left)
    if found.kind in _UNORDERED and name not in _EQUALITIES:
        raise InvalidQuery(f"{found.name} can only be compared with = and <>", condition.place)
    compare = _COMPARISONS[name]
    if isinstance(right, Chain):
        return _both(found, scope.property(right), compare, name, condition.place)
    expected = _expected(found, right, scope)

    def test(value: object) -> bool | None:
        return _compared(value, expected, compare, name)

    return _over(found, test)


def _both(
    one: Property, other: Property, compare: Callable[..., bool], name: str, place: int
) -> Truth:
    if other.any_element:
        raise InvalidQuery("[*] stands on the left of a comparison", place)
    if one.kind and other.kind and one.kind != other.kind:
        raise InvalidQuery(f"{one.name} and {other.name} are of different types", place)
    read, read_other = one.read, other.read
    if not one.any_element:
        return lambda record: _compared(read(record), read_other(record), compare, name)

    def truth(record: Record) -> bool | None:
        expected = read_other(record)
        return _some(_compared(value, expected, compare, name) for value in _elements(read(record)))

    return truth


def _expected(found: Property, operand: Literal | Symbol, scope: Scope) -> Value:
    """A literal in the type of the property that it is compared with. Raises InvalidQuery."""
    if isinstance(operand, Symbol):
        return scope.symbol(operand)
    value = operand.value
    try:
        match found.kind, value:
            case "datetime", str():
                return read_datetime(value)
            case "reference", str():
                return read_path_text(value)
            case ("boolean", bool()) | ("string", str()) | ("", _):
                return value
            case "number", int() | float() if not isinstance(value, bool):
                return value
    except ValueError as exc:
        raise InvalidQuery(f"{found.name}: {exc}", operand.place) from None
    raise InvalidQuery(f"{found.name} is no such value: it is a {found.kind}", operand.place)


def _compared(
    value: object, expected: object, compare: Callable[..., bool], name: str
) -> bool | None:
    """The comparison of two values; unknown where one is NULL or they are of different kinds."""
    if value is None or expected is None:
        return None
    if isinstance(value, bool) or isinstance(expected, bool):
        same = isinstance(value, bool) and isinstance(expected, bool) and name in _EQUALITIES
        return compare(value, expected) if same else None
    for kind in (int | float, str, datetime, timedelta):
        if isinstance(value, kind):
            return compare(value, expected) if isinstance(expected, kind) else None
    if isinstance(value, ObjectPath) and isinstance(expected, ObjectPath) and name in _EQUALITIES:
        return compare(_here(value, expected), expected)
    return None


def _here(value: ObjectPath, expected: ObjectPath) -> ObjectPath:
    """A path without its namespace where the other one has none."""
    if expected.namespace:
        return value
    return ObjectPath(value.class_name, dict(value.keys))
