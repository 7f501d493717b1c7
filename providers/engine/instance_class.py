"""How a class of instances is described: its keys, where its objects come from, and their values.

Every concept of this room describes its classes with one InstanceClass each; the engines
(``record_cache``, ``associations``, ``service``) do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from virtcim.cim.records import ObjectPath, Value
from virtcim.providers.engine.view import View
from virtcim.providers.errors import path_text, rejected

__all__ = ["INSTANCE_ID", "ClassModel", "InstanceClass", "KeyShape", "Node", "Sources"]

# The domain objects that one instance is computed from, in the order of the functions' parameters.
Sources = tuple[Any, ...]


class ClassModel(Protocol):
    """What the providers must know of the schema; class names in any case."""

    def canonical(self, class_name: str) -> str | None:
        """The name as it is declared, None where the class is not known."""

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether the class is ``ancestor`` or a subclass of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """The key properties of a class in order: one tells the instances apart, the rest are fixed.

    Where a second one varies (``scope``), an identity is its value, a space, and the value of the
    first.
    """

    names: tuple[str, ...]
    variable: str
    scope: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)

    def keys(self, identity: str) -> dict[str, str]:
        """The keys of the instance ``identity``."""
        scope, _, variable = identity.partition(" ") if self.scope else ("", "", identity)
        given = {self.scope: scope, self.variable: variable}
        return {name: given[name] if name in given else self.fixed[name] for name in self.names}

    def identity(self, path: ObjectPath) -> str | None:
        """The identity in ``path``; None where its fixed keys are those of another class.

        Raises CimError (ERR_BAD_PARAMETER) where keys are missing, unknown, or no strings.
        """
        given = {name.lower(): value for name, value in path.keys}
        if sorted(given) != sorted(name.lower() for name in self.names):
            raise rejected(
                f"the keys of {path.class_name} are {', '.join(self.names)}, not those of "
                f"{path_text(path)}"
            )
        for name, expected in self.fixed.items():
            value = given[name.lower()]
            if not isinstance(value, str) or value.lower() != expected.lower():
                return None
        variables = (self.scope, self.variable) if self.scope else (self.variable,)
        identity = []
        for name in variables:
            value = given[name.lower()]
            if not isinstance(value, str):
                raise rejected(f"the key {name} of {path.class_name} is a string, not {value!r}")
            identity.append(value)
        return " ".join(identity)


INSTANCE_ID = KeyShape(names=("InstanceID",), variable="InstanceID")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InstanceClass:
    """One class of instances.

    ``identity`` gives the value of the variable key, ``find`` the sources of the instance with
    an identity (None where there is none), ``all`` those of every instance, ``values`` its
    property values without the keys. An instance stays the same record while its sources are the
    same objects. ``volatile`` are instances that come and go while the inventory stays the same.
    """

    name: str
    shape: KeyShape = INSTANCE_ID
    identity: Callable[..., str]
    find: Callable[[View, str], Sources | None]
    all: Callable[[View], Iterable[Sources]]
    values: Callable[..., Mapping[str, Value]]
    volatile: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One instance, not yet computed: its class and its sources.

    ``namespace`` is where it is, empty where that is where one looks.
    """

    instance_class: InstanceClass
    sources: Sources
    namespace: str = ""
