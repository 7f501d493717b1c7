"""What every endpoint promises to the providers, asked of each in the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

import pytest

from tests.hypervisor.contract_subjects import MIB, SUBJECTS, Subject
from virtcim.errormap import ErrorCode, HypervisorError, from_transport, from_xapi, translate
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
    PowerOperation,
    PowerState,
    PowerStateError,
    RolledBackError,
    VirtualSystem,
    VirtualSystemChange,
    VirtualSystemSpec,
)

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    with SUBJECTS[request.param](tmp_path_factory.mktemp("host")) as subject:
        yield subject


@pytest.fixture
def endpoint(subject: Subject) -> Endpoint:
    return subject.endpoint


Define = Callable[..., str]


@pytest.fixture
def define(endpoint: Endpoint) -> Iterator[Define]:
    """``define(**fields)`` makes a virtual system and gives its UUID; it is gone after the test."""
    made: list[str] = []

    def make(**fields: object) -> str:
        made.append(endpoint.define(_spec(**fields)))
        return made[-1]

    yield make
    for uuid in made:
        with suppress(HypervisorError):
            endpoint.destroy(uuid)


@pytest.fixture
def uuid(define: Define, subject: Subject) -> str:
    """A halted virtual system with a disk to boot from and a network port."""
    return define(
        disks=(DiskSpec(id="vda", path=subject.new_image(), format="raw"),),
        network_ports=(NetworkPortSpec(network_uuid=_network(subject.endpoint)),),
    )


def _spec(**fields: object) -> VirtualSystemSpec:
    least = VirtualSystemSpec(
        name_label=f"vm-{uuid4()}",
        memory_static_max_bytes=64 * MIB,
        memory_dynamic_max_bytes=64 * MIB,
        vcpus_max=2,
        vcpus_at_startup=1,
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def _system(endpoint: Endpoint, uuid: str) -> VirtualSystem:
    return endpoint.inventory().virtual_systems[uuid]


def _network(endpoint: Endpoint) -> str:
    """One that QEMU without rights can connect a port to, where there is a choice."""
    networks = endpoint.inventory().networks.values()
    return next(one.uuid for one in sorted(networks, key=lambda one: not one.user_mode))


def _pool(endpoint: Endpoint) -> str:
    repositories = endpoint.inventory().storage_repositories.values()
    return next(one.uuid for one in repositories if one.name_label == "default")


def _disks(system: VirtualSystem) -> dict[str, str]:
    """The location of what is in each disk and drive, empty for nothing."""
    return {disk.id: disk.image.location if disk.image else "" for disk in system.disks}


def _code(error: HypervisorError) -> ErrorCode:
    return translate(error.fault).code


@dataclass
class _Witness:
    """A monitor that keeps what it was told."""

    tasks: list[tuple[str, bool]] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)

    def task(self, ref: str, *, decisive: bool = False) -> None:
        self.tasks.append((ref, decisive))

    def progress(self, fraction: float) -> None:
        self.fractions.append(fraction)


_WAYS = {
    PowerState.HALTED: (),
    PowerState.RUNNING: (PowerOperation.START,),
    PowerState.PAUSED: (PowerOperation.START, PowerOperation.PAUSE),
    PowerState.SUSPENDED: (PowerOperation.START, PowerOperation.SUSPEND),
}
_NEEDS = {
    PowerOperation.START: {PowerState.HALTED},
    PowerOperation.PAUSE: {PowerState.RUNNING},
    PowerOperation.UNPAUSE: {PowerState.PAUSED},
    PowerOperation.SUSPEND: {PowerState.RUNNING},
    PowerOperation.RESUME: {PowerState.SUSPENDED},
    PowerOperation.CLEAN_SHUTDOWN: {PowerState.RUNNING},
    PowerOperation.HARD_SHUTDOWN: {PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED},
    PowerOperation.CLEAN_REBOOT: {PowerState.RUNNING},
    PowerOperation.HARD_REBOOT: {PowerState.RUNNING, PowerState.PAUSED},
}


def test_the_next_read_shows_the_new_state(endpoint: Endpoint, uuid: str) -> None:
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
        system = _system(endpoint, uuid)
        assert (operation, system.power_state, system.transition) == (operation, state, None)


def test_what_runs_is_on_a_host_of_the_inventory_since_a_time(
    endpoint: Endpoint, uuid: str
) -> None:
    for operation in (None, PowerOperation.HARD_SHUTDOWN):
        if operation is not None:
            endpoint.change_power(uuid, operation)
        system = _system(endpoint, uuid)
        assert (system.resident_on, system.start_time, system.consoles) == ("", None, ())
        endpoint.change_power(uuid, PowerOperation.START)
        system = _system(endpoint, uuid)
        assert system.resident_on in endpoint.inventory().hosts
        assert system.start_time is not None


@pytest.mark.parametrize("state", _WAYS)
def test_a_refusal_for_the_state_names_the_present_one_that_the_inventory_shows(
    endpoint: Endpoint, uuid: str, state: PowerState
) -> None:
    for operation in _WAYS[state]:
        endpoint.change_power(uuid, operation)
    for operation, needed in _NEEDS.items():
        if state in needed:
            continue
        with pytest.raises(PowerStateError) as raised:
            endpoint.change_power(uuid, operation)
        assert (operation, raised.value.present) == (operation, state)
        assert _code(raised.value) is ErrorCode.ERR_WRONG_STATE_FOR_OP
        assert _system(endpoint, uuid).power_state is state


def test_what_was_defined_is_as_it_was_specified(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    boot, data, port = subject.new_image(), f"{uuid4()}", _network(endpoint)
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
            DiskSpec(id="vdb", sr_uuid=_pool(endpoint), size_bytes=2 * MIB, format="qcow2"),
            DiskSpec(id="sda", kind=DiskKind.CD, read_only=True),
        ),
        network_ports=(
            NetworkPortSpec(network_uuid=port, mac_address="52:54:00:12:34:56", model="e1000"),
        ),
    )
    assert uuid == wanted
    system = _system(endpoint, uuid)
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
    assert (inside.sr_uuid, inside.virtual_size_bytes) == (_pool(endpoint), 2 * MIB)
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
    port = NetworkPortSpec(network_uuid=_network(endpoint))
    made = [define(disks=disks, network_ports=(port, port)) for _ in range(2)]
    assert len(set(made)) == 2
    for uuid in made:
        system = _system(endpoint, uuid)
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
    new = DiskSpec(id="vda", sr_uuid=_pool(endpoint), size_bytes=2 * MIB, format="qcow2")
    spec, code = {
        "name": (
            _spec(name_label=_system(endpoint, uuid).name_label, disks=(new,)),
            ErrorCode.ERR_ALREADY_EXIST,
        ),
        "uuid": (_spec(uuid=uuid, disks=(new,)), ErrorCode.ERR_ALREADY_EXIST),
        "place": (
            _spec(disks=(new, DiskSpec(id="vda", path=subject.new_image(), format="raw"))),
            ErrorCode.ERR_ALREADY_EXIST,
        ),
        "network": (
            _spec(disks=(new,), network_ports=(NetworkPortSpec(network_uuid=NOBODY),)),
            ErrorCode.ERR_BAD_PARAMETER,
        ),
        "image": (
            _spec(disks=(new, DiskSpec(id="vdb", image_uuid=NOBODY))),
            ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE,
        ),
        "repository": (
            _spec(disks=(new, DiskSpec(id="vdb", sr_uuid=NOBODY, size_bytes=MIB))),
            ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE,
        ),
    }[cause]
    before = endpoint.inventory()
    with pytest.raises(RolledBackError) as raised:
        endpoint.define(spec)
    after = endpoint.inventory()
    assert set(after.virtual_systems) == set(before.virtual_systems)
    assert set(after.disk_images) <= set(before.disk_images)
    assert _code(raised.value) is code


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
    system = _system(endpoint, uuid)
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
    network = _network(endpoint)
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
    system = _system(endpoint, uuid)
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
    system = _system(endpoint, uuid)
    assert {disk.id for disk in system.disks} == {"vda"}
    assert {port.id for port in system.network_ports} == {"0", "7"}


def test_devices_that_stay_are_changed_in_their_places(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    first, second, medium = (subject.new_image() for _ in range(3))
    network = _network(endpoint)
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
    system = _system(endpoint, uuid)
    assert _disks(system) == {"vda": second, "sda": medium}
    assert {disk.id: disk.read_only for disk in system.disks} == {"vda": True, "sda": True}
    [port] = system.network_ports
    assert (port.id, port.mac_address) == ("0", "52:54:00:00:00:99")
    assert (port.network_uuid, port.model) == (network, "e1000")
    endpoint.modify(uuid, VirtualSystemChange(media=(MediumChange(id="sda"),)))
    assert _disks(_system(endpoint, uuid))["sda"] == ""


def test_the_place_of_a_disk_that_is_changed_is_not_given_to_an_added_one(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    changed, new = subject.new_image(), subject.new_image()
    change = VirtualSystemChange(
        changed_disks=(DiskChange(id="vda", image=DiskSpec(path=changed)),),
        added_disks=(DiskSpec(path=new, format="raw", bus="virtio"),),
    )
    [place] = endpoint.modify(uuid, change).disks
    assert _disks(_system(endpoint, uuid)) == {"vda": changed, place: new}


def test_a_device_that_is_changed_is_not_told_as_added(endpoint: Endpoint, uuid: str) -> None:
    network = _network(endpoint)
    change = VirtualSystemChange(
        changed_network_ports=(NetworkPortChange(id="0", model="e1000"),),
        added_network_ports=(
            NetworkPortSpec(network_uuid=network),
            NetworkPortSpec(id="7", network_uuid=network),
        ),
    )
    [chosen, wanted] = endpoint.modify(uuid, change).network_ports
    assert wanted == "7"
    assert {port.id for port in _system(endpoint, uuid).network_ports} == {"0", chosen, "7"}


def test_an_image_has_its_new_size_or_the_old_one_where_that_is_refused(
    endpoint: Endpoint, subject: Subject, define: Define
) -> None:
    disk = DiskSpec(id="vda", sr_uuid=_pool(endpoint), size_bytes=MIB, format="raw")
    uuid = define(disks=(disk,))
    change = VirtualSystemChange(
        name_description="larger", image_size=ImageSize(id="vda", size_bytes=2 * MIB)
    )
    if subject.resizes_images:
        endpoint.modify(uuid, change)
    else:
        with pytest.raises(RolledBackError):
            endpoint.modify(uuid, change)
    system = _system(endpoint, uuid)
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
    assert _system(endpoint, uuid).name_description == ""


def test_nothing_remains_of_a_change_that_fails(
    endpoint: Endpoint, subject: Subject, uuid: str
) -> None:
    taken = DiskSpec(id="vda", path=subject.new_image(), format="raw")
    before = endpoint.inventory()
    system = before.virtual_systems[uuid]
    with pytest.raises(RolledBackError) as raised:
        endpoint.modify(uuid, VirtualSystemChange(name_description="lost", added_disks=(taken,)))
    assert _code(raised.value) is ErrorCode.ERR_ALREADY_EXIST
    after = endpoint.inventory()
    assert after.virtual_systems[uuid].name_description == system.name_description
    assert _disks(after.virtual_systems[uuid]) == _disks(system)
    assert set(after.disk_images) <= set(before.disk_images)


def test_a_change_of_nothing_asks_nothing(endpoint: Endpoint) -> None:
    assert endpoint.modify(NOBODY, VirtualSystemChange()) == AddedDevices()


@pytest.mark.parametrize("running", [False, True], ids=["halted", "running"])
def test_what_was_destroyed_is_gone_at_the_next_read_and_its_images_stay(
    endpoint: Endpoint, define: Define, *, running: bool
) -> None:
    new = DiskSpec(id="vda", sr_uuid=_pool(endpoint), size_bytes=MIB, format="raw")
    uuid = define(disks=(new,))
    [disk] = _system(endpoint, uuid).disks
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
        assert _code(raised.value) is ErrorCode.ERR_VM_NOT_FOUND


def test_uuids_may_be_written_in_capital_letters(endpoint: Endpoint, uuid: str) -> None:
    endpoint.change_power(uuid.upper(), PowerOperation.START)
    endpoint.modify(uuid.upper(), VirtualSystemChange(name_description="seen"))
    system = _system(endpoint, uuid)
    assert (system.power_state, system.name_description) == (PowerState.RUNNING, "seen")
    endpoint.destroy(uuid.upper())
    assert uuid not in endpoint.inventory().virtual_systems


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


def test_the_monitor_learns_of_the_task_that_decides(endpoint: Endpoint, uuid: str) -> None:
    for operation in (
        lambda witness: endpoint.change_power(uuid, PowerOperation.START, witness),
        lambda witness: endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN, witness),
        lambda witness: endpoint.destroy(uuid, witness),
    ):
        witness = _Witness()
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


def test_the_first_host_is_the_one_with_the_smallest_uuid(endpoint: Endpoint) -> None:
    inventory = endpoint.inventory()
    first = inventory.first_host
    assert first is not None
    assert first is inventory.hosts[min(inventory.hosts)]
    others = {uuid: replace(first, uuid=uuid) for uuid in ("f" * 36, NOBODY)}
    pool = replace(inventory, hosts={first.uuid: first, **others})
    assert pool.first_host is others[NOBODY]
    assert replace(inventory, hosts={}).first_host is None
