"""What only a real hypervisor does: plugging, resizing, media, guests that do not listen."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import libvirt
import pytest
import XenAPI
from boot_sectors import IDLE, POWER_OFF, write_disk
from private_libvirt import PrivateLibvirt

from tests.system.qemu_processes import qemu_process
from tests.toolstack.host import NULL, Host, failure, finished, only, running_host, wait_for
from virtcim.toolstack.machines import live_steps

MIB = 1 << 20


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture(scope="module")
def host(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    with running_host(libvirtd.uri, domain_type="qemu", shutdown_timeout_s=0.5) as running:
        yield running


@pytest.fixture
def session(host: Host) -> Iterator[XenAPI.Session]:
    opened = host.login()
    yield opened
    for vm in opened.xenapi.VM.get_all():
        with suppress(XenAPI.Failure):
            opened.xenapi.VM.hard_shutdown(vm)
        opened.xenapi.VM.destroy(vm)
    opened("close")()


@pytest.fixture
def api(session: XenAPI.Session) -> Any:
    return session.xenapi


@pytest.fixture
def pool(session: XenAPI.Session) -> str:
    return only(session, "SR", "default")


def image(api: Any, libvirtd: PrivateLibvirt, pool: str, sector: bytes) -> str:
    """Put a disk into the pool, as if somebody had copied it there; gives its VDI."""
    name = f"{uuid4()}.img"
    path = libvirtd.give(write_disk(libvirtd.images / name, sector, size_bytes=MIB))
    arguments = ("", "", "", pool, "user", False, False, {}, str(path), {}, {})
    return str(api.VDI.introduce(*arguments))


@pytest.fixture
def make_vm(api: Any, libvirtd: PrivateLibvirt, pool: str) -> Any:
    def make(sector: bytes = IDLE, **fields: Any) -> str:
        vm = api.VM.create(
            {"name_label": f"vm-{uuid4()}", "memory_static_max": str(32 * MIB), "VCPUs_max": "2",
             "VCPUs_at_startup": "1", **fields}
        )  # fmt: skip
        add_disk(api, vm, image(api, libvirtd, pool, sector))
        return str(vm)

    return make


def add_disk(api: Any, vm: str, vdi: str, **fields: Any) -> str:
    return str(api.VBD.create({"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW", **fields}))


def test_a_disk_is_plugged_resized_and_unplugged_while_the_machine_runs(
    api: Any, make_vm: Any, pool: str, session: XenAPI.Session
) -> None:
    vm = make_vm()
    api.VM.start(vm, False, False)
    vdi = api.VDI.create(
        {"SR": pool, "virtual_size": str(4 * MIB), "name_label": f"{uuid4()}.qcow2"}
    )
    vbd = add_disk(api, vm, vdi, userdevice="sdb", other_config={"bus": "scsi"})
    assert api.VBD.get_currently_attached(vbd) is False
    assert finished(session, api.Async.VBD.plug(vbd))["status"] == "success"
    assert (api.VBD.get_currently_attached(vbd), api.VBD.get_device(vbd)) == (True, "sdb")
    assert failure(api.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
    api.VDI.resize(vdi, str(8 * MIB))
    assert api.VDI.get_virtual_size(vdi) == str(8 * MIB)
    # libvirt would cut the end off a disk that is in use, and say nothing.
    assert failure(api.VDI.resize, vdi, str(8 * MIB - 1))[:2] == ["VALUE_NOT_SUPPORTED", "size"]
    smaller = {"resized": {"VBD": vbd, "virtual_size": str(MIB)}}
    assert failure(api.virtcim.VM.modify, vm, smaller)[:2] == ["VALUE_NOT_SUPPORTED", "size"]
    api.VDI.update(vdi)
    assert api.VDI.get_virtual_size(vdi) == str(8 * MIB)
    api.VBD.unplug(vbd)
    assert api.VBD.get_currently_attached(vbd) is False
    assert failure(api.VBD.unplug, vbd) == ["DEVICE_ALREADY_DETACHED", vbd]
    api.VBD.destroy(vbd)
    api.VDI.resize(vdi, str(16 * MIB))
    assert api.VDI.get_virtual_size(vdi) == str(16 * MIB)
    assert "shrink" in failure(api.VDI.resize, vdi, str(MIB))[4]
    api.VDI.destroy(vdi)


def test_a_guest_that_keeps_a_device_is_reported_and_not_believed_to_have_let_go(
    api: Any, make_vm: Any, session: XenAPI.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_steps, "_DETACH_S", 0.5)
    vm, network = make_vm(), only(session, "network", "User networking")
    api.VM.start(vm, False, False)
    vif = api.VIF.create({"VM": vm, "network": network, "device": "0", "MAC": ""})
    api.VIF.plug(vif)
    assert api.VIF.get_currently_attached(vif) is True
    assert failure(api.VIF.unplug, vif) == ["DEVICE_DETACH_TIMEOUT", "VIF", vif]
    assert api.VIF.get_currently_attached(vif) is True


def test_media_change_in_the_running_machine_and_for_its_next_start(
    api: Any, make_vm: Any, libvirtd: PrivateLibvirt, pool: str
) -> None:
    vm = make_vm()
    drive = api.VBD.create({"VM": vm, "VDI": NULL, "type": "CD", "mode": "RO", "empty": True})
    api.VM.start(vm, False, False)
    medium = image(api, libvirtd, pool, IDLE)
    api.VBD.insert(drive, medium)
    assert api.VBD.get_VDI(drive) == medium
    api.VM.hard_shutdown(vm)
    assert api.VBD.get_VDI(drive) == medium
    api.VM.start(vm, False, False)
    api.VBD.eject(drive)
    assert api.VBD.get_empty(drive) is True
    api.VM.hard_shutdown(vm)
    assert api.VBD.get_empty(drive) is True


def test_a_guest_that_does_not_listen_is_reported(api: Any, make_vm: Any) -> None:
    vm = make_vm()
    api.VM.start(vm, False, False)
    for call in (api.VM.clean_shutdown, api.VM.clean_reboot):
        assert failure(call, vm) == ["VM_SHUTDOWN_TIMEOUT", vm, "0.5"]
        assert api.VM.get_power_state(vm) == "Running"
    api.VM.shutdown(vm)
    assert api.VM.get_power_state(vm) == "Halted"


def test_a_guest_that_switches_itself_off_is_halted_for_no_bad_reason(
    api: Any, make_vm: Any, session: XenAPI.Session
) -> None:
    vm = make_vm(POWER_OFF)
    api.VM.start(vm, False, False)
    wait_for(session, ["vm"], lambda: api.VM.get_power_state(vm) == "Halted", "its end")
    assert "stop-reason" not in api.VM_metrics.get_other_config(api.VM.get_metrics(vm))


def test_a_machine_is_started_and_resumed_paused(api: Any, make_vm: Any) -> None:
    vm = make_vm()
    api.VM.start(vm, True, False)
    assert api.VM.get_power_state(vm) == "Paused"
    api.VM.unpause(vm)
    api.VM.suspend(vm)
    assert api.VM.get_power_state(vm) == "Suspended"
    api.VM.resume(vm, True, False)
    assert api.VM.get_power_state(vm) == "Paused"
    api.VM.hard_reboot(vm)
    assert api.VM.get_power_state(vm) == "Paused"


def test_consoles_are_there_while_they_can_be_opened(api: Any, make_vm: Any) -> None:
    vm = make_vm(other_config={"vnc": "true", "serial": "true"})
    assert api.VM.get_consoles(vm) == []
    api.VM.start(vm, False, False)
    consoles = [api.console.get_record(ref) for ref in api.VM.get_consoles(vm)]
    assert {console["protocol"] for console in consoles} == {"rfb", "vt100"}
    assert all(console["VM"] == vm and console["location"] for console in consoles)
    api.VM.hard_shutdown(vm)
    assert api.console.get_all() == []


def test_a_machine_that_was_never_defined_is_managed_while_it_runs(
    api: Any, libvirtd: PrivateLibvirt, session: XenAPI.Session
) -> None:
    connection = libvirt.open(libvirtd.uri)
    connection.createXML(
        "<domain type='qemu'><name>brief</name><memory>32768</memory><os><type>hvm</type></os>"
        "</domain>"
    )
    wait_for(session, ["vm"], lambda: api.VM.get_by_name_label("brief") != [], "the machine")
    vm = only(session, "VM", "brief")
    api.VM.add_to_other_config(vm, "note", "kept")
    assert api.VM.get_other_config(vm)["note"] == "kept"
    api.VM.hard_shutdown(vm)
    assert failure(api.VM.get_record, vm) == ["HANDLE_INVALID", "VM", vm]
    connection.close()


def test_an_emulator_that_was_killed_is_told_from_a_guest_that_panicked(
    api: Any, make_vm: Any, host: Host, libvirtd: PrivateLibvirt, session: XenAPI.Session
) -> None:
    vm = make_vm()
    api.VM.start(vm, False, False)
    os.kill(qemu_process(libvirtd, api.VM.get_uuid(vm)), signal.SIGKILL)
    metrics = api.VM.get_metrics(vm)
    wait_for(
        session,
        ["vm_metrics"],
        lambda: api.VM_metrics.get_other_config(metrics).get("stop-reason") == "failed",
        "the reason",
    )
    assert api.VM.get_power_state(vm) == "Halted"
    assert json.loads(api.VM_metrics.get_other_config(metrics)["stop-event"]) == {
        "event": "VIR_DOMAIN_EVENT_STOPPED",
        "detail": "VIR_DOMAIN_EVENT_STOPPED_FAILED",
    }
    api.VM.start(vm, False, False)
    assert "stop-reason" not in api.VM_metrics.get_other_config(metrics)
