"""One namespace: its instances, associations and methods over one hypervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from virtcim.cim.path_text import path_text
from virtcim.cim.records import (
    AssociationRecord,
    CimError,
    MethodResult,
    ObjectPath,
    Record,
    RecordList,
    StatusCode,
    Value,
)
from virtcim.errormap import ENGLISH, ErrorCode
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.hypervisor.model import Inventory
from virtcim.providers.associations.indication_table import INDICATION_ASSOCIATIONS
from virtcim.providers.associations.job_ends import named_elements
from virtcim.providers.associations.table import ASSOCIATIONS
from virtcim.providers.engine.association_engine import AssociationEngine, Filters, Link
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, ClassModel
from virtcim.providers.engine.record_cache import MOST_RECORD_BYTES, RecordCache
from virtcim.providers.engine.repository import InstanceRepository
from virtcim.providers.engine.view import Derived, View
from virtcim.providers.errors import failure, not_found, rejected
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB
from virtcim.providers.jobs.invocation import Call
from virtcim.providers.jobs.runner import Operations
from virtcim.providers.method_table import METHODS
from virtcim.providers.peers.agreement import Agreement
from virtcim.providers.state.errors import StateHeldError
from virtcim.providers.state.job import JobElement
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM

__all__ = ["Namespace"]


class Namespace:
    """What is served in one namespace; safe to use from many threads.

    Everything raises HypervisorError for what the hypervisor reports, CimError for the rest.
    """

    def __init__(
        self,
        name: str,
        classes: ClassModel,
        instance_classes: Sequence[AnyClass],
        *,
        endpoint: Endpoint | None = None,
        operations: Operations | None = None,
        jobs: JobStore | None = None,
        served: Callable[[], Mapping[str, Namespace]] = dict,
        repository: Callable[[], InstanceRepository | None] = lambda: None,
        most_record_bytes: int = MOST_RECORD_BYTES,
        agreement: Agreement | None = None,
    ) -> None:
        self.name = name
        self._classes = classes
        self._instance_classes = {each.name: each for each in instance_classes}
        self._endpoint = endpoint
        self._operations = operations
        self._jobs = jobs
        self._served = served
        self._repository = repository
        self._agreement = agreement
        self._derived = Derived()
        self._cache = RecordCache(
            name, instance_classes, self._newest, most_bytes=most_record_bytes
        )
        own = set(instance_classes)
        table = tuple(
            row
            for row in (*ASSOCIATIONS, *INDICATION_ASSOCIATIONS)
            if any(own.intersection(end.classes) for end in row.ends)
        )
        self._associations = AssociationEngine(name, classes, table)

    def view(self, language: str = ENGLISH) -> View:
        """What one operation sees; what is told in words is told in ``language``."""
        return self._view(language, self._agreement)

    def _newest(self) -> View:
        """What there is, for whoever does not tell a client of it."""
        return self._view(ENGLISH, None)

    def _view(self, language: str, agreement: Agreement | None) -> View:
        return View(
            language=language,
            namespace=self.name,
            namespaces=self._names,
            endpoint=self._endpoint,
            derived=self._derived,
            jobs=self._jobs,
            implementations=self._implementations,
            repository=self._repository,
            agreement=agreement,
        )

    def view_of(self, inventory: Inventory) -> View:
        """What an operation would have seen of another inventory than the newest."""
        return View(namespace=self.name, endpoint=self._endpoint, inventory=inventory)

    def _names(self) -> list[str]:
        return [each.name for each in self._served().values()]

    def _implementations(self) -> list[View]:
        return [each.view() for each in self._served().values() if each.shows_hypervisor]

    @property
    def shows_hypervisor(self) -> bool:
        """Whether there is a hypervisor below."""
        return self._endpoint is not None

    def reads_at_once(self, path: ObjectPath) -> bool:
        """Whether reading ``path``, or what is around it, waits for nothing and is little."""
        found = self._instance_classes.get(path.class_name)
        is_current = self._agreement is None or self._agreement.is_current(self.name)
        return is_current and found is not None and found.within_system and bool(path.keys)

    def enumerate(self, class_name: str, language: str) -> RecordList | Iterator[Record]:
        """The instances of a class and its subclasses, of one moment: those of one class as a list,
        others made one after another."""
        view = self.view(language)
        classes = self._subclasses(class_name)
        associations = [
            name for name in self._associations.names if self._classes.is_a(name, class_name)
        ]
        if len(classes) == 1 and not associations:
            return self._cache.enumerate(classes[0], view)
        return self._one_after_another(view, classes, associations)

    def _one_after_another(
        self, view: View, classes: Sequence[AnyClass], associations: Sequence[str]
    ) -> Iterator[Record]:
        for instance_class in classes:
            yield from self._cache.enumerate(instance_class, view)
        for name in associations:
            yield from self._associations.enumerate(view, name)

    def get(self, path: ObjectPath, language: str) -> Record:
        """The instance ``path``."""
        view = self.view(language)
        node = self.resolve(view, path)
        if node is not None:
            return self._cache.record(node)
        record = self._association(view, path)
        if record is None:
            raise self._not_found(path)
        return record

    def delete(self, path: ObjectPath) -> None:
        """Delete an instance: only jobs that have ended can be."""
        node = self.resolve(self.view(), path)
        if node is None:
            raise self._not_found(path)
        if not CONCRETE_JOB.owns(node) or self._jobs is None:
            raise CimError(
                StatusCode.NOT_SUPPORTED,
                f"instances of {node.instance_class.name} cannot be deleted by DeleteInstance",
            )
        job = node.sources.job
        if not job.ended:
            raise failure(
                ErrorCode.ERR_WRONG_STATE_FOR_OP,
                "the job has not ended; cancel it with RequestStateChange",
                source=path,
            )
        try:
            self._jobs.remove(job.uuid)
        except StateHeldError as held:
            raise failure(
                ErrorCode.ERR_OPERATION_FAILED, f"the job is not deleted: {held}", source=path
            ) from held

    def links(self, path: ObjectPath, filters: Filters, language: str) -> list[Link]:
        """The associations of the instance ``path``."""
        view = self.view(language)
        node = self.resolve(view, path)
        if node is None:
            raise self._not_found(path)
        return list(self._associations.links(view, node, filters))

    def instance(self, link: Link) -> Record:
        """The instance at the other end."""
        target = link.target
        owner = self._served()[target.namespace.lower()] if target.namespace else self
        return owner.record(target)

    def record(self, node: AnyNode) -> Record:
        """The record of an instance of this namespace."""
        return self._cache.record(node)

    def former_record(self, node: AnyNode) -> Record:
        """The record of an instance as it was before."""
        return self._cache.former(node)

    def path_of(self, element: JobElement) -> ObjectPath | None:
        """The name of what a job keeps; None where there is no such class here."""
        found = self._instance_classes.get(element.class_name)
        if found is None:
            return None
        keys = found.shape.keys(element.identity)
        return ObjectPath(found.name, keys, namespace=self.name)

    def instance_name(self, link: Link) -> ObjectPath:
        """The name of the instance at the other end."""
        return self._cache.path(link.target)

    def reference(self, link: Link) -> AssociationRecord:
        """The association itself."""
        return self._associations.record(link)

    def invoke(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value], language: str
    ) -> MethodResult:
        """Invoke an extrinsic method of an instance or a class."""
        view = self.view(language)
        node = self.resolve(view, path) if path.keys else None
        if path.keys and node is None:
            raise self._not_found(path)
        candidates = (node.instance_class,) if node else self._subclasses(path.class_name)
        found = (METHODS.get((each.name, method_name.lower())) for each in candidates)
        method = next((each for each in found if each is not None), None)
        if method is None or self._endpoint is None or self._operations is None:
            raise CimError(
                StatusCode.METHOD_NOT_AVAILABLE,
                f"the method {method_name} of {path.class_name} is not available here",
            )
        if node is None and not method.static:
            raise rejected(
                f"{method.name} is a method of instances: name an instance of {path.class_name}"
            )
        known = {name.lower() for name in method.parameters}
        for name, value in parameters.items():
            if name.lower() not in known and value is not None:
                raise rejected(f"{method.name} has no input parameter {name}", source=path)
        return method.invoke(
            Call(
                view=view,
                classes=self._classes,
                operations=self._operations,
                endpoint=self._endpoint,
                path=path,
                instance_class=method.instance_class,
                node=node,
                resolve=lambda other: self._resolve_reference(view, other),
                parameters={name.lower(): value for name, value in parameters.items()},
                named_by=named_elements,
            )
        )

    def resolve(self, view: View, path: ObjectPath) -> AnyNode | None:
        """The instance that ``path`` names, also by the name of a superclass; None without one."""
        exact = self._instance_classes.get(path.class_name)
        if exact is None:
            exact = self._instance_classes.get(self._classes.canonical(path.class_name) or "")
        for instance_class in (exact,) if exact else self._subclasses(path.class_name):
            identity = instance_class.shape.identity(path)
            node = None if identity is None else instance_class.find(view, identity)
            if node is not None:
                return node
        return None

    def _resolve_reference(self, view: View, path: ObjectPath) -> AnyNode | None:
        """The instance that a reference names; one without a namespace is of this one."""
        if path.namespace and path.namespace.lower() != self.name.lower():
            return None
        if self._classes.canonical(path.class_name) is None:
            return None
        return self.resolve(view, path)

    def _association(self, view: View, path: ObjectPath) -> Record | None:
        for name in self._associations.names:
            if not self._classes.is_a(name, path.class_name):
                continue
            roles = self._associations.roles(name)
            if sorted(key.lower() for key, _ in path.keys) != sorted(map(str.lower, roles)):
                raise rejected(
                    f"the keys of {name} are {', '.join(roles)}, not those of {path_text(path)}"
                )
            first, second = (self._end(view, path.key(role)) for role in roles)
            if first is not None and second is not None:
                record = self._associations.find(view, name, (first, second))
                if record is not None:
                    return record
        return None

    def _end(self, view: View, reference: object) -> AnyNode | None:
        """The instance at one end of an association, which may be in another namespace."""
        if not isinstance(reference, ObjectPath):
            return None
        other = self._served().get(reference.namespace.lower())
        if other is None or other is self:
            return self._resolve_reference(view, reference)
        if self._classes.canonical(reference.class_name) is None:
            return None
        node = other.resolve(other.view(), reference)
        return None if node is None else node.at(other.name)

    def _subclasses(self, class_name: str) -> list[AnyClass]:
        return [
            each
            for each in self._instance_classes.values()
            if self._classes.is_a(each.name, class_name)
        ]

    def _not_found(self, path: ObjectPath) -> CimError:
        if self._classes.is_a(COMPUTER_SYSTEM.name, path.class_name) and path.keys:
            creation_class = str(path.key("CreationClassName") or "")
            if creation_class.lower() == COMPUTER_SYSTEM.name.lower():
                return failure(
                    ErrorCode.ERR_VM_NOT_FOUND,
                    f"there is no virtual system {path_text(path)}",
                    source=path,
                )
        return not_found(path)
