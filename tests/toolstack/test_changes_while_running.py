"""Changes of running machines: both descriptions from their own elements, or neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import libvirt
import pytest
import XenAPI
from boot_sectors import IDLE, write_disk
from private_libvirt import PrivateLibvirt

from tests.system.waiting import wait_for as poll_for
from tests.toolstack.documents import PERSISTENT, difference, document
from tests.toolstack.host import NULL, Host, failure, only, running_host
from tests.toolstack.watching import watched
from virtcim.toolstack.machines import live_steps

# Without it nothing can be plugged into a PCI slot.
ACPI = "<features><acpi/></features>"
RUNNING = libvirt.VIR_DOMAIN_XML_SECURE


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture(scope="module")
def host(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    with running_host(libvirtd.uri, domain_type="qemu") as running:
        yield running


@pytest.fixture(scope="module")
def outside(libvirtd: PrivateLibvirt) -> Iterator[libvirt.virConnect]:
    """A connection of somebody else's."""
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def session(host: Host) -> Iterator[XenAPI.Session]:
    opened = host.login()
    yield opened
    opened("close")()


@pytest.fixture(scope="module")
def api(session: XenAPI.Session) -> Any:
    return session.xenapi


@pytest.fixture(scope="module")
def image(libvirtd: PrivateLibvirt) -> Callable[[], str]:
    """`image()` makes a bootable raw disk outside all pools, and gives its path."""
    directory = libvirtd.directory / "elsewhere"
    directory.mkdir(exist_ok=True)
    libvirtd.give(directory)

    def make() -> str:
        path = write_disk(directory / f"{uuid4()}.img", IDLE, size_bytes=1 << 20)
        return str(libvirtd.give(path))

    return make


def usual_devices(boot: str, data: str) -> str:
    return (
        "<controller type='scsi' index='0' model='virtio-scsi'/>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='writeback'/>"
        f"<source file='{boot}'/><target dev='vda' bus='virtio'/><boot order='1'/></disk>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw' discard='unmap'/>"
        f"<source file='{data}'/><target dev='sdb' bus='scsi'/><serial>DATA</serial></disk>"
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw' cache='none'/>"
        "<target dev='sdz' bus='scsi'/><readonly/><serial>DRIVE</serial></disk>"
        "<interface type='user'><mac address='52:54:00:00:00:31'/><model type='virtio'/>"
        "<link state='up'/></interface>"
    )


Machine = tuple[Any, str]


@pytest.fixture
def machine(
    outside: libvirt.virConnect, session: XenAPI.Session, host: Host, image: Callable[[], str]
) -> Iterator[Machine]:
    """A machine of somebody else's that runs: libvirt's domain and the VM's reference."""
    yield from running_machine(outside, session, host, image)


@pytest.fixture(scope="module")
def standing(
    outside: libvirt.virConnect, session: XenAPI.Session, host: Host, image: Callable[[], str]
) -> Iterator[Machine]:
    """A machine for changes that are refused: nothing may be changed in it."""
    yield from running_machine(outside, session, host, image)


def running_machine(
    outside: libvirt.virConnect,
    session: XenAPI.Session,
    host: Host,
    image: Callable[[], str],
    *,
    devices: str = "",
) -> Iterator[Machine]:
    content = devices or usual_devices(image(), image())
    domain = outside.defineXML(document(f"m-{uuid4().hex[:8]}", content, more=ACPI))
    # No guest code runs, which could close the tray of its drive at any time.
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    host.toolstack._inventory.refresh_domain(domain.UUIDString())
    yield domain, only(session, "VM", domain.name())
    if domain.isActive():
        domain.destroy()
    domain.undefine()
    host.toolstack._inventory.refresh_domain(domain.UUIDString())


def modify(api: Any, vm: str, **change: Any) -> dict[str, list[str]]:
    answer: dict[str, list[str]] = json.loads(api.virtcim.VM.modify(vm, change))
    return answer


