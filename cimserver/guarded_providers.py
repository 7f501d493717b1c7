"""The providers for one requester, who may not see and do everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar, Unpack

from virtcim.cim.records import MethodResult, ObjectPath, Record, RecordList, Value
from virtcim.cimserver.boundary import AssociatorFilters, ProviderBoundary, ReferenceFilters
from virtcim.cimserver.guard import Guard, shown_values
from virtcim.daemon.audit import Outcome
from virtcim.providers import ErrorCode, failure

__all__ = ["GuardedProviders", "Owned"]

_Found = TypeVar("_Found", Record, ObjectPath)

_SUCCESS, _JOB_STARTED = 0, 4096


class Owned(Protocol):
    """What users have made themselves, which others than administrators do not see."""

    def concerns(self, class_name: str) -> bool:
        """Whether instances of a class are made by users."""

    def owner(self, path: ObjectPath) -> str | None:
        """Who has made what a path names, None for nobody."""


class GuardedProviders:
    """Implements the provider boundary for one requester.

    What he may not read is refused where he names it, and left out of what he did not name.
    """

    def __init__(
        self, providers: ProviderBoundary, guard: Guard, owned: Owned | None = None
    ) -> None:
        self._providers = providers
        self._guard = guard
        self._owned = owned
        # By class and namespace, as a reply has thousands of instances of each: whether they are
        # seen, None where each has to be looked at.
        self._verdicts: dict[tuple[str, str], bool | None] = {}

    @property
    def namespaces(self) -> Sequence[str]:
        """The namespaces that are served, also those that the requester may not read."""
        return self._providers.namespaces

    def in_language(self, language: str) -> GuardedProviders:
        """The same providers for a reader of that language."""
        return GuardedProviders(self._providers.in_language(language), self._guard, self._owned)

    def reads_at_once(self, path: ObjectPath) -> bool:
        """Whether reading an instance, or what is around it, waits for nothing."""
        return self._providers.reads_at_once(path)

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        """The instances of a class and of its subclasses."""
        self._require(namespace, "EnumerateInstances")
        found = self._providers.enumerate_instances(namespace, class_name)
        if self._guard.administers_all:
            return found
        is_seen = self._listing()
        # The very list, whose text is kept, where the requester may see all of it.
        if isinstance(found, RecordList) and all(map(is_seen, found)):
            return found
        return filter(is_seen, found)

    def get_instance(self, path: ObjectPath) -> Record:
        """One instance."""
        self._require_path(path, "GetInstance")
        return self._providers.get_instance(path)

    def delete_instance(self, path: ObjectPath) -> None:
        """Remove one instance."""
        with self._guard.writing("DeleteInstance", path):
            self._providers.delete_instance(path)

    def associators(self, path: ObjectPath, **filters: Unpack[AssociatorFilters]) -> list[Record]:
        """The instances associated with one instance."""
        self._require_path(path, "Associators")
        return self._seen(self._providers.associators(path, **filters))

    def associator_names(
        self, path: ObjectPath, **filters: Unpack[AssociatorFilters]
    ) -> list[ObjectPath]:
        """The paths of the instances associated with one instance."""
        self._require_path(path, "AssociatorNames")
        return self._seen(self._providers.associator_names(path, **filters))

    def references(self, path: ObjectPath, **filters: Unpack[ReferenceFilters]) -> list[Record]:
        """The association instances that refer to one instance."""
        self._require_path(path, "References")
        return self._seen(self._providers.references(path, **filters))

    def reference_names(
        self, path: ObjectPath, **filters: Unpack[ReferenceFilters]
    ) -> list[ObjectPath]:
        """The paths of the association instances that refer to one instance."""
        self._require_path(path, "ReferenceNames")
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

    def _require_path(self, path: ObjectPath, operation: str) -> None:
        """Raise CimError where the requester may not see what he names."""
        for one in (path, *_references(path)):
            namespace = one.namespace or path.namespace
            self._require(namespace, operation)
            if not self._is_shown(one):
                raise failure(
                    ErrorCode.ERR_ACCESS_DENIED,
                    f"this instance of {one.class_name} was created by another user; {operation} "
                    f"of it needs the role administer in {namespace}",
                )

    def _seen(self, found: list[_Found]) -> list[_Found]:
        if self._guard.administers_all:
            return found
        return [one for one in found if self._is_seen(one)]

    def _listing(self) -> Callable[[Record], bool]:
        """``_is_seen`` for records of one namespace: most of their paths are not made for it."""
        verdicts: dict[str, bool | None] = {}

        def is_seen(record: Record) -> bool:
            name = record.class_name
            if name not in verdicts and record.path is not None:
                verdicts[name] = self._verdict(record.path)
            verdict = verdicts.get(name)
            return self._is_seen(record) if verdict is None else verdict

        return is_seen

    def _is_seen(self, one: Record | ObjectPath) -> bool:
        """Whether the requester may see it, and all that it names."""
        path = one.path if isinstance(one, Record) else one
        if path is None:
            return True
        kind = path.class_name, path.namespace
        try:
            verdict = self._verdicts[kind]
        except KeyError:
            verdict = self._verdicts[kind] = self._verdict(path)
        if verdict is not None:
            return verdict
        return self._is_shown(path) and all(map(self._is_seen, _references(path)))

    def _verdict(self, path: ObjectPath) -> bool | None:
        if path.namespace and not self._guard.sees(path.namespace):
            return False
        return None if _references(path) or self._is_concerned(path.class_name) else True

    def _is_shown(self, path: ObjectPath) -> bool:
        """Whether nobody else has made it, or the requester administers what others have made."""
        if self._owned is None or not self._is_concerned(path.class_name):
            return True
        owner = self._owned.owner(path)
        return owner is None or self._guard.may_touch(owner, path.namespace)

    def _is_concerned(self, class_name: str) -> bool:
        return self._owned is not None and self._owned.concerns(class_name)


def _references(path: ObjectPath) -> list[ObjectPath]:
    """What the keys of a path name: the ends of an association."""
    return [value for _, value in path.keys if isinstance(value, ObjectPath)]


def _job_number(result: MethodResult) -> str:
    job = result.output.get("Job")
    identity = job.key("InstanceID") if isinstance(job, ObjectPath) else None
    return str(identity or "").rpartition(":")[2]
