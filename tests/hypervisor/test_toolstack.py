"""The client and our own toolstack, over libvirt's test driver: both ends real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.hypervisor.xenapi_server import GIB, endpoint_of, eventually
from tests.wire.serving import DEADLINE_S, serving
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import (
    DiskSpec,
    NetworkPortSpec,
    PowerOperation,
    PowerState,
    VirtualSystemSpec,
    XenApiEndpoint,
)
from virtcim.toolstack import Toolstack, ToolstackOptions

HOST = """<node>
<cpu><mhz>2600</mhz><model>x86_64</model><active>4</active><nodes>1</nodes><sockets>1</sockets>
<cores>4</cores><threads>1</threads></cpu><memory>8388608</memory>
<network><name>default</name><bridge name='virbr0'/></network>
<pool type='dir'><name>default</name><target><path>/images</path></target></pool>
<domain type='test'><name>old</name><memory>1048576</memory><vcpu>2</vcpu><os><type>hvm</type></os>
<devices><disk type='file'><source file='/images/old.img'/><target dev='vda'/></disk></devices>
</domain></node>"""


@pytest.fixture(scope="module", autouse=True)
def _errors_are_raised_not_printed() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[XenApiEndpoint]:
    (tmp_path / "host.xml").write_text(HOST)
    toolstack = Toolstack(
        ToolstackOptions(
            libvirt_uri=f"test://{tmp_path}/host.xml", image_directories=("/elsewhere", "/images")
        )
    )
    toolstack.start()
    try:
        assert toolstack.wait_connected(DEADLINE_S)
        with serving(toolstack.application) as port, endpoint_of(port) as endpoint:
            yield endpoint
    finally:
        toolstack.stop()


def _spec(endpoint: XenApiEndpoint, name: str, *disks: DiskSpec) -> VirtualSystemSpec:
    (network,) = (
        one for one in endpoint.inventory().networks.values() if one.name_label == "default"
    )
    return VirtualSystemSpec(
        name_label=name,
        memory_static_max_bytes=GIB,
        memory_dynamic_max_bytes=GIB,
        vcpus_max=2,
        vcpus_at_startup=1,
        disks=disks,
        network_ports=(
            NetworkPortSpec(network_uuid=network.uuid, mac_address="52:54:00:00:00:01"),
        ),
    )


def _pool_uuid(endpoint: XenApiEndpoint) -> str:
    repositories = endpoint.inventory().storage_repositories.values()
    return next(one.uuid for one in repositories if one.name_label == "default")


def test_everything_that_libvirt_has_is_there(endpoint: XenApiEndpoint) -> None:
    inventory = endpoint.inventory()
    (host,) = inventory.hosts.values()
    assert (host.cpu_count, host.cpu_mhz, host.memory_total_bytes) == (4, 2600, 8 * GIB)
    (system,) = inventory.virtual_systems.values()
    assert (system.name_label, system.power_state) == ("old", PowerState.RUNNING)
    assert (system.vcpus_max, system.memory_static_max_bytes) == (2, GIB)
    assert system.resident_on == host.uuid
    (disk,) = system.disks
    assert disk.image is not None
    assert (disk.id, disk.image.location) == ("vda", "/images/old.img")


def test_the_network_of_each_emulator_itself_is_told_from_those_of_the_host(
    endpoint: XenApiEndpoint,
) -> None:
    networks = endpoint.inventory().networks.values()
    assert {one.name_label: one.user_mode for one in networks} == {
        "default": False,
        "User networking": True,
    }


def test_a_life_from_definition_to_destruction(endpoint: XenApiEndpoint) -> None:
    new_disk = DiskSpec(sr_uuid=_pool_uuid(endpoint), size_bytes=GIB // 4, format="raw")
    spec = _spec(endpoint, "fresh", DiskSpec(path="/elsewhere/a.img", format="raw"), new_disk)
    uuid = endpoint.define(spec)
    system = endpoint.inventory().virtual_systems[uuid]
    assert (system.name_label, system.power_state) == ("fresh", PowerState.HALTED)
    assert (system.vcpus_max, system.vcpus_at_startup) == (2, 1)
    assert [disk.image.virtual_size_bytes for disk in system.disks if disk.image] == [0, GIB // 4]
    assert system.network_ports[0].mac_address == "52:54:00:00:00:01"
    for operation, state in (
        (PowerOperation.START, PowerState.RUNNING),
        (PowerOperation.PAUSE, PowerState.PAUSED),
        (PowerOperation.UNPAUSE, PowerState.RUNNING),
        (PowerOperation.SUSPEND, PowerState.SUSPENDED),
        (PowerOperation.RESUME, PowerState.RUNNING),
        (PowerOperation.HARD_REBOOT, PowerState.RUNNING),
        (PowerOperation.HARD_SHUTDOWN, PowerState.HALTED),
    ):
        endpoint.change_power(uuid, operation)
        assert endpoint.inventory().virtual_systems[uuid].power_state is state
    images = set(endpoint.inventory().disk_images)
    endpoint.destroy(uuid)
    now = endpoint.inventory()
    assert uuid not in now.virtual_systems
    volumes = [image for image in now.disk_images.values() if image.sr_uuid == _pool_uuid(endpoint)]
    assert images >= set(now.disk_images)
    assert [image.virtual_size_bytes for image in volumes] == [GIB // 4]


@pytest.mark.parametrize(
    "operation",
    [PowerOperation.HARD_REBOOT, PowerOperation.PAUSE, PowerOperation.SUSPEND],
)
def test_a_machine_that_is_not_halted_is_stopped_and_destroyed(
    endpoint: XenApiEndpoint, operation: PowerOperation
) -> None:
    (uuid,) = endpoint.inventory().virtual_systems
    endpoint.change_power(uuid, operation)
    endpoint.destroy(uuid)
    assert not endpoint.inventory().virtual_systems


def test_a_wrong_state_and_a_taken_name_have_their_codes(endpoint: XenApiEndpoint) -> None:
    (uuid,) = endpoint.inventory().virtual_systems
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power(uuid, PowerOperation.START)
    assert translate(raised.value.fault).code is ErrorCode.ERR_WRONG_STATE_FOR_OP
    with pytest.raises(HypervisorError) as raised:
        endpoint.define(_spec(endpoint, "old"))
    assert translate(raised.value.fault).code is ErrorCode.ERR_ALREADY_EXIST
    assert list(endpoint.inventory().virtual_systems) == [uuid]


def test_a_definition_that_fails_leaves_nothing(endpoint: XenApiEndpoint) -> None:
    before = endpoint.inventory()
    by_path = DiskSpec(id="vda", path="/elsewhere/a.img")
    same_place = DiskSpec(id="vda", sr_uuid=_pool_uuid(endpoint), size_bytes=2**20, format="raw")
    with pytest.raises(HypervisorError) as raised:
        endpoint.define(_spec(endpoint, "fresh", by_path, same_place))
    assert translate(raised.value.fault).code is ErrorCode.ERR_ALREADY_EXIST
    # Another change makes sure that everything before it is seen.
    endpoint.destroy(endpoint.define(_spec(endpoint, "other")))
    after = endpoint.inventory()
    assert set(after.virtual_systems) == set(before.virtual_systems)
    assert set(after.disk_images) == set(before.disk_images)


def test_a_change_made_elsewhere_appears(endpoint: XenApiEndpoint) -> None:
    (uuid,) = endpoint.inventory().virtual_systems
    endpoint.change_power(uuid, PowerOperation.PAUSE)
    endpoint._session.call(  # as another client of the toolstack would
        "VM.set_name_description",
        endpoint.inventory().virtual_systems[uuid].ref,
        "seen",
    )
    eventually(endpoint, lambda now: now.virtual_systems[uuid].name_description == "seen")
