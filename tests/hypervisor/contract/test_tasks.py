"""What every endpoint promises of the tasks that carry operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from tests.hypervisor.contract.subjects import Line, Subject
from tests.hypervisor.contract.systems import (
    MIB,
    Begun,
    Witness,
    code_of,
    eventually,
    pool_of,
    specification,
    system_of,
    until,
)
from virtcim.errormap import ErrorCode, HypervisorError, from_transport, from_xapi
from virtcim.hypervisor import (
    AddedDevices,
    DiskImageSpec,
    DiskSpec,
    Endpoint,
    PowerOperation,
    PowerState,
    RolledBackError,
    StorageRepositorySpec,
    VirtualSystemChange,
)
from virtcim.hypervisor.change import Made


def test_the_monitor_learns_of_the_task_that_decides(endpoint: Endpoint, uuid: str) -> None:
    for operation in (
        lambda witness: endpoint.change_power(uuid, PowerOperation.START, witness),
        lambda witness: endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN, witness),
        lambda witness: endpoint.destroy(uuid, witness),
    ):
        witness = Witness()
        operation(witness)
        [(ref, decisive)] = witness.tasks
        assert (ref != "", decisive) == (True, True)
        assert all(0.0 <= fraction <= 1.0 for fraction in witness.fractions)


def test_only_the_cancellation_of_a_task_is_one(endpoint: Endpoint) -> None:
    cancelled = from_xapi(["TASK_CANCELLED", "OpaqueRef:task"], operation="VM.start")
    refused = from_xapi(["OPERATION_NOT_ALLOWED", "TASK_CANCELLED"], operation="VM.start")
    lost = from_transport(phase="after_send", exception="ConnectionLost", message="TASK_CANCELLED")
    assert endpoint.is_cancellation(cancelled)
    assert endpoint.is_cancellation(replace(refused, cause=replace(lost, cause=cancelled)))
    for other in (refused, lost, replace(refused, cause=lost)):
        assert not endpoint.is_cancellation(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuttingDown:
    """A clean shutdown that no guest follows, asked for over a line of its own."""

    uuid: str
    begun: Begun
    endpoint: Endpoint
    line: Line


@pytest.fixture(scope="module")
def machine(subject: Subject) -> Iterator[str]:
    """A virtual system that the tests share."""
    disk = DiskSpec(id="vda", path=subject.new_image(), format="raw")
    uuid = subject.endpoint.define(specification(disks=(disk,)))
    yield uuid
    subject.endpoint.destroy(uuid)


@pytest.fixture
def shutting_down(subject: Subject, endpoint: Endpoint, machine: str) -> Iterator[ShuttingDown]:
    if system_of(endpoint, machine).power_state is PowerState.HALTED:
        endpoint.change_power(machine, PowerOperation.START)
    with subject.another() as (other, line):
        begun = Begun(
            lambda witness: other.change_power(machine, PowerOperation.CLEAN_SHUTDOWN, witness)
        )
        eventually(
            endpoint,
            lambda seen: seen.virtual_systems[machine].transition is PowerOperation.CLEAN_SHUTDOWN,
        )
        yield ShuttingDown(uuid=machine, begun=begun, endpoint=other, line=line)
        with suppress(HypervisorError):
            cancel(endpoint, begun.task)
        with suppress(HypervisorError):
            begun.result()
        eventually(endpoint, lambda seen: seen.virtual_systems[machine].transition is None)


def cancel(endpoint: Endpoint, task: str) -> None:
    """Ask for a task to be cancelled, until it has come to where it can be."""

    def accepted() -> bool:
        try:
            endpoint.cancel(task)
        except HypervisorError as exc:
            if exc.fault.code != "OPERATION_NOT_ALLOWED":
                raise
            return False
        return True

    until(accepted)


def test_an_operation_goes_on_until_its_task_has_ended(
    endpoint: Endpoint, shutting_down: ShuttingDown
) -> None:
    assert shutting_down.begun.task
    assert not shutting_down.begun.has_ended
    endpoint.change_power(shutting_down.uuid, PowerOperation.HARD_SHUTDOWN)
    shutting_down.begun.result()
    system = system_of(shutting_down.endpoint, shutting_down.uuid)
    assert (system.power_state, system.transition) == (PowerState.HALTED, None)


def test_a_cancelled_operation_ends_at_once_and_nothing_is_done(
    endpoint: Endpoint, shutting_down: ShuttingDown
) -> None:
    cancel(endpoint, shutting_down.begun.task)
    with pytest.raises(HypervisorError) as raised:
        shutting_down.begun.result()
    assert endpoint.is_cancellation(raised.value.fault)
    system = eventually(
        endpoint, lambda seen: seen.virtual_systems[shutting_down.uuid].transition is None
    ).virtual_systems[shutting_down.uuid]
    assert system.power_state is PowerState.RUNNING


def test_an_operation_goes_on_whatever_else_becomes_of_the_system_meanwhile(
    endpoint: Endpoint, shutting_down: ShuttingDown
) -> None:
    uuid = shutting_down.uuid
    for operation, state in (
        (PowerOperation.PAUSE, PowerState.PAUSED),
        (PowerOperation.UNPAUSE, PowerState.RUNNING),
    ):
        endpoint.change_power(uuid, operation)
        system = system_of(endpoint, uuid)
        assert (system.power_state, system.transition) == (state, PowerOperation.CLEAN_SHUTDOWN)
    cancel(endpoint, shutting_down.begun.task)
    with pytest.raises(HypervisorError) as raised:
        shutting_down.begun.result()
    assert endpoint.is_cancellation(raised.value.fault)


def test_a_task_whose_end_was_seen_cannot_be_cancelled_any_more(
    endpoint: Endpoint, uuid: str
) -> None:
    witness = Witness()
    endpoint.change_power(uuid, PowerOperation.START, witness)
    for task in (witness.tasks[0][0], "OpaqueRef:of-nothing"):
        with pytest.raises(HypervisorError) as raised:
            endpoint.cancel(task)
        assert raised.value.fault.code == "HANDLE_INVALID"
        assert not endpoint.is_cancellation(raised.value.fault)
    assert system_of(endpoint, uuid).power_state is PowerState.RUNNING


def test_nobody_knows_how_an_operation_ended_whose_connection_is_lost(
    endpoint: Endpoint, shutting_down: ShuttingDown
) -> None:
    shutting_down.line.lose()
    with pytest.raises(HypervisorError) as raised:
        shutting_down.begun.result()
    assert code_of(raised.value) is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    assert raised.value.fault.sent
    assert not endpoint.is_cancellation(raised.value.fault)
    assert not isinstance(raised.value, RolledBackError)


def test_nobody_waits_for_the_end_of_an_operation_when_its_endpoint_is_closed(
    shutting_down: ShuttingDown,
) -> None:
    assert shutting_down.begun.task
    shutting_down.endpoint.close()
    with pytest.raises(HypervisorError) as raised:
        shutting_down.begun.result()
    assert code_of(raised.value) is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE


def test_whoever_follows_a_task_learns_of_its_end(
    endpoint: Endpoint, shutting_down: ShuttingDown
) -> None:
    task = shutting_down.begun.task
    shutting_down.line.lose()
    following = Begun(lambda witness: endpoint.follow(task, "VM.clean_shutdown", witness))
    endpoint.change_power(shutting_down.uuid, PowerOperation.HARD_SHUTDOWN)
    assert following.result() == Made()
    assert following.witness.tasks == []
    assert system_of(endpoint, shutting_down.uuid).power_state is PowerState.HALTED


def test_whoever_follows_a_task_learns_of_its_cancellation(
    endpoint: Endpoint, shutting_down: ShuttingDown
) -> None:
    task = shutting_down.begun.task
    shutting_down.line.lose()
    following = Begun(lambda witness: endpoint.follow(task, "VM.clean_shutdown", witness))
    cancel(endpoint, task)
    with pytest.raises(HypervisorError) as raised:
        following.result()
    assert endpoint.is_cancellation(raised.value.fault)
    assert raised.value.fault.operation == "VM.clean_shutdown"


def test_whoever_follows_a_task_when_the_connection_is_lost_does_not_know_how_it_ended(
    endpoint: Endpoint, subject: Subject, shutting_down: ShuttingDown
) -> None:
    task = shutting_down.begun.task
    shutting_down.line.lose()
    with subject.another() as (other, line):
        following = Begun(lambda witness: other.follow(task, "VM.clean_shutdown", witness))
        line.lose()
        with pytest.raises(HypervisorError) as raised:
            following.result()
    assert code_of(raised.value) is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    # The task is still there for the next one.
    endpoint.change_power(shutting_down.uuid, PowerOperation.HARD_SHUTDOWN)
    assert endpoint.follow(task, "VM.clean_shutdown") == Made()


Operation = Callable[[Endpoint, Witness], object]
Follow = Callable[[Operation], tuple[str, bool]]


@pytest.fixture
def left(subject: Subject) -> Callable[[Operation], tuple[str, bool]]:
    """``left(operation)`` gives the task of one that somebody began who is gone then.

    Nothing is given where no task carries it, and whether the task decides.
    """

    def leave(operation: Operation) -> tuple[str, bool]:
        with subject.another() as (other, line):
            witness = Witness(on_task=line.lose)
            with suppress(HypervisorError):  # it may have ended before
                operation(other, witness)
        return witness.tasks[-1] if witness.tasks else ("", False)

    return leave


def test_whoever_follows_a_task_learns_what_it_has_made(
    endpoint: Endpoint, subject: Subject, left: Follow
) -> None:
    name, directory = f"made-{uuid4()}", subject.new_directory()
    image = DiskImageSpec(name_label=name, sr_uuid=pool_of(endpoint), size_bytes=MIB, format="raw")
    task, decisive = left(lambda other, witness: other.storage.create_image(image, witness))
    made = endpoint.follow(task, "VDI.create")
    assert decisive
    assert made == Made(image=made.image)
    assert endpoint.inventory().disk_images[made.image].name_label == name
    endpoint.storage.delete_image(made.image)
    pool = StorageRepositorySpec(name_label=name, location=directory)
    task, decisive = left(lambda other, witness: other.storage.create_repository(pool, witness))
    made = endpoint.follow(task, "SR.create")
    assert decisive
    assert made == Made(repository=made.repository)
    assert endpoint.inventory().storage_repositories[made.repository].location == directory
    endpoint.storage.remove_repository(made.repository)


def test_whoever_follows_the_task_of_a_whole_definition_learns_of_the_system(
    endpoint: Endpoint, subject: Subject, left: Follow
) -> None:
    spec = specification(
        uuid=str(uuid4()), disks=(DiskSpec(id="vda", path=subject.new_image(), format="raw"),)
    )
    task, decisive = left(lambda other, witness: other.define(spec, witness))
    if decisive:
        made = endpoint.follow(task, "VM.create")
        assert made == Made(system=spec.uuid)
    system = eventually(endpoint, lambda seen: spec.uuid in seen.virtual_systems).virtual_systems[
        spec.uuid
    ]
    assert (system.name_label, [disk.id for disk in system.disks]) == (spec.name_label, ["vda"])
    endpoint.destroy(spec.uuid)


def test_whoever_follows_the_task_of_a_whole_change_learns_of_the_devices(
    endpoint: Endpoint, subject: Subject, uuid: str, left: Follow
) -> None:
    change = VirtualSystemChange(added_disks=(DiskSpec(path=subject.new_image(), format="raw"),))
    task, decisive = left(lambda other, witness: other.modify(uuid, change, witness))
    if decisive:
        made = endpoint.follow(task, "VM.modify")
        [place] = made.devices.disks
        assert made == Made(changed_system=uuid, devices=AddedDevices(disks=(place,)))
        assert {disk.id for disk in system_of(endpoint, uuid).disks} == {"vda", place}


def test_whoever_follows_a_task_learns_what_made_it_fail(
    endpoint: Endpoint, uuid: str, left: Follow
) -> None:
    task, _ = left(lambda other, witness: other.change_power(uuid, PowerOperation.PAUSE, witness))
    cancel(endpoint, task)  # at its end, so that nothing happens
    with pytest.raises(HypervisorError) as raised:
        endpoint.follow(task, "VM.pause")
    assert code_of(raised.value) is ErrorCode.ERR_WRONG_STATE_FOR_OP
    assert not endpoint.is_cancellation(raised.value.fault)


def test_how_a_task_ended_that_nobody_knows_cannot_be_told(endpoint: Endpoint, uuid: str) -> None:
    witness = Witness()
    endpoint.change_power(uuid, PowerOperation.START, witness)
    for task in (witness.tasks[0][0], "OpaqueRef:of-nothing"):
        with pytest.raises(HypervisorError) as raised:
            endpoint.follow(task, "VM.start")
        assert code_of(raised.value) is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