def by_id(api: Any, class_name: str, vm: str) -> dict[str, str]:
    found = getattr(api.VM, f"get_{class_name}s")(vm)
    calls = getattr(api, class_name)
    return {calls.get_runtime_properties(ref)["id"]: ref for ref in found}


def both(domain: Any) -> tuple[str, str]:
    return domain.XMLDesc(PERSISTENT), domain.XMLDesc(RUNNING)


def require_same(before: tuple[str, str], after: tuple[str, str]) -> None:
    """Nothing was changed, apart from traces that libvirt leaves of a medium that was there."""
    without = ("@index", "+ disk/driver@type=raw", "+ disk/source")
    assert difference(before[1], after[1], without=without) == []
    assert after[0] == before[0]


def test_a_medium_changes_in_both_descriptions_and_nothing_else(
    api: Any, machine: Machine, image: Callable[[], str]
) -> None:
    domain, vm = machine
    before, path = both(domain), image()
    drive = by_id(api, "VBD", vm)["sdz"]
    modify(api, vm, changed_VBDs=[{"VBD": drive, "location": path, "type": "raw"}])
    for old, new in zip(before, both(domain), strict=True):
        # libvirt forgets the format of an empty drive while the machine runs.
        found = difference(old, new, without=("@index", "backingStore", "driver@type"))
        assert found == ["+ disk/source", f"+ disk/source@file={path}"]
    modify(api, vm, changed_VBDs=[{"VBD": drive, "VDI": NULL}])
    require_same(before, both(domain))


def test_devices_come_and_go_at_once_and_for_the_next_start(
    api: Any, machine: Machine, image: Callable[[], str]
) -> None:
    domain, vm = machine
    before = both(domain)
    disk = {
        "userdevice": "sdc",
        "location": image(),
        "type": "Disk",
        "other_config": {"bus": "scsi", "type": "raw"},
    }
    [vbd] = modify(api, vm, added_VBDs=[disk])["VBDs"]
    assert by_id(api, "VBD", vm)["sdc"] == vbd
    assert api.VBD.get_currently_attached(vbd) is True
    for old, new in zip(before, both(domain), strict=True):
        found = difference(old, new)
        assert "+ disk/target@dev=sdc" in found
        assert not any(item.startswith("-") for item in found)
    modify(api, vm, removed_VBDs=[vbd])
    require_same(before, both(domain))


NEXT_START = {
    "BusType": ("sdb", {"bus": "usb"}),
    "Access": ("sdb", {"mode": "RO"}),
    "ResourceSubType": ("sdb", {"type": "qcow2"}),
    "HostResource": ("sdb", {"location": "/elsewhere.img", "type": "raw"}),
}


@pytest.mark.parametrize(("named", "asked"), NEXT_START.items())
def test_what_only_the_next_start_can_take_is_refused_by_its_name(
    api: Any, standing: Machine, named: str, asked: tuple[str, dict[str, str]], image: Any
) -> None:
    domain, vm = standing
    before, (disk, change) = both(domain), asked
    found = by_id(api, "VBD", vm)
    changes = [
        {"VBD": found["sdz"], "location": image(), "type": "raw"},
        {"VBD": found[disk], **change},
    ]
    refused = failure(lambda: modify(api, vm, name_description="lost", changed_VBDs=changes))
    assert refused == ["VIRTCIM_NEXT_START_ONLY", f"disk/{disk}", named]
    require_same(before, both(domain))
    refused = failure(api.VBD.set_mode, found[disk], "RO")
    assert refused == ["VIRTCIM_NEXT_START_ONLY", f"disk/{disk}", "Access"]
    require_same(before, both(domain))


@pytest.mark.parametrize(
    ("named", "change"),
    {"Address": {"MAC": "52:54:00:00:00:99"}, "ResourceSubType": {"model": "e1000"}}.items(),
)
def test_a_port_that_cannot_change_while_running_is_refused_by_name(
    api: Any, standing: Machine, named: str, change: dict[str, str]
) -> None:
    domain, vm = standing
    before, vif = both(domain), by_id(api, "VIF", vm)["0"]
    refused = failure(lambda: modify(api, vm, changed_VIFs=[{"VIF": vif, **change}]))
    assert refused == ["VIRTCIM_NEXT_START_ONLY", "network/0", named]
    require_same(before, both(domain))


