"""Changing virtual machines that run: what only real QEMU does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import libvirt
import pytest
from boot_sectors import IDLE, write_disk
from private_libvirt import PrivateLibvirt

from tests.hypervisor.xenapi_server import endpoint_of, eventually
from tests.toolstack.host import running_host
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import (
    DiskKind,
    DiskSpec,
    ImageSize,
    MediumChange,
    NetworkPortSpec,
    PowerOperation,
    RolledBackError,
    VirtualSystem,
    VirtualSystemChange,
    VirtualSystemSpec,
    XenApiEndpoint,
)
from virtcim.toolstack.machines import live_steps

MIB = 1 << 20


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture(scope="module")
def endpoint(libvirtd: PrivateLibvirt) -> Iterator[XenApiEndpoint]:
    with running_host(libvirtd.uri, domain_type="qemu") as host:
        port = int(host.url.rpartition(":")[2])
        with endpoint_of(port) as endpoint:
            yield endpoint


MakeImage = Callable[[], str]


@pytest.fixture
def make_image(libvirtd: PrivateLibvirt) -> MakeImage:
    def make() -> str:
        path = write_disk(libvirtd.images / f"{uuid4()}.img", IDLE, size_bytes=MIB)
        return str(libvirtd.give(path))

    return make


@pytest.fixture
def uuid(endpoint: XenApiEndpoint, make_image: MakeImage) -> Iterator[str]:
    """A running machine that boots from a virtio disk, with a drive and a free processor."""
    made = endpoint.define(
        VirtualSystemSpec(
            name_label=f"vm-{uuid4()}",
            memory_static_max_bytes=64 * MIB,
            memory_dynamic_max_bytes=64 * MIB,
            vcpus_max=2,
            vcpus_at_startup=1,
            disks=(
                DiskSpec(id="vda", path=make_image(), format="raw"),
                DiskSpec(id="sdz", kind=DiskKind.CD, read_only=True),
            ),
        )
    )
    endpoint.change_power(made, PowerOperation.START)
    yield made
    with suppress(HypervisorError):
        endpoint.destroy(made)


def _system(endpoint: XenApiEndpoint, uuid: str) -> VirtualSystem:
    return endpoint.inventory().virtual_systems[uuid]


def _restart(endpoint: XenApiEndpoint, uuid: str) -> VirtualSystem:
    endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN)
    endpoint.change_power(uuid, PowerOperation.START)
    return _system(endpoint, uuid)


def _pool(endpoint: XenApiEndpoint) -> str:
    repositories = endpoint.inventory().storage_repositories.values()
    return next(one.uuid for one in repositories if one.name_label == "default")


def _user_network(endpoint: XenApiEndpoint) -> str:
    networks = endpoint.inventory().networks.values()
    return next(one.uuid for one in networks if one.name_label == "User networking")


def _ids(system: VirtualSystem) -> set[str]:
    return {disk.id for disk in system.disks}


@pytest.mark.parametrize("bus", ["scsi", "usb"])
def test_a_disk_is_plugged_and_unplugged_and_a_restart_keeps_it_so(
    endpoint: XenApiEndpoint, uuid: str, bus: str
) -> None:
    new = DiskSpec(id="sda", sr_uuid=_pool(endpoint), size_bytes=MIB, format="qcow2", bus=bus)
    assert endpoint.modify(uuid, VirtualSystemChange(added_disks=(new,))).disks == ("sda",)
    disk = next(disk for disk in _system(endpoint, uuid).disks if disk.id == "sda")
    assert (disk.attached, disk.bus) == (True, bus)
    disk = next(disk for disk in _restart(endpoint, uuid).disks if disk.id == "sda")
    assert (disk.attached, disk.bus) == (True, bus)
    endpoint.modify(uuid, VirtualSystemChange(removed_disks=("sda",)))
    assert _ids(_system(endpoint, uuid)) == {"vda", "sdz"}
    assert _ids(_restart(endpoint, uuid)) == {"vda", "sdz"}


def test_a_paused_machine_is_changed_like_one_that_runs(
    endpoint: XenApiEndpoint, uuid: str, make_image: MakeImage
) -> None:
    endpoint.change_power(uuid, PowerOperation.PAUSE)
    disk = DiskSpec(id="sda", path=make_image(), format="raw", bus="scsi")
    endpoint.modify(
        uuid, VirtualSystemChange(added_disks=(disk,), memory_dynamic_max_bytes=32 * MIB)
    )
    system = _system(endpoint, uuid)
    assert system.memory_dynamic_max_bytes == 32 * MIB
    assert next(disk for disk in system.disks if disk.id == "sda").attached
    endpoint.modify(uuid, VirtualSystemChange(removed_disks=("sda",)))
    endpoint.change_power(uuid, PowerOperation.UNPAUSE)
    assert _ids(_system(endpoint, uuid)) == {"vda", "sdz"}


def test_a_plugged_disk_is_exchanged_for_another_one(
    endpoint: XenApiEndpoint, uuid: str, make_image: MakeImage
) -> None:
    first, second = make_image(), make_image()
    disk = DiskSpec(id="sdb", path=first, format="raw", bus="scsi")
    endpoint.modify(uuid, VirtualSystemChange(added_disks=(disk,)))
    change = VirtualSystemChange(
        removed_disks=("sdb",), added_disks=(replace(disk, path=second, read_only=True),)
    )
    endpoint.modify(uuid, change)
    for system in (_system(endpoint, uuid), _restart(endpoint, uuid)):
        found = next(disk for disk in system.disks if disk.id == "sdb")
        assert found.image is not None
        assert (found.image.location, found.attached, found.read_only) == (second, True, True)


def test_a_guest_that_keeps_a_disk_is_told_of_and_the_disk_comes_back_if_it_lets_go_late(
    endpoint: XenApiEndpoint, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_steps, "_DETACH_S", 0.5)
    change = VirtualSystemChange(name_description="lost", removed_disks=("vda",))
    with pytest.raises(HypervisorError) as raised:
        endpoint.modify(uuid, change)
    # Not all is as before: nobody can take back what the guest was asked for.
    assert not isinstance(raised.value, RolledBackError)
    error = translate(raised.value.fault)
    assert error.code is ErrorCode.ERR_VM_STUCK
    assert "DEVICE_DETACH_TIMEOUT" in error.message
    assert "may still let go" in error.message
    system = _system(endpoint, uuid)
    assert system.name_description == ""
    assert next(disk for disk in system.disks if disk.id == "vda").attached
    endpoint.change_power(uuid, PowerOperation.HARD_REBOOT)
    eventually(endpoint, lambda now: not now.virtual_systems[uuid].disks[1].attached)
    assert all(disk.attached for disk in _restart(endpoint, uuid).disks)


def test_a_disk_that_was_unplugged_is_plugged_again_when_the_rest_fails(
    endpoint: XenApiEndpoint, uuid: str, make_image: MakeImage
) -> None:
    like = DiskSpec(format="raw", bus="scsi")
    disks = tuple(replace(like, id=target, path=make_image()) for target in ("sdc", "sdd"))
    endpoint.modify(uuid, VirtualSystemChange(added_disks=disks))
    before = _system(endpoint, uuid)
    missing = replace(like, id="sdd", path="/nowhere/at/all.img")
    change = VirtualSystemChange(
        name_description="lost",
        memory_dynamic_max_bytes=32 * MIB,
        removed_disks=("sdc", "sdd"),
        added_disks=(missing,),
        media=(MediumChange(id="sdz", medium=DiskSpec(kind=DiskKind.CD, path=make_image())),),
    )
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, change)
    assert translate(raised.value.fault).code is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE
    after = _system(endpoint, uuid)
    assert [(disk.id, disk.attached, disk.empty, disk.image) for disk in after.disks] == [
        (disk.id, disk.attached, disk.empty, disk.image) for disk in before.disks
    ]
    assert after.memory_dynamic_max_bytes == before.memory_dynamic_max_bytes
    assert after.name_description == ""
    assert _ids(_restart(endpoint, uuid)) == {"vda", "sdz", "sdc", "sdd"}


def test_a_bus_without_plugging_is_refused_with_its_name(
    endpoint: XenApiEndpoint, uuid: str, make_image: MakeImage
) -> None:
    disk = DiskSpec(id="sdy", path=make_image(), format="raw", bus="sata")
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, VirtualSystemChange(added_disks=(disk,)))
    error = translate(raised.value.fault)
    assert error.code is ErrorCode.ERR_VM_CONTROL_OP_FAILED
    assert "takes no devices while the virtual machine runs" in error.message
    assert "sata" in error.message
    assert "hotplug" in error.message
    assert _ids(_system(endpoint, uuid)) == {"vda", "sdz"}


def test_a_network_port_is_plugged_and_a_restart_keeps_it(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    port = NetworkPortSpec(network_uuid=_user_network(endpoint), model="e1000")
    added = endpoint.modify(uuid, VirtualSystemChange(added_network_ports=(port,)))
    assert added.network_ports == ("0",)
    for system in (_system(endpoint, uuid), _restart(endpoint, uuid)):
        (found,) = system.network_ports
        assert (found.attached, found.model) == (True, "e1000")
    endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN)
    endpoint.modify(uuid, VirtualSystemChange(removed_network_ports=("0",)))
    assert _system(endpoint, uuid).network_ports == ()


def test_memory_and_processors_are_changed_now_and_for_the_next_start(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    change = VirtualSystemChange(memory_dynamic_max_bytes=48 * MIB, vcpus_at_startup=2)
    endpoint.modify(uuid, change)
    system = _system(endpoint, uuid)
    assert (system.memory_dynamic_max_bytes, system.vcpus_actual) == (48 * MIB, 2)
    system = _restart(endpoint, uuid)
    assert (system.memory_dynamic_max_bytes, system.vcpus_at_startup) == (48 * MIB, 2)
    # There is no guest that would give memory back.
    assert system.vcpus_actual == 2


def test_more_memory_than_the_limit_needs_a_machine_that_is_off(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    change = VirtualSystemChange(
        memory_static_max_bytes=96 * MIB, memory_dynamic_max_bytes=96 * MIB
    )
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, change)
    error = translate(raised.value.fault)
    assert error.code is ErrorCode.ERR_WRONG_STATE_FOR_OP
    assert "while the virtual machine runs" in error.message
    endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN)
    endpoint.modify(uuid, change)
    assert _system(endpoint, uuid).memory_static_max_bytes == 96 * MIB


def test_media_of_a_running_machine_are_changed(
    endpoint: XenApiEndpoint, uuid: str, make_image: MakeImage
) -> None:
    for _ in range(2):
        path = make_image()
        medium = DiskSpec(kind=DiskKind.CD, path=path)
        endpoint.modify(uuid, VirtualSystemChange(media=(MediumChange(id="sdz", medium=medium),)))
        image = next(disk.image for disk in _system(endpoint, uuid).disks if disk.id == "sdz")
        assert image is not None
        assert image.location == path
    endpoint.modify(uuid, VirtualSystemChange(media=(MediumChange(id="sdz"),)))
    assert next(disk.empty for disk in _system(endpoint, uuid).disks if disk.id == "sdz")


def test_the_image_of_a_running_machine_grows(endpoint: XenApiEndpoint, uuid: str) -> None:
    new = DiskSpec(id="sde", sr_uuid=_pool(endpoint), size_bytes=MIB, format="raw", bus="scsi")
    endpoint.modify(uuid, VirtualSystemChange(added_disks=(new,)))
    size = ImageSize(id="sde", size_bytes=2 * MIB)
    endpoint.modify(uuid, VirtualSystemChange(image_size=size))
    image = next(disk.image for disk in _system(endpoint, uuid).disks if disk.id == "sde")
    assert image is not None
    assert image.virtual_size_bytes == 2 * MIB


def test_a_running_machine_keeps_its_name(endpoint: XenApiEndpoint, uuid: str) -> None:
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, VirtualSystemChange(name_label="other", name_description="lost"))
    assert translate(raised.value.fault).code is ErrorCode.ERR_WRONG_STATE_FOR_OP
    endpoint.modify(uuid, VirtualSystemChange(name_description="kept", boot_order="nc"))
    system = _restart(endpoint, uuid)
    assert (system.name_description, system.boot_order) == ("kept", "nc")


def test_a_running_machine_is_destroyed(endpoint: XenApiEndpoint, uuid: str) -> None:
    endpoint.destroy(uuid)
    assert uuid not in endpoint.inventory().virtual_systems
