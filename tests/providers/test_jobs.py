"""Jobs: what becomes of operations that take long, and how they are told, cancelled and kept."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import identity
from tests.providers.systems import change, system_path
from tests.providers.test_conformance import check_scalar
from tests.providers.waiting import ended, job_of, wait_for
from virtcim.cim.value_maps import JobState
from virtcim.errormap import ErrorCode, HypervisorError, from_libvirt
from virtcim.hypervisor.model import PowerState
from virtcim.mof import Schema
from virtcim.providers import (
    CimError,
    MethodResult,
    ObjectPath,
    Providers,
    Record,
    StateError,
    StatusCode,
)
from virtcim.providers.jobs.runner import Operations
from virtcim.providers.state.job import Job, JobElement
from virtcim.providers.state.job_store import TIME_BEFORE_REMOVAL, JobStore


@pytest.fixture
def slow(endpoint: SimulatedEndpoint, make_providers: MakeProviders) -> Providers:
    """Every operation becomes a job, and goes on only when the gate is opened."""
    endpoint.gate.clear()
    return make_providers(endpoint, job_after_s=0.0)


def test_what_takes_long_becomes_a_job_that_ends_well(
    endpoint: SimulatedEndpoint, slow: Providers, schema: Schema
) -> None:
    job = job_of(change(slow, 1, 2))
    wait_for(lambda: slow.get_instance(job).values["PercentComplete"] == 25)
    running = slow.get_instance(job)
    assert running.values["JobState"] == 4
    assert running.values["OperationalStatus"] == [2]
    assert running.values["Name"] == "RequestStateChange"
    assert [each.path for each in slow.enumerate_instances("root/virt", "CIM_Job")] == [job]
    endpoint.gate.set()
    done = ended(slow, job)
    assert done.values["JobState"] == 7
    assert done.values["PercentComplete"] == 100
    assert done.values["OperationalStatus"] == [2, 17]
    assert done.values["ErrorCode"] == 0
    assert done.values.get("ErrorDescription") is None
    assert endpoint.systems[1].power_state is PowerState.RUNNING
    # Hosts leave out what is NULL.
    assert slow.invoke_method(job, "GetError", {}).output.get("Error") is None
    assert slow.invoke_method(job, "GetErrors", {"Errors": None}).output.get("Errors") is None
    declared = schema.find("VirtCIM_ConcreteJob")
    assert declared is not None
    for record in (running, done):
        for name, value in record.values.items():
            for item in value if isinstance(value, list) else [value]:
                check_scalar(item, declared.properties[name], name)


def test_what_fails_late_ends_in_the_error_of_the_job(
    endpoint: SimulatedEndpoint, slow: Providers, schema: Schema
) -> None:
    endpoint.refusal = HypervisorError(
        from_libvirt(
            code=1,
            message="internal error: qemu: Cannot set up guest memory 'pc.ram': "
            "Cannot allocate memory",
            operation="VM.start",
        )
    )
    job = job_of(change(slow, 1, 2))
    endpoint.gate.set()
    failed = ended(slow, job)
    assert failed.values["JobState"] == 10
    assert failed.values["OperationalStatus"] == [6, 17]
    assert failed.values["ErrorCode"] == ErrorCode.ERR_OUT_OF_MEMORY
    description = failed.values["ErrorDescription"]
    assert str(description).startswith("ERR_OUT_OF_MEMORY: ")
    result = slow.invoke_method(job, "geterror", {})
    error = result.output["Error"]
    assert result.return_value == 0
    assert isinstance(error, Record)
    assert error.class_name == "VirtCIM_Error"
    assert error.values["MessageID"] == "ERR_OUT_OF_MEMORY"
    assert error.values["Message"] == description
    errors = slow.invoke_method(job, "GetErrors", {}).output["Errors"]
    assert isinstance(errors, list)
    assert len(errors) == 1
    declared = schema.find("VirtCIM_Error")
    assert declared is not None
    for name, value in error.values.items():
        for item in value if isinstance(value, list) else [value]:
            check_scalar(item, declared.properties[name], name)


def test_a_job_that_failed_is_told_in_the_language_of_whoever_reads_it(
    endpoint: SimulatedEndpoint, slow: Providers
) -> None:
    endpoint.refusal = HypervisorError(
        from_libvirt(code=38, message="Cannot access storage file '/d/a': No such file", int1=2)
    )
    job = job_of(change(slow, 1, 2))
    endpoint.gate.set()
    english = ended(slow, job)
    german = slow.in_language("de")
    for failed in (
        german.get_instance(job),
        *german.enumerate_instances("root/virt", "CIM_Job"),
        *german.associators(system_path(1), result_class="CIM_ConcreteJob"),
    ):
        assert str(failed.values["ErrorDescription"]).startswith(
            "ERR_CANNOT_ACCESS_DISK_FILE: Die Datei /d/a "
        )
        assert failed.values["ErrorCode"] == english.values["ErrorCode"]
    error = german.invoke_method(job, "GetError", {}).output["Error"]
    assert isinstance(error, Record)
    assert error.values["Message"] == failed.values["ErrorDescription"]
    assert slow.get_instance(job).values == english.values


def test_a_programming_error_ends_in_the_job_with_an_incident_and_not_its_text(
    endpoint: SimulatedEndpoint, slow: Providers, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.refusal = ZeroDivisionError("secret detail")
    job = job_of(change(slow, 1, 2))
    endpoint.gate.set()
    failed = ended(slow, job)
    assert failed.values["ErrorCode"] == ErrorCode.ERR_UNKNOWN
    number = str(failed.values["ErrorDescription"]).partition("incident ")[2][:8]
    assert f"incident {number}: the job " in caplog.text
    assert "secret" not in str(failed.values["ErrorDescription"])
    assert "secret detail" in caplog.text


def test_a_programming_error_escapes_while_the_caller_waits(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    endpoint.refusal = ZeroDivisionError("a mistake")
    with pytest.raises(ZeroDivisionError):
        change(providers, 1, 2)


def test_many_operations_are_in_progress_at_once(
    endpoint: SimulatedEndpoint, slow: Providers
) -> None:
    numbers = [number for number in range(20) if number % 4 == 1]
    jobs = [job_of(change(slow, number, 2)) for number in numbers]
    assert len(set(jobs)) == len(numbers)
    endpoint.gate.set()
    assert all(ended(slow, job).values["JobState"] == 7 for job in jobs)


@pytest.mark.parametrize(("requested", "state"), [(4, 8), (5, 9)])
def test_a_job_can_be_cancelled(
    endpoint: SimulatedEndpoint, slow: Providers, requested: int, state: int
) -> None:
    job = job_of(change(slow, 1, 2))
    wait_for(lambda: endpoint.monitor is not None)
    result = slow.invoke_method(job, "RequestStateChange", {"RequestedState": requested})
    assert result.return_value == 0
    assert endpoint.cancelled == ["OpaqueRef:task"]
    cancelled = ended(slow, job)
    assert cancelled.values["JobState"] == state
    with pytest.raises(CimError, match="ERR_WRONG_STATE_FOR_OP"):
        slow.invoke_method(job, "KillJob", {"DeleteOnKill": False})


def test_a_job_that_no_task_carries_cannot_be_cancelled(
    endpoint: SimulatedEndpoint, slow: Providers
) -> None:
    endpoint.task_ref = ""
    job = job_of(change(slow, 1, 2))
    with pytest.raises(CimError, match="ERR_WRONG_STATE_FOR_OP"):
        slow.invoke_method(job, "RequestStateChange", {"RequestedState": 5})
    assert slow.get_instance(job).values["JobState"] == 4
    endpoint.gate.set()
    assert ended(slow, job).values["JobState"] == 7


def test_a_refused_cancellation_leaves_the_job_running(
    endpoint: SimulatedEndpoint, slow: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(task_ref: str) -> None:
        raise HypervisorError(
            from_libvirt(code=38, message="cannot abort", operation="task.cancel")
        )

    monkeypatch.setattr(endpoint, "cancel", refuse)
    job = job_of(change(slow, 1, 2))
    wait_for(lambda: endpoint.monitor is not None)
    with pytest.raises(CimError):
        slow.invoke_method(job, "RequestStateChange", {"RequestedState": 5})
    assert slow.get_instance(job).values["JobState"] == 4
    endpoint.gate.set()
    assert ended(slow, job).values["JobState"] == 7


@pytest.mark.parametrize("requested", [2, 3, 6, None])
def test_a_job_can_only_be_terminated_or_killed(
    endpoint: SimulatedEndpoint, slow: Providers, requested: int | None
) -> None:
    job = job_of(change(slow, 1, 2))
    with pytest.raises(CimError, match="ERR_BAD_PARAMETER: RequestedState"):
        slow.invoke_method(job, "RequestStateChange", {"RequestedState": requested})
    endpoint.gate.set()
    ended(slow, job)


def test_a_job_is_deleted_once_it_ended(endpoint: SimulatedEndpoint, slow: Providers) -> None:
    job = job_of(change(slow, 1, 2))
    with pytest.raises(CimError, match="ERR_WRONG_STATE_FOR_OP"):
        slow.delete_instance(job)
    endpoint.gate.set()
    ended(slow, job)
    slow.delete_instance(job)
    with pytest.raises(CimError) as refused:
        slow.get_instance(job)
    assert refused.value.status_code == StatusCode.NOT_FOUND


def test_jobs_can_be_read_while_the_hypervisor_is_away(
    endpoint: SimulatedEndpoint, slow: Providers
) -> None:
    job = job_of(change(slow, 1, 2))
    wait_for(lambda: endpoint.held > 0)
    endpoint.lose_connection()
    endpoint.gate.set()
    failed = ended(slow, job)
    assert failed.values["ErrorCode"] == ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    (listed,) = slow.enumerate_instances("root/virt", "VirtCIM_ConcreteJob")
    assert (listed.path, listed.values) == (failed.path, failed.values)


def test_jobs_outlive_the_server(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, tmp_path: Path
) -> None:
    state = str(tmp_path / "state")
    first = make_providers(endpoint, state=state, job_after_s=0.0)
    endpoint.gate.clear()
    completed = job_of(change(first, 1, 2))
    endpoint.gate.set()
    ended(first, completed)
    endpoint.gate.clear()
    running = job_of(change(first, 5, 2))
    first.close()
    # It ends when nobody can write it down any more.
    endpoint.gate.set()
    second = make_providers(endpoint, state=state)
    assert second.get_instance(completed).values["JobState"] == 7
    unknown = ended(second, running)
    assert unknown.values["JobState"] == 10
    assert unknown.values["ErrorCode"] == ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    error = second.invoke_method(running, "GetError", {}).output["Error"]
    assert isinstance(error, Record)
    assert error.values["MessageID"] == "ERR_UNABLE_TO_VERIFY_STATE"


def test_a_state_directory_that_cannot_be_made_is_refused_in_a_sentence(
    make_providers: MakeProviders, endpoint: SimulatedEndpoint, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StateError, match="cannot be kept in"):
        make_providers(endpoint, state=str(blocked / "state"))
    (tmp_path / "virtcim.sqlite").write_text("this is no database, but long enough to be seen")
    with pytest.raises(StateError) as refused:
        make_providers(endpoint, state=str(tmp_path))
    file = tmp_path / "virtcim.sqlite"
    assert f"in {file}: file is not a database; the file is damaged" in str(refused.value)
    assert "put a backup of it back" in str(refused.value)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


OWNER = JobElement("VirtCIM_VirtualSystemManagementService", "service")


def some_job(clock: Clock, state: JobState) -> Job:
    return Job(
        uuid=identity("job", state),
        namespace="root/virt",
        name="DefineSystem",
        state=state,
        submitted=clock(),
        changed=clock(),
        updated=clock(),
        owner=OWNER,
    )


def test_a_job_is_removed_some_time_after_it_ended_and_not_before() -> None:
    clock, passed_s = Clock(), 0.0
    store = JobStore(clock=clock, monotonic=lambda: passed_s)
    running, completed = (some_job(clock, each) for each in (JobState.RUNNING, JobState.COMPLETED))
    store.put(running)
    store.put(completed)
    assert store.all("root/other") == ()
    for jump in (timedelta(days=365), timedelta(days=-366)):
        clock.now += jump
        assert set(store.concerning("root/virt", OWNER)) == {running, completed}
        assert set(store.all("root/virt")) == {running, completed}
    passed_s += TIME_BEFORE_REMOVAL.total_seconds()
    assert set(store.all("root/virt")) == {running, completed}
    passed_s += 1
    assert store.concerning("root/virt", OWNER) == (running,)
    assert store.all("root/virt") == (running,)
    assert store.find("root/virt", completed.uuid) is None
    store.close()


def test_a_stored_job_is_read_back_as_it_was(state: str) -> None:
    clock = Clock()
    store = JobStore(state, clock)
    job = some_job(clock, JobState.COMPLETED)
    store.put(job)
    store.close()
    again = JobStore(state, clock)
    assert again.all("root/virt") == (job,)
    again.remove(job.uuid)
    again.close()
    with closing(JobStore(state, clock)) as last:
        assert last.all("root/virt") == ()


def test_more_operations_than_the_server_bears_are_refused(
    endpoint: SimulatedEndpoint,
) -> None:
    store = JobStore()
    operations = Operations(store, 0.0, most=1)
    endpoint.gate.clear()

    def run() -> MethodResult:
        return operations.run(
            "Test",
            endpoint,
            lambda monitor: MethodResult(return_value=endpoint.destroy("x", monitor)),
            namespace="root/virt",
            source=system_path(0),
            job_path=lambda uuid: ObjectPath("VirtCIM_ConcreteJob", {"InstanceID": uuid}),
        )

    first = run()
    assert first.return_value == 4096
    with pytest.raises(CimError) as refused:
        run()
    assert refused.value.status_code == StatusCode.SERVER_LIMITS_EXCEEDED
    endpoint.gate.set()
    wait_for(lambda: not store.unfinished())
    store.close()
