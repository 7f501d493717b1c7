"""What every endpoint promises of changing a virtual system and its devices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.hypervisor.contract.conftest import Define
from tests.hypervisor.contract.subjects import Subject
from tests.hypervisor.contract.systems import (
    MIB,
    NOBODY,
    code_of,
    media_of,
    network_of,
    pool_of,
    system_of,
)
from virtcim.errormap import ErrorCode
from virtcim.hypervisor import (
    AddedDevices,
    DiskChange,
    DiskKind,
    DiskSpec,
    Endpoint,
    ImageSize,
    MediumChange,
    NetworkPortChange,
    NetworkPortSpec,
    RolledBackError,
    VirtualSystemChange,
)


def test_the_next_read_shows_what_was_modified(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    change = VirtualSystemChange(
        name_label=f"renamed-{uuid}",
        name_description="changed",
        boot_order="dc",
        auto_start=True,
        actions_after_crash="destroy",
        memory_static_max_bytes=128 * MIB,
        memory_dynamic_max_bytes=96 * MIB,
        vcpus_max=4,
        vcpus_at_startup=3,
    )
    endpoint.modify(uuid, change)
    system = system_of(endpoint, uuid)
    for name in ("name_label", "name_description", "boot_order", "auto_start"):
        assert getattr(system, name) == getattr(change, name)
    for name in ("memory_static_max_bytes", "memory_dynamic_max_bytes"):
        assert getattr(system, name) == getattr(change, name)
    assert (system.vcpus_max, system.vcpus_at_startup) == (4, 3)
    assert system.actions_after_crash == "destroy"


def test_added_devices_have_the_places_that_are_told(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    paths = [subject.new_image() for _ in range(2)]
    network = network_of(endpoint)
    added = endpoint.modify(
        uuid,
        VirtualSystemChange(
            added_disks=(
                DiskSpec(path=paths[0], format="raw"),
                DiskSpec(id="vdx", path=paths[1], format="raw", read_only=True),
            ),
            added_network_ports=(
                NetworkPortSpec(network_uuid=network),
                NetworkPortSpec(id="7", network_uuid=network),
            ),
        ),
    )
    assert added.disks[1] == "vdx"
    assert added.network_ports[1] == "7"
    system = system_of(endpoint, uuid)
    disks = {disk.id: disk for disk in system.disks}
    assert set(disks) == {"vda", *added.disks}
    assert [image.location for each in added.disks if (image := disks[each].image)] == paths
    assert [disks[each].read_only for each in added.disks] == [False, True]
    assert {port.id for port in system.network_ports} == {"0", *added.network_ports}
    endpoint.modify(
        uuid,
        VirtualSystemChange(
            removed_disks=added.disks, removed_network_ports=(added.network_ports[0],)
        ),
    )
    system = system_of(endpoint, uuid)
    assert {disk.id for disk in system.disks} == {"vda"}
    assert {port.id for port in system.network_ports} == {"0", "7"}


def test_devices_that_stay_are_changed_in_their_places(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    first, second, medium = (subject.new_image() for _ in range(3))
    network = network_of(endpoint)
    uuid = define(
        disks=(
            DiskSpec(id="vda", path=first, format="raw"),
            DiskSpec(id="sda", kind=DiskKind.CD, read_only=True),
        ),
        network_ports=(NetworkPortSpec(network_uuid=network, model="e1000"),),
    )
    change = VirtualSystemChange(
        changed_disks=(DiskChange(id="vda", image=DiskSpec(path=second), read_only=True),),
        changed_network_ports=(NetworkPortChange(id="0", mac_address="52:54:00:00:00:99"),),
        media=(MediumChange(id="sda", medium=DiskSpec(kind=DiskKind.CD, path=medium)),),
    )
    endpoint.modify(uuid, change)
    system = system_of(endpoint, uuid)
    assert media_of(system) == {"vda": second, "sda": medium}
    assert {disk.id: disk.read_only for disk in system.disks} == {"vda": True, "sda": True}
    [port] = system.network_ports
    assert (port.id, port.mac_address) == ("0", "52:54:00:00:00:99")
    assert (port.network_uuid, port.model) == (network, "e1000")
    endpoint.modify(uuid, VirtualSystemChange(media=(MediumChange(id="sda"),)))
    assert media_of(system_of(endpoint, uuid))["sda"] == ""


def test_the_place_of_a_disk_that_is_changed_is_not_given_to_an_added_one(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    changed, new = subject.new_image(), subject.new_image()
    change = VirtualSystemChange(
        changed_disks=(DiskChange(id="vda", image=DiskSpec(path=changed)),),
        added_disks=(DiskSpec(path=new, format="raw", bus="virtio"),),
    )
    [place] = endpoint.modify(uuid, change).disks
    assert media_of(system_of(endpoint, uuid)) == {"vda": changed, place: new}


def test_a_device_that_is_changed_is_not_told_as_added(endpoint: Endpoint, uuid: str) -> None:
    network = network_of(endpoint)
    change = VirtualSystemChange(
        changed_network_ports=(NetworkPortChange(id="0", model="e1000"),),
        added_network_ports=(
            NetworkPortSpec(network_uuid=network),
            NetworkPortSpec(id="7", network_uuid=network),
        ),
    )
    [chosen, wanted] = endpoint.modify(uuid, change).network_ports
    assert wanted == "7"
    assert {port.id for port in system_of(endpoint, uuid).network_ports} == {"0", chosen, "7"}


def test_an_image_has_its_new_size_or_the_old_one_where_that_is_refused(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    disk = DiskSpec(id="vda", sr_uuid=pool_of(endpoint), size_bytes=MIB, format="raw")
    uuid = define(disks=(disk,))
    change = VirtualSystemChange(
        name_description="larger", image_size=ImageSize(id="vda", size_bytes=2 * MIB)
    )
    if subject.resizes_images:
        endpoint.modify(uuid, change)
    else:
        with pytest.raises(RolledBackError):
            endpoint.modify(uuid, change)
    system = system_of(endpoint, uuid)
    [image] = [disk.image for disk in system.disks]
    assert image is not None
    assert (system.name_description, image.virtual_size_bytes) == (
        ("larger", 2 * MIB) if subject.resizes_images else ("", MIB)
    )
    assert endpoint.inventory().disk_images[image.uuid] is image


@pytest.mark.parametrize(
    "change",
    [
        VirtualSystemChange(removed_disks=("vdz",)),
        VirtualSystemChange(removed_network_ports=("8",)),
        VirtualSystemChange(changed_disks=(DiskChange(id="vdz", read_only=True),)),
        VirtualSystemChange(changed_network_ports=(NetworkPortChange(id="8", model="e1000"),)),
        VirtualSystemChange(media=(MediumChange(id="vdz"),)),
        VirtualSystemChange(image_size=ImageSize(id="vdz", size_bytes=MIB)),
    ],
)
def test_a_change_of_a_device_that_is_not_there_is_refused(
    endpoint: Endpoint, uuid: str, change: VirtualSystemChange
) -> None:
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, replace(change, name_description="lost"))
    assert raised.value.fault.code == "HANDLE_INVALID"
    assert system_of(endpoint, uuid).name_description == ""


def test_nothing_remains_of_a_change_that_fails(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    taken = DiskSpec(id="vda", path=subject.new_image(), format="raw")
    before = endpoint.inventory()
    system = before.virtual_systems[uuid]
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, VirtualSystemChange(name_description="lost", added_disks=(taken,)))
    assert code_of(raised.value) is ErrorCode.ERR_ALREADY_EXIST
    after = endpoint.inventory()
    assert after.virtual_systems[uuid].name_description == system.name_description
    assert media_of(after.virtual_systems[uuid]) == media_of(system)
    assert set(after.disk_images) <= set(before.disk_images)


def test_a_change_of_nothing_asks_nothing(endpoint: Endpoint) -> None:
    assert endpoint.modify(NOBODY, VirtualSystemChange()) == AddedDevices()
