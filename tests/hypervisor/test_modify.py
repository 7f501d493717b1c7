"""Changing virtual machines over libvirt's test driver: in place, and step by step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import libvirt
import pytest

from tests.hypervisor.xenapi_server import GIB, endpoint_of
from tests.wire.serving import DEADLINE_S, serving
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import (
    AddedDevices,
    DiskKind,
    DiskSpec,
    ImageSize,
    Inventory,
    MediumChange,
    NetworkPortSpec,
    PowerOperation,
    RolledBackError,
    VirtualSystem,
    VirtualSystemChange,
    VirtualSystemSpec,
    XenApiEndpoint,
)
from virtcim.toolstack import Toolstack, ToolstackOptions

HOST = """<node>
<cpu><mhz>2600</mhz><model>x86_64</model><active>4</active><nodes>1</nodes><sockets>1</sockets>
<cores>4</cores><threads>1</threads></cpu><memory>8388608</memory>
<network><name>default</name><bridge name='virbr0'/></network>
<network><name>other</name><bridge name='virbr1'/></network>
<pool type='dir'><name>default</name><target><path>/images</path></target></pool>
</node>"""


@pytest.fixture(scope="module", autouse=True)
def _errors_are_raised_not_printed() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)


@pytest.fixture(scope="module", params=["in place", "step by step"])
def endpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[XenApiEndpoint]:
    """Our own toolstack, by its own calls, and by those alone that a XenServer has."""
    directory: Path = tmp_path_factory.mktemp("host")
    (directory / "host.xml").write_text(HOST)
    toolstack = Toolstack(
        ToolstackOptions(
            libvirt_uri=f"test://{directory}/host.xml",
            image_directories=("/elsewhere", "/images", "/isos"),
        )
    )
    toolstack.start()
    try:
        assert toolstack.wait_connected(DEADLINE_S)
        own_calls = request.param == "in place"
        with (
            serving(toolstack.application) as port,
            endpoint_of(port, own_calls=own_calls) as endpoint,
        ):
            yield endpoint
    finally:
        toolstack.stop()


def _network(inventory: Inventory, name: str) -> str:
    return next(one.uuid for one in inventory.networks.values() if one.name_label == name)


def _pool(inventory: Inventory) -> str:
    return next(
        one.uuid for one in inventory.storage_repositories.values() if one.name_label == "default"
    )


@pytest.fixture
def uuid(endpoint: XenApiEndpoint, request: pytest.FixtureRequest) -> Iterator[str]:
    """A halted machine with two disks, a drive and a network port."""
    inventory = endpoint.inventory()
    name = f"vm-{abs(hash(request.node.nodeid))}"
    made = endpoint.define(
        VirtualSystemSpec(
            name_label=name,
            memory_static_max_bytes=GIB,
            memory_dynamic_max_bytes=GIB // 2,
            vcpus_max=3,
            vcpus_at_startup=2,
            boot_order="c",
            disks=(
                DiskSpec(id="vda", path=f"/elsewhere/{name}.img", format="raw"),
                DiskSpec(id="vdb", sr_uuid=_pool(inventory), size_bytes=GIB // 8, format="qcow2"),
                DiskSpec(id="sda", kind=DiskKind.CD, read_only=True),
            ),
            network_ports=(
                NetworkPortSpec(
                    network_uuid=_network(inventory, "default"),
                    mac_address="52:54:00:00:00:01",
                    model="e1000",
                ),
            ),
        )
    )
    yield made
    if made in endpoint.inventory().virtual_systems:
        endpoint.destroy(made)


def _system(endpoint: XenApiEndpoint, uuid: str) -> VirtualSystem:
    return endpoint.inventory().virtual_systems[uuid]


def _shape(system: VirtualSystem) -> object:
    """What a client can see of it, without what is another after something was made again."""
    return replace(
        system,
        disks=tuple(replace(disk, ref="", uuid="") for disk in system.disks),
        network_ports=tuple(replace(port, ref="", uuid="") for port in system.network_ports),
        transition=None,
    )


def _images(endpoint: XenApiEndpoint) -> set[str]:
    return {image.location for image in endpoint.inventory().disk_images.values()}


def test_names_and_what_happens_at_the_next_start_are_changed(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    change = VirtualSystemChange(
        name_label=f"renamed-{uuid[:8]}",
        name_description='Déjà <vu> & "more"',
        boot_order="nd",
        auto_start=True,
        actions_after_crash="destroy",
    )
    assert endpoint.modify(uuid, change) == AddedDevices()
    system = _system(endpoint, uuid)
    for name in ("name_label", "name_description", "boot_order", "auto_start"):
        assert getattr(system, name) == getattr(change, name)
    assert system.actions_after_crash == "destroy"
    endpoint.modify(uuid, VirtualSystemChange(name_description="", auto_start=False))
    system = _system(endpoint, uuid)
    assert (system.name_description, system.auto_start) == ("", False)


@pytest.mark.parametrize(
    ("static_max", "dynamic_max"),
    [(None, GIB // 4), (2 * GIB, None), (2 * GIB, 2 * GIB), (GIB // 2, None), (GIB // 4, GIB // 4)],
)
def test_memory_of_a_halted_machine_is_changed(
    endpoint: XenApiEndpoint, uuid: str, static_max: int | None, dynamic_max: int | None
) -> None:
    change = VirtualSystemChange(
        memory_static_max_bytes=static_max, memory_dynamic_max_bytes=dynamic_max
    )
    endpoint.modify(uuid, change)
    system = _system(endpoint, uuid)
    assert system.memory_static_max_bytes == (static_max or GIB)
    assert system.memory_dynamic_max_bytes == (dynamic_max or GIB // 2)


@pytest.mark.parametrize(("most", "initial"), [(1, 1), (4, 4), (None, 3), (2, None), (4, 1)])
def test_processors_of_a_halted_machine_are_changed(
    endpoint: XenApiEndpoint, uuid: str, most: int | None, initial: int | None
) -> None:
    endpoint.modify(uuid, VirtualSystemChange(vcpus_max=most, vcpus_at_startup=initial))
    system = _system(endpoint, uuid)
    assert (system.vcpus_max, system.vcpus_at_startup) == (most or 3, initial or 2)


def test_memory_of_a_running_machine_is_changed_now_and_for_its_next_start(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    endpoint.change_power(uuid, PowerOperation.START)
    endpoint.modify(uuid, VirtualSystemChange(memory_dynamic_max_bytes=GIB // 4))
    assert _system(endpoint, uuid).memory_actual_bytes == GIB // 4
    endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN)
    endpoint.change_power(uuid, PowerOperation.START)
    system = _system(endpoint, uuid)
    assert (system.memory_actual_bytes, system.memory_dynamic_max_bytes) == (GIB // 4, GIB // 4)


def test_processors_of_a_running_machine_are_changed_now_and_for_its_next_start(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    endpoint.change_power(uuid, PowerOperation.START)
    endpoint.modify(uuid, VirtualSystemChange(vcpus_at_startup=3))
    assert _system(endpoint, uuid).vcpus_actual == 3
    endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN)
    assert _system(endpoint, uuid).vcpus_at_startup == 3


def test_devices_are_added_removed_and_replaced(endpoint: XenApiEndpoint, uuid: str) -> None:
    inventory = endpoint.inventory()
    port = _system(endpoint, uuid).network_ports[0]
    change = VirtualSystemChange(
        removed_disks=("vda", "vdb"),
        removed_network_ports=(port.id,),
        added_disks=(
            DiskSpec(id="vda", path="/elsewhere/new.img", format="raw", read_only=True),
            DiskSpec(sr_uuid=_pool(inventory), size_bytes=GIB // 16, format="raw"),
        ),
        added_network_ports=(
            NetworkPortSpec(id=port.id, network_uuid=_network(inventory, "other")),
            NetworkPortSpec(network_uuid=_network(inventory, "default")),
        ),
    )
    added = endpoint.modify(uuid, change)
    system = _system(endpoint, uuid)
    disks = {disk.id: disk for disk in system.disks}
    assert set(disks) == {"vda", "sda", added.disks[1]}
    assert added.disks[0] == "vda"
    assert disks["vda"].image is not None
    assert (disks["vda"].image.location, disks["vda"].read_only) == ("/elsewhere/new.img", True)
    assert (disks["vda"].bus, disks["vda"].format) == ("virtio", "raw")
    ports = {each.id: each for each in system.network_ports}
    assert tuple(ports) == added.network_ports
    assert ports[port.id].network_uuid == _network(inventory, "other")


def test_media_are_changed(endpoint: XenApiEndpoint, uuid: str) -> None:
    for path in ("/elsewhere/a.iso", "/elsewhere/b.iso"):
        medium = DiskSpec(kind=DiskKind.CD, path=path)
        endpoint.modify(uuid, VirtualSystemChange(media=(MediumChange(id="sda", medium=medium),)))
        image = next(disk.image for disk in _system(endpoint, uuid).disks if disk.id == "sda")
        assert image is not None
        assert image.location == path
    endpoint.modify(uuid, VirtualSystemChange(media=(MediumChange(id="sda"),)))
    assert next(disk.empty for disk in _system(endpoint, uuid).disks if disk.id == "sda")


BROKEN = DiskSpec(id="vda", path="/elsewhere/taken.img")  # there is a vda


@pytest.mark.parametrize(
    "change",
    [
        VirtualSystemChange(
            name_description="lost",
            boot_order="dc",
            auto_start=True,
            memory_static_max_bytes=2 * GIB,
            memory_dynamic_max_bytes=2 * GIB,
            vcpus_max=4,
            vcpus_at_startup=4,
        ),
        VirtualSystemChange(vcpus_max=1, vcpus_at_startup=1),
        VirtualSystemChange(
            removed_disks=("vdb",),
            removed_network_ports=("0",),
            added_disks=(DiskSpec(id="vdb", path="/elsewhere/x.img", format="raw"),),
        ),
        VirtualSystemChange(added_disks=(DiskSpec(id="vdc", path="/elsewhere/y.img"),)),
    ],
    ids=["fields", "processors", "replaced", "added"],
)
def test_a_change_that_fails_half_way_leaves_nothing(
    endpoint: XenApiEndpoint, uuid: str, change: VirtualSystemChange
) -> None:
    before, images = _system(endpoint, uuid), _images(endpoint)
    failing = replace(change, added_disks=(*change.added_disks, BROKEN))
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, failing)
    assert translate(raised.value.fault).code is ErrorCode.ERR_ALREADY_EXIST
    assert _shape(_system(endpoint, uuid)) == _shape(before)
    assert _images(endpoint) == images


def test_plugging_where_the_hypervisor_cannot_is_refused_and_leaves_nothing(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    endpoint.change_power(uuid, PowerOperation.START)
    before = _system(endpoint, uuid)
    disk = DiskSpec(id="vdc", path="/elsewhere/z.img", format="raw")
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, VirtualSystemChange(added_disks=(disk,)))
    assert translate(raised.value.fault).code is ErrorCode.ERR_OPERATION_FAILED
    assert "not supported" in translate(raised.value.fault).message
    assert _shape(_system(endpoint, uuid)) == _shape(before)


@pytest.mark.parametrize(
    "change",
    [
        VirtualSystemChange(memory_static_max_bytes=2 * GIB),
        VirtualSystemChange(vcpus_max=4),
    ],
    ids=["memory", "processors"],
)
def test_limits_of_a_running_machine_cannot_be_changed(
    endpoint: XenApiEndpoint, uuid: str, change: VirtualSystemChange
) -> None:
    endpoint.change_power(uuid, PowerOperation.START)
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, replace(change, name_description="lost"))
    assert translate(raised.value.fault).code is ErrorCode.ERR_WRONG_STATE_FOR_OP
    assert _system(endpoint, uuid).name_description == ""


def test_devices_of_a_suspended_machine_stay_as_its_memory_knows_them(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    endpoint.change_power(uuid, PowerOperation.START)
    endpoint.change_power(uuid, PowerOperation.SUSPEND)
    with pytest.raises(HypervisorError) as raised:
        endpoint.modify(uuid, VirtualSystemChange(vcpus_at_startup=1))
    assert translate(raised.value.fault).code is ErrorCode.ERR_WRONG_STATE_FOR_OP
    endpoint.modify(uuid, VirtualSystemChange(name_description="noted"))
    assert _system(endpoint, uuid).name_description == "noted"


@pytest.mark.parametrize(
    "change",
    [
        VirtualSystemChange(removed_disks=("vdz",)),
        VirtualSystemChange(removed_network_ports=("7",)),
        VirtualSystemChange(media=(MediumChange(id="vdz"),)),
        VirtualSystemChange(image_size=ImageSize(id="sda", size_bytes=GIB)),
    ],
)
def test_devices_that_are_not_there_are_named(
    endpoint: XenApiEndpoint, uuid: str, change: VirtualSystemChange
) -> None:
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, change)
    assert raised.value.fault.code == "HANDLE_INVALID"


def test_an_image_that_was_forgotten_meanwhile_is_found_by_the_path_that_named_it(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    path = f"/elsewhere/{uuid}.img"
    forgotten = DiskSpec(
        id="vdz", image_uuid="00000000-0000-0000-0000-000000000000", path=path, format="raw"
    )
    endpoint.modify(uuid, VirtualSystemChange(added_disks=(forgotten,)))
    assert path in _images(endpoint)
    with pytest.raises(RolledBackError):
        endpoint.modify(uuid, VirtualSystemChange(added_disks=(replace(forgotten, path=""),)))


def test_a_machine_that_is_not_there_cannot_be_changed(endpoint: XenApiEndpoint) -> None:
    with pytest.raises(HypervisorError) as raised:
        endpoint.modify("nobody", VirtualSystemChange(name_label="x"))
    assert translate(raised.value.fault).code is ErrorCode.ERR_VM_NOT_FOUND


def test_nothing_to_change_asks_nothing_of_the_hypervisor(endpoint: XenApiEndpoint) -> None:
    assert endpoint.modify("nobody", VirtualSystemChange()) == AddedDevices()


def test_one_change_of_a_machine_waits_for_the_other(endpoint: XenApiEndpoint, uuid: str) -> None:
    before = len(_system(endpoint, uuid).disks)
    specs = [DiskSpec(path=f"/elsewhere/{uuid}-{number}.img", format="raw") for number in range(8)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        changes = [VirtualSystemChange(added_disks=(spec, spec)) for spec in specs]
        added = list(pool.map(lambda change: endpoint.modify(uuid, change), changes))
    ids = [each for one in added for each in one.disks]
    assert len(set(ids)) == 16
    assert len(_system(endpoint, uuid).disks) == before + 16


def test_a_machine_is_not_destroyed_in_the_middle_of_a_change(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    disks = tuple(DiskSpec(path=f"/elsewhere/{uuid}-{at}.img", format="raw") for at in range(6))
    with ThreadPoolExecutor(max_workers=2) as pool:
        change = pool.submit(endpoint.modify, uuid, VirtualSystemChange(added_disks=disks))
        pool.submit(endpoint.destroy, uuid).result()
        failure = change.exception()
    # Either came first.
    if failure is not None:
        assert isinstance(failure, HypervisorError)
        assert translate(failure.fault).code is ErrorCode.ERR_VM_NOT_FOUND
    assert uuid not in endpoint.inventory().virtual_systems


def test_wanted_places_are_served_before_others_are_chosen(
    endpoint: XenApiEndpoint, uuid: str
) -> None:
    disks = (
        DiskSpec(path="/elsewhere/first.img", format="raw", bus="virtio"),
        DiskSpec(id="vdc", path="/elsewhere/second.img", format="raw", bus="virtio"),
    )
    ports = tuple(
        NetworkPortSpec(id=each, network_uuid=_network(endpoint.inventory(), "default"))
        for each in ("", "1")
    )
    added = endpoint.modify(uuid, VirtualSystemChange(added_disks=disks, added_network_ports=ports))
    assert (added.disks, added.network_ports) == (("vdd", "vdc"), ("2", "1"))
    found = {disk.id: disk.image for disk in _system(endpoint, uuid).disks}
    assert [found[each].location for each in added.disks] == [  # type: ignore[union-attr]
        "/elsewhere/first.img",
        "/elsewhere/second.img",
    ]
    made = endpoint.define(
        VirtualSystemSpec(
            name_label=f"{uuid}-2",
            memory_static_max_bytes=GIB,
            memory_dynamic_max_bytes=GIB,
            vcpus_max=1,
            vcpus_at_startup=1,
            disks=(
                DiskSpec(path="/elsewhere/first.img", format="raw", bus="virtio"),
                DiskSpec(id="vda", path="/elsewhere/second.img", format="raw", bus="virtio"),
            ),
        )
    )
    places = {disk.id: disk.image for disk in _system(endpoint, made).disks}
    endpoint.destroy(made)
    assert {place: image.location for place, image in places.items() if image} == {
        "vda": "/elsewhere/second.img",
        "vdb": "/elsewhere/first.img",
    }
