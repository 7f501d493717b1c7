"""What clients ask of jobs that another server runs: kept until that server has answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from virtcim.cim.value_maps import JobState
from virtcim.providers.state.database import StateDatabase

__all__ = ["JobRequest", "JobRequests"]

_REQUESTS = sa.Table(
    "job_request",
    sa.MetaData(),
    sa.Column("job", sa.String(36), primary_key=True),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("forget", sa.Integer, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("failure", sa.JSON, nullable=True),
)


class JobRequest(NamedTuple):
    """A job that shall end in ``state``, and be forgotten then or not."""

    job: str
    state: JobState
    forget: bool


class JobRequests:
    """The requests in one database. Raises SQLAlchemyError where that fails."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def ask(self, request: JobRequest) -> None:
        """Ask; what was asked of the same job before is answered no more."""
        row = {"job": request.job, "state": int(request.state), "forget": int(request.forget)}
        with self._database.lock, self._database.engine.begin() as connection:
            connection.execute(sa.delete(_REQUESTS).where(_REQUESTS.c.job == request.job))
            connection.execute(sa.insert(_REQUESTS).values(**row, answered=0, failure=None))

    def asked(self, jobs: Collection[str]) -> list[JobRequest]:
        """What is asked of these jobs and was not answered yet."""
        if not jobs:
            return []
        query = sa.select(_REQUESTS.c.job, _REQUESTS.c.state, _REQUESTS.c.forget)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(_REQUESTS.c.answered == 0)).all()
        return [
            JobRequest(job, JobState(state), bool(forget))
            for job, state, forget in rows
            if job in jobs
        ]

    def answer(self, job: str, failure: Mapping[str, Any] | None) -> None:
        """Say that it was done, or why not."""
        with self._database.lock, self._database.engine.begin() as connection:
            connection.execute(
                sa.update(_REQUESTS)
                .where(_REQUESTS.c.job == job)
                .values(answered=1, failure=failure)
            )

    def answered(self, job: str) -> tuple[bool, Mapping[str, Any] | None]:
        """Whether it was answered, and why it was refused, where it was."""
        query = sa.select(_REQUESTS.c.answered, _REQUESTS.c.failure)
        with self._database.reading() as connection:
            row = connection.execute(query.where(_REQUESTS.c.job == job)).one_or_none()
        return (False, None) if row is None else (bool(row.answered), row.failure)

    def forget(self, job: str) -> None:
        """What was asked is over."""
        with self._database.lock, self._database.engine.begin() as connection:
            connection.execute(sa.delete(_REQUESTS).where(_REQUESTS.c.job == job))
