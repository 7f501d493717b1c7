"""The official XenAPI module drives the toolstack over real QEMU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
import XenAPI
from boot_sectors import IDLE, POWER_OFF
from private_libvirt import PrivateLibvirt

from tests.system.machines import domain_xml
from tests.system.stack import Stack, events_from, xenapi_session
from tests.system.waiting import wait_for

_NULL = "OpaqueRef:NULL"

MakeDisk = Callable[..., Path]


@pytest.fixture
def session(stack: Stack, qemu: libvirt.virConnect) -> Iterator[XenAPI.Session]:
    """A session over QEMU without virtual machines."""
    assert qemu.listAllDomains() == []
    with xenapi_session(stack.toolstack_socket) as opened:
        wait_for(opened.xenapi.VM.get_all, lambda machines: machines == [], "no machines")
        yield opened


def vm_record(name: str, *, memory_bytes: int = 32 << 20) -> dict[str, Any]:
    memory = str(memory_bytes)
    return {
        "name_label": name,
        "name_description": "",
        "user_version": "0",
        "is_a_template": False,
        "affinity": _NULL,
        "memory_static_max": memory,
        "memory_dynamic_max": memory,
        "memory_dynamic_min": memory,
        "memory_static_min": "0",
        "VCPUs_params": {},
        "VCPUs_max": "1",
        "VCPUs_at_startup": "1",
        "actions_after_shutdown": "destroy",
        "actions_after_reboot": "restart",
        "actions_after_crash": "destroy",
        "PV_bootloader": "",
        "PV_kernel": "",
        "PV_ramdisk": "",
        "PV_args": "",
        "PV_bootloader_args": "",
        "PV_legacy_args": "",
        "HVM_boot_policy": "BIOS order",
        "HVM_boot_params": {"order": "c"},
        "platform": {},
        "PCI_bus": "",
        "other_config": {},
        "recommendations": "",
    }


def add_disk(session: XenAPI.Session, vm: str, path: Path) -> str:
    """Attach a disk file by way of its VDI; gives the VBD."""
    [sr] = [ref for ref, sr in session.xenapi.SR.get_all_records().items() if sr["type"] == "path"]
    vdi = session.xenapi.VDI.introduce(
        "", path.name, "", sr, "user", False, False, {}, str(path), {}, {}
    )
    vbd: str = session.xenapi.VBD.create(
        {
            "VM": vm,
            "VDI": vdi,
            "userdevice": "autodetect",
            "bootable": True,
            "mode": "RW",
            "type": "Disk",
            "unpluggable": False,
            "empty": False,
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
    )
    return vbd


def finished_task(session: XenAPI.Session, task: str) -> dict[str, Any]:
    record: dict[str, Any] = wait_for(
        lambda: session.xenapi.task.get_record(task),
        lambda record: record["status"] != "pending",
        "the end of the task",
    )
    session.xenapi.task.destroy(task)
    return record


def failure(call: Callable[[], object]) -> list[str]:
    with pytest.raises(XenAPI.Failure) as caught:
        call()
    details: list[str] = caught.value.details
    return details


def test_the_host_and_its_pool_are_described(session: XenAPI.Session) -> None:
    [pool] = session.xenapi.pool.get_all()
    host = session.xenapi.pool.get_master(pool)
    assert session.xenapi.session.get_this_host(session.handle) == host
    record = session.xenapi.host.get_record(host)
    assert record["enabled"] is True
    versions = record["software_version"]
    assert any("libvirt" in name.lower() for name in versions), versions
    assert any("qemu" in name.lower() for name in versions), versions
    assert int(session.xenapi.host_metrics.get_memory_total(record["metrics"])) > 0
    assert session.API_version.split(".")[0].isdigit()


def test_a_machine_goes_through_its_life(session: XenAPI.Session, make_disk: MakeDisk) -> None:
    vm = session.xenapi.VM.create(vm_record("life"))
    add_disk(session, vm, make_disk(IDLE))
    states = []
    for change in (
        "start",
        "pause",
        "unpause",
        "suspend",
        "resume",
        "hard_reboot",
        "hard_shutdown",
    ):
        arguments = (False, False) if change in ("start", "resume") else ()
        getattr(session.xenapi.VM, change)(vm, *arguments)
        states.append(session.xenapi.VM.get_power_state(vm))
    assert states == ["Running", "Paused", "Running", "Suspended", "Running", "Running", "Halted"]
    session.xenapi.VM.destroy(vm)
    assert session.xenapi.VM.get_all() == []


def test_a_guest_that_switched_itself_off_cannot_be_shut_down(
    session: XenAPI.Session, make_disk: MakeDisk
) -> None:
    vm = session.xenapi.VM.create(vm_record("deaf"))
    add_disk(session, vm, make_disk(POWER_OFF))
    session.xenapi.VM.start(vm, False, False)
    wait_for(
        lambda: session.xenapi.VM.get_power_state(vm), lambda state: state == "Halted", "its end"
    )
    assert failure(lambda: session.xenapi.VM.clean_shutdown(vm)) == [
        "VM_BAD_POWER_STATE",
        vm,
        "running",
        "halted",
    ]


def test_records_say_what_was_asked_for(session: XenAPI.Session, make_disk: MakeDisk) -> None:
    vm = session.xenapi.VM.create(vm_record("recorded", memory_bytes=48 << 20))
    disk = make_disk(IDLE, size_bytes=2 << 20)
    vbd = add_disk(session, vm, disk)
    record = session.xenapi.VM.get_all_records()[vm]
    assert record == session.xenapi.VM.get_record(vm)
    assert record["name_label"] == "recorded"
    assert record["memory_static_max"] == str(48 << 20)
    assert record["VBDs"] == [vbd]
    assert session.xenapi.VM.get_by_uuid(record["uuid"]) == vm
    assert session.xenapi.VM.get_by_name_label("recorded") == [vm]
    vdi = session.xenapi.VDI.get_record(session.xenapi.VBD.get_VDI(vbd))
    assert vdi["virtual_size"] == str(2 << 20)
    assert vdi["location"] == str(disk)
    session.xenapi.VM.set_name_label(vm, "renamed")
    assert session.xenapi.VM.get_name_label(vm) == "renamed"
    assert session.xenapi.VM.get_uuid(vm) == record["uuid"]


def test_a_task_ends_in_success_or_in_the_whole_failure(
    session: XenAPI.Session, make_disk: MakeDisk, shared_libvirt: PrivateLibvirt
) -> None:
    good = session.xenapi.VM.create(vm_record("good"))
    add_disk(session, good, make_disk(IDLE))
    record = finished_task(session, session.xenapi.Async.VM.start(good, False, False))
    assert record["status"] == "success"
    assert session.xenapi.VM.get_power_state(good) == "Running"
    bad = session.xenapi.VM.create(vm_record("bad"))
    missing = shared_libvirt.images / "gone.img"
    add_disk(session, bad, missing)
    record = finished_task(session, session.xenapi.Async.VM.start(bad, False, False))
    assert record["status"] == "failure"
    # VIR_ERR_SYSTEM_ERROR, as libvirt raised it.
    assert record["error_info"][:3] == ["LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR"]
    assert str(missing) in record["error_info"][4]


def test_events_tell_of_what_we_and_others_do(
    session: XenAPI.Session, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    events = events_from(session, ["vm"], "", 0.0)
    assert events["events"] == []
    domain = qemu.defineXML(domain_xml("other", disks=(make_disk(IDLE),)))
    events = events_from(session, ["vm"], events["token"], 30.0)
    [added] = [event for event in events["events"] if event["operation"] == "add"]
    assert added["snapshot"]["name_label"] == "other"
    vm = added["ref"]
    session.xenapi.VM.start(vm, False, False)
    seen = power_states_until(session, events["token"], "Running")
    assert set(seen) == {"Running"} or seen[-1] == "Running"
    token = events_from(session, ["vm"], "", 0.0)["token"]
    domain.destroy()
    domain.undefine()
    operations: list[str] = []
    while "del" not in operations:
        events = events_from(session, ["vm"], token, 30.0)
        assert events["events"], operations
        token = events["token"]
        operations += [event["operation"] for event in events["events"] if event["ref"] == vm]
    assert vm not in session.xenapi.VM.get_all()


def power_states_until(session: XenAPI.Session, token: str, wanted: str) -> list[str]:
    states: list[str] = []
    while wanted not in states:
        events = events_from(session, ["vm"], token, 30.0)
        assert events["events"], f"no event any more after {states}"
        token = events["token"]
        states += [event["snapshot"]["power_state"] for event in events["events"]]
    return states


@pytest.mark.parametrize(
    ("call", "details"),
    [
        (lambda xenapi, _: xenapi.VM.start(_NULL, False, False), ["HANDLE_INVALID", "VM", _NULL]),
        (
            lambda xenapi, vm: xenapi.VM.pause(vm),
            ["VM_BAD_POWER_STATE", "{vm}", "running", "halted"],
        ),
        (lambda xenapi, _: xenapi.VM.fly(), ["MESSAGE_METHOD_UNKNOWN", "VM.fly"]),
        (
            lambda xenapi, vm: xenapi.VM.start(vm),
            ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.start", "3", "1"],
        ),
        (lambda xenapi, _: xenapi.VM.get_by_uuid("nobody"), ["UUID_INVALID", "VM", "nobody"]),
    ],
    ids=["handle", "state", "method", "arity", "uuid"],
)
def test_what_the_toolstack_refuses_itself_has_the_codes_of_xenapi(
    session: XenAPI.Session, call: Callable[[Any, str], object], details: list[str]
) -> None:
    vm = session.xenapi.VM.create(vm_record("refused"))
    expected = [detail.format(vm=vm) for detail in details]
    assert failure(lambda: call(session.xenapi, vm)) == expected


def test_what_libvirt_refuses_travels_whole(session: XenAPI.Session) -> None:
    vm = session.xenapi.VM.create(vm_record("giant", memory_bytes=10 << 40))
    details = failure(lambda: session.xenapi.VM.start(vm, False, False))
    code, number, name, _, message, *rest = details
    assert (code, number, name) == ("LIBVIRT_ERROR", "1", "VIR_ERR_INTERNAL_ERROR")
    assert "Cannot allocate memory" in message
    assert len(rest) == 2


def test_a_volume_is_made_resized_and_destroyed(
    session: XenAPI.Session, shared_libvirt: PrivateLibvirt
) -> None:
    [sr] = session.xenapi.SR.get_by_name_label("default")
    vdi = session.xenapi.VDI.create(
        {
            "name_label": "volume",
            "name_description": "",
            "SR": sr,
            "virtual_size": str(4 << 20),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {},
            "xenstore_data": {},
            "sm_config": {},
            "tags": [],
        }
    )
    path = Path(session.xenapi.VDI.get_location(vdi))
    assert path.is_relative_to(shared_libvirt.images)
    assert path.exists()
    session.xenapi.VDI.resize(vdi, str(8 << 20))
    assert session.xenapi.VDI.get_virtual_size(vdi) == str(8 << 20)
    session.xenapi.VDI.destroy(vdi)
    assert not path.exists()
    assert failure(lambda: session.xenapi.VDI.get_record(vdi)) == ["HANDLE_INVALID", "VDI", vdi]


def test_a_disk_outside_pools_is_removed_and_made_again_as_ansible_does_it(
    session: XenAPI.Session,
    qemu: libvirt.virConnect,
    make_disk: MakeDisk,
    shared_libvirt: PrivateLibvirt,
) -> None:
    api = session.xenapi
    path = make_disk(IDLE, directory=shared_libvirt.directory)
    domain = qemu.defineXML(domain_xml("foreign", disks=(path,)))
    [vm] = wait_for(lambda: api.VM.get_by_name_label("foreign"), bool, "the machine")
    [vbd] = api.VM.get_VBDs(vm)
    record = api.VBD.get_record(vbd)
    api.VBD.destroy(vbd)
    assert str(path) not in domain.XMLDesc()
    assert record["VDI"] not in api.VDI.get_all()
    fields = ("VM", "VDI", "userdevice", "mode", "type", "bootable", "empty", "other_config")
    made = api.VBD.create({name: record[name] for name in fields})
    assert api.VBD.get_VDI(made) == record["VDI"]
    assert str(path) in domain.XMLDesc()
    api.VM.start(vm, False, False)
    assert api.VM.get_power_state(vm) == "Running"
