"""The jobs of this server, kept in a database so that they outlive it.

The store is read from memory and written through; one server uses one database, and a second one
on the same directory is refused.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from virtcim.cim.value_maps import JobState
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.errors import StateError, StateHeldError
from virtcim.providers.state.job import JOBS, Job, JobElement, JobWatcher, job_from_row, row_of_job
from virtcim.providers.state.readable_rows import read_each
from virtcim.providers.state.several_processes import Colleagues
from virtcim.providers.state.shared_jobs import SharedJobRows

__all__ = ["MOST_ENDED", "TIME_BEFORE_REMOVAL", "JobStore"]

_log = logging.getLogger(__name__)

# How long a job can be looked at after it ended (CIM_ConcreteJob.TimeBeforeRemoval).
TIME_BEFORE_REMOVAL = timedelta(hours=1)
# Of more than so many that have ended, those go that ended first.
MOST_ENDED = 10_000
# Made once: to make a statement takes longer than to execute it.
_DELETION = sa.delete(JOBS).where(JOBS.c.uuid == sa.bindparam("of_uuid"))
_INSERTION = sa.insert(JOBS)
# A process that is one of several says which of its jobs clients do not see yet.
_SHOWN = sa.select(JOBS).where(sa.literal_column("is_shown") == 1)
_RUNNING = (JobState.RUNNING, JobState.SHUTTING_DOWN)


def _now() -> datetime:
    return datetime.now(UTC)


class JobStore:
    """All jobs; safe to use from many threads.

    ``database`` is where this server keeps whatever else has to outlive it. ``clock`` gives the
    times that are shown, ``monotonic`` the seconds that are counted.
    """

    def __init__(
        self,
        state: str = "",
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        colleagues: Colleagues | None = None,
        held: StateHeldError | None = None,
    ) -> None:
        """Open the store; raises StateError where that cannot be.

        Where another process has the directory, as ``held`` says, its jobs are shown as it writes
        them (their progress is known to itself alone), and every change raises ``held``.
        """
        self._closed = False
        self.clock = clock
        self.monotonic = monotonic
        self.database = StateDatabase(state, colleagues, held)
        self._lock = self.database.lock
        servers = self.database.servers
        self._shared = None if servers is None else SharedJobRows(JOBS, servers)
        self._revision = -1
        # Of the database, when it was last read; None where it has none.
        self._version: int | None = None
        jobs: list[Job] = []
        try:
            if self._shared is None and held is None:
                with self.database.engine.begin() as connection:
                    jobs = _read(connection, sa.select(JOBS))
        except sa.exc.SQLAlchemyError as error:
            self.database.close()
            raise self.database.unusable(error) from error
        self._jobs = {job.uuid: job for job in jobs}
        self._watchers: tuple[JobWatcher, ...] = ()
        # What could not be written, and is to be written with the next; None: to be deleted.
        self._unwritten: dict[str, Job | None] = {}
        # When those are to be removed that have ended, the first of them first. Nobody knows how
        # long a server was away whose clock may have been set: each begins anew.
        self._removals: dict[str, float] = {}
        # The UUIDs of the jobs that have to do with an element; a tuple is never changed.
        self._by_element: dict[JobElement, tuple[str, ...]] = {}
        for job in sorted(self._jobs.values(), key=lambda job: job.changed):
            self._index(job.uuid, before=None, after=job)
            self._note_end(job)
        try:
            self.refresh()
        except StateError:
            self.database.close()
            raise

    def refresh(self) -> None:
        """See what other servers on the database have changed. Raises StateError."""
        if self.database.held is not None:
            self._observe()
        if self._shared is None or self._is_current():
            return
        with self._lock:
            if self._closed:
                return
            try:
                version = self.database.version()
                with self.database.reading() as connection:
                    changed = self._shared.changes(connection, self._revision)
            except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
                raise self.database.unreadable(error) from error
            if changed is None:
                self._version = version
                return
            self._revision = changed.revision
            for row in changed.rows:
                self._take_over(row)
            for uuid in self._jobs.keys() - changed.uuids - self._unwritten.keys():
                self._drop(uuid)
            self._version = version

    def _observe(self) -> None:
        """Show the jobs as they are written now."""
        if self._is_current():
            return
        with self._lock:
            if self._closed:
                return
            try:
                version = self.database.version()
                with self.database.reading() as connection:
                    found = {job.uuid: job for job in _read(connection, _SHOWN)}
            except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
                raise self.database.unreadable(error) from error
            for uuid in self._jobs.keys() - found.keys():
                self._drop(uuid)
            for uuid, job in found.items():
                if self._jobs.get(uuid) != job:
                    self._show(job)
            self._version = version

    def refuse_changes(self) -> None:
        """Raise StateHeldError where this process only observes what another one keeps."""
        if self.database.held is not None:
            raise self.database.held

    @property
    def revision(self) -> int:
        """Up to which change of the servers on the database everything is shown here."""
        return self._revision

    def _is_current(self) -> bool:
        """Whether nobody has written since the last refresh; waits for nobody."""
        if self._version is None or self._closed:
            return False
        try:
            return self._version == self.database.version()
        except sqlite3.Error:
            return False  # whoever reads says why

    def _take_over(self, row: Mapping[str, Any]) -> None:
        """Show a job as another server has written it."""
        assert self._shared is not None
        if row["uuid"] in self._shared.mine:
            return
        try:
            job = job_from_row(row)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            _say_unreadable(str(row["uuid"]), error)
            return
        self._show(job)

    def adopt(self) -> tuple[Job, ...]:
        """The jobs that nobody runs any more, which are this server's now. Raises StateError."""
        if self.database.held is not None:
            return ()
        if self._shared is None:
            return self.unfinished()
        with self._lock:
            try:
                with self.database.transaction() as connection:
                    rows = self._shared.adopt(connection, [int(each) for each in _RUNNING])
            except sa.exc.SQLAlchemyError as error:
                raise self.database.unusable(error) from error
            adopted = []
            for row in rows:
                self._take_over(row)
                self._shared.mine.add(row["uuid"])
                if row["uuid"] in self._jobs:
                    adopted.append(self._jobs[row["uuid"]])
            return tuple(adopted)

    def is_elsewhere(self, uuid: str) -> bool:
        """Whether another server has a job."""
        return self._shared is not None and uuid not in self._shared.mine

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

    def reserve(self, job: Job) -> None:
        """Make room for a job that clients do not see yet. Raises StateError where there is none.

        Should this process die before it is published or released, the next one finds it.
        """
        self.refuse_changes()
        with self._lock:
            if self._closed:
                raise StateError("the server is stopping")
            try:
                self._write({job.uuid: job}, quick=True, shown=False)
            except sa.exc.SQLAlchemyError as error:
                raise self.database.unusable(error) from error

    def note_reserved(self, job: Job) -> None:
        """Keep what the next process has to know of a job that clients do not see yet."""
        with self._lock:
            if not self._closed:
                self._try(job.uuid, job, quick=True, shown=False)

    def release(self, uuid: str) -> None:
        """Forget a job that clients have never seen."""
        with self._lock:
            if not self._closed:
                self._try(uuid, None, quick=True)

    def publish(self, job: Job) -> None:
        """Keep a job that a client is promised. Raises StateError where it cannot be kept."""
        with self._lock:
            if self._closed:
                raise StateError("the server is stopping")
            try:
                self._write({job.uuid: job})
            except sa.exc.SQLAlchemyError as error:
                raise self.database.unusable(error) from error
            self._show(job)

    def put(self, job: Job) -> None:
        """Keep a changed job; where the database fails, in memory until it can be written."""
        with self._lock:
            if self._closed:
                return
            self._try(job.uuid, job)
            # One that another server has taken over is what that one says.
            if self._shared is None or job.uuid not in self._shared.lost:
                self._show(job)

    def _show(self, job: Job) -> None:
        # Found by what it has made as soon as it is read, from whichever thread.
        self._index(job.uuid, before=self._jobs.get(job.uuid), after=job)
        # Only now may it be read: what a client was told must survive the server's death.
        self._jobs[job.uuid] = job
        self._note_end(job)
        self._tell(job.namespace, job.uuid, job)

    def _try(self, uuid: str, job: Job | None, *, quick: bool = False, shown: bool = True) -> None:
        try:
            self._write({uuid: job}, quick=quick, shown=shown)
        except sa.exc.SQLAlchemyError as error:
            if not self._unwritten:
                _log.error(
                    "jobs are kept in memory only until they can be written: cannot write to %s",
                    self.database.reason(error),
                )
            self._unwritten[uuid] = job

    def _write(
        self, jobs: Mapping[str, Job | None], *, quick: bool = False, shown: bool = True
    ) -> None:
        """Write jobs, and what could not be written before. Raises SQLAlchemyError.

        ``shown``: clients see them.
        """
        waiting = {**self._unwritten, **jobs}
        if self._shared is not None:
            shared = {
                uuid: None if job is None else row_of_job(job) for uuid, job in waiting.items()
            }
            with self.database.transaction(quick=quick) as connection:
                self._shared.write(connection, shared, shown=shown)
            self._shared.written(shared)
            self._unwritten.clear()
            return
        rows = [row_of_job(job) for job in waiting.values() if job is not None]
        with self.database.transaction(quick=quick) as connection:
            connection.execute(_DELETION, [{"of_uuid": uuid} for uuid in waiting])
            if rows:
                connection.execute(_INSERTION, rows)
        if self._unwritten:
            self._unwritten.clear()
            _log.warning("the state database works again, and has all jobs")

    def note_progress(self, uuid: str, percent_complete: int, updated: datetime) -> None:
        """Keep the progress of a job, in memory only: after a restart it means nothing."""
        with self._lock:
            job = self._jobs.get(uuid)
            if job is not None and not job.ended and job.percent_complete != percent_complete:
                changed = replace(job, percent_complete=percent_complete, updated=updated)
                self._jobs[uuid] = changed
                self._tell(changed.namespace, uuid, changed)

    def remove(self, uuid: str) -> None:
        """Forget a job. Raises StateHeldError where it is another process's."""
        self.refuse_changes()
        with self._lock:
            self._remove(uuid)

    def _remove(self, uuid: str) -> None:
        if self._closed or uuid not in self._jobs:
            return
        self._drop(uuid)
        self._try(uuid, None)

    def _drop(self, uuid: str) -> None:
        gone = self._jobs.pop(uuid)
        self._removals.pop(uuid, None)
        self._index(uuid, before=gone, after=None)
        self._tell(gone.namespace, uuid, None)

    def close(self) -> None:
        """Let go of the database; a job that ends from now on is found unfinished next time."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self.database.close()

    def removal_in_s(self) -> float | None:
        """In how many seconds the next job is to be removed; None where none has ended."""
        first = next(iter(self._removals.copy().values()), None)
        return None if first is None else first - self.monotonic()

    def _remove_expired(self) -> None:
        if self.database.held is not None:
            return  # whoever keeps them removes them
        if (self.removal_in_s() or 0.0) >= 0.0 and len(self._removals) <= MOST_ENDED:
            return
        with self._lock:
            now, excess = self.monotonic(), len(self._removals) - MOST_ENDED
            for number, (uuid, end) in enumerate(self._removals.copy().items()):
                if end >= now and number >= excess:
                    return
                self._remove(uuid)

    def _expired(self, job: Job) -> bool:
        end = self._removals.get(job.uuid)
        return end is not None and end < self.monotonic()

    def _note_end(self, job: Job) -> None:
        if job.ended:
            end = self.monotonic() + TIME_BEFORE_REMOVAL.total_seconds()
            self._removals.setdefault(job.uuid, end)

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


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Job]:
    return read_each(connection, query, JOBS.c.uuid, job_from_row, _say_unreadable)


def _say_unreadable(uuid: str, error: Exception) -> None:
    _log.warning(
        "the job %s is not shown, since its row in the state database cannot be read; the row is "
        "left as it is: %s",
        *(uuid, error),
    )
