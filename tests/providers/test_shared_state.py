"""Two servers on one PostgreSQL: each sees the other's jobs, and takes over what a dead one had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.waiting import wait_for
from virtcim.cim.value_maps import JobState
from virtcim.hypervisor.undo import UndoLogError, UnfinishedOperation
from virtcim.providers import Providers
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.job import Job, JobElement
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.state.polling import Polling
from virtcim.providers.state.servers import HEIR_S, Servers
from virtcim.providers.state.undo_store import UndoStore

NAMESPACE = "root/virt"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SYSTEM = JobElement("VirtCIM_ComputerSystem", "x")


def job(uuid: str, state: JobState = JobState.RUNNING) -> Job:
    return Job(
        uuid=uuid,
        namespace=NAMESPACE,
        name="Start",
        state=state,
        submitted=NOW,
        changed=NOW,
        updated=NOW,
        affected=(SYSTEM,),
    )


def operation(identity: str) -> UnfinishedOperation:
    return UnfinishedOperation(id=identity, name="VM.create", subject="x", begun=NOW)


@pytest.fixture
def stores(postgresql_url: str) -> Iterator[tuple[JobStore, JobStore]]:
    with closing(JobStore(postgresql_url)) as first, closing(JobStore(postgresql_url)) as second:
        yield first, second


Die = Callable[[StateDatabase, StateDatabase], None]


@pytest.fixture
def die() -> Die:
    """Let the first server not be heard of for so long that the second one strikes it off."""

    def silence(dead: StateDatabase, alive: StateDatabase) -> None:
        assert dead.servers is not None
        polling = Polling(alive)
        polling.change(dead.servers.beat)
        seconds = [0.0]
        watching = Servers(alive.engine, clock=lambda: seconds[0])
        assert not polling.change(watching.beat).is_one_gone
        seconds[0] = HEIR_S
        assert alive.servers is not None
        polling.change(alive.servers.beat)
        assert polling.change(watching.beat).is_one_gone
        polling.close()
        watching.leave()

    return silence


def test_what_one_has_written_is_in_the_next_read_of_the_other(
    stores: tuple[JobStore, JobStore],
) -> None:
    first, second = stores
    heard: list[tuple[str, bool]] = []
    second.watch(lambda _namespace, uuid, one: heard.append((uuid, one is not None)))
    first.publish(job("1"))
    second.refresh()
    assert second.all(NAMESPACE) == (job("1"),)
    assert second.concerning(NAMESPACE, SYSTEM) == (job("1"),)
    assert second.is_elsewhere("1")
    assert not first.is_elsewhere("1")
    done = replace(job("1"), state=JobState.COMPLETED)
    first.put(done)
    second.refresh()
    assert second.find(NAMESPACE, "1") == done
    second.remove("1")
    first.refresh()
    assert first.all(NAMESPACE) == ()
    assert heard == [("1", True), ("1", True), ("1", False)]


def test_a_job_that_clients_do_not_see_yet_is_not_shown_elsewhere(
    stores: tuple[JobStore, JobStore],
) -> None:
    first, second = stores
    first.reserve(job("1"))
    second.refresh()
    assert second.all(NAMESPACE) == ()
    first.publish(job("1"))
    second.refresh()
    assert second.all(NAMESPACE) == (job("1"),)


def test_the_jobs_of_the_living_are_left_to_them(stores: tuple[JobStore, JobStore]) -> None:
    first, second = stores
    first.publish(job("1"))
    assert second.adopt() == ()


def test_one_that_was_taken_for_dead_does_not_write_what_another_has_taken_over(
    stores: tuple[JobStore, JobStore], die: Die
) -> None:
    first, second = stores
    first.publish(job("1"))
    first.reserve(job("2"))
    first.publish(job("3", JobState.COMPLETED))
    die(first.database, second.database)
    assert {one.uuid for one in second.adopt()} == {"1", "2"}
    assert second.adopt() == ()
    failed = replace(job("1"), state=JobState.EXCEPTION)
    second.put(failed)
    first.put(replace(job("1"), state=JobState.COMPLETED))
    for store in stores:
        store.refresh()
        assert store.find(NAMESPACE, "1") == failed
    # It is one of them again, and has jobs of its own.
    first.publish(job("4"))
    assert second.adopt() == ()


def test_one_that_was_taken_for_dead_may_not_go_on_with_an_operation(
    postgresql_url: str, die: Die
) -> None:
    dead, alive = StateDatabase(postgresql_url), StateDatabase(postgresql_url)
    first, second = UndoStore(dead, NAMESPACE), UndoStore(alive, NAMESPACE)
    first.put(operation("1"))
    assert not second.adopt()
    assert second.unfinished() == ()
    die(dead, alive)
    assert second.adopt()
    assert second.unfinished() == (operation("1"),)
    with pytest.raises(UndoLogError, match="another took over"):
        first.put(operation("1"))
    second.remove("1")
    # Not even when nothing is left of it.
    with pytest.raises(UndoLogError, match="another took over"):
        first.put(operation("1"))
    first.put(operation("2"))
    assert not second.adopt()
    for one in (dead, alive):
        one.close()


def test_what_a_server_has_that_ends_is_adopted_at_once(postgresql_url: str) -> None:
    with closing(JobStore(postgresql_url)) as second:
        with closing(JobStore(postgresql_url)) as first:
            first.publish(job("1"))
        assert second.adopt() == (job("1"),)


def test_what_a_server_has_left_that_nobody_ever_saw_is_found_in_the_end(
    stores: tuple[JobStore, JobStore],
    make_providers: Callable[..., Providers],
    endpoint: SimulatedEndpoint,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for pause in ("_REST_S", "_ROUND_S"):
        monkeypatch.setattr(f"virtcim.providers.jobs.membership.{pause}", 0.01)
    alive = make_providers(endpoint, state=postgresql_url)
    first, _ = stores
    first.publish(job("1"))
    # It was there between two rounds of the other one.
    with first.database.engine.begin() as connection:
        connection.execute(sa.text("update job set server = 'unseen'"))
    wait_for(lambda: alive.jobs_by_state() == {JobState.EXCEPTION: 1})
