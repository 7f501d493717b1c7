"""What the server needs of the providers; ``virtcim.providers.Providers`` has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from virtcim.providers.records import MethodResult, ObjectPath, Record, Value

__all__ = ["ProviderBoundary"]


class ProviderBoundary(Protocol):
    """The providers as a host sees them; every failure is a CimError."""

    @property
    def namespaces(self) -> Sequence[str]:
        """The namespaces that are served."""

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        """The instances of a class and of its subclasses."""

    def get_instance(self, path: ObjectPath) -> Record:
        """One instance."""

    def delete_instance(self, path: ObjectPath) -> None:
        """Remove one instance."""

    def associators(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[Record]:
        """The instances associated with one instance."""

    def associator_names(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[ObjectPath]:
        """The paths of the instances associated with one instance."""

    def references(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[Record]:
        """The association instances that refer to one instance."""

    def reference_names(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[ObjectPath]:
        """The paths of the association instances that refer to one instance."""

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        """Call a method of an instance, or of a class where the path has no keys."""
