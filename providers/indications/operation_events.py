"""Alerts of operations that failed, while their callers waited or as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from virtcim.errormap import ErrorCode
from virtcim.providers.coded_error import Failure
from virtcim.providers.engine.identities import instance_id
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.indications.alerts import About, alert_indication
from virtcim.providers.indications.contract import Indication
from virtcim.providers.jobs.concrete_job import job_path
from virtcim.providers.namespace import Namespace
from virtcim.providers.state.job import Job
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM

__all__ = ["operation_alert"]


def operation_alert(
    namespace: Namespace,
    job: Job,
    host: str,
    now: datetime,
    correlated: Sequence[str] = (),
    *,
    is_shown: bool = True,
) -> Indication:
    """The alert of a failed operation; ``host`` is the UUID of the host, empty where none is known.

    It is about what the operation should have changed, else about what it was asked of.
    ``is_shown``: whether clients see the job.
    """
    elements = [*job.affected, *(() if job.owner is None else (job.owner,))]
    paths = (namespace.path_of(each) for each in elements)
    element = next((each for each in paths if each is not None), None)
    if element is None and is_shown:
        element = job_path(job.uuid, namespace.name)
    systems = [each.identity for each in elements if each.class_name == COMPUTER_SYSTEM.name]
    system = (HOST_SYSTEM.name, host) if host else None
    about = About(
        description=f"{job.name} failed",
        element=element,
        system=(COMPUTER_SYSTEM.name, systems[0]) if systems else system,
        operation=job.name,
        job_id=instance_id(job.uuid) if is_shown else "",
        correlated=correlated,
    )
    failure = job.failure or Failure(code=ErrorCode.ERR_UNKNOWN, text=f"{job.name} failed")
    return alert_indication(namespace.name, failure, about, happened=job.changed, now=now)