def test_a_network_that_libvirt_cannot_change_in_a_running_machine_is_refused_by_name(
    api: Any, standing: Machine, outside: libvirt.virConnect, host: Host, session: XenAPI.Session
) -> None:
    bridge = "<interface type='bridge'><source bridge='br7'/></interface>"
    other = outside.defineXML(document(f"m-{uuid4().hex[:8]}", bridge))
    host.toolstack._inventory.refresh_domain(other.UUIDString())
    try:
        domain, vm = standing
        before, vif = both(domain), by_id(api, "VIF", vm)["0"]
        [bridged] = api.VM.get_VIFs(only(session, "VM", other.name()))
        refused = failure(api.VIF.move, vif, api.VIF.get_network(bridged))
        assert refused == ["VIRTCIM_NEXT_START_ONLY", "network/0", "PoolID"]
        require_same(before, both(domain))
    finally:
        other.undefine()
        host.toolstack._inventory.refresh_domain(other.UUIDString())


@pytest.mark.parametrize(
    ("named", "change"),
    {
        "ElementName": {"name_label": "another"},
        "Limit": {"memory_static_max": str(1 << 30)},
    }.items(),
)
def test_settings_that_wait_for_the_next_start_are_refused_by_name(
    api: Any, standing: Machine, named: str, change: dict[str, str]
) -> None:
    domain, vm = standing
    before = both(domain)
    refused = failure(lambda: modify(api, vm, name_description="lost", **change))
    assert (refused[0], refused[2]) == ("VIRTCIM_NEXT_START_ONLY", named)
    require_same(before, both(domain))


def test_what_was_done_is_taken_back_when_a_later_part_fails(
    api: Any, machine: Machine, image: Callable[[], str]
) -> None:
    domain, vm = machine
    found = by_id(api, "VBD", vm)
    drive = {"VBD": found["sdz"], "location": image(), "type": "raw"}
    modify(api, vm, changed_VBDs=[drive])
    before = both(domain)
    missing = {"userdevice": "sdb", "location": "/nowhere/at/all.img", "type": "Disk"}
    change = {
        "name_description": "lost",
        "removed_VBDs": [found["sdb"]],
        "changed_VBDs": [{**drive, "location": image()}],
        "added_VBDs": [{**missing, "other_config": {"bus": "scsi", "type": "raw"}}],
    }
    assert "/nowhere/at/all.img" in failure(lambda: modify(api, vm, **change))[4]
    require_same(before, both(domain))
    assert by_id(api, "VBD", vm) == found
    change["added_VBDs"] = []
    change["VCPUs_at_startup"] = "99"
    failure(lambda: modify(api, vm, **change))
    require_same(before, both(domain))


def test_a_controller_that_libvirt_adds_for_a_disk_goes_with_it_when_that_is_refused(
    api: Any,
    session: XenAPI.Session,
    host: Host,
    outside: libvirt.virConnect,
    image: Callable[[], str],
) -> None:
    boot = image()
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        f"<source file='{boot}'/><target dev='vda' bus='virtio'/></disk>"
    )
    machines = running_machine(outside, session, host, image, devices=disk)
    domain, vm = next(machines)
    before = both(domain)
    added = {"location": image(), "type": "Disk", "other_config": {"bus": "scsi", "type": "raw"}}
    # QEMU opens one image for writing once only: the second cannot be had.
    assert "lock" in failure(lambda: modify(api, vm, added_VBDs=[added, added]))[4]
    assert domain.XMLDesc(PERSISTENT) == before[0]
    # Without an operating system the machine lets go of the controller when it restarts.
    domain.reset(0)
    poll_for(lambda: domain.XMLDesc(RUNNING), lambda xml: "type='scsi'" not in xml, "its end")
    require_same(before, both(domain))
    next(machines, None)


