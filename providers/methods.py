"""The extrinsic methods: one table of what is served, and what each does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from virtcim.errormap import ErrorCode
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.definition import read_definition
from virtcim.providers.errors import failure, path_text, rejected
from virtcim.providers.instance_class import ClassModel, InstanceClass, Node
from virtcim.providers.job_store import Job, JobState
from virtcim.providers.jobs import CONCRETE_JOB, error_record, job_path
from virtcim.providers.operations import Action, Operation, Operations
from virtcim.providers.records import MethodResult, ObjectPath, Value
from virtcim.providers.view import View
from virtcim.providers.virtual_system import COMPUTER_SYSTEM, path_of_system, power_operation
from virtcim.providers.virtual_system_management_service import MANAGEMENT_SERVICE

__all__ = ["METHODS", "Call", "Method"]

_SUCCESS = 0
_TIMEOUT_NOT_SUPPORTED = 4098
_TERMINATE, _KILL = 4, 5


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


def _change_state(call: Call) -> MethodResult:
    """CIM_EnabledLogicalElement.RequestStateChange of a virtual system."""
    assert call.node is not None
    system = call.node.sources[0]
    timeout = call.parameter("TimeoutPeriod")
    operation = power_operation(system, call.parameter("RequestedState"))
    if isinstance(timeout, datetime) or (isinstance(timeout, timedelta) and timeout):
        return MethodResult(return_value=_TIMEOUT_NOT_SUPPORTED)

    def change(monitor: Operation) -> MethodResult:
        call.endpoint.change_power(system.uuid, operation, monitor)
        return MethodResult(return_value=_SUCCESS)

    return call.run("RequestStateChange", change)


def _define_system(call: Call) -> MethodResult:
    """CIM_VirtualSystemManagementService.DefineSystem (DSP1042 clause 8.2.2)."""
    if call.parameter("ReferenceConfiguration") is not None:
        raise failure(
            ErrorCode.ERR_OPERATION_FAILED,
            "ReferenceConfiguration: defining a virtual system after another one is not supported",
        )
    spec = read_definition(
        call.view,
        call.classes,
        call.parameter("SystemSettings"),
        call.parameter("ResourceSettings"),
    )

    def define(monitor: Operation) -> MethodResult:
        uuid = call.endpoint.define(spec, monitor)
        system = path_of_system(uuid, call.view.namespace)
        return MethodResult(return_value=_SUCCESS, output={"ResultingSystem": system})

    return call.run("DefineSystem", define)


def _destroy_system(call: Call) -> MethodResult:
    """CIM_VirtualSystemManagementService.DestroySystem (DSP1042 clause 8.2.3)."""
    path = call.parameter("AffectedSystem")
    if not isinstance(path, ObjectPath):
        raise rejected("AffectedSystem: a reference to a virtual system is needed")
    node = call.resolve(path)
    if node is None:
        raise failure(
            ErrorCode.ERR_VM_NOT_FOUND, f"there is no virtual system {path_text(path)}", source=path
        )
    if node.instance_class is not COMPUTER_SYSTEM:
        raise rejected(f"AffectedSystem: {path_text(path)} is no virtual system")
    uuid = node.sources[0].uuid

    def destroy(monitor: Operation) -> MethodResult:
        call.endpoint.destroy(uuid, monitor)
        return MethodResult(return_value=_SUCCESS)

    return call.run("DestroySystem", destroy)


def _get_error(call: Call) -> MethodResult:
    """CIM_ConcreteJob.GetError."""
    return MethodResult(return_value=_SUCCESS, output={"Error": error_record(_job(call))})


def _get_errors(call: Call) -> MethodResult:
    """CIM_ConcreteJob.GetErrors."""
    record = error_record(_job(call))
    return MethodResult(
        return_value=_SUCCESS, output={"Errors": None if record is None else [record]}
    )


def _change_job_state(call: Call) -> MethodResult:
    """CIM_ConcreteJob.RequestStateChange: a job can be terminated or killed, nothing else."""
    requested = call.parameter("RequestedState")
    states = {_TERMINATE: JobState.TERMINATED, _KILL: JobState.KILLED}
    if not isinstance(requested, int) or requested not in states:
        raise rejected(
            f"RequestedState: {'NULL' if requested is None else requested} cannot be requested of "
            "a job; possible are 4 Terminate, 5 Kill"
        )
    call.operations.cancel(_job(call), states[requested])
    return MethodResult(return_value=_SUCCESS)


def _kill_job(call: Call) -> MethodResult:
    """CIM_Job.KillJob, which RequestStateChange replaced."""
    call.operations.cancel(_job(call), JobState.KILLED)
    return MethodResult(return_value=_SUCCESS)


def _job(call: Call) -> Job:
    assert call.node is not None
    job: Job = call.node.sources[0]
    return job


_TABLE = (
    Method(
        instance_class=COMPUTER_SYSTEM,
        name="RequestStateChange",
        parameters=("RequestedState", "TimeoutPeriod"),
        invoke=_change_state,
    ),
    Method(
        instance_class=MANAGEMENT_SERVICE,
        name="DefineSystem",
        parameters=("SystemSettings", "ResourceSettings", "ReferenceConfiguration"),
        invoke=_define_system,
        static=True,
    ),
    Method(
        instance_class=MANAGEMENT_SERVICE,
        name="DestroySystem",
        parameters=("AffectedSystem",),
        invoke=_destroy_system,
        static=True,
    ),
    Method(instance_class=CONCRETE_JOB, name="GetError", parameters=("Error",), invoke=_get_error),
    Method(
        instance_class=CONCRETE_JOB, name="GetErrors", parameters=("Errors",), invoke=_get_errors
    ),
    Method(
        instance_class=CONCRETE_JOB,
        name="RequestStateChange",
        parameters=("RequestedState", "TimeoutPeriod"),
        invoke=_change_job_state,
    ),
    Method(
        instance_class=CONCRETE_JOB,
        name="KillJob",
        parameters=("DeleteOnKill",),
        invoke=_kill_job,
    ),
)
METHODS: Mapping[tuple[str, str], Method] = MappingProxyType(
    {(method.instance_class.name, method.name.lower()): method for method in _TABLE}
)
