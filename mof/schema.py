"""The compiled schema: resolved classes and qualifier declarations, and how classes are related."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pywbem import CIMClass, CIMMethod, CIMParameter, CIMProperty, CIMQualifierDeclaration

__all__ = ["ClassOutline", "PropertyType", "Schema", "is_embedded", "outline"]


class PropertyType(NamedTuple):
    """What a property holds; ``type_name`` is the CIM type or "reference".

    An embedded instance is a string to CIM.
    """

    name: str
    type_name: str
    is_array: bool
    is_embedded: bool


class ClassOutline(NamedTuple):
    """What is asked of all classes at once, and so is known without reading each of them.

    ``superclass`` is empty where there is none; ``properties`` are those of superclasses, too.
    """

    name: str
    superclass: str
    is_association: bool
    properties: tuple[str, ...]


class Schema:
    """Every class that the server knows; immutable, safe to share between threads.

    The classes are resolved: they hold the properties and methods of their superclasses with
    their effective qualifiers, ``class_origin`` and ``propagated``. Class names are compared
    without regard to case, as DSP0004 demands; the objects must not be changed.
    """

    def __init__(
        self,
        classes: Iterable[CIMClass] | Mapping[str, CIMClass],
        qualifiers: Iterable[CIMQualifierDeclaration],
        outlines: Iterable[ClassOutline] | None = None,
    ) -> None:
        """The classes; a mapping by lower-case name, with their outlines, is read as needed."""
        self.classes: Mapping[str, CIMClass] = MappingProxyType(
            classes if isinstance(classes, Mapping) else _by_name(classes)
        )
        self.qualifiers: Mapping[str, CIMQualifierDeclaration] = MappingProxyType(
            {declared.name.lower(): declared for declared in qualifiers}
        )
        if outlines is None:
            outlines = [outline(declared) for declared in self.classes.values()]
        self.outlines: Mapping[str, ClassOutline] = MappingProxyType(
            {each.name.lower(): each for each in outlines}
        )
        self._ancestors: dict[str, frozenset[str]] = {}
        self._children: dict[str, list[str]] = {}
        self._properties: dict[str, Mapping[str, PropertyType]] = {}
        for name, each in self.outlines.items():
            self._ancestors[name] = frozenset(self._lineage(name))
            self._children.setdefault(each.superclass.lower(), []).append(each.name)

    def _lineage(self, name: str) -> Iterable[str]:
        while name:
            yield name
            name = self.outlines[name].superclass.lower()

    @property
    def property_names(self) -> frozenset[str]:
        """The names of all properties of all classes, in lower case."""
        return frozenset(
            name.lower() for each in self.outlines.values() for name in each.properties
        )

    def associations(self) -> Iterable[CIMClass]:
        """The association classes."""
        return (self.classes[name] for name, each in self.outlines.items() if each.is_association)

    def find(self, class_name: str) -> CIMClass | None:
        """The class ``class_name``, None where it is not known."""
        return self.classes.get(class_name.lower())

    def canonical(self, class_name: str) -> str | None:
        """The name as it is declared, None where the class is not known."""
        known = self.outlines.get(class_name.lower())
        return None if known is None else known.name

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether the class is ``ancestor`` or one of its subclasses; False for unknown classes."""
        return ancestor.lower() in self._ancestors.get(class_name.lower(), ())

    def properties(self, class_name: str) -> Mapping[str, PropertyType]:
        """The properties of a known class by lower-case name; looked at once per class."""
        name = class_name.lower()
        found = self._properties.get(name)
        if found is None:
            found = self._properties[name] = MappingProxyType(
                {
                    one.name.lower(): PropertyType(
                        one.name, one.type, bool(one.is_array), is_embedded(one)
                    )
                    for one in self.classes[name].properties.values()
                }
            )
        return found

    def superclass(self, class_name: str) -> str | None:
        """The name of the superclass, None for a class without one and for an unknown class."""
        known = self.outlines.get(class_name.lower())
        return None if known is None else known.superclass or None

    def subclasses(self, class_name: str, deep: bool = False) -> tuple[str, ...]:
        """The names of the subclasses, of all levels if ``deep``; ``""`` stands for no class.

        A class stands before its own subclasses.
        """
        found: list[str] = []
        for name in self._children.get(class_name.lower(), ()):
            found.append(name)
            if deep:
                found += self.subclasses(name, deep=True)
        return tuple(found)


def _by_name(classes: Iterable[CIMClass]) -> dict[str, CIMClass]:
    return {declared.classname.lower(): declared for declared in classes}


def is_embedded(one: CIMProperty | CIMParameter | CIMMethod) -> bool:
    """Whether a string is declared to hold an instance."""
    return "EmbeddedInstance" in one.qualifiers or "EmbeddedObject" in one.qualifiers


def outline(declared: CIMClass) -> ClassOutline:
    """The outline of a resolved class."""
    return ClassOutline(
        name=declared.classname,
        superclass=declared.superclass or "",
        is_association="Association" in declared.qualifiers,
        properties=tuple(declared.properties),
    )
