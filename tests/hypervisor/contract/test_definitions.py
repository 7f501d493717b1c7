"""What every endpoint promises of defining and destroying virtual systems."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.hypervisor.contract.conftest import Define
from tests.hypervisor.contract.subjects import Subject
from tests.hypervisor.contract.systems import (
    MIB,
    NOBODY,
    code_of,
    network_of,
    pool_of,
    specification,
    system_of,
)
from virtcim.errormap import ErrorCode, HypervisorError
from virtcim.hypervisor import (
    DiskKind,
    DiskSpec,
    Endpoint,
    NetworkPortSpec,
    PowerOperation,
    PowerState,
    RolledBackError,
    VirtualSystemChange,
)


def test_what_was_defined_is_as_it_was_specified(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    boot, data, port = subject.new_image(), f"{uuid4()}", network_of(endpoint)
    wanted = str(uuid4())
    uuid = define(
        uuid=wanted,
        name_label=data,
        name_description='Déjà <vu> & "more"',
        memory_static_max_bytes=128 * MIB,
        vcpus_max=3,
        vcpus_at_startup=2,
        boot_order="cd",
        auto_start=True,
        actions_after_crash="destroy",
        disks=(
            DiskSpec(id="vda", path=boot, format="raw"),
            DiskSpec(id="vdb", sr_uuid=pool_of(endpoint), size_bytes=2 * MIB, format="qcow2"),
            DiskSpec(id="sda", kind=DiskKind.CD, read_only=True),
        ),
        network_ports=(
            NetworkPortSpec(network_uuid=port, mac_address="52:54:00:12:34:56", model="e1000"),
        ),
    )
    assert uuid == wanted
    system = system_of(endpoint, uuid)
    assert (system.uuid, system.power_state) == (uuid, PowerState.HALTED)
    assert (system.name_label, system.name_description) == (data, 'Déjà <vu> & "more"')
    assert system.memory_static_max_bytes == 128 * MIB
    assert system.memory_dynamic_max_bytes == 64 * MIB
    assert (system.vcpus_max, system.vcpus_at_startup) == (3, 2)
    assert (system.boot_order, system.auto_start) == ("cd", True)
    assert system.actions_after_crash == "destroy"
    disks = {disk.id: disk for disk in system.disks}
    assert {name: (disk.kind, disk.empty, disk.read_only) for name, disk in disks.items()} == {
        "vda": (DiskKind.DISK, False, False),
        "vdb": (DiskKind.DISK, False, False),
        "sda": (DiskKind.CD, True, True),
    }
    outside, inside = disks["vda"].image, disks["vdb"].image
    assert outside is not None
    assert inside is not None
    assert disks["sda"].image is None
    assert outside.location == boot
    assert (inside.sr_uuid, inside.virtual_size_bytes) == (pool_of(endpoint), 2 * MIB)
    assert (disks["vda"].format, disks["vdb"].format) == ("raw", "qcow2")
    images = endpoint.inventory().disk_images
    assert images[outside.uuid] is outside
    assert images[inside.uuid] is inside
    [found] = system.network_ports
    assert (found.id, found.mac_address) == ("0", "52:54:00:12:34:56")
    assert (found.network_uuid, found.model) == (port, "e1000")


def test_the_uuid_and_the_places_of_devices_are_chosen_where_none_is_wanted(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    disks = tuple(DiskSpec(path=subject.new_image(), format="raw") for _ in range(2))
    port = NetworkPortSpec(network_uuid=network_of(endpoint))
    made = [define(disks=disks, network_ports=(port, port)) for _ in range(2)]
    assert len(set(made)) == 2
    for uuid in made:
        system = system_of(endpoint, uuid)
        assert [disk.image.location for disk in system.disks if disk.image] == [
            disk.path for disk in disks
        ]
        assert len({disk.id for disk in system.disks} - {""}) == 2
        assert [each.id for each in system.network_ports] == ["0", "1"]
        assert all(each.mac_address for each in system.network_ports)


@pytest.mark.parametrize("cause", ["name", "uuid", "place", "network", "image", "repository"])
def test_nothing_remains_of_a_definition_that_fails(
    endpoint: Endpoint, subject: Subject, uuid: str, cause: str
) -> None:
    new = DiskSpec(id="vda", sr_uuid=pool_of(endpoint), size_bytes=2 * MIB, format="qcow2")
    spec, code = {
        "name": (
            specification(name_label=system_of(endpoint, uuid).name_label, disks=(new,)),
            ErrorCode.ERR_ALREADY_EXIST,
        ),
        "uuid": (specification(uuid=uuid, disks=(new,)), ErrorCode.ERR_ALREADY_EXIST),
        "place": (
            specification(disks=(new, DiskSpec(id="vda", path=subject.new_image(), format="raw"))),
            ErrorCode.ERR_ALREADY_EXIST,
        ),
        "network": (
            specification(disks=(new,), network_ports=(NetworkPortSpec(network_uuid=NOBODY),)),
            ErrorCode.ERR_BAD_PARAMETER,
        ),
        "image": (
            specification(disks=(new, DiskSpec(id="vdb", image_uuid=NOBODY))),
            ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE,
        ),
        "repository": (
            specification(disks=(new, DiskSpec(id="vdb", sr_uuid=NOBODY, size_bytes=MIB))),
            ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE,
        ),
    }[cause]
    before = endpoint.inventory()
    with pytest.raises(RolledBackError) as raised:
        endpoint.define(spec)
    after = endpoint.inventory()
    assert set(after.virtual_systems) == set(before.virtual_systems)
    assert set(after.disk_images) <= set(before.disk_images)
    assert code_of(raised.value) is code


@pytest.mark.parametrize("running", [False, True], ids=["halted", "running"])
def test_what_was_destroyed_is_gone_at_the_next_read_and_its_images_stay(
    endpoint: Endpoint, define: Define, *, running: bool
) -> None:
    new = DiskSpec(id="vda", sr_uuid=pool_of(endpoint), size_bytes=MIB, format="raw")
    uuid = define(disks=(new,))
    [disk] = system_of(endpoint, uuid).disks
    assert disk.image is not None
    if running:
        endpoint.change_power(uuid, PowerOperation.START)
    endpoint.destroy(uuid)
    inventory = endpoint.inventory()
    assert uuid not in inventory.virtual_systems
    assert disk.image.uuid in inventory.disk_images
    endpoint.storage.delete_image(disk.image.uuid)
    assert disk.image.uuid not in endpoint.inventory().disk_images


def test_what_is_not_there_is_told_as_such(endpoint: Endpoint) -> None:
    for operation in (
        lambda: endpoint.destroy(NOBODY),
        lambda: endpoint.change_power(NOBODY, PowerOperation.START),
        lambda: endpoint.modify(NOBODY, VirtualSystemChange(name_label="x")),
    ):
        with pytest.raises(HypervisorError) as raised:
            operation()
        assert code_of(raised.value) is ErrorCode.ERR_VM_NOT_FOUND


def test_uuids_may_be_written_in_capital_letters(endpoint: Endpoint, uuid: str) -> None:
    endpoint.change_power(uuid.upper(), PowerOperation.START)
    endpoint.modify(uuid.upper(), VirtualSystemChange(name_description="seen"))
    system = system_of(endpoint, uuid)
    assert (system.power_state, system.name_description) == (PowerState.RUNNING, "seen")
    endpoint.destroy(uuid.upper())
    assert uuid not in endpoint.inventory().virtual_systems