def test_what_a_guest_keeps_is_told_and_the_rest_is_as_it_was(
    api: Any, machine: Machine, image: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_steps, "_DETACH_S", 0.5)
    domain, vm = machine
    before, found = both(domain), by_id(api, "VBD", vm)
    change = {
        "name_description": "lost",
        "removed_VBDs": [found["vda"]],
        "changed_VBDs": [{"VBD": found["sdz"], "location": image(), "type": "raw"}],
    }
    assert failure(lambda: modify(api, vm, **change)) == [
        "DEVICE_DETACH_TIMEOUT",
        "VBD",
        found["vda"],
    ]
    require_same(before, both(domain))


def test_each_description_is_changed_from_its_own_element(
    api: Any, machine: Machine, image: Callable[[], str], outside: libvirt.virConnect
) -> None:
    domain, vm = machine
    # Somebody prepares the next start.
    text = domain.XMLDesc(PERSISTENT).replace("<serial>DRIVE</serial>", "<serial>NEXT</serial>")
    outside.defineXML(text)
    before, path = both(domain), image()
    drive = by_id(api, "VBD", vm)["sdz"]
    modify(api, vm, name_description="both", changed_VBDs=[
        {"VBD": drive, "location": path, "type": "raw"}
    ])  # fmt: skip
    for old, new in zip(before, both(domain), strict=True):
        assert difference(old, new, without=("@index", "backingStore", "driver@type")) == [
            "+ description=both",
            "+ disk/source",
            f"+ disk/source@file={path}",
        ]
    assert "NEXT" in domain.XMLDesc(PERSISTENT)
    assert "NEXT" not in domain.XMLDesc(RUNNING)


def test_a_port_plugged_by_somebody_has_a_name_of_its_own(api: Any, machine: Machine) -> None:
    domain, vm = machine
    before = by_id(api, "VIF", vm)
    domain.attachDeviceFlags(
        "<interface type='user'><mac address='52:54:00:00:00:31'/><model type='e1000'/>"
        "</interface>",
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )
    api.VM.set_name_description(vm, "looked at")
    after = by_id(api, "VIF", vm)
    assert list(after) == ["0", "1"]
    assert after["0"] == before["0"]
    models = {name: api.VIF.get_runtime_properties(ref)["model"] for name, ref in after.items()}
    assert models == {"0": "virtio", "1": "e1000"}
    domain.destroy()
    api.VM.set_name_description(vm, "looked at again")
    assert by_id(api, "VIF", vm) == before


# Machines that exist only while they run


@pytest.fixture(scope="module")
def lasting(
    outside: libvirt.virConnect, session: XenAPI.Session, host: Host, image: Callable[[], str]
) -> Iterator[Machine]:
    """A transient machine for changes that are refused."""
    yield from transient_machine(outside, session, host, image)


@pytest.fixture
def transient(
    outside: libvirt.virConnect, session: XenAPI.Session, host: Host, image: Callable[[], str]
) -> Iterator[Machine]:
    yield from transient_machine(outside, session, host, image)


def transient_machine(
    outside: libvirt.virConnect, session: XenAPI.Session, host: Host, image: Callable[[], str]
) -> Iterator[Machine]:
    text = document(f"t-{uuid4().hex[:8]}", usual_devices(image(), image()), more=ACPI)
    domain = outside.createXML(text, libvirt.VIR_DOMAIN_START_PAUSED)
    host.toolstack._inventory.refresh_domain(domain.UUIDString())
    yield domain, only(session, "VM", domain.name())
    domain.destroy()


