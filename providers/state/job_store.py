"""The jobs of this server, kept in a database so that they outlive it.

The store is read from memory and written through; one server uses one database, and a second one
on the same directory is refused.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from virtcim.cim.value_maps import JobState
from virtcim.errormap import ErrorCode
from virtcim.providers.coded_error import Failure
from virtcim.providers.state.database import StateDatabase

__all__ = [
    "TIME_BEFORE_REMOVAL",
    "Job",
    "JobElement",
    "JobEnds",
    "JobStore",
    "JobWatcher",
    "job_from_row",
    "row_of_job",
]

_log = logging.getLogger(__name__)

# How long a job can be looked at after it ended (CIM_ConcreteJob.TimeBeforeRemoval).
TIME_BEFORE_REMOVAL = timedelta(hours=1)


class JobElement(NamedTuple):
    """An instance that a job has to do with: its class, and what tells it apart there."""

    class_name: str
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One long operation; ``failure`` is why it failed, None where it has not.

    ``task_ref`` is the task of the management API that carries it at present, which ``decides``
    it or is one step of several. ``owner`` is what it was asked of, ``affected`` what it changes,
    ``created`` what it made.
    """

    uuid: str
    namespace: str
    name: str
    # Never New: there are clients that take anything but 3, 4, 5 and 7 for a failure.
    state: JobState
    percent_complete: int = 0
    submitted: datetime
    changed: datetime  # the last change of the state
    updated: datetime  # the last change of anything
    failure: Failure | None = None
    task_ref: str = ""
    decides: bool = False
    owner: JobElement | None = None
    affected: tuple[JobElement, ...] = ()
    created: tuple[JobElement, ...] = ()

    @property
    def error_code(self) -> int:
        """The number of the standard code that it failed with; 0 where it has not."""
        return 0 if self.failure is None else int(self.failure.code)

    @property
    def ended(self) -> bool:
        """Whether the operation is over, however it ended."""
        return self.state not in (JobState.RUNNING, JobState.SHUTTING_DOWN)

    @property
    def elements(self) -> Iterator[JobElement]:
        """Everything that it has to do with."""
        yield from self.affected
        yield from self.created
        if self.owner is not None:
            yield self.owner


# The namespace, the UUID, and the job as it is now; None: it is gone.
JobWatcher = Callable[[str, str, Job | None], None]


class JobEnds:
    """A JobWatcher that tells of each job when it ends, also of one of an earlier process."""

    def __init__(self, tell: Callable[[Job], None]) -> None:
        self._tell = tell
        self._running: set[str] = set()

    def __call__(self, _namespace: str, uuid: str, job: Job | None) -> None:
        """Look at a new or changed job, None for one that is gone."""
        if job is not None and not job.ended:
            self._running.add(uuid)
        elif uuid in self._running:
            self._running.discard(uuid)
            if job is not None:
                self._tell(job)


