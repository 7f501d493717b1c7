"""VirtCIM_ConcreteJob: an operation that takes long, and how it failed (DSP1103)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass
from virtcim.providers.engine.view import View
from virtcim.providers.state.job_store import TIME_BEFORE_REMOVAL, Job, JobState

__all__ = ["CONCRETE_JOB", "OfJob", "error_record", "job_path"]

_UTC = 2
# OperationalStatus, its descriptions and HealthState of each JobState.
_STATES: Mapping[JobState, tuple[list[int], list[str], int]] = MappingProxyType(
    {
        JobState.RUNNING: ([2], ["Running"], 5),
        JobState.SHUTTING_DOWN: ([9], ["Being cancelled"], 5),
        JobState.COMPLETED: ([2, 17], ["OK", "Completed"], 5),
        JobState.TERMINATED: ([10, 17], ["Terminated", "Completed"], 5),
        JobState.KILLED: ([10, 17], ["Killed", "Completed"], 5),
        JobState.EXCEPTION: ([6, 17], ["Error", "Completed"], 20),
    }
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
        "ElapsedTime": job.updated - job.submitted,
        "TimeOfLastStateChange": job.changed,
        "TimeBeforeRemoval": TIME_BEFORE_REMOVAL,
        "DeleteOnCompletion": True,
        "LocalOrUtcTime": _UTC,
        "ErrorCode": job.error_code,
        "ErrorDescription": description,
        "OperationalStatus": list(operational_status),
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
