"""One operation that runs: what the endpoint tells of it, its outcome, and the job that it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from virtcim.cim.records import CimError, MethodResult
from virtcim.cim.value_maps import JobState
from virtcim.errormap import ErrorCode
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.coded_error import CodedError
from virtcim.providers.errors import failure, failure_of, translated
from virtcim.providers.state.job import Job, JobElement
from virtcim.providers.state.job_store import JobStore

__all__ = [
    "Action",
    "Incident",
    "NamedBy",
    "OnFailure",
    "Operation",
    "already_ended",
    "tell_nobody",
]

Incident = Callable[[str, BaseException], str]
"""Given what failed and an unforeseen exception: logs it, and gives the phrase that tells of it."""

OnFailure = Callable[[Job], None]
"""Told of what failed at the hypervisor while its caller waited: a job that nobody will see."""


def tell_nobody(_: object) -> None:
    """Nobody wants to know."""


class Operation:
    """One running operation: the Monitor that the endpoint tells, and its outcome."""

    def __init__(
        self,
        job: Job,
        store: JobStore,
        endpoint: Endpoint,
        named_by: NamedBy,
        incident: Incident,
        on_failure: OnFailure = tell_nobody,
    ) -> None:
        """``named_by`` tells which instances a result names."""
        self._job = job
        self._store = store
        self._endpoint = endpoint
        self._named_by = named_by
        self._incident = incident
        self._on_failure = on_failure
        self._lock = threading.Lock()
        # Its times go on from its beginning, whatever happens to the clock.
        self._began = max(store.clock(), job.updated)
        self._began_s = store.monotonic()
        self._published = False
        self._cancelled: JobState | None = None
        self._delete = False
        self._result: MethodResult | None = None
        self._error: Exception | None = None
        self.ended = threading.Event()
        # Set once it ended, or when nobody may wait for its end any longer.
        self.to_answer = threading.Event()

    @classmethod
    def taken_up(
        cls,
        job: Job,
        store: JobStore,
        endpoint: Endpoint,
        named_by: NamedBy,
        incident: Incident,
    ) -> Operation:
        """The operation of a job that an earlier process has left behind."""
        operation = cls(job, store, endpoint, named_by, incident)
        operation._published = True
        if job.state is JobState.SHUTTING_DOWN:
            operation._cancelled = JobState.TERMINATED
        return operation

    @property
    def namespace(self) -> str:
        """Where it runs."""
        return self._job.namespace

    def task(self, ref: str, *, decisive: bool = False) -> None:
        """A task of the management API now carries the operation."""
        with self._lock:
            self._job = replace(self._job, task_ref=ref, decides=decisive)
            if self._published:
                self._store.put(self._job)
            elif not self.ended.is_set():
                self._store.note_reserved(self._job)

    def progress(self, fraction: float) -> None:
        """The operation is done to ``fraction``; 100 % is only shown once it ended."""
        percent_complete = min(max(int(fraction * 100), 0), 99)
        with self._lock:
            # Each of several steps begins at 0 again.
            percent_complete = max(percent_complete, self._job.percent_complete)
            self._job = replace(self._job, percent_complete=percent_complete)
        self._store.note_progress(self._job.uuid, percent_complete, self._now())

    def _now(self) -> datetime:
        return self._began + timedelta(seconds=self._store.monotonic() - self._began_s)

    def outcome(self) -> MethodResult:
        """What the operation gave; raises what it raised. Only once it ended."""
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def publish(self) -> bool:
        """Make it a job that clients see; False where it ended in the meantime.

        Raises StateError where the job cannot be kept: nobody may be promised it then.
        """
        with self._lock:
            if self.ended.is_set():
                return False
            now = self._now()
            self._job = replace(self._job, changed=now, updated=now)
            self._store.publish(self._job)
            self._published = True
            return True

    def finish(self, result: MethodResult | None, error: Exception | None) -> None:
        """Keep the outcome, for the caller who waits or in the job."""
        with self._lock:
            self._result, self._error = result, error
            if self._published:
                job = self._ended_job(result, error)
                self._store.put(job)
                if self._delete and job.state is self._cancelled:
                    self._store.remove(job.uuid)
            else:
                self._store.release(self._job.uuid)
                if isinstance(error, CodedError) and error.failure.standard is not None:
                    self._on_failure(replace(self._job, failure=error.failure))
            self.ended.set()
            self.to_answer.set()

    def cancel(self, into: JobState, *, delete: bool = False) -> None:
        """Ask for the end of the operation; raises CimError where that cannot be.

        ``delete``: the job goes with it.
        """
        with self._lock:
            if self.ended.is_set():
                raise already_ended()
            if not self._job.task_ref:
                raise failure(
                    ErrorCode.ERR_WRONG_STATE_FOR_OP,
                    "the job cannot be cancelled: no task of the hypervisor carries it",
                )
            # Before the hypervisor hears of it: the operation may end within the call.
            self._cancelled, self._delete = into, delete
            self._put_state(JobState.SHUTTING_DOWN)
        try:
            with translated():
                self._endpoint.cancel(self._job.task_ref)
        except CimError:
            with self._lock:
                self._cancelled, self._delete = None, False
                self._put_state(JobState.RUNNING)
            raise

    def _put_state(self, state: JobState) -> None:
        if self._published and not self.ended.is_set():
            now = self._now()
            self._job = replace(self._job, state=state, changed=now, updated=now)
            self._store.put(self._job)

    def _unforeseen(self, error: Exception) -> CimError:
        """A programming error within the job, without its text."""
        told = self._incident(f"the job {self._job.name}", error)
        return failure(ErrorCode.ERR_UNKNOWN, told)

    def _ended_job(self, result: MethodResult | None, error: Exception | None) -> Job:
        now = self._now()
        if error is None:
            named = () if result is None else self._named_by(result)
            return replace(
                self._job,
                state=JobState.COMPLETED,
                percent_complete=100,
                changed=now,
                updated=now,
                created=tuple(each for each in named if each not in self._job.affected),
            )
        reported = failure_of(error if isinstance(error, CimError) else self._unforeseen(error))
        # Not all failures of an operation that was to be cancelled are its cancellation.
        standard = reported.standard
        gave_up = standard is not None and self._endpoint.is_cancellation(standard.fault)
        return replace(
            self._job,
            state=(gave_up and self._cancelled) or JobState.EXCEPTION,
            changed=now,
            updated=now,
            failure=reported,
        )


def already_ended() -> CimError:
    """The refusal to end a job that has ended."""
    return failure(ErrorCode.ERR_WRONG_STATE_FOR_OP, "the job has already ended")


Action = Callable[[Operation], MethodResult]
NamedBy = Callable[[MethodResult], tuple[JobElement, ...]]
