"""The methods of jobs: they tell their error, and can be cancelled (DSP1103)."""

from __future__ import annotations

from virtcim.cim.records import MethodResult
from virtcim.providers.errors import rejected
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB, error_record
from virtcim.providers.jobs.invocation import SUCCESS, TIMEOUT_NOT_SUPPORTED, Call, Method
from virtcim.providers.state.job_store import Job, JobState

__all__ = ["JOB_METHODS"]

_TERMINATE, _KILL = 4, 5


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
    if call.limits_time:
        return MethodResult(return_value=TIMEOUT_NOT_SUPPORTED)
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


JOB_METHODS = (
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
