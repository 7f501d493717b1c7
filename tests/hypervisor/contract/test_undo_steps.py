"""What every endpoint promises of operations that nobody finished: whole, or taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.hypervisor.contract.subjects import Subject
from tests.hypervisor.contract.systems import (
    MIB,
    code_of,
    disconnected,
    eventually,
    network_of,
    pool_of,
    specification,
    system_of,
    until,
)
from virtcim.errormap import ErrorCode, HypervisorError
from virtcim.hypervisor import (
    DiskImageSpec,
    DiskSpec,
    Endpoint,
    Inventory,
    NetworkPortSpec,
    RolledBackError,
    VirtualSystemChange,
)
from virtcim.hypervisor.undo import (
    MemoryUndoLog,
    UndoLog,
    UndoLogError,
    UndoStep,
    UnfinishedOperation,
)


class FullLog:
    """A log in which nothing can be written down."""

    def put(self, operation: UnfinishedOperation) -> None:
        raise UndoLogError("the disk is full")

    def remove(self, operation_id: str) -> None:
        raise UndoLogError("the disk is full")

    def unfinished(self) -> tuple[UnfinishedOperation, ...]:
        return ()


def _taken_back(log: UndoLog) -> None:
    until(lambda: not log.unfinished())


def _failure(operation: Callable[[], object]) -> HypervisorError | None:
    try:
        operation()
    except HypervisorError as exc:
        return exc
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """Where an operation is cut off: at a call that changes something, after so many others."""

    others: int
    arrives: bool


def _is_whole(subject: Subject, cut: _Cut, operation: Callable[[Endpoint], object]) -> bool | None:
    """Cut an operation off, and let the next process take over; None where it had fewer calls."""
    log = MemoryUndoLog()
    with subject.another() as (endpoint, line):
        endpoint.keep_undo_steps(log)
        line.lose_at(cut.others, arrives=cut.arrives)
        failure = _failure(lambda: operation(endpoint))
        if not line.lost:
            assert failure is None
            assert not log.unfinished()
            return None
        # What was begun in several steps is known to the log as long as it is not whole.
        whole = failure is None or (cut.arrives and not log.unfinished())
    if failure is not None:
        assert not isinstance(failure, RolledBackError)
        assert code_of(failure) is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    with subject.another() as (successor, _):
        successor.keep_undo_steps(log)
        _taken_back(log)
    return whole


def _names(inventory: Inventory, repository: str) -> set[str]:
    return {one.name_label for one in inventory.disk_images.values() if one.sr_uuid == repository}


@pytest.mark.parametrize("arrives", [False, True], ids=["before the call", "before the answer"])
def test_a_definition_that_is_cut_off_is_whole_or_the_next_process_takes_it_back(
    endpoint: Endpoint, subject: Subject, *, arrives: bool
) -> None:
    repository, uuid = pool_of(endpoint), str(uuid4())
    spec = specification(
        uuid=uuid,
        disks=(
            DiskSpec(id="vda", sr_uuid=repository, size_bytes=MIB, format="raw"),
            DiskSpec(id="vdb", path=subject.new_image(), format="raw"),
        ),
        network_ports=(NetworkPortSpec(network_uuid=network_of(endpoint)),),
    )
    before = _names(endpoint.inventory(), repository)
    wholes: list[bool | None] = []
    while None not in wholes:
        cut = _Cut(others=len(wholes), arrives=arrives)
        wholes.append(_is_whole(subject, cut, lambda cut_off: cut_off.define(spec)))
        if wholes[-1] is False:
            seen = eventually(endpoint, lambda seen: uuid not in seen.virtual_systems)
            assert _names(seen, repository) == before
            continue
        seen = eventually(endpoint, lambda seen: uuid in seen.virtual_systems)
        system = seen.virtual_systems[uuid]
        assert {disk.id for disk in system.disks} == {"vda", "vdb"}
        assert len(system.network_ports) == 1
        endpoint.destroy(uuid)
        [made] = [disk.image for disk in system.disks if disk.id == "vda"]
        assert made is not None
        endpoint.storage.delete_image(made.uuid)
        assert _names(endpoint.inventory(), repository) == before
    assert wholes[0] is arrives or len(wholes) > 3


@pytest.mark.parametrize("arrives", [False, True], ids=["before the call", "before the answer"])
def test_a_change_that_is_cut_off_is_whole_or_the_next_process_takes_it_back(
    endpoint: Endpoint, subject: Subject, uuid: str, *, arrives: bool
) -> None:
    def facts(inventory: Inventory) -> tuple[object, ...]:
        system = inventory.virtual_systems[uuid]
        return (
            system.name_description,
            system.vcpus_max,
            {disk.id for disk in system.disks},
            [(port.id, port.mac_address, port.network_uuid) for port in system.network_ports],
        )

    change = VirtualSystemChange(
        name_description="changed",
        vcpus_max=4,
        added_disks=(DiskSpec(id="vdb", path=subject.new_image(), format="raw"),),
        removed_network_ports=("0",),
    )
    [port] = system_of(endpoint, uuid).network_ports
    back = VirtualSystemChange(
        name_description="",
        vcpus_max=2,
        removed_disks=("vdb",),
        added_network_ports=(
            NetworkPortSpec(id="0", mac_address=port.mac_address, network_uuid=port.network_uuid),
        ),
    )
    before, after = facts(endpoint.inventory()), ("changed", 4, {"vda", "vdb"}, [])
    wholes: list[bool | None] = []
    while None not in wholes:
        cut = _Cut(others=len(wholes), arrives=arrives)
        wholes.append(_is_whole(subject, cut, lambda cut_off: cut_off.modify(uuid, change)))
        expected = before if wholes[-1] is False else after
        eventually(endpoint, lambda seen, expected=expected: facts(seen) == expected)
        if wholes[-1] is not False:
            endpoint.modify(uuid, back)
            assert facts(endpoint.inventory()) == before
    assert wholes[0] is arrives or len(wholes) > 3


def test_nothing_is_begun_that_cannot_be_written_down_first(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    repository = pool_of(endpoint)
    new = DiskSpec(id="vdb", sr_uuid=repository, size_bytes=MIB, format="raw")
    spec = specification(uuid=str(uuid4()), disks=(new,))
    change = VirtualSystemChange(added_disks=(new,))
    before = endpoint.inventory()
    with subject.another() as (other, _):
        other.keep_undo_steps(FullLog())
        operations = {
            spec.uuid: lambda: other.define(spec),
            uuid: lambda: other.modify(uuid, change),
        }
        for changed, operation in operations.items():
            failure = _failure(operation)
            after = eventually(endpoint, lambda _: True)
            if failure is None:  # it is one call, which needs no steps
                [image] = [
                    disk.image for disk in after.virtual_systems[changed].disks if disk.id == "vdb"
                ]
                assert image is not None
                endpoint.destroy(changed)
                endpoint.storage.delete_image(image.uuid)
            else:
                assert isinstance(failure, RolledBackError)
                assert failure.fault.code == "UNDO_NOT_STORED"
                assert after.virtual_systems == before.virtual_systems
                assert _names(after, repository) == _names(before, repository)


def _left(call: str, ref: str, name: str) -> UnfinishedOperation:
    return UnfinishedOperation(
        id=name,
        name="VM.create",
        subject=name,
        begun=datetime(2026, 11, 1, tzinfo=UTC),
        steps=(UndoStep(does=call, call=call, ref=ref, found_by={"name_label": name}, done=True),),
    )


def test_what_an_earlier_process_left_is_taken_back_as_soon_as_that_can_be_done(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    image = endpoint.storage.create_image(
        DiskImageSpec(name_label=f"left-{uuid}", sr_uuid=pool_of(endpoint), size_bytes=MIB)
    )
    disk = DiskSpec(id="vdb", image_uuid=image)
    endpoint.modify(uuid, VirtualSystemChange(added_disks=(disk,)))
    seen = endpoint.inventory()
    log = MemoryUndoLog()
    log.put(_left("VDI.destroy", seen.disk_images[image].ref, f"left-{uuid}"))
    log.put(_left("VM.destroy", "OpaqueRef:of-nothing", "gone"))
    with subject.another() as (other, line):
        line.lose()
        disconnected(other)
        other.keep_undo_steps(log)
        assert {one.id for one in log.unfinished()} == {f"left-{uuid}", "gone"}
        line.restore()
        # What is gone needs no taking back; what is in use cannot be taken back yet.
        until(lambda: {one.id for one in log.unfinished()} == {f"left-{uuid}"})
        assert image in endpoint.inventory().disk_images
        endpoint.modify(uuid, VirtualSystemChange(removed_disks=("vdb",)))
        _taken_back(log)
        eventually(endpoint, lambda seen: image not in seen.disk_images)
    assert uuid in endpoint.inventory().virtual_systems
