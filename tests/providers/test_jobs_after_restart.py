"""Jobs that an earlier server left behind, what jobs have to do with, and how they are removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import REPOSITORY, identity, image
from tests.providers.waiting import ended, job_of, wait_for
from virtcim.errormap import ErrorCode, HypervisorError, from_xapi
from virtcim.hypervisor.change import AddedDevices, Made
from virtcim.providers import CimError, ObjectPath, Providers, Record, StateError, StatusCode
from virtcim.providers.state.job_store import JobStore

VM = "VirtCIM_ComputerSystem"
TASK = "OpaqueRef:task"
NAMESPACE = "root/virt"
VSMS = ObjectPath("VirtCIM_VirtualSystemManagementService", namespace=NAMESPACE)
POOLS = ObjectPath("VirtCIM_ResourcePoolConfigurationService", namespace=NAMESPACE)


def system_path(number: int) -> ObjectPath:
    keys = {"CreationClassName": VM, "Name": identity("vm", number)}
    return ObjectPath(VM, keys, namespace=NAMESPACE)


def start(providers: Providers, number: int = 1) -> ObjectPath:
    return job_of(
        providers.invoke_method(system_path(number), "RequestStateChange", {"RequestedState": 2})
    )


@pytest.fixture
def left_behind(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str
) -> Iterator[ObjectPath]:
    """A job whose server has ended while its task went on."""
    endpoint.gate.clear()
    first = make_providers(endpoint, state=state, job_after_s=0.0)
    job = start(first)
    wait_for(lambda: endpoint.monitor is not None)
    first.close()
    yield job
    endpoint.gate.set()


def again(endpoint: SimulatedEndpoint, **options: Any) -> SimulatedEndpoint:
    """What the next server sees of the same hypervisor."""
    successor = SimulatedEndpoint(systems=20)
    successor.current = endpoint.current
    for name, value in options.items():
        setattr(successor, name, value)
    return successor


def test_a_job_whose_task_has_succeeded_meanwhile_is_completed(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str, left_behind: ObjectPath
) -> None:
    successor = again(endpoint, known_tasks={TASK: Made()})
    record = ended(make_providers(successor, state=state), left_behind)
    assert (record.values["JobState"], record.values["PercentComplete"]) == (7, 100)
    assert record.values["ErrorCode"] == 0
    assert successor.followed == ["RequestStateChange"]


def test_a_job_whose_task_has_failed_meanwhile_ends_in_its_error(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str, left_behind: ObjectPath
) -> None:
    fault = from_xapi(["SR_FULL", "1", "2"], operation="VM.start")
    successor = again(endpoint, known_tasks={TASK: HypervisorError(fault)})
    providers = make_providers(successor, state=state)
    record = ended(providers, left_behind)
    assert record.values["JobState"] == 10
    assert record.values["ErrorCode"] == ErrorCode.ERR_OUT_OF_DISK_SPACE
    error = providers.invoke_method(left_behind, "GetError", {}).output["Error"]
    assert isinstance(error, Record)
    assert error.values["MessageID"] == "ERR_OUT_OF_DISK_SPACE"


def test_a_job_whose_task_nobody_knows_cannot_be_verified(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str, left_behind: ObjectPath
) -> None:
    record = ended(make_providers(again(endpoint), state=state), left_behind)
    assert record.values["JobState"] == 10
    assert record.values["ErrorCode"] == ErrorCode.ERR_UNABLE_TO_VERIFY_STATE


def test_a_task_that_was_only_one_step_decides_nothing(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str
) -> None:
    endpoint.gate.clear()
    endpoint.decisive = False
    first = make_providers(endpoint, state=state, job_after_s=0.0)
    job = start(first)
    wait_for(lambda: endpoint.monitor is not None)
    first.close()
    endpoint.gate.set()
    providers = make_providers(again(endpoint, known_tasks={TASK: Made()}), state=state)
    record = ended(providers, job)
    assert record.values["ErrorCode"] == ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    assert "nobody did the others" in str(record.values["ErrorDescription"])


def test_a_job_goes_on_and_can_be_cancelled_while_its_task_goes_on(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str, left_behind: ObjectPath
) -> None:
    successor = again(endpoint, known_tasks={TASK: Made()})
    successor.gate.clear()
    providers = make_providers(successor, state=state)
    wait_for(lambda: successor.followed != [])
    assert providers.get_instance(left_behind).values["JobState"] == 4
    providers.invoke_method(left_behind, "RequestStateChange", {"RequestedState": 4})
    assert successor.cancelled == [TASK]
    assert ended(providers, left_behind).values["JobState"] == 8


def test_a_job_waits_for_a_hypervisor_that_is_away(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str, left_behind: ObjectPath
) -> None:
    successor = again(endpoint, known_tasks={TASK: Made()}, disconnected=True)
    providers = make_providers(successor, state=state)
    assert providers.get_instance(left_behind).values["JobState"] == 4
    successor.disconnected = False
    assert ended(providers, left_behind).values["JobState"] == 7


def test_a_hypervisor_that_stays_away_leaves_the_job_unverified(
    endpoint: SimulatedEndpoint,
    make_providers: MakeProviders,
    state: str,
    left_behind: ObjectPath,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("virtcim.providers.jobs.runner._REACH_S", 0.0)
    record = ended(make_providers(again(endpoint, disconnected=True), state=state), left_behind)
    assert record.values["ErrorCode"] == ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    assert "cannot be asked" in str(record.values["ErrorDescription"])


def test_a_job_of_a_hypervisor_that_is_no_longer_served_is_unverified(
    make_providers: MakeProviders, state: str, left_behind: ObjectPath
) -> None:
    make_providers(SimulatedEndpoint(1, name="other"), state=state).close()
    with closing(JobStore(state)) as store:
        found = [job for job in store.all(NAMESPACE) if job.ended]
    assert [job.error_code for job in found] == [ErrorCode.ERR_UNABLE_TO_VERIFY_STATE]
    assert left_behind.key("InstanceID") == f"VirtCIM:{found[0].uuid}"


def test_a_failure_other_than_the_cancellation_is_told_as_what_it_is(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.gate.clear()
    providers = make_providers(endpoint, job_after_s=0.0)
    job = start(providers)
    wait_for(lambda: endpoint.monitor is not None)

    def fail(_: str) -> None:
        endpoint.refusal = HypervisorError(from_xapi(["SR_FULL", "1", "2"], operation="VM.start"))
        endpoint.gate.set()

    monkeypatch.setattr(endpoint, "cancel", fail)
    providers.invoke_method(job, "RequestStateChange", {"RequestedState": 4})
    record = ended(providers, job)
    assert record.values["JobState"] == 10
    assert record.values["ErrorCode"] == ErrorCode.ERR_OUT_OF_DISK_SPACE


@pytest.mark.parametrize(("delete", "remains"), [(True, False), (False, True), (None, True)])
def test_a_job_goes_with_its_end_where_the_client_wants_that(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, delete: bool | None, remains: bool
) -> None:
    endpoint.gate.clear()
    providers = make_providers(endpoint, job_after_s=0.0)
    job = start(providers)
    wait_for(lambda: endpoint.monitor is not None)
    providers.invoke_method(job, "KillJob", {"DeleteOnKill": delete})
    if remains:
        assert ended(providers, job).values["JobState"] == 9
        return

    def gone() -> bool:
        return list(providers.enumerate_instances(NAMESPACE, "VirtCIM_ConcreteJob")) == []

    wait_for(gone)
    with pytest.raises(CimError) as caught:
        providers.get_instance(job)
    assert caught.value.status_code == StatusCode.NOT_FOUND


def test_a_time_limit_for_cancelling_is_not_supported(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders
) -> None:
    endpoint.gate.clear()
    providers = make_providers(endpoint, job_after_s=0.0)
    job = start(providers)
    parameters = {"RequestedState": 4, "TimeoutPeriod": timedelta(seconds=1)}
    assert providers.invoke_method(job, "RequestStateChange", parameters).return_value == 4098
    assert endpoint.cancelled == []
    endpoint.gate.set()


def test_progress_never_goes_back(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders
) -> None:
    endpoint.gate.clear()
    providers = make_providers(endpoint, job_after_s=0.0)
    job = start(providers)
    wait_for(lambda: providers.get_instance(job).values["PercentComplete"] == 25)
    assert endpoint.monitor is not None
    for fraction, percent in ((0.5, 50), (0.1, 50), (1.0, 99), (7.5, 99)):
        endpoint.monitor.progress(fraction)
        assert providers.get_instance(job).values["PercentComplete"] == percent
    endpoint.gate.set()


def test_a_job_is_associated_with_what_it_changes_and_what_it_was_asked_of(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders
) -> None:
    endpoint.gate.clear()
    providers = make_providers(endpoint, job_after_s=0.0)
    job, system = start(providers), system_path(1)
    for name in ("CIM_AffectedJobElement", "CIM_OwningJobElement"):
        assert providers.associator_names(job, assoc_class=name) == [system]
        assert providers.associator_names(system, assoc_class=name) == [job]
    other = system_path(2)
    assert providers.associator_names(other, assoc_class="CIM_AffectedJobElement") == []
    assert providers.get_instance(job).values["Owner"] == f"{VM}.RequestStateChange"
    endpoint.gate.set()


def test_what_a_job_has_made_is_found_by_the_job(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders
) -> None:
    providers = make_providers(endpoint, job_after_s=0.0)
    endpoint.gate.clear()
    pool = ObjectPath(
        "VirtCIM_StoragePool",
        {"InstanceID": f"VirtCIM:{REPOSITORY.uuid}/StoragePool"},
        namespace=NAMESPACE,
    )
    setting = Record(
        "CIM_StorageAllocationSettingData",
        {"ElementName": "made", "VirtualQuantity": 512, "AllocationUnits": "byte"},
    )
    job = job_of(
        providers.invoke_method(POOLS, "CreateResourceInPool", {"Settings": setting, "Pool": pool})
    )
    name = "VirtCIM_AffectedJobElement"
    assert providers.associator_names(job, assoc_class=name) == [pool]
    endpoint.gate.set()
    assert ended(providers, job).values["JobState"] == 7
    before, made = providers.references(job, result_class=name)
    assert before.values.get("ElementEffects") is None
    assert made.values["ElementEffects"] == [5]
    image = made.values["AffectedElement"]
    assert isinstance(image, ObjectPath)
    assert providers.get_instance(image).values["ElementName"] == "made"
    [owner] = providers.associator_names(job, assoc_class="VirtCIM_OwningJobElement")
    assert owner.class_name == "VirtCIM_ResourcePoolConfigurationService"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Made(), []),
        (Made(system=identity("vm", 2)), [VM]),
        (
            Made(
                changed_system=identity("vm", 5),
                devices=AddedDevices(disks=("vda", "vdb"), network_ports=("0",)),
            ),
            [
                "VirtCIM_DiskResourceAllocationSettingData",
                "VirtCIM_DiskResourceAllocationSettingData",
                "VirtCIM_NetworkPortResourceAllocationSettingData",
            ],
        ),
        (Made(repository=REPOSITORY.uuid), ["VirtCIM_StoragePool"]),
        (Made(image=image("vm1-0.qcow2").uuid), ["VirtCIM_DiskImage"]),
    ],
)
def test_what_a_job_has_made_is_found_by_it_also_after_a_restart(
    endpoint: SimulatedEndpoint,
    make_providers: MakeProviders,
    state: str,
    left_behind: ObjectPath,
    made: Made,
    expected: list[str],
) -> None:
    providers = make_providers(again(endpoint, known_tasks={TASK: made}), state=state)
    assert ended(providers, left_behind).values["JobState"] == 7
    found = providers.references(left_behind, result_class="VirtCIM_AffectedJobElement")
    elements = [one.values["AffectedElement"] for one in found if one.values.get("ElementEffects")]
    assert [one.class_name for one in elements if isinstance(one, ObjectPath)] == expected
    for element in elements:
        assert isinstance(element, ObjectPath)
        assert left_behind in providers.associator_names(
            element, assoc_class="VirtCIM_AffectedJobElement"
        )


def test_what_is_gone_is_not_associated_any_more(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders
) -> None:
    providers = make_providers(endpoint, job_after_s=0.0)
    endpoint.gate.clear()
    job = job_of(providers.invoke_method(VSMS, "DestroySystem", {"AffectedSystem": system_path(1)}))
    assert providers.associator_names(job, result_class=VM) == [system_path(1)]
    endpoint.gate.set()
    ended(providers, job)
    assert providers.associator_names(job, result_class=VM) == []


def test_the_elements_of_a_job_outlive_the_server(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, state: str, left_behind: ObjectPath
) -> None:
    providers = make_providers(again(endpoint, known_tasks={TASK: Made()}), state=state)
    ended(providers, left_behind)
    [system] = providers.associator_names(left_behind, assoc_class="VirtCIM_AffectedJobElement")
    assert system == system_path(1)
    providers.delete_instance(left_behind)
    assert providers.associator_names(system, assoc_class="VirtCIM_AffectedJobElement") == []


def test_a_database_without_its_driver_is_refused_in_a_sentence() -> None:
    with pytest.raises(StateError, match=r"cannot be kept in nosuch://me:\*\*\*@host/database: "):
        JobStore("nosuch://me:secret@host/database")


def test_a_second_server_on_the_same_state_is_refused_until_the_first_has_ended(
    tmp_path: Path,
) -> None:
    first = JobStore(str(tmp_path))
    with pytest.raises(StateError, match=f"another server keeps its state in {tmp_path}"):
        JobStore(str(tmp_path))
    first.close()
    first.close()
    JobStore(str(tmp_path)).close()
