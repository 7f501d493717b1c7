"""What reading and writing needs to know of the classes; where they come from is the host's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Declared", "DeclaredClasses", "DeclaredMethod", "DeclaredProperties", "DeclaredType"]


class DeclaredType(Protocol):
    """What reading a value needs to know of a property, however a host keeps its classes."""

    @property
    def name(self) -> str:
        """The name as it is declared."""

    @property
    def type_name(self) -> str:
        """The CIM type, or "reference"."""

    @property
    def is_array(self) -> bool:
        """Whether it is an array of the type."""

    @property
    def is_embedded(self) -> bool:
        """Whether the type is a string that holds an instance."""


class DeclaredProperties(Protocol):
    """The properties of the classes that a host knows, looked up in any case."""

    def canonical(self, class_name: str) -> str | None:
        """The name as it is declared, None where the class is not known."""

    def properties(self, class_name: str) -> Mapping[str, DeclaredType]:
        """The properties of a known class by lower-case name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The type of a property, a method parameter or a return value.

    ``type_name`` is the CIM type or "reference"; an embedded instance is a string to CIM. A
    property that ``has_default`` has a value in its class, which is that of a new instance in
    servers that make instances of classes.
    """

    name: str
    type_name: str
    is_array: bool = False
    is_embedded: bool = False
    reference_class: str = ""
    class_origin: str = ""
    is_input: bool = True
    is_output: bool = False
    has_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredMethod:
    """A method; ``parameters`` by lower-case name."""

    name: str
    returns: Declared
    parameters: Mapping[str, Declared]


class DeclaredClasses(Protocol):
    """The classes that a host knows, looked up in any case."""

    def canonical(self, class_name: str) -> str | None:
        """The name as it is declared, None where the class is not known."""

    def properties(self, class_name: str) -> Mapping[str, Declared]:
        """The properties of a known class by lower-case name, in the order of declaration."""

    def keys(self, class_name: str) -> Mapping[str, Declared]:
        """The key properties of a known class by lower-case name."""

    def method(self, class_name: str, method_name: str) -> DeclaredMethod | None:
        """The method of a known class, None where it has no such method."""
