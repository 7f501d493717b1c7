"""What an extrinsic method is: how one is declared as served, and what one invocation knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.instance_class import ClassModel, InstanceClass, Node
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
    node: Node | None
    resolve: Callable[[ObjectPath], Node | None]
    parameters: Mapping[str, Value]

    def parameter(self, name: str) -> Value:
        """An input parameter; None where it is NULL or not given."""
        return self.parameters.get(name.lower())

    def run(self, name: str, action: Action) -> MethodResult:
        """Run what may take long."""
        namespace = self.view.namespace
        return self.operations.run(
            name,
            self.endpoint,
            action,
            namespace=namespace,
            source=self.path,
            job_path=lambda uuid: job_path(uuid, namespace),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One served method; ``static``: it may also be asked of the class."""

    instance_class: InstanceClass
    name: str
    parameters: tuple[str, ...]
    invoke: Callable[[Call], MethodResult]
    static: bool = False
