"""The extrinsic methods: one table of what is served, and what each does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from virtcim.hypervisor import PowerStateError
from virtcim.providers.errors import rejected
from virtcim.providers.job_elements import element_of
from virtcim.providers.job_store import Job, JobState
from virtcim.providers.jobs import CONCRETE_JOB, error_record
from virtcim.providers.management_methods import MANAGEMENT_METHODS
from virtcim.providers.method import SUCCESS, Call, Method
from virtcim.providers.operations import Operation
from virtcim.providers.pool_methods import POOL_METHODS
from virtcim.providers.records import MethodResult
from virtcim.providers.virtual_system import COMPUTER_SYSTEM, is_reached, power_operation

__all__ = ["METHODS"]

_TIMEOUT_NOT_SUPPORTED = 4098
_TERMINATE, _KILL = 4, 5


def _change_state(call: Call) -> MethodResult:
    """CIM_EnabledLogicalElement.RequestStateChange of a virtual system."""
    assert call.node is not None
    system = call.node.sources[0]
    requested = call.parameter("RequestedState")
    operation = power_operation(system.power_state, requested)
    if _limits_time(call):
        return MethodResult(return_value=_TIMEOUT_NOT_SUPPORTED)

    def change(monitor: Operation) -> MethodResult:
        try:
            call.endpoint.change_power(system.uuid, operation, monitor)
        except PowerStateError as refused:
            # It was chosen for a state that the system has left meanwhile: choose again, once.
            if refused.present is system.power_state:
                raise
            if not is_reached(refused.present, requested):
                again = power_operation(refused.present, requested)
                if again is operation:
                    raise
                call.endpoint.change_power(system.uuid, again, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("RequestStateChange", change, affected=[element_of(call.node)])


def _limits_time(call: Call) -> bool:
    """Whether a TimeoutPeriod is given that is not zero."""
    timeout = call.parameter("TimeoutPeriod")
    return isinstance(timeout, datetime) or (isinstance(timeout, timedelta) and bool(timeout))


def _get_error(call: Call) -> MethodResult:
    """CIM_ConcreteJob.GetError."""
    return MethodResult(return_value=SUCCESS, output={"Error": error_record(_job(call))})


def _get_errors(call: Call) -> MethodResult:
    """CIM_ConcreteJob.GetErrors."""
    record = error_record(_job(call))
    return MethodResult(
        return_value=SUCCESS, output={"Errors": None if record is None else [record]}
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
    if _limits_time(call):
        return MethodResult(return_value=_TIMEOUT_NOT_SUPPORTED)
    call.operations.cancel(_job(call), states[requested])
    return MethodResult(return_value=SUCCESS)


def _kill_job(call: Call) -> MethodResult:
    """CIM_Job.KillJob, which RequestStateChange replaced."""
    delete = call.parameter("DeleteOnKill")
    if not isinstance(delete, bool | None):
        raise rejected(f"DeleteOnKill: {delete!r} is no boolean")
    call.operations.cancel(_job(call), JobState.KILLED, delete=bool(delete))
    return MethodResult(return_value=SUCCESS)


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
    *MANAGEMENT_METHODS,
    *POOL_METHODS,
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