def test_a_machine_that_was_never_defined_is_changed_as_it_runs_only(
    api: Any, transient: Machine, image: Callable[[], str]
) -> None:
    domain, vm = transient
    before, path = domain.XMLDesc(RUNNING), image()
    found = by_id(api, "VBD", vm)
    modify(
        api,
        vm,
        name_description="hello",
        memory_dynamic_max=str(24 << 20),
        changed_VBDs=[{"VBD": found["sdz"], "location": path, "type": "raw"}],
        removed_VBDs=[found["sdb"]],
    )
    assert domain.isPersistent() == 0
    after = domain.XMLDesc(RUNNING)
    assert "<description>hello</description>" in after
    assert path in after
    assert "DATA" not in after
    assert api.VM.get_name_description(vm) == "hello"
    assert by_id(api, "VBD", vm) == {name: found[name] for name in ("vda", "sdz")}
    assert difference(before, after, without=("disk", "description", "currentMemory")) == []


NOT_OF_TRANSIENT = {
    "ElementName": {"name_label": "another"},
    "BootDevices": {"boot_order": "n"},
    "AutomaticRecoveryAction": {"actions_after_crash": "restart"},
    "AutomaticStartupAction": {"auto_poweron": True},
    "Limit": {"VCPUs_max": "8"},
}


@pytest.mark.parametrize(("named", "change"), NOT_OF_TRANSIENT.items())
def test_what_would_define_a_transient_machine_is_refused(
    api: Any, lasting: Machine, named: str, change: dict[str, Any]
) -> None:
    domain, vm = lasting
    before = domain.XMLDesc(RUNNING)
    refused = failure(lambda: modify(api, vm, name_description="lost", **change))
    assert refused == ["VIRTCIM_TRANSIENT", vm, named]
    for call, *arguments in (
        (api.VM.set_HVM_boot_params, {"order": "n"}),
        (api.VM.set_name_label, "another"),
        (api.VM.set_actions_after_crash, "restart"),
        (api.VM.set_platform, {"acpi": "true"}),
        (api.VM.set_PV_args, "a=b"),
        (api.VM.add_to_other_config, "auto_poweron", "true"),
        (api.VM.set_memory_static_max, str(1 << 30)),
    ):
        details = failure(call, vm, *arguments)
        assert details[0] in {"VIRTCIM_TRANSIENT", "VM_BAD_POWER_STATE", "MAP_DUPLICATE_KEY"}
    assert domain.isPersistent() == 0
    assert domain.XMLDesc(RUNNING) == before


@pytest.mark.parametrize("bus", ["scsi", "sata"])
def test_a_new_image_of_a_running_machine_is_seen_as_the_volume_that_it_is(
    machine: Machine, host: Host, session: XenAPI.Session, bus: str
) -> None:
    """A machine that has no SATA controller refuses its disks in the middle of the change."""
    _, vm = machine
    pool = only(session, "SR", "default")
    before = set(session.xenapi.VM.get_VBDs(vm))
    names = [f"new-{uuid4().hex[:8]}" for _ in range(4)]
    image = {"SR": pool, "virtual_size": str(1 << 20), "type": "Disk", "sm_config": {"type": "raw"}}

    def grow() -> None:
        for letter, name in zip("cdef", names, strict=True):
            place = {"userdevice": f"sd{letter}", "other_config": {"bus": bus}, "name_label": name}
            if bus == "sata":
                refused = failure(
                    session.xenapi.virtcim.VM.modify, vm, {"added_VBDs": [image | place]}
                )
                assert refused[0] == "LIBVIRT_ERROR", refused
            else:
                modify(session.xenapi, vm, added_VBDs=[image | place])

    added: set[str] = set()
    watching = host.login()
    for state in watched(watching, grow):
        added = set(state["vm"][vm]["VBDs"]) - before
        vdis = [state["vdi"][state["vbd"][vbd]["VDI"]] for vbd in added]
        assert {vdi["SR"] for vdi in vdis} <= {pool}
    watching("close")()
    assert len(added) == (4 if bus == "scsi" else 0)
    shown = {vdi["name_label"] for vdi in session.xenapi.VDI.get_all_records().values()}
    assert len(shown & set(names)) == len(added)
