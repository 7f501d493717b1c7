"""A state database that is full, locked, damaged, or open to others, for real."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.systems import change
from tests.providers.waiting import ended, job_of, wait_for
from virtcim.cim.value_maps import JobState
from virtcim.hypervisor.undo import UnfinishedOperation
from virtcim.providers import CimError, Providers, StateError
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.directory import StateDirectory
from virtcim.providers.state.job import Job
from virtcim.providers.state.job_store import MOST_ENDED, JobStore
from virtcim.providers.state.undo_store import UndoStore

NAMESPACE = "root/virt"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def job(uuid: str, state: JobState = JobState.RUNNING) -> Job:
    return Job(
        uuid=uuid,
        namespace=NAMESPACE,
        name="DefineSystem",
        state=state,
        submitted=NOW,
        changed=NOW,
        updated=NOW,
    )


def file_of(directory: Path) -> Path:
    return directory / "virtcim.sqlite"


def execute(directory: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(file_of(directory))) as database, database:
        database.execute(statement, values)


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_garbage(content: bytes) -> bytes:
    noise = random.Random(0).randbytes(len(content) - 4096)
    return content[:4096] + noise


def without_header(content: bytes) -> bytes:
    return bytes(4096) + content[4096:]


def nothing(_content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [half, with_garbage, without_header, nothing])
def test_a_damaged_database_is_refused_with_the_remedy_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    with closing(JobStore(str(tmp_path))) as store:
        store.put(job("1"))
    damaged = damage(file_of(tmp_path).read_bytes())
    file_of(tmp_path).write_bytes(damaged)
    with pytest.raises(StateError) as refused:
        JobStore(str(tmp_path))
    told = str(refused.value)
    assert told.startswith(f"the state cannot be kept in {tmp_path}")
    assert f"put a backup of it back, or move {file_of(tmp_path)}" in told
    assert "\n" not in told
    assert file_of(tmp_path).read_bytes() == damaged
    # The remedy works.
    file_of(tmp_path).rename(tmp_path / "damaged")
    JobStore(str(tmp_path)).close()


def test_damage_where_nothing_is_read_at_the_start_is_found(tmp_path: Path) -> None:
    with closing(StateDatabase(str(tmp_path))) as database, database.engine.begin() as connection:
        for number in range(200):
            connection.execute(
                sa.text("insert into indication_payload values (:number, :text, 500)"),
                {"number": number, "text": b"x" * 500},
            )
    content = file_of(tmp_path).read_bytes()
    file_of(tmp_path).write_bytes(content[:-40960] + random.Random(0).randbytes(40960))
    with pytest.raises(StateError, match="the file is damaged and was left as it is"):
        StateDatabase(str(tmp_path))


def test_a_server_that_died_before_there_was_a_database_starts_again(tmp_path: Path) -> None:
    file_of(tmp_path).touch()
    JobStore(str(tmp_path)).close()
    # The administrator begins with nothing, and the server dies at once.
    file_of(tmp_path).unlink()
    StateDirectory(str(tmp_path)).close()
    assert file_of(tmp_path).stat().st_size == 0
    StateDatabase(str(tmp_path)).close()


def test_a_locked_database_is_refused_with_the_remedy(tmp_path: Path) -> None:
    StateDatabase(str(tmp_path)).close()
    with closing(sqlite3.connect(file_of(tmp_path))) as other:
        other.execute("begin immediate")
        with pytest.raises(StateError, match="another process holds it locked") as refused:
            StateDatabase(str(tmp_path))
    assert f"fuser {file_of(tmp_path)}" in str(refused.value)


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_nobody_else_may_read_the_state_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    directory = tmp_path / "state"
    before = os.umask(umask)
    try:
        with closing(JobStore(str(directory))) as store:
            store.put(job("1"))
            modes = {each.name: each.stat().st_mode & 0o777 for each in directory.iterdir()}
    finally:
        os.umask(before)
    assert len(modes) == 5
    assert set(modes.values()) == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_state_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    StateDatabase(str(tmp_path)).close()
    for each in tmp_path.iterdir():
        each.chmod(0o644)
    with closing(StateDatabase(str(tmp_path))):
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


# What makes one row unreadable, in each of the ways in which reading can fail.
BAD = {
    "steps": ("update undo set steps = ? where id = '2'", "[{}]"),
    "json of steps": ("update undo set steps = ? where id = '2'", "[{"),
    "text of undo": ("update undo set name = cast(? as text) where id = '2'", b"\xff\xfe"),
    "begun": ("update undo set begun = ? where id = '2'", "yesterday"),
    "state": ("update job set state = ? where uuid = '2'", 99),
    "json": ("update job set affected = ? where uuid = '2'", "{"),
    "text": ("update job set name = cast(? as text) where uuid = '2'", b"\xff\xfe"),
    "time": ("update job set changed = ? where uuid = '2'", 9e99),
    "element": ("update job set owner = ? where uuid = '2'", "[1]"),
}


@pytest.mark.parametrize("which", BAD)
def test_one_row_that_cannot_be_read_costs_only_itself(
    tmp_path: Path, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(JobStore(str(tmp_path))) as store:
        undo = UndoStore(store.database, NAMESPACE)
        for uuid in "123":
            store.put(job(uuid))
            undo.put(UnfinishedOperation(id=uuid, name="VM.modify", subject="vm", begun=NOW))
    execute(tmp_path, *BAD[which])
    kept = rows(tmp_path)
    with closing(JobStore(str(tmp_path))) as store:
        undo = UndoStore(store.database, NAMESPACE)
        jobs = [each.uuid for each in store.all(NAMESPACE)]
        operations = [each.id for each in (*undo.unfinished(), *undo.unfinished())]
    if "undo" in BAD[which][0]:
        assert (jobs, operations) == (["1", "2", "3"], ["1", "3"] * 2)
    else:
        assert (jobs, operations) == (["1", "3"], ["1", "2", "3"] * 2)
    assert rows(tmp_path) == kept
    [said] = caplog.messages
    assert "cannot be read" in said
    assert "left as it is" in said
    assert " 2 " in said


def rows(directory: Path) -> list[object]:
    with closing(sqlite3.connect(file_of(directory))) as database:
        database.text_factory = bytes
        return [database.execute(f"select * from {table}").fetchall() for table in ("job", "undo")]


@contextmanager
def full(store: JobStore) -> Iterator[None]:
    """SQLite itself refuses to make the file larger, and nothing fits in any more."""
    filler = "create table filler (x)"
    with store.database.lock, store.database.engine.begin() as connection:
        connection.exec_driver_sql(filler)
        (pages,) = connection.exec_driver_sql("pragma page_count").one()
    engine = store.database.engine

    def bound(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"pragma max_page_count = {pages}")

    sa.event.listen(engine, "connect", bound)
    engine.dispose()
    for size in (3000, 300, 30, 1):
        while fits(store, size):
            pass
    yield
    sa.event.remove(engine, "connect", bound)
    engine.dispose()


def fits(store: JobStore, size: int) -> bool:
    try:
        with store.database.lock, store.database.engine.begin() as connection:
            connection.exec_driver_sql("insert into filler values (?)", ("x" * size,))
            # Nor in what is free in the pages of jobs.
            row = {"uuid": f"fill{random.random()}", "name": "x" * size}
            connection.execute(
                sa.text(
                    "insert into job (uuid, namespace, name, state, percent_complete, submitted, "
                    "changed, updated, error_code) values (:uuid, 'x', :name, 4, 0, 0, 0, 0, 0)"
                ),
                row,
            )
    except sa.exc.OperationalError:
        return False
    return True


@pytest.fixture
def kept(endpoint: SimulatedEndpoint, make_providers: MakeProviders, tmp_path: Path) -> Providers:
    return make_providers(endpoint, state=str(tmp_path), job_after_s=0.0)


def test_what_has_no_job_is_not_begun(
    endpoint: SimulatedEndpoint, kept: Providers, tmp_path: Path
) -> None:
    with full(kept._jobs):
        with pytest.raises(CimError) as refused:
            change(kept, 1, 2)
        told = str(refused.value)
        assert "nothing was begun, since its job could not be kept" in told
        assert "database or disk is full; make room in the file system of" in told
        assert endpoint.powered == []
        assert kept._operations.running == 0
    # At once, or as a job.
    assert change(kept, 1, 2).return_value in {0, 4096}


def test_what_cannot_be_promised_any_more_is_waited_for(
    endpoint: SimulatedEndpoint, kept: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()

    def publish(_job: Job) -> None:
        refused.set()
        raise StateError("the disk has gone")

    endpoint.gate.clear()
    monkeypatch.setattr(kept._jobs, "publish", publish)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(change, kept, 1, 2)
        wait_for(lambda: refused.is_set() and endpoint.held == 1)
        endpoint.gate.set()
        assert answer.result().return_value == 0
    assert endpoint.powered
    assert kept._jobs.all(NAMESPACE) == ()


def test_what_cannot_be_promised_is_said_to_be_unknown_when_the_server_stops(
    endpoint: SimulatedEndpoint, kept: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()

    def publish(_job: Job) -> None:
        refused.set()
        raise StateError("the disk has gone")

    endpoint.gate.clear()
    monkeypatch.setattr(kept._jobs, "publish", publish)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(change, kept, 1, 2)
        wait_for(lambda: refused.is_set() and endpoint.held == 1)
        kept.hurry()
        with pytest.raises(CimError, match=r"ERR_UNABLE_TO_VERIFY_STATE.*no job could be kept"):
            answer.result()
    endpoint.gate.set()


def test_the_end_of_a_job_is_written_as_soon_as_that_can_be(
    endpoint: SimulatedEndpoint,
    kept: Providers,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    endpoint.gate.clear()
    first, second = (job_of(change(kept, number, 2)) for number in (1, 5))
    with closing(sqlite3.connect(file_of(tmp_path))) as other:
        other.execute("alter table job rename to away")
        endpoint.gate.set()
        for each in (first, second):
            assert ended(kept, each).values["JobState"] == 7
        other.execute("alter table away rename to job")
    # Either of them may have been told of it.
    [said] = [one for one in caplog.messages if "kept in memory only" in one]
    assert str(file_of(tmp_path)) in said
    kept._jobs.reserve(job("another"))
    with closing(sqlite3.connect(file_of(tmp_path))) as other:
        states = other.execute("select state from job where uuid <> 'another'").fetchall()
    assert states == [(7,), (7,)]
    assert any("works again" in one for one in caplog.messages)


def test_what_a_dying_server_ran_before_its_client_had_a_job_ends_in_one(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, tmp_path: Path
) -> None:
    with closing(JobStore(str(tmp_path))) as store:
        store.reserve(job("1"))
        store.note_reserved(replace(job("1"), task_ref="OpaqueRef:task", decides=True))
        store.reserve(job("2"))
        store.reserve(job("3"))
        store.release("3")
        assert store.all(NAMESPACE) == ()
    providers = make_providers(endpoint, state=str(tmp_path))
    found = [each.path for each in providers.enumerate_instances(NAMESPACE, "CIM_ConcreteJob")]
    assert len(found) == 2
    for each in found:
        assert ended(providers, each).values["ErrorCode"] == 1
    assert endpoint.followed == ["DefineSystem"]


def test_setting_the_clock_back_or_on_changes_no_time_of_a_job(
    endpoint: SimulatedEndpoint, kept: Providers
) -> None:
    endpoint.gate.clear()
    path = job_of(change(kept, 1, 2))
    wait_for(lambda: kept.get_instance(path).values["PercentComplete"] == 25)
    clock = kept._jobs.clock
    kept._jobs.clock = lambda: clock() - timedelta(days=366)
    endpoint.gate.set()
    values = ended(kept, path).values
    for elapsed in (
        values["ElapsedTime"],
        values["TimeOfLastStateChange"] - values["TimeSubmitted"],  # type: ignore[operator]
    ):
        assert isinstance(elapsed, timedelta)
        assert timedelta() <= elapsed < timedelta(hours=1)


def test_a_job_of_before_the_clock_was_set_back_is_still_shown(tmp_path: Path) -> None:
    with closing(JobStore(str(tmp_path))) as store:
        store.put(replace(job("1", JobState.COMPLETED), updated=NOW - timedelta(days=1)))
    with closing(JobStore(str(tmp_path))) as store:
        assert [each.uuid for each in store.all(NAMESPACE)] == ["1"]


def test_of_very_many_jobs_those_go_that_ended_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ENDED == 10_000
    monkeypatch.setattr("virtcim.providers.state.job_store.MOST_ENDED", 3)
    with closing(JobStore()) as store:
        store.put(job("running"))
        for number in range(5):
            store.put(job(str(number), JobState.COMPLETED))
        assert {each.uuid for each in store.all(NAMESPACE)} == {"running", "2", "3", "4"}
