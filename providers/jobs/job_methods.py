"""The methods of jobs: they tell their error, and can be cancelled (DSP1103)."""

from __future__ import annotations

from virtcim.cim.records import MethodResult
from virtcim.cim.value_maps import JobState, RequestedJobState
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.errors import rejected
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB, OfJob, error_record
from virtcim.providers.jobs.invocation import (
    SUCCESS,
    TIMEOUT_NOT_SUPPORTED,
    Call,
    instance_method,
)

__all__ = ["JOB_METHODS"]


def _get_error(_: Call, job: Node[OfJob]) -> MethodResult:
    """CIM_ConcreteJob.GetError."""
    return MethodResult(return_value=SUCCESS, output={"Error": error_record(job.sources)})


def _get_errors(_: Call, job: Node[OfJob]) -> MethodResult:
    """CIM_ConcreteJob.GetErrors."""
    record = error_record(job.sources)
    return MethodResult(
        return_value=SUCCESS, output={"Errors": None if record is None else [record]}
    )


def _change_job_state(call: Call, job: Node[OfJob]) -> MethodResult:
    """CIM_ConcreteJob.RequestStateChange: a job can be terminated or killed, nothing else."""
    requested = call.parameter("RequestedState")
    states: dict[int, JobState] = {
        RequestedJobState.TERMINATE: JobState.TERMINATED,
        RequestedJobState.KILL: JobState.KILLED,
    }
    if not isinstance(requested, int) or requested not in states:
        raise rejected(
            f"RequestedState: {'NULL' if requested is None else requested} cannot be requested of "
            "a job; possible are 4 Terminate, 5 Kill"
        )
    if call.limits_time:
        return MethodResult(return_value=TIMEOUT_NOT_SUPPORTED)
    call.operations.cancel(job.sources.job, states[requested])
    return MethodResult(return_value=SUCCESS)


def _kill_job(call: Call, job: Node[OfJob]) -> MethodResult:
    """CIM_Job.KillJob, which RequestStateChange replaced."""
    delete = call.parameter("DeleteOnKill")
    if not isinstance(delete, bool | None):
        raise rejected(f"DeleteOnKill: {delete!r} is no boolean")
    call.operations.cancel(job.sources.job, JobState.KILLED, delete=bool(delete))
    return MethodResult(return_value=SUCCESS)


JOB_METHODS = (
    instance_method(CONCRETE_JOB, "GetError", ("Error",), _get_error),
    instance_method(CONCRETE_JOB, "GetErrors", ("Errors",), _get_errors),
    instance_method(
        CONCRETE_JOB,
        "RequestStateChange",
        ("RequestedState", "TimeoutPeriod"),
        _change_job_state,
    ),
    instance_method(CONCRETE_JOB, "KillJob", ("DeleteOnKill",), _kill_job),
)
