"""What a worker leaves that has died, another one of its server takes over when it is told so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.waiting import DEADLINE_S, wait_for
from virtcim.cim.value_maps import JobState
from virtcim.hypervisor.undo import UndoStep, UnfinishedOperation
from virtcim.mof import Schema
from virtcim.providers import Colleagues, Providers
from virtcim.providers.state.job import Job
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.state.undo_store import UndoStore

NAMESPACE = "root/virt"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[JobStore]:
    """The state of a worker that says no more; whether it lives is for its parent to say."""
    with closing(JobStore(str(tmp_path), colleagues=Colleagues(id="dead"))) as store:
        yield store


@pytest.fixture
def alive(
    dead: JobStore, endpoint: SimulatedEndpoint, schema: Schema, tmp_path: Path
) -> Iterator[Providers]:
    """Another worker of the same server."""
    # It has its place among them before anything is looked for that might have been left.
    dead.publish(_job("1"))
    worker = Providers([endpoint], schema, state=str(tmp_path), colleagues=Colleagues(id="alive"))
    with closing(worker):
        yield worker


def _job(uuid: str) -> Job:
    return Job(
        uuid=uuid,
        namespace=NAMESPACE,
        name="Start",
        state=JobState.RUNNING,
        submitted=NOW,
        changed=NOW,
        updated=NOW,
    )


def test_its_jobs_end_its_steps_are_taken_back_and_what_it_held_is_looked_for(
    dead: JobStore, alive: Providers, endpoint: SimulatedEndpoint
) -> None:
    # It was making this one when it died.
    half_made = next(
        one for one in endpoint.current.virtual_systems.values() if not one.resident_on
    )
    UndoStore(dead.database, NAMESPACE).put(
        UnfinishedOperation(
            id="1",
            name="VM.create",
            subject=half_made.uuid,
            begun=NOW,
            steps=(UndoStep(does="VM.create", call="VM.destroy", ref=half_made.ref, done=True),),
        )
    )
    assert alive.jobs_by_state() == {JobState.RUNNING: 1}
    looked = Event()
    alive.on_server_gone(looked.set)
    alive.server_died("dead")
    wait_for(lambda: half_made.uuid not in endpoint.current.virtual_systems)
    wait_for(lambda: alive.jobs_by_state() == {JobState.EXCEPTION: 1})
    assert looked.wait(DEADLINE_S)
    assert UndoStore(dead.database, NAMESPACE).unfinished() == ()
