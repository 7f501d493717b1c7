"""A job, and its row in the state database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from virtcim.cim.value_maps import JobState
from virtcim.errormap import ErrorCode
from virtcim.providers.coded_error import Failure

__all__ = [
    "JOBS",
    "Job",
    "JobElement",
    "JobEnds",
    "JobWatcher",
    "job_from_row",
    "row_of_job",
]

_log = logging.getLogger(__name__)


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
    """A JobWatcher that tells of each job when it ends, also of one of an earlier process.

    The end of one that ``is_elsewhere`` is told by the server that has it.
    """

    def __init__(
        self, tell: Callable[[Job], None], is_elsewhere: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._tell = tell
        self._is_elsewhere = is_elsewhere
        self._running: set[str] = set()

    def __call__(self, _namespace: str, uuid: str, job: Job | None) -> None:
        """Look at a new or changed job, None for one that is gone."""
        if job is not None and not job.ended:
            self._running.add(uuid)
        elif uuid in self._running:
            self._running.discard(uuid)
            if job is not None and not self._is_elsewhere(uuid):
                self._tell(job)


# The tables are made by migrations.py; nothing but names and types matters here.
JOBS = sa.Table(
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
_COLUMNS = tuple(column.name for column in JOBS.columns)


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
