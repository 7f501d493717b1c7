"""Writing class and qualifier declarations as CIM-XML; the texts are kept, as they never change."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pywbem import CIMClass, CIMMethod, CIMParameter, CIMProperty

from virtcim.mof import Schema

__all__ = ["ClassEncoder", "ClassSelection"]

_MAX_TEXTS = 512
_EMPTY_ELEMENT = re.compile(r"<([A-Z.]+)(\s[^<>]*)?/>")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSelection:
    """What of a class a client wants to see; ``property_list`` in lower case, None for all."""

    local_only: bool = True
    qualifiers: bool = True
    class_origin: bool = False
    property_list: frozenset[str] | None = None


class ClassEncoder:
    """Writes the classes of a schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._texts: dict[tuple[str, ClassSelection], bytes] = {}

    def declaration(self, class_name: str, selection: ClassSelection) -> bytes:
        """``<!ELEMENT CLASS (QUALIFIER*, (PROPERTY | PROPERTY.ARRAY | PROPERTY.REFERENCE)*,
        METHOD*)>`` of a known class."""
        key = class_name.lower(), selection
        text = self._texts.get(key)
        if text is None:
            if len(self._texts) >= _MAX_TEXTS:
                self._texts = {}
            selected = _selected(self._schema.classes[key[0]], selection)
            text = self._texts[key] = _with_end_tags(selected.tocimxmlstr()).encode()
        return text

    def qualifier(self, name: str) -> bytes:
        """``<!ELEMENT QUALIFIER.DECLARATION (SCOPE?, (VALUE | VALUE.ARRAY)?)>``"""
        return _with_end_tags(self._schema.qualifiers[name.lower()].tocimxmlstr()).encode()


def _with_end_tags(text: str) -> str:
    """Give every element an end tag: wbemcli cannot read most elements without."""
    return _EMPTY_ELEMENT.sub(r"<\1\2></\1>", text)


def _selected(declared: CIMClass, selection: ClassSelection) -> CIMClass:
    properties = [
        one
        for one in declared.properties.values()
        if (selection.property_list is None or one.name.lower() in selection.property_list)
        and not (selection.local_only and one.propagated)
    ]
    methods = [
        one for one in declared.methods.values() if not (selection.local_only and one.propagated)
    ]
    return CIMClass(
        declared.classname,
        superclass=declared.superclass,
        qualifiers=declared.qualifiers.values() if selection.qualifiers else None,
        properties=[_property(one, selection) for one in properties],
        methods=[_method(one, selection) for one in methods],
    )


def _property(declared: CIMProperty, selection: ClassSelection) -> CIMProperty:
    one: CIMProperty = declared.copy()
    if not selection.qualifiers:
        one.qualifiers = {}
    if not selection.class_origin:
        one.class_origin = None
    return one


def _method(declared: CIMMethod, selection: ClassSelection) -> CIMMethod:
    one: CIMMethod = declared.copy()
    if not selection.qualifiers:
        one.qualifiers = {}
        one.parameters = [_bare(parameter) for parameter in one.parameters.values()]
    if not selection.class_origin:
        one.class_origin = None
    return one


def _bare(declared: CIMParameter) -> CIMParameter:
    one: CIMParameter = declared.copy()
    one.qualifiers = {}
    return one
