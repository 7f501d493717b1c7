"""What a class declares itself, taken out of its resolved declaration.

The compiled schema holds what a class has altogether; MOF wants what it adds to its superclass or
changes of it (DSP0004 "Standard Qualifiers" says which of them are inherited).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pywbem import (
    CIMClass,
    CIMMethod,
    CIMParameter,
    CIMProperty,
    CIMQualifier,
    CIMQualifierDeclaration,
)

__all__ = ["local_declaration"]

_Feature = TypeVar("_Feature", CIMProperty, CIMMethod)
_Qualifiers = Mapping[str, CIMQualifier]
_Kinds = Mapping[str, CIMQualifierDeclaration]
_NONE: Mapping[str, Any] = {}


def local_declaration(
    declared: CIMClass, above: CIMClass | None, kinds: Mapping[str, CIMQualifierDeclaration]
) -> CIMClass:
    """A copy of a resolved class with nothing but what its superclass ``above`` does not give it.

    ``kinds`` are the declarations of qualifiers by lower-case name.
    """
    local = declared.copy()
    local.properties = _by_name(
        _changed(kinds, declared.properties, _NONE if above is None else above.properties)
    )
    local.methods = _by_name(
        _changed(kinds, declared.methods, _NONE if above is None else above.methods)
    )
    local.qualifiers = _by_name(
        each for each in declared.qualifiers.values() if not each.propagated
    )
    return local


def _by_name(features: Iterable[Any]) -> list[tuple[str, Any]]:
    return [(each.name, each) for each in features]


def _changed(
    kinds: _Kinds, features: Mapping[str, _Feature], inherited: Mapping[str, _Feature]
) -> Iterator[_Feature]:
    for name, one in features.items():
        if name not in inherited:
            yield one
        elif (local := _change(kinds, one, inherited[name])) is not None:
            yield local


def _change(kinds: _Kinds, one: _Feature, above: _Feature) -> _Feature | None:
    """The feature with what is other than above, None where all of it is inherited."""
    qualifiers = [*_changed_qualifiers(kinds, one.qualifiers, above.qualifiers)]
    is_new = any(not each.propagated or _differs(each, above.qualifiers) for each in qualifiers)
    if not is_new and _shape(one) == _shape(above):
        return None
    local = one.copy()
    local.qualifiers = _by_name(qualifiers)
    return local


def _changed_qualifiers(
    kinds: _Kinds, qualifiers: _Qualifiers, inherited: _Qualifiers
) -> Iterator[CIMQualifier]:
    """Those that are not inherited: other than above, or of a kind that no subclass inherits."""
    for name, one in qualifiers.items():
        kind = kinds.get(name.lower())
        if _differs(one, inherited) or (kind is not None and kind.tosubclass is False):
            yield one


def _differs(one: CIMQualifier, inherited: _Qualifiers) -> bool:
    above = inherited.get(one.name)
    return above is None or above.value != one.value


def _shape(one: CIMProperty | CIMMethod) -> tuple[object, ...]:
    """What of a feature is no qualifier of it; of a method also what its parameters are."""
    if isinstance(one, CIMMethod):
        return (one.return_type, *map(_parameter_shape, one.parameters.values()))
    return (one.type, one.is_array, one.array_size, one.reference_class, one.value)


def _parameter_shape(one: CIMParameter) -> tuple[object, ...]:
    values = {name.lower(): each.value for name, each in one.qualifiers.items()}
    return (one.name, one.type, one.is_array, one.array_size, one.reference_class, values)
