"""What every endpoint promises of its inventory: immutable values, each of one moment."""

from __future__ import annotations

from dataclasses import replace

from tests.hypervisor.contract.conftest import Define
from tests.hypervisor.contract.subjects import Subject
from tests.hypervisor.contract.systems import MIB, NOBODY, network_of, pool_of
from virtcim.hypervisor import (
    DiskSpec,
    Endpoint,
    Inventory,
    NetworkPortSpec,
    PowerOperation,
    PowerState,
    VirtualSystemChange,
)


def test_what_did_not_change_is_the_same_object_at_the_next_read(
    endpoint: Endpoint, define: Define, uuid: str
) -> None:
    other = define()
    before = endpoint.inventory()
    endpoint.modify(uuid, VirtualSystemChange(name_description="changed"))
    after = endpoint.inventory()
    assert after is not before
    assert after.generation != before.generation
    assert after.virtual_systems[uuid] is not before.virtual_systems[uuid]
    assert before.virtual_systems[uuid].name_description == ""
    assert after.virtual_systems[other] is before.virtual_systems[other]
    for kind in ("networks", "disk_images"):
        known = getattr(before, kind)
        same = {key: one for key, one in getattr(after, kind).items() if one == known.get(key)}
        assert same
        assert all(one is known[key] for key, one in same.items())


def test_the_first_host_is_the_one_with_the_smallest_uuid(endpoint: Endpoint) -> None:
    inventory = endpoint.inventory()
    first = inventory.first_host
    assert first is not None
    assert first is inventory.hosts[min(inventory.hosts)]
    others = {uuid: replace(first, uuid=uuid) for uuid in ("f" * 36, NOBODY)}
    pool = replace(inventory, hosts={first.uuid: first, **others})
    assert pool.first_host is others[NOBODY]
    assert replace(inventory, hosts={}).first_host is None


def _assert_whole(inventory: Inventory) -> None:
    """Everything that an object names is there, and is the very same object."""
    for uuid, system in inventory.virtual_systems.items():
        assert system.uuid == uuid
        assert system.resident_on in {"", *inventory.hosts}
        for disk in system.disks:
            assert disk.image is None or inventory.disk_images[disk.image.uuid] is disk.image
            assert disk.empty == (disk.image is None)
        for port in system.network_ports:
            assert port.network_uuid in {"", *inventory.networks}
    for image in inventory.disk_images.values():
        assert image.sr_uuid in inventory.storage_repositories


def test_an_inventory_is_of_one_moment_and_stays_what_it_was(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    kept: list[tuple[Inventory, str]] = []

    def keep() -> Inventory:
        inventory = endpoint.inventory()
        _assert_whole(inventory)
        kept.append((inventory, repr(inventory)))
        return inventory

    keep()
    new = DiskSpec(id="vda", sr_uuid=pool_of(endpoint), size_bytes=MIB, format="raw")
    port = NetworkPortSpec(network_uuid=network_of(endpoint))
    uuid = define(disks=(new,), network_ports=(port,))
    [disk] = keep().virtual_systems[uuid].disks
    assert disk.image is not None
    for operation in (
        PowerOperation.START,
        PowerOperation.PAUSE,
        PowerOperation.UNPAUSE,
        PowerOperation.SUSPEND,
        PowerOperation.HARD_SHUTDOWN,
    ):
        endpoint.change_power(uuid, operation)
        keep()
    added = DiskSpec(id="vdb", path=subject.new_image(), format="raw")
    endpoint.modify(uuid, VirtualSystemChange(added_disks=(added,)))
    keep()
    endpoint.destroy(uuid)
    keep()
    endpoint.storage.delete_image(disk.image.uuid)
    keep()
    generations = [inventory.generation for inventory, _ in kept]
    assert generations == sorted(generations)
    states = [
        inventory.virtual_systems[uuid].power_state
        for inventory, _ in kept
        if uuid in inventory.virtual_systems
    ]
    assert states == [
        *(PowerState.HALTED, PowerState.RUNNING, PowerState.PAUSED, PowerState.RUNNING),
        *(PowerState.SUSPENDED, PowerState.HALTED, PowerState.HALTED),
    ]
    assert [repr(inventory) for inventory, _ in kept] == [text for _, text in kept]
