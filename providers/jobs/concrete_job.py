"""VirtCIM_ConcreteJob: an operation that takes long, and how it failed (DSP1103)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.cim.value_maps import (
    HealthState,
    HealthStateValue,
    JobState,
    LocalOrUtcTime,
    OperationalStatus,
    OperationalStatusValue,
)
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass
from virtcim.providers.engine.view import View
from virtcim.providers.state.job import Job
from virtcim.providers.state.job_store import TIME_BEFORE_REMOVAL

__all__ = ["CONCRETE_JOB", "OfJob", "error_record", "job_path"]

# OperationalStatus, its descriptions and HealthState of each JobState.
_OK, _STOPPED = OperationalStatus.OK, OperationalStatus.STOPPED
_COMPLETED = OperationalStatus.COMPLETED
_STATES: Mapping[JobState, tuple[list[OperationalStatusValue], list[str], HealthStateValue]] = (
    MappingProxyType(
        {
            JobState.RUNNING: ([_OK], ["Running"], HealthState.OK),
            JobState.SHUTTING_DOWN: (
                [OperationalStatus.STOPPING],
                ["Being cancelled"],
                HealthState.OK,
            ),
            JobState.COMPLETED: ([_OK, _COMPLETED], ["OK", "Completed"], HealthState.OK),
            JobState.TERMINATED: (
                [_STOPPED, _COMPLETED],
                ["Terminated", "Completed"],
                HealthState.OK,
            ),
            JobState.KILLED: ([_STOPPED, _COMPLETED], ["Killed", "Completed"], HealthState.OK),
            JobState.EXCEPTION: (
                [OperationalStatus.ERROR, _COMPLETED],
                ["Error", "Completed"],
                HealthState.MAJOR_FAILURE,
            ),
        }
    )
)


class OfJob(NamedTuple):
    """A job, and the language that it is told in."""

    job: Job
    language: str


def _find(view: View, identity: str) -> OfJob | None:
    parsed = parse_instance_id(identity)
    if parsed is None or parsed[1]:
        return None
    job = view.job(parsed[0])
    return None if job is None else OfJob(job, view.language)


def _all(view: View) -> Iterable[OfJob]:
    return (OfJob(job, view.language) for job in view.jobs())


def _values(of: OfJob) -> Mapping[str, Value]:
    job = of.job
    operational_status, descriptions, health_state = _STATES[job.state]
    description = None if job.failure is None else job.failure.description(of.language)
    return {
        "Name": job.name,
        "ElementName": job.name,
        "Caption": "Job",
        "Owner": None if job.owner is None else f"{job.owner.class_name}.{job.name}",
        "JobState": int(job.state),
        "JobStatus": description or descriptions[0],
        "PercentComplete": job.percent_complete,
        "TimeSubmitted": job.submitted,
        "StartTime": job.submitted,
        "ElapsedTime": max(job.updated - job.submitted, timedelta()),
        "TimeOfLastStateChange": job.changed,
        "TimeBeforeRemoval": TIME_BEFORE_REMOVAL,
        "DeleteOnCompletion": True,
        "LocalOrUtcTime": LocalOrUtcTime.UTC_TIME,
        "ErrorCode": job.error_code,
        "ErrorDescription": description,
        "OperationalStatus": [*operational_status],
        "StatusDescriptions": list(descriptions),
        "HealthState": health_state,
    }


CONCRETE_JOB = InstanceClass(
    name="VirtCIM_ConcreteJob",
    identity=lambda of: instance_id(of.job.uuid),
    found=_find,
    every=_all,
    values=_values,
    volatile=True,
)


def job_path(uuid: str, namespace: str) -> ObjectPath:
    """The name of the job ``uuid``."""
    keys = CONCRETE_JOB.shape.keys(instance_id(uuid))
    return ObjectPath(CONCRETE_JOB.name, keys, namespace=namespace)


def error_record(of: OfJob) -> Record | None:
    """The CIM_Error of a job that failed."""
    return None if of.job.failure is None else of.job.failure.record(of.language)
