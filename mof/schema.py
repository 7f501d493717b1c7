"""The compiled schema: resolved classes and qualifier declarations, and how classes are related."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pywbem import CIMClass, CIMQualifierDeclaration

__all__ = ["Schema"]


class Schema:
    """Every class that the server knows; immutable, safe to share between threads.

    The classes are resolved: they hold the properties and methods of their superclasses with
    their effective qualifiers, ``class_origin`` and ``propagated``. Class names are compared
    without regard to case (DSP0004 clause 5.5.2); the objects must not be changed.
    """

    def __init__(
        self, classes: Iterable[CIMClass], qualifiers: Iterable[CIMQualifierDeclaration]
    ) -> None:
        by_name = {declared.classname.lower(): declared for declared in classes}
        self.classes: Mapping[str, CIMClass] = MappingProxyType(by_name)
        self.qualifiers: Mapping[str, CIMQualifierDeclaration] = MappingProxyType(
            {declared.name.lower(): declared for declared in qualifiers}
        )
        self._ancestors: dict[str, frozenset[str]] = {}
        self._children: dict[str, list[str]] = {}
        for name, declared in by_name.items():
            self._ancestors[name] = frozenset(self._lineage(name))
            superclass = (declared.superclass or "").lower()
            self._children.setdefault(superclass, []).append(declared.classname)

    def _lineage(self, name: str) -> Iterable[str]:
        while name:
            yield name
            name = (self.classes[name].superclass or "").lower()

    def find(self, class_name: str) -> CIMClass | None:
        """The class ``class_name``, None where it is not known."""
        return self.classes.get(class_name.lower())

    def canonical(self, class_name: str) -> str | None:
        """The name as it is declared, None where the class is not known."""
        declared = self.classes.get(class_name.lower())
        return None if declared is None else declared.classname

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether the class is ``ancestor`` or one of its subclasses; False for unknown classes."""
        return ancestor.lower() in self._ancestors.get(class_name.lower(), ())

    def superclass(self, class_name: str) -> str | None:
        """The name of the superclass, None for a class without one and for an unknown class."""
        declared = self.classes.get(class_name.lower())
        return None if declared is None else declared.superclass

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
