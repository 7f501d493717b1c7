"""What an extrinsic method is: how one is declared as served, and what one invocation knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.instance_class import ClassModel, InstanceClass, Node
from virtcim.providers.job_elements import element_of, named_elements
from virtcim.providers.job_store import JobElement
from virtcim.providers.jobs import job_path
from virtcim.providers.operations import Action, Operations
from virtcim.providers.records import MethodResult, ObjectPath, Value
from virtcim.providers.view import View

__all__ = ["SUCCESS", "Call", "Method"]

SUCCESS = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One invocation: on which instance (None: on the class), and with what."""

    view: View
    classes: ClassModel
    operations: Operations
    endpoint: Endpoint
    path: ObjectPath
    instance_class: InstanceClass
    node: Node | None
    resolve: Callable[[ObjectPath], Node | None]
    parameters: Mapping[str, Value]

    def parameter(self, name: str) -> Value:
        """An input parameter; None where it is NULL or not given."""
        return self.parameters.get(name.lower())

    def run(
        self, name: str, action: Action, *, affected: Iterable[JobElement] = ()
    ) -> MethodResult:
        """Run what may take long; ``affected`` is what it changes."""
        namespace = self.view.namespace
        return self.operations.run(
            name,
            self.endpoint,
            action,
            namespace=namespace,
            source=self.path,
            job_path=lambda uuid: job_path(uuid, namespace),
            owner=self._owner(),
            affected=tuple(affected),
            named_by=lambda result: tuple(named_elements(result)),
        )

    def _owner(self) -> JobElement | None:
        """What was asked; of a class that is its instance at the first host."""
        if self.node is not None:
            return element_of(self.node)
        sources = next(iter(self.instance_class.all(self.view)), None)
        return None if sources is None else element_of(Node(self.instance_class, sources))


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One served method; ``static``: it may also be asked of the class."""

    instance_class: InstanceClass
    name: str
    parameters: tuple[str, ...]
    invoke: Callable[[Call], MethodResult]
    static: bool = False
