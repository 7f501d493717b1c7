"""What an extrinsic method is: how one is declared as served, and what one invocation knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from virtcim.cim.records import MethodResult, ObjectPath, Value
from virtcim.cim.value_maps import StateChangeResult
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, ClassModel, Node, ServedClass
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View
from virtcim.providers.jobs.concrete_job import job_path
from virtcim.providers.jobs.elements import element_of
from virtcim.providers.jobs.operation import Action
from virtcim.providers.jobs.runner import Operations
from virtcim.providers.state.job import JobElement

__all__ = ["SUCCESS", "TIMEOUT_NOT_SUPPORTED", "Call", "Method", "instance_method"]

S = TypeVar("S", bound=Sources)

SUCCESS = 0
TIMEOUT_NOT_SUPPORTED = StateChangeResult.USE_OF_TIMEOUT_PARAMETER_NOT_SUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One invocation: on which instance (None: on the class), and with what.

    ``named_by`` tells which instances a result names.
    """

    view: View
    classes: ClassModel
    operations: Operations
    endpoint: Endpoint
    path: ObjectPath
    instance_class: AnyClass
    node: AnyNode | None
    resolve: Callable[[ObjectPath], AnyNode | None]
    parameters: Mapping[str, Value]
    named_by: Callable[[MethodResult], Iterable[JobElement]]

    @property
    def limits_time(self) -> bool:
        """Whether a TimeoutPeriod is given that is not zero."""
        timeout = self.parameter("TimeoutPeriod")
        return isinstance(timeout, datetime) or (isinstance(timeout, timedelta) and bool(timeout))

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
            named_by=lambda result: tuple(self.named_by(result)),
        )

    def _owner(self) -> JobElement | None:
        """What was asked; of a class that is its instance at the first host."""
        if self.node is not None:
            return element_of(self.node)
        first = next(self.instance_class.all(self.view), None)
        return None if first is None else element_of(first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One served method; ``static``: it may also be asked of the class."""

    instance_class: AnyClass
    name: str
    parameters: tuple[str, ...]
    invoke: Callable[[Call], MethodResult]
    static: bool = False


def instance_method(
    instance_class: ServedClass[S],
    name: str,
    parameters: tuple[str, ...],
    invoke: Callable[[Call, Node[S]], MethodResult],
) -> Method:
    """A method of instances, which is given the one that it is invoked on."""

    def invoked(call: Call) -> MethodResult:
        assert call.node is not None
        assert instance_class.owns(call.node)
        return invoke(call, call.node)

    return Method(instance_class=instance_class, name=name, parameters=parameters, invoke=invoked)
