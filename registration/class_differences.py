"""How the class that a server has differs from the one that it should have.

Only what programs notice is compared: superclass, features with their types, keys and versions.
Descriptions are for people, and servers lay them out anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pywbem import CIMClass, CIMMethod, CIMParameter, CIMProperty, CIMQualifier

__all__ = ["class_differences"]


def class_differences(wanted: CIMClass, local: CIMClass, there: CIMClass) -> tuple[str, ...]:
    """A phrase for each difference between two resolved classes, none where there is none.

    ``local`` is what ``wanted`` declares itself: what it inherits is told of its superclass.
    """
    return tuple(_differences(wanted, local, there))


def _differences(wanted: CIMClass, local: CIMClass, there: CIMClass) -> Iterator[str]:
    if (wanted.superclass or "").lower() != (there.superclass or "").lower():
        yield f"its superclass is {there.superclass or 'none'}, not {wanted.superclass or 'none'}"
    versions = [_text(one.qualifiers, "Version") for one in (there, wanted)]
    if versions[0] != versions[1]:
        yield f"its version is {versions[0] or 'not given'}, not {versions[1] or 'given'}"
    for word, features, inherited, found, text in (
        ("property", local.properties, wanted.properties, there.properties, _property),
        ("method", local.methods, wanted.methods, there.methods, _method),
    ):
        yield from _features(
            {name: text(inherited[name]) for name in features},
            {name: text(one) for name, one in found.items()},
            word,
        )
        for name, one in found.items():
            if name not in inherited and _is_own(one, there):
                yield f"it has a further {word} {name}"


def _is_own(one: CIMProperty | CIMMethod, of: CIMClass) -> bool:
    return one.class_origin is None or one.class_origin.lower() == of.classname.lower()


def _features(wanted: Mapping[str, str], there: Mapping[str, str], word: str) -> Iterator[str]:
    known = {name.lower(): text for name, text in there.items()}
    for name, text in wanted.items():
        found = known.get(name.lower())
        if found is None:
            yield f"it has no {word} {name}"
        elif found.lower() != text.lower():
            yield f"its {word} {name} is `{found}`, not `{text}`"


def _property(one: CIMProperty) -> str:
    return f"{'key ' if _is_true(one.qualifiers, 'Key') else ''}{_type(one)}"


def _method(one: CIMMethod) -> str:
    given = ", ".join(
        f"{parameter.name} {_type(parameter)}" for parameter in one.parameters.values()
    )
    return f"{one.return_type} ({given})"


def _type(one: CIMProperty | CIMParameter) -> str:
    embedded = _text(one.qualifiers, "EmbeddedInstance")
    if not embedded and _is_true(one.qualifiers, "EmbeddedObject"):
        embedded = "object"
    name = f"{one.reference_class} REF" if one.reference_class else one.type
    return f"{name}{f' of {embedded}' if embedded else ''}{'[]' if one.is_array else ''}"


def _is_true(qualifiers: Mapping[str, CIMQualifier], name: str) -> bool:
    found = qualifiers.get(name)
    return found is not None and bool(found.value)


def _text(qualifiers: Mapping[str, CIMQualifier], name: str) -> str:
    found = qualifiers.get(name)
    return "" if found is None or found.value is None else str(found.value)
