"""The providers for one requester, who may not see and do everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, Unpack

from virtcim.cim.records import MethodResult, ObjectPath, Record, RecordList, Value
from virtcim.cimserver.boundary import AssociatorFilters, ProviderBoundary, ReferenceFilters
from virtcim.cimserver.guard import Guard, shown_values
from virtcim.daemon.audit import Outcome

__all__ = ["GuardedProviders"]

_Found = TypeVar("_Found", Record, ObjectPath)

_SUCCESS, _JOB_STARTED = 0, 4096


class GuardedProviders:
    """Implements the provider boundary for one requester.

    What he may not read is refused where he names it, and left out of what he did not name.
    """

    def __init__(self, providers: ProviderBoundary, guard: Guard) -> None:
        self._providers = providers
        self._guard = guard

    @property
    def namespaces(self) -> Sequence[str]:
        """The namespaces that are served, also those that the requester may not read."""
        return self._providers.namespaces

    def in_language(self, language: str) -> GuardedProviders:
        """The same providers for a reader of that language."""
        return GuardedProviders(self._providers.in_language(language), self._guard)

    def reads_at_once(self, path: ObjectPath) -> bool:
        """Whether reading an instance, or what is around it, waits for nothing."""
        return self._providers.reads_at_once(path)

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        """The instances of a class and of its subclasses."""
        self._require(namespace, "EnumerateInstances")
        found = self._providers.enumerate_instances(namespace, class_name)
        if self._guard.sees_all or (isinstance(found, RecordList) and _refers_nowhere(found)):
            return found
        return (record for record in found if self._is_seen(record))

    def get_instance(self, path: ObjectPath) -> Record:
        """One instance."""
        for one in (path, *(value for _, value in path.keys)):
            if isinstance(one, ObjectPath):
                self._require(one.namespace or path.namespace, "GetInstance")
        return self._providers.get_instance(path)

    def delete_instance(self, path: ObjectPath) -> None:
        """Remove one instance."""
        with self._guard.writing("DeleteInstance", path):
            self._providers.delete_instance(path)

    def associators(self, path: ObjectPath, **filters: Unpack[AssociatorFilters]) -> list[Record]:
        """The instances associated with one instance."""
        self._require(path.namespace, "Associators")
        return self._seen(self._providers.associators(path, **filters))

    def associator_names(
        self, path: ObjectPath, **filters: Unpack[AssociatorFilters]
    ) -> list[ObjectPath]:
        """The paths of the instances associated with one instance."""
        self._require(path.namespace, "AssociatorNames")
        return self._seen(self._providers.associator_names(path, **filters))

    def references(self, path: ObjectPath, **filters: Unpack[ReferenceFilters]) -> list[Record]:
        """The association instances that refer to one instance."""
        self._require(path.namespace, "References")
        return self._seen(self._providers.references(path, **filters))

    def reference_names(
        self, path: ObjectPath, **filters: Unpack[ReferenceFilters]
    ) -> list[ObjectPath]:
        """The paths of the association instances that refer to one instance."""
        self._require(path.namespace, "ReferenceNames")
        return self._seen(self._providers.reference_names(path, **filters))

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        """Call a method of an instance, or of a class where the path has no keys."""
        with self._guard.invoking(method_name, path, parameters) as deed:
            result = self._providers.invoke_method(path, method_name, parameters)
            if result.return_value == _JOB_STARTED:
                deed.outcome, deed.job = Outcome.STARTED, _job_number(result)
            elif result.return_value not in (_SUCCESS, None):
                deed.outcome = Outcome.FAILED
                deed.details["return_value"] = result.return_value
            if made := shown_values(result.output, without="Job"):
                deed.details["result"] = made
            return result

    def _require(self, namespace: str, operation: str) -> None:
        self._guard.require_operation(operation, namespace)

    def _seen(self, found: list[_Found]) -> list[_Found]:
        if self._guard.sees_all:
            return found
        return [one for one in found if self._is_seen(one)]

    def _is_seen(self, one: Record | ObjectPath) -> bool:
        """Whether nothing of it is of a namespace that the requester may not read."""
        if isinstance(one, Record):
            if one.path is not None and not self._is_seen(one.path):
                return False
            values: Iterable[object] = one.values.values()
        else:
            if one.namespace and not self._guard.sees(one.namespace):
                return False
            values = (value for _, value in one.keys)
        return all(self._is_seen(value) for value in values if isinstance(value, ObjectPath))


def _refers_nowhere(records: RecordList) -> bool:
    """Whether the instances of one class, of one namespace, name none of another one."""
    first = next(iter(records), None)
    return first is None or not any(isinstance(one, ObjectPath) for one in first.values.values())


def _job_number(result: MethodResult) -> str:
    job = result.output.get("Job")
    identity = job.key("InstanceID") if isinstance(job, ObjectPath) else None
    return str(identity or "").rpartition(":")[2]
