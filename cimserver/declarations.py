"""What the schema declares, in the form that reading and writing needs (cim.DeclaredClasses)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pywbem import CIMClass, CIMParameter, CIMProperty

from virtcim.cim.declarations import Declared, DeclaredMethod
from virtcim.mof import Schema, is_embedded

__all__ = ["Declarations"]


class Declarations:
    """The declarations of all classes, looked up in any case; computed once per class."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._properties: dict[str, Mapping[str, Declared]] = {}
        self._keys: dict[str, Mapping[str, Declared]] = {}
        self._methods: dict[tuple[str, str], DeclaredMethod] = {}

    def canonical(self, class_name: str) -> str | None:
        """The name as it is declared, None where the class is not known."""
        return self.schema.canonical(class_name)

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether a class is ``ancestor`` or one of its subclasses."""
        return self.schema.is_a(class_name, ancestor)

    def value_map(self, class_name: str, property_name: str) -> Mapping[str, str]:
        """The values of a property by their names (DSP0004 "ValueMap" and "Values"), as texts."""
        qualifiers = self._class(class_name.lower()).properties[property_name].qualifiers
        if "Values" not in qualifiers:
            return {}
        words = qualifiers["Values"].value
        values = qualifiers["ValueMap"].value if "ValueMap" in qualifiers else range(len(words))
        return {str(word): str(value) for word, value in zip(words, values, strict=False)}

    def properties(self, class_name: str) -> Mapping[str, Declared]:
        """The properties of a known class by lower-case name, in the order of declaration."""
        name = class_name.lower()
        found = self._properties.get(name)
        if found is None:
            found = self._properties[name] = MappingProxyType(
                {one.name.lower(): _declared(one) for one in self._class(name).properties.values()}
            )
        return found

    def keys(self, class_name: str) -> Mapping[str, Declared]:
        """The key properties of a known class by lower-case name."""
        name = class_name.lower()
        found = self._keys.get(name)
        if found is None:
            declared = self.properties(name)
            found = self._keys[name] = MappingProxyType(
                {
                    one.name.lower(): declared[one.name.lower()]
                    for one in self._class(name).properties.values()
                    if "Key" in one.qualifiers and one.qualifiers["Key"].value
                }
            )
        return found

    def method(self, class_name: str, method_name: str) -> DeclaredMethod | None:
        """The method of a known class, None where it has no such method."""
        key = class_name.lower(), method_name.lower()
        found = self._methods.get(key)
        if found is None:
            method = self._class(key[0]).methods.get(method_name)
            if method is None:
                return None
            found = self._methods[key] = DeclaredMethod(
                name=method.name,
                returns=Declared(
                    name="ReturnValue",
                    type_name=method.return_type,
                    is_embedded=is_embedded(method),
                ),
                parameters={one.name.lower(): _declared(one) for one in method.parameters.values()},
            )
        return found

    def _class(self, class_name: str) -> CIMClass:
        return self.schema.classes[class_name]


def _declared(one: CIMProperty | CIMParameter) -> Declared:
    return Declared(
        name=one.name,
        type_name=one.type,
        is_array=bool(one.is_array),
        is_embedded=is_embedded(one),
        reference_class=one.reference_class or "",
        class_origin=getattr(one, "class_origin", None) or "",
        is_input=_qualifier(one, "In", default=True),
        is_output=_qualifier(one, "Out", default=False),
        has_default=isinstance(one, CIMProperty) and one.value is not None,
    )


def _qualifier(one: CIMProperty | CIMParameter, name: str, *, default: bool) -> bool:
    return bool(one.qualifiers[name].value) if name in one.qualifiers else default
