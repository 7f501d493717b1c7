"""What every endpoint promises of following: changes by others, and lost connections."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.hypervisor.contract.conftest import Define
from tests.hypervisor.contract.subjects import Subject
from tests.hypervisor.contract.systems import (
    MIB,
    code_of,
    disconnected,
    eventually,
    pool_of,
    specification,
    system_of,
    until,
)
from virtcim.errormap import ErrorCode, Fault, HypervisorError
from virtcim.hypervisor import (
    AddedDevices,
    DiskImageSpec,
    DiskSpec,
    Endpoint,
    Inventory,
    PowerOperation,
    PowerState,
    StorageRepositorySpec,
    VirtualSystemChange,
)


def test_what_others_do_is_seen_without_asking(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    image = DiskImageSpec(
        name_label=f"made-{uuid4()}", sr_uuid=pool_of(endpoint), size_bytes=MIB, format="raw"
    )
    with subject.another() as (other, _):
        uuid = define(disks=(DiskSpec(id="vda", path=subject.new_image(), format="raw"),))
        eventually(other, lambda seen: [one.id for one in seen.virtual_systems[uuid].disks])
        for operation, state in (
            (PowerOperation.START, PowerState.RUNNING),
            (PowerOperation.PAUSE, PowerState.PAUSED),
            (PowerOperation.HARD_SHUTDOWN, PowerState.HALTED),
        ):
            endpoint.change_power(uuid, operation)
            eventually(other, lambda seen, state=state: _state(seen, uuid) is state)
        change = VirtualSystemChange(
            name_label=f"renamed-{uuid}",
            added_disks=(DiskSpec(id="vdb", path=subject.new_image(), format="raw"),),
        )
        endpoint.modify(uuid, change)
        eventually(
            other,
            lambda seen: (
                seen.virtual_systems[uuid].name_label == change.name_label
                and {disk.id for disk in seen.virtual_systems[uuid].disks} == {"vda", "vdb"}
            ),
        )
        made = endpoint.storage.create_image(image)
        eventually(other, lambda seen: made in seen.disk_images)
        endpoint.storage.delete_image(made)
        eventually(other, lambda seen: made not in seen.disk_images)
        endpoint.destroy(uuid)
        eventually(other, lambda seen: uuid not in seen.virtual_systems)


def _state(inventory: Inventory, uuid: str) -> PowerState | None:
    system = inventory.virtual_systems.get(uuid)
    return None if system is None else system.power_state


def test_later_inventories_have_greater_generations(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    with subject.another() as (other, line):
        eventually(other, lambda seen: uuid in seen.virtual_systems)
        generations = [other.inventory().generation]
        for label in ("one", "two", "three"):
            endpoint.modify(uuid, VirtualSystemChange(name_label=f"{label}-{uuid}"))
            seen = eventually(
                other,
                lambda seen, label=label: (
                    seen.virtual_systems[uuid].name_label == f"{label}-{uuid}"
                ),
            )
            generations.append(seen.generation)
            if label == "two":
                line.lose()
                disconnected(other)
                line.restore()
    assert generations == sorted(set(generations))


def test_a_watcher_hears_of_every_change_in_order_and_of_a_lost_connection(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    with subject.another() as (other, line):
        eventually(other, lambda seen: uuid in seen.virtual_systems)
        heard: list[Inventory | Fault] = []
        end = other.watch(heard.append)
        first = heard[0]
        assert isinstance(first, Inventory), "what there is now is heard of first"
        assert uuid in first.virtual_systems

        def heard_state(state: PowerState) -> bool:
            last = heard[-1]
            return isinstance(last, Inventory) and _state(last, uuid) is state

        endpoint.change_power(uuid, PowerOperation.START)
        until(lambda: heard_state(PowerState.RUNNING))
        line.lose()
        until(lambda: isinstance(heard[-1], Fault))
        count = len(heard)
        line.restore()
        until(lambda: heard_state(PowerState.RUNNING))
        assert all(isinstance(each, Inventory) for each in heard[count:])
        assert sum(isinstance(each, Fault) for each in heard) == 1
        end()
        count = len(heard)
        endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN)
        eventually(other, lambda seen: _state(seen, uuid) is PowerState.HALTED)
        assert len(heard) == count
    generations = [each.generation for each in heard if isinstance(each, Inventory)]
    # What is there again may be what was there before.
    assert generations == sorted(generations)


def test_that_an_endpoint_is_closed_is_no_news(subject: Subject) -> None:
    with subject.another() as (other, _):
        eventually(other, lambda seen: seen.hosts)
        heard: list[Inventory | Fault] = []
        other.watch(heard.append)
        other.close()
        disconnected(other)
        assert all(isinstance(each, Inventory) for each in heard)


def _operations(endpoint: Endpoint, uuid: str, image: str) -> list[Callable[[], object]]:
    spec = StorageRepositorySpec(name_label=f"never-{uuid}", location="/never")
    new = DiskImageSpec(name_label=f"never-{uuid}", sr_uuid=pool_of(endpoint), size_bytes=MIB)
    return [
        lambda: endpoint.change_power(uuid, PowerOperation.START),
        lambda: endpoint.define(specification(name_label=f"never-{uuid}")),
        lambda: endpoint.modify(uuid, VirtualSystemChange(name_label=f"never-{uuid}")),
        lambda: endpoint.destroy(uuid),
        lambda: endpoint.storage.create_repository(spec),
        lambda: endpoint.storage.remove_repository(new.sr_uuid),
        lambda: endpoint.storage.create_image(new),
        lambda: endpoint.storage.resize_image(image, 2 * MIB),
        lambda: endpoint.storage.delete_image(image),
    ]


def _contents(inventory: Inventory) -> tuple[object, ...]:
    """All that operations could have changed."""
    return (
        {
            uuid: (one.name_label, one.power_state)
            for uuid, one in inventory.virtual_systems.items()
        },
        set(inventory.storage_repositories),
        {uuid: one.virtual_size_bytes for uuid, one in inventory.disk_images.items()},
    )


@pytest.mark.parametrize("ends", ["lost", "closed"])
def test_without_a_connection_everything_fails_and_nothing_is_done(
    endpoint: Endpoint, subject: Subject, uuid: str, ends: str
) -> None:
    [disk] = system_of(endpoint, uuid).disks
    assert disk.image is not None
    with subject.another() as (other, line):
        operations = _operations(other, uuid, disk.image.uuid)
        if ends == "lost":
            line.lose()
        else:
            other.close()
        failure = disconnected(other)
        assert code_of(failure) is ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED
        assert not failure.fault.sent
        before = _contents(endpoint.inventory())
        for operation in operations:
            with pytest.raises(HypervisorError) as raised:
                operation()
            assert code_of(raised.value) is ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED
            assert not raised.value.fault.sent
        with pytest.raises(HypervisorError):
            other.cancel("OpaqueRef:task")
        assert other.modify(uuid, VirtualSystemChange()) == AddedDevices()
    assert _contents(endpoint.inventory()) == before


def test_what_happened_meanwhile_is_seen_when_the_connection_is_back(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    stays, goes, changes = (define() for _ in range(3))
    with subject.another() as (other, line):
        eventually(other, lambda seen: {stays, goes, changes} <= set(seen.virtual_systems))
        before = other.inventory()
        line.lose()
        disconnected(other)
        endpoint.destroy(goes)
        endpoint.modify(changes, VirtualSystemChange(name_description="meanwhile"))
        endpoint.change_power(changes, PowerOperation.START)
        comes = define()
        line.restore()
        # Whatever the first read after that shows is all of it.
        after = eventually(other, lambda _: True)
        assert goes not in after.virtual_systems
        assert after.virtual_systems[comes].name_label == system_of(endpoint, comes).name_label
        changed = after.virtual_systems[changes]
        assert (changed.name_description, changed.power_state) == ("meanwhile", PowerState.RUNNING)
        assert after.virtual_systems[stays] == before.virtual_systems[stays]
        other.change_power(changes, PowerOperation.HARD_SHUTDOWN)
        assert system_of(other, changes).power_state is PowerState.HALTED


def test_the_first_connection_is_waited_for(subject: Subject) -> None:
    with subject.another() as (other, _):
        assert other.wait_attempted(0.0)
        assert other.inventory().hosts
