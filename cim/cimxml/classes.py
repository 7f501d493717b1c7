"""Writing class and qualifier declarations as CIM-XML; the texts are kept, as they never change.

A declaration is any object with the attributes below, which are those of pywbem's CIMClass and its
parts. Every element is written with an end tag of its own: wbemcli cannot read most without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from virtcim.cim.cimxml.escape import escape, escape_attribute

__all__ = ["ClassEncoder", "ClassSelection", "DeclaredClass", "DeclaredQualifier"]

_MAX_TEXTS = 512
_SCOPES = ("ASSOCIATION", "CLASS", "INDICATION", "METHOD", "PARAMETER", "PROPERTY", "REFERENCE")


class DeclaredQualifier(Protocol):
    """A qualifier's declaration; ``scopes`` says by name for what it can be used."""

    name: str
    type: str
    value: object
    is_array: bool
    array_size: int | None
    scopes: Mapping[str, bool]
    overridable: bool | None
    tosubclass: bool | None
    toinstance: bool | None
    translatable: bool | None


class DeclaredClass(Protocol):
    """A class with its superclasses' properties and methods; ``propagated`` tells these apart."""

    classname: str
    superclass: str | None
    qualifiers: Mapping[str, Any]
    properties: Mapping[str, Any]
    methods: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSelection:
    """What of a class a client wants to see; ``property_list`` in lower case, None for all."""

    local_only: bool = True
    qualifiers: bool = True
    class_origin: bool = False
    property_list: frozenset[str] | None = None


class ClassEncoder:
    """Writes classes; ``find`` gives the declaration of a known class by its lower-case name."""

    def __init__(self, find: Callable[[str], DeclaredClass]) -> None:
        self._find = find
        self._texts: dict[tuple[str, ClassSelection], bytes] = {}

    def declaration(self, class_name: str, selection: ClassSelection) -> bytes:
        """``<!ELEMENT CLASS (QUALIFIER*, (PROPERTY | PROPERTY.ARRAY | PROPERTY.REFERENCE)*,
        METHOD*)>`` of a known class."""
        key = class_name.lower(), selection
        text = self._texts.get(key)
        if text is None:
            if len(self._texts) >= _MAX_TEXTS:
                self._texts = {}
            text = self._texts[key] = _class(self._find(key[0]), selection).encode()
        return text

    @staticmethod
    def qualifier(declared: DeclaredQualifier) -> bytes:
        """``<!ELEMENT QUALIFIER.DECLARATION (SCOPE?, (VALUE | VALUE.ARRAY)?)>``"""
        attributes = (
            ("NAME", declared.name),
            ("TYPE", declared.type),
            ("ISARRAY", declared.is_array),
            ("ARRAYSIZE", declared.array_size),
            *_flavor(declared),
        )
        return _element(
            "QUALIFIER.DECLARATION", attributes, _scope(declared.scopes), _value(declared.value)
        ).encode()


def _class(declared: DeclaredClass, selection: ClassSelection) -> str:
    def is_wanted(one: Any) -> bool:
        return not (selection.local_only and one.propagated)

    listed = selection.property_list
    return _element(
        "CLASS",
        (("NAME", declared.classname), ("SUPERCLASS", declared.superclass)),
        _qualifiers(declared, selection),
        *(
            _property(one, selection)
            for one in declared.properties.values()
            if is_wanted(one) and (listed is None or one.name.lower() in listed)
        ),
        *(_method(one, selection) for one in declared.methods.values() if is_wanted(one)),
    )


def _property(one: Any, selection: ClassSelection) -> str:
    """``<!ELEMENT PROPERTY (QUALIFIER*, VALUE?)>``, ``<!ELEMENT PROPERTY.ARRAY (QUALIFIER*,
    VALUE.ARRAY?)>`` or ``<!ELEMENT PROPERTY.REFERENCE (QUALIFIER*, VALUE.REFERENCE?)>``"""
    tag = "PROPERTY.ARRAY" if one.is_array else "PROPERTY"
    if one.type == "reference":
        tag, kind = "PROPERTY.REFERENCE", ("REFERENCECLASS", one.reference_class)
    else:
        kind = ("TYPE", one.type)
    attributes = (
        ("NAME", one.name),
        kind,
        ("ARRAYSIZE", one.array_size if one.is_array else None),
        ("CLASSORIGIN", one.class_origin if selection.class_origin else None),
        ("PROPAGATED", one.propagated),
    )
    return _element(tag, attributes, _qualifiers(one, selection), _value(one.value))


def _method(one: Any, selection: ClassSelection) -> str:
    """``<!ELEMENT METHOD (QUALIFIER*, (PARAMETER | PARAMETER.REFERENCE | PARAMETER.ARRAY |
    PARAMETER.REFARRAY)*)>``"""
    attributes = (
        ("NAME", one.name),
        ("TYPE", one.return_type),
        ("CLASSORIGIN", one.class_origin if selection.class_origin else None),
        ("PROPAGATED", one.propagated),
    )
    parameters = (_parameter(each, selection) for each in one.parameters.values())
    return _element("METHOD", attributes, _qualifiers(one, selection), *parameters)


def _parameter(one: Any, selection: ClassSelection) -> str:
    is_reference = one.type == "reference"
    if one.is_array:
        tag = "PARAMETER.REFARRAY" if is_reference else "PARAMETER.ARRAY"
    else:
        tag = "PARAMETER.REFERENCE" if is_reference else "PARAMETER"
    attributes = (
        ("NAME", one.name),
        ("REFERENCECLASS", one.reference_class) if is_reference else ("TYPE", one.type),
        ("ARRAYSIZE", one.array_size if one.is_array else None),
    )
    return _element(tag, attributes, _qualifiers(one, selection))


def _qualifiers(one: Any, selection: ClassSelection) -> str:
    """``<!ELEMENT QUALIFIER ((VALUE | VALUE.ARRAY)?)>``"""
    if not selection.qualifiers:
        return ""
    return "".join(
        _element(
            "QUALIFIER",
            (
                ("NAME", each.name),
                ("TYPE", each.type),
                ("PROPAGATED", each.propagated),
                *_flavor(each),
            ),
            _value(each.value),
        )
        for each in one.qualifiers.values()
    )


def _flavor(one: Any) -> tuple[tuple[str, object], ...]:
    return (
        ("OVERRIDABLE", one.overridable),
        ("TOSUBCLASS", one.tosubclass),
        ("TOINSTANCE", one.toinstance),
        ("TRANSLATABLE", one.translatable),
    )


def _scope(scopes: Mapping[str, bool]) -> str:
    """``<!ELEMENT SCOPE EMPTY>``"""
    named = sorted((name.upper(), is_used) for name, is_used in scopes.items())
    if ("ANY", True) in named:
        named = [(name, True) for name in _SCOPES]
    return _element("SCOPE", named) if named else ""


def _value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return _element("VALUE.ARRAY", (), *(_value(one) or "<VALUE></VALUE>" for one in value))
    return f"<VALUE>{_value_text(value)}</VALUE>"


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return escape(str(value))


def _element(tag: str, attributes: Iterable[tuple[str, object]], *children: str) -> str:
    named = "".join(
        f' {name}="{_attribute(value)}"' for name, value in attributes if value is not None
    )
    return f"<{tag}{named}>{''.join(children)}</{tag}>"


def _attribute(value: object) -> str:
    return escape_attribute(str(value).lower() if isinstance(value, bool) else str(value))
