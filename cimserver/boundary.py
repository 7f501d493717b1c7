"""What the server needs of the providers; ``virtcim.providers.Providers`` has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypedDict, Unpack

from virtcim.cim.records import MethodResult, ObjectPath, Record, Value

__all__ = ["AssociatorFilters", "ProviderBoundary", "ReferenceFilters"]


class ReferenceFilters(TypedDict, total=False):
    """Which associations of an instance are wanted; what is empty does not narrow."""

    result_class: str
    role: str


class AssociatorFilters(ReferenceFilters, total=False):
    """Which associated instances are wanted; what is empty does not narrow."""

    assoc_class: str
    result_role: str


class ProviderBoundary(Protocol):
    """The providers as a host sees them; every failure is a CimError."""

    @property
    def namespaces(self) -> Sequence[str]:
        """The namespaces that are served."""

    def in_language(self, language: str) -> ProviderBoundary:
        """The same providers for a reader of that language, where they tell something in words."""

    def reads_at_once(self, path: ObjectPath) -> bool:
        """Whether reading an instance, or what is around it, waits for nothing and is little.

        Then it takes no longer than the way to a thread. ``path`` may name anything.
        """

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        """The instances of a class and of its subclasses."""

    def get_instance(self, path: ObjectPath) -> Record:
        """One instance."""

    def delete_instance(self, path: ObjectPath) -> None:
        """Remove one instance."""

    def associators(self, path: ObjectPath, **filters: Unpack[AssociatorFilters]) -> list[Record]:
        """The instances associated with one instance."""

    def associator_names(
        self, path: ObjectPath, **filters: Unpack[AssociatorFilters]
    ) -> list[ObjectPath]:
        """The paths of the instances associated with one instance."""

    def references(self, path: ObjectPath, **filters: Unpack[ReferenceFilters]) -> list[Record]:
        """The association instances that refer to one instance."""

    def reference_names(
        self, path: ObjectPath, **filters: Unpack[ReferenceFilters]
    ) -> list[ObjectPath]:
        """The paths of the association instances that refer to one instance."""

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        """Call a method of an instance, or of a class where the path has no keys."""
