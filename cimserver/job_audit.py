"""The end of a job in the audit log, in a line of its own."""

from __future__ import annotations

from collections.abc import Callable

from virtcim.cim.value_maps import JobState
from virtcim.daemon.audit import Audit, AuditEntry, Outcome
from virtcim.daemon.current_request import current_request
from virtcim.providers import ErrorCode, Job

__all__ = ["audited_jobs"]

_OUTCOMES = {JobState.COMPLETED: Outcome.DONE, JobState.EXCEPTION: Outcome.FAILED}


def audited_jobs(audit: Audit) -> Callable[[Job], None]:
    """What writes the line of a job that has ended; without its user where nobody knows him more.

    An earlier process may have begun it: the line in which it began has the same number.
    """

    def ended(job: Job) -> None:
        current = current_request()
        code = None if job.failure is None else job.failure.code
        outcome = _OUTCOMES.get(job.state, Outcome.CANCELLED)
        if code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE:
            outcome = Outcome.UNKNOWN
        standard = None if job.failure is None else job.failure.standard
        changed = [f"{one.class_name} {one.identity}" for one in (*job.affected, *job.created)]
        audit.record(
            AuditEntry(
                operation=job.name,
                outcome=outcome,
                user="" if current is None else current.user,
                peer="" if current is None else current.peer,
                target=job.namespace,
                error="" if code is None else code.name,
                fault="" if standard is None else standard.fault.code,
                job=job.uuid,
                details={"elements": changed} if changed else {},
            )
        )

    return ended