# The tables are made in state_database; nothing but names and types matters here.
_JOBS = sa.Table(
    "job",
    sa.MetaData(),
    sa.Column("uuid", sa.String(36), primary_key=True),
    sa.Column("namespace", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("percent_complete", sa.Integer, nullable=False),
    sa.Column("submitted", sa.Float, nullable=False),
    sa.Column("changed", sa.Float, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
    sa.Column("error_code", sa.Integer, nullable=False),
    sa.Column("error", sa.JSON, nullable=True),
    sa.Column("task_ref", sa.Text, nullable=False, server_default=""),
    sa.Column("decides", sa.Integer, nullable=False, server_default="0"),
    sa.Column("owner", sa.JSON, nullable=True),
    sa.Column("affected", sa.JSON, nullable=True),
    sa.Column("created", sa.JSON, nullable=True),
)
_TIMES = ("submitted", "changed", "updated")
_COLUMNS = tuple(column.name for column in _JOBS.columns)


def _now() -> datetime:
    return datetime.now(UTC)


class JobStore:
    """All jobs; safe to use from many threads.

    ``database`` is where this server keeps whatever else has to outlive it.
    """

    def __init__(self, state: str = "", clock: Callable[[], datetime] = _now) -> None:
        """Open the store; raises StateError where that cannot be."""
        self._closed = False
        self.clock = clock
        self.database = StateDatabase(state)
        self._lock = self.database.lock
        self._engine = self.database.engine
        try:
            with self._engine.begin() as connection:
                rows = connection.execute(sa.select(_JOBS)).mappings()
                self._jobs = {job.uuid: job for job in (job_from_row(dict(row)) for row in rows)}
        except (sa.exc.SQLAlchemyError, ValueError) as error:
            self.database.close()
            raise self.database.unusable(state, error) from error
        self._watchers: tuple[JobWatcher, ...] = ()
        # The UUIDs of the jobs that have to do with an element; a tuple is never changed.
        self._by_element: dict[JobElement, tuple[str, ...]] = {}
        for job in self._jobs.values():
            self._index(job.uuid, before=None, after=job)

    def all(self, namespace: str) -> tuple[Job, ...]:
        """The jobs of one namespace, the oldest first."""
        self._remove_expired()
        jobs = [job for job in self._jobs.copy().values() if job.namespace == namespace]
        return tuple(sorted(jobs, key=lambda job: job.submitted))

    def find(self, namespace: str, uuid: str) -> Job | None:
        """The job ``uuid`` where it is one of the namespace."""
        self._remove_expired()
        job = self._jobs.get(uuid)
        return job if job is not None and job.namespace == namespace else None

    def concerning(self, namespace: str, element: JobElement) -> tuple[Job, ...]:
        """The jobs that have to do with an element, the oldest first."""
        jobs = [
            job
            for uuid in self._by_element.get(element, ())
            if (job := self._jobs.get(uuid)) is not None
            and job.namespace == namespace
            and not self._expired(job)
        ]
        return tuple(sorted(jobs, key=lambda job: job.submitted))

    def unfinished(self) -> tuple[Job, ...]:
        """The jobs that have not ended, of every namespace."""
        return tuple(job for job in self._jobs.copy().values() if not job.ended)

    def count_by_state(self) -> Mapping[JobState, int]:
        """How many jobs there are in each state."""
        return Counter(job.state for job in self._jobs.copy().values())

    def watch(self, watcher: JobWatcher) -> Callable[[], None]:
        """Call ``watcher`` with every new and changed job, and with None for one that is gone.

        First of all with every job that there is. It is called in the order of the changes, within
        them, and must return at once. Gives what ends it.
        """
        with self._lock:
            self._watchers = (*self._watchers, watcher)
            for job in self._jobs.values():
                watcher(job.namespace, job.uuid, job)
        return lambda: self._unwatch(watcher)

    def _unwatch(self, watcher: JobWatcher) -> None:
        with self._lock:
            self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def _tell(self, namespace: str, uuid: str, job: Job | None) -> None:
        for watcher in self._watchers:
            watcher(namespace, uuid, job)

    def put(self, job: Job) -> None:
        """Keep a new or changed job; where the database fails, in memory at least."""
        with self._lock:
            if self._closed:
                return
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.delete(_JOBS).where(_JOBS.c.uuid == job.uuid))
                    connection.execute(sa.insert(_JOBS).values(row_of_job(job)))
            except sa.exc.SQLAlchemyError:
                _log.exception("the job %s (%s) cannot be stored", job.uuid, job.name)
            # Found by what it has made as soon as it is read, from whichever thread.
            self._index(job.uuid, before=self._jobs.get(job.uuid), after=job)
            # Only now may it be read: what a client was told must survive the server's death.
            self._jobs[job.uuid] = job
            self._tell(job.namespace, job.uuid, job)

    def note_progress(self, uuid: str, percent_complete: int) -> None:
        """Keep the progress of a job, in memory only: after a restart it means nothing."""
        with self._lock:
            job = self._jobs.get(uuid)
            if job is not None and not job.ended and job.percent_complete != percent_complete:
                changed = replace(job, percent_complete=percent_complete, updated=self.clock())
                self._jobs[uuid] = changed
                self._tell(changed.namespace, uuid, changed)

    def remove(self, uuid: str) -> None:
        """Forget a job."""
        with self._lock:
            if self._closed or uuid not in self._jobs:
                return
            gone = self._jobs.pop(uuid)
            self._index(uuid, before=gone, after=None)
            self._tell(gone.namespace, uuid, None)
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.delete(_JOBS).where(_JOBS.c.uuid == uuid))
            except sa.exc.SQLAlchemyError:
                _log.exception("the job %s cannot be removed", uuid)

    def close(self) -> None:
        """Let go of the database; a job that ends from now on is found unfinished next time."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self.database.close()

    def _remove_expired(self) -> None:
        for job in self._jobs.copy().values():
            if self._expired(job):
                self.remove(job.uuid)

    def _expired(self, job: Job) -> bool:
        return job.ended and job.changed < self.clock() - TIME_BEFORE_REMOVAL

    def _index(self, uuid: str, *, before: Job | None, after: Job | None) -> None:
        """Find a job by what it has to do with now, and no more by the rest."""
        old = set() if before is None else set(before.elements)
        new = set() if after is None else set(after.elements)
        for element in new - old:
            self._by_element[element] = (*self._by_element.get(element, ()), uuid)
        for element in old - new:
            others = tuple(other for other in self._by_element[element] if other != uuid)
            if others:
                self._by_element[element] = others
            else:
                del self._by_element[element]


def row_of_job(job: Job) -> dict[str, object]:
    """The columns of a job, all of them values of JSON."""
    row: dict[str, object] = {name: getattr(job, name) for name in _COLUMNS if name != "error"}
    for name in _TIMES:
        row[name] = getattr(job, name).timestamp()
    row["error"] = None if job.failure is None else job.failure.as_stored()
    row["state"] = int(job.state)
    row["decides"] = int(job.decides)
    return row


def job_from_row(row: Mapping[str, Any]) -> Job:
    """The job that has these columns. Raises ValueError, KeyError or TypeError where none has."""
    values = dict(row)
    for name in _TIMES:
        values[name] = datetime.fromtimestamp(values[name], UTC)
    values["failure"] = _failure(values.pop("error_code"), values.pop("error"))
    values["state"] = JobState(values["state"])
    values["decides"] = bool(values["decides"])
    values["owner"] = JobElement(*values["owner"]) if values["owner"] else None
    for name in ("affected", "created"):
        values[name] = tuple(JobElement(*each) for each in values[name] or ())
    return Job(**values)


def _failure(number: int, stored: object) -> Failure | None:
    """One that cannot be read costs its words, not the job nor the start: its number is left."""
    if stored is None:
        return None
    try:
        return Failure.recalled(stored)
    except ValueError as error:
        _log.warning("what was kept of a failed job cannot be read: %s", error)
        code = next((each for each in ErrorCode if each == number), ErrorCode.ERR_UNKNOWN)
        return Failure(code=code, text=f"what was kept of this failure cannot be read: {error}")
