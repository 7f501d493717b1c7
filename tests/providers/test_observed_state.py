"""A second process on a state directory says who has it, shows the jobs, and changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.test_jobs_after_restart import TASK, again, start, system_path
from tests.providers.waiting import ended, wait_for
from virtcim.hypervisor.change import Made
from virtcim.hypervisor.undo import UndoStep, UnfinishedOperation
from virtcim.mof import Schema
from virtcim.providers import CimError, ObjectPath, Providers, StateError, StateHeldError
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.state.undo_store import UndoStore

BEGUN = datetime(2026, 11, 30, tzinfo=UTC)


def refused(state: Path) -> StateHeldError:
    with pytest.raises(StateHeldError) as caught:
        JobStore(str(state))
    return caught.value


class Pair:
    """A job that runs in the process that has the state, and the providers of an observer."""

    def __init__(self, keeper: Providers, observer: Providers, seen: SimulatedEndpoint) -> None:
        self.keeper = keeper
        self.observer = observer
        self.seen = seen


@pytest.fixture
def pair(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, schema: Schema, tmp_path: Path
) -> Iterator[Pair]:
    keeper = make_providers(endpoint, state=str(tmp_path), job_after_s=0.0)
    seen = again(endpoint)
    observer = Providers([seen], schema, state=str(tmp_path), held=refused(tmp_path))
    with closing(observer):
        yield Pair(keeper, observer, seen)


def names_of_jobs(providers: Providers) -> list[ObjectPath]:
    found = providers.enumerate_instances("root/virt", "VirtCIM_ConcreteJob")
    return [record.path for record in found if record.path is not None]


def test_who_has_the_state_is_named(tmp_path: Path) -> None:
    with closing(JobStore(str(tmp_path))):
        said = str(refused(tmp_path))
    assert said.startswith(f"another server keeps its state in {tmp_path}: process {os.getpid()} (")


def test_a_process_that_cannot_be_looked_at_is_named_by_its_number(tmp_path: Path) -> None:
    ended_process = subprocess.Popen([sys.executable, "-c", ""])
    ended_process.wait()
    with closing(JobStore(str(tmp_path))):
        (tmp_path / "virtcim.holder").write_text(f"{ended_process.pid}\n")
        assert str(refused(tmp_path)).endswith(f": process {ended_process.pid}")
        (tmp_path / "virtcim.holder").write_bytes(b"\xff")
        assert str(refused(tmp_path)).endswith(": another process")


def test_who_had_the_state_is_not_named_when_it_is_free(tmp_path: Path) -> None:
    keeping = "import sys; from virtcim.providers.state.job_store import JobStore\n"
    keeping += f"JobStore({str(tmp_path)!r}); print('has it', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", keeping], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"has it\n"
        assert f"process {process.pid} (" in str(refused(tmp_path))
        process.send_signal(signal.SIGKILL)
        process.wait()
    JobStore(str(tmp_path)).close()


def test_the_note_of_who_has_the_state_follows_no_link(tmp_path: Path) -> None:
    other = tmp_path / "precious"
    other.write_text("kept")
    state = tmp_path / "state"
    state.mkdir()
    (state / "virtcim.holder").symlink_to(other)
    with pytest.raises(StateError, match=r"virtcim\.holder"):
        JobStore(str(state))
    assert other.read_text() == "kept"


def test_an_observer_shows_the_jobs_as_they_are_written(
    pair: Pair, endpoint: SimulatedEndpoint
) -> None:
    assert names_of_jobs(pair.observer) == []
    endpoint.gate.clear()
    job = start(pair.keeper)
    assert names_of_jobs(pair.observer) == [job]
    assert pair.observer.get_instance(job).values["JobState"] == 4
    [system] = pair.observer.associator_names(job, assoc_class="VirtCIM_AffectedJobElement")
    assert system == system_path(1)
    endpoint.gate.set()
    ended(pair.keeper, job)
    assert ended(pair.observer, job).values["JobState"] == 7
    pair.keeper.delete_instance(job)
    assert names_of_jobs(pair.observer) == []


def test_an_observer_begins_nothing(pair: Pair) -> None:
    with pytest.raises(CimError) as caught:
        start(pair.observer)
    assert caught.value.description.startswith("ERR_OPERATION_FAILED: nothing was begun")
    assert f"process {os.getpid()} (" in caught.value.description
    assert pair.seen.monitor is None
    assert pair.observer.operations_running == 0


def test_an_observer_neither_ends_nor_deletes_a_job(
    pair: Pair, endpoint: SimulatedEndpoint
) -> None:
    endpoint.gate.clear()
    job = start(pair.keeper)
    wait_for(lambda: endpoint.monitor is not None)
    with pytest.raises(CimError, match="ERR_OPERATION_FAILED: the job is not ended from here"):
        pair.observer.invoke_method(job, "RequestStateChange", {"RequestedState": 4})
    endpoint.gate.set()
    ended(pair.keeper, job)
    with pytest.raises(CimError, match="ERR_OPERATION_FAILED: the job is not deleted"):
        pair.observer.delete_instance(job)
    assert names_of_jobs(pair.keeper) == [job]


def test_an_observer_takes_up_no_job_and_no_undo_step(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, schema: Schema, tmp_path: Path
) -> None:
    keeper = make_providers(endpoint, state=str(tmp_path), job_after_s=0.0)
    endpoint.gate.clear()
    job = start(keeper)
    wait_for(lambda: keeper.get_instance(job).values["JobState"] == 4)
    seen = again(endpoint, known_tasks={TASK: Made()})
    there = list(seen.current.virtual_systems)
    halted = next(one for one in seen.current.virtual_systems.values() if not one.resident_on)
    step = UndoStep(does="VM.create", call="VM.destroy", ref=halted.ref)
    left = UnfinishedOperation(
        id="1", name="DefineSystem", subject="a system", begun=BEGUN, steps=(step,)
    )
    UndoStore(keeper.state, "root/virt").put(left)
    with closing(Providers([seen], schema, state=str(tmp_path), held=refused(tmp_path))):
        assert seen.followed == []
        assert list(seen.current.virtual_systems) == there
    endpoint.gate.set()
    ended(keeper, job)


def test_an_observer_tells_no_indications(pair: Pair) -> None:
    with pytest.raises(StateHeldError):
        pair.observer.start_indications(None)  # type: ignore[arg-type]


def test_an_observer_cannot_write_even_by_mistake(pair: Pair) -> None:
    with (
        pytest.raises(sa.exc.OperationalError, match="readonly database"),
        pair.observer.state.transaction() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM job")


def test_who_was_refused_keeps_the_state_as_soon_as_it_is_free(
    pair: Pair, schema: Schema, tmp_path: Path, endpoint: SimulatedEndpoint
) -> None:
    endpoint.gate.clear()
    job = start(pair.keeper)
    endpoint.gate.set()
    ended(pair.keeper, job)
    pair.keeper.close()
    assert names_of_jobs(pair.observer) == [job]
    pair.observer.close()
    with closing(Providers([pair.seen], schema, state=str(tmp_path))) as successor:
        assert names_of_jobs(successor) == [job]
        assert successor.invoke_method(
            system_path(2), "RequestStateChange", {"RequestedState": 2}
        ).return_value in (0, 4096)


def test_a_state_of_another_version_is_not_observed(tmp_path: Path) -> None:
    with closing(JobStore(str(tmp_path))) as keeper:
        held = refused(tmp_path)
        with keeper.database.transaction() as connection:
            connection.exec_driver_sql("UPDATE schema_version SET version = 1")
        with pytest.raises(StateHeldError):
            JobStore(str(tmp_path), held=held)
