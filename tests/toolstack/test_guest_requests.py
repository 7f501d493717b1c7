"""What guests of real QEMU do when they are asked to shut down or to restart, and what not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt
import pytest
import XenAPI
from boot_sectors import (
    IDLE,
    POWER_OFF_WHEN_ASKED,
    RESET_WHEN_ASKED,
    write_disk,
)
from private_libvirt import PrivateLibvirt

from tests.system.qemu_processes import qemu_process
from tests.toolstack.host import (
    DEADLINE_S,
    Host,
    failure,
    finished,
    only,
    running_host,
    vm_record,
    wait_for,
)

MIB = 1 << 20
#: Long enough for a guest that listens; several tests wait for one that does not.
TIMEOUT_S = 1.0

MakeVm = Callable[[bytes], str]


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture(scope="module")
def host(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    with running_host(libvirtd.uri, domain_type="qemu", shutdown_timeout_s=TIMEOUT_S) as running:
        yield running


@pytest.fixture
def patient_host(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    """One whose operations do not end by themselves within a test."""
    with running_host(libvirtd.uri, domain_type="qemu", shutdown_timeout_s=600.0) as running:
        yield running


@pytest.fixture
def make_vm(api: Any, libvirtd: PrivateLibvirt, session: XenAPI.Session) -> Iterator[MakeVm]:
    """`make_vm(sector)` gives a running machine that has booted from it, or is about to."""
    made: list[str] = []

    def make(sector: bytes) -> str:
        path = libvirtd.images / f"{uuid4()}.img"
        libvirtd.give(write_disk(path, sector, size_bytes=MIB))
        pool = only(session, "SR", "default")
        arguments = ("", "", "", pool, "user", False, False, {}, str(path), {}, {})
        vdi = api.VDI.introduce(*arguments)
        vm = str(api.VM.create(vm_record(f"vm-{uuid4()}", memory_static_max=str(32 * MIB))))
        made.append(vm)
        api.VBD.create({"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"})
        api.VM.start(vm, False, False)
        return vm

    yield make
    for vm in made:
        with suppress(XenAPI.Failure):
            api.VM.hard_shutdown(vm)
        api.VM.destroy(vm)


def until_followed(api: Any, operation: str, vm: str) -> None:
    """Ask until the guest follows: one that is still booting does not hear the button."""
    deadline = time.monotonic() + DEADLINE_S
    while (refused := refusal(getattr(api.VM, operation), vm)) is not None:
        assert time.monotonic() < deadline
        if refused[0] == "VM_BAD_POWER_STATE":
            # It followed when nobody waited any more.
            api.VM.start(vm, False, False)
        else:
            assert refused == ["VM_SHUTDOWN_TIMEOUT", vm, f"{TIMEOUT_S:g}"]


def refusal(call: Callable[[str], object], vm: str) -> list[str] | None:
    try:
        call(vm)
    except XenAPI.Failure as refused:
        details: list[str] = refused.details
        return details
    return None


def test_a_reset_is_not_taken_for_the_reboot_that_a_guest_refuses(
    api: Any, make_vm: MakeVm
) -> None:
    vm = make_vm(IDLE)
    for _ in range(2):
        api.VM.hard_reboot(vm)
        assert failure(api.VM.clean_reboot, vm) == ["VM_SHUTDOWN_TIMEOUT", vm, f"{TIMEOUT_S:g}"]


@pytest.mark.parametrize("sector", [RESET_WHEN_ASKED, POWER_OFF_WHEN_ASKED])
def test_a_guest_that_follows_is_seen_to_have_restarted(
    api: Any, make_vm: MakeVm, sector: bytes
) -> None:
    vm = make_vm(sector)
    until_followed(api, "clean_reboot", vm)
    assert api.VM.get_power_state(vm) == "Running"


def test_a_guest_that_follows_is_halted_for_no_bad_reason(api: Any, make_vm: MakeVm) -> None:
    vm = make_vm(POWER_OFF_WHEN_ASKED)
    until_followed(api, "clean_shutdown", vm)
    assert api.VM.get_power_state(vm) == "Halted"
    assert "stop-reason" not in api.VM_metrics.get_other_config(api.VM.get_metrics(vm))


def notice_request(host: Host) -> threading.Event:
    """What is set as soon as libvirt has accepted to ask a guest for something."""
    connection = host.toolstack._connection
    call = connection.call
    accepted = threading.Event()

    def noticing(function: Callable[..., Any], *arguments: object) -> Any:
        result = call(function, *arguments)
        if getattr(function, "__name__", "") in ("shutdown", "<lambda>"):
            accepted.set()
        return result

    connection.call = noticing  # type: ignore[method-assign]
    return accepted


@pytest.mark.parametrize("operation", ["clean_shutdown", "clean_reboot"])
def test_a_crash_is_no_clean_end(
    make_vm: MakeVm, patient_host: Host, libvirtd: PrivateLibvirt, operation: str
) -> None:
    vm = make_vm(IDLE)
    with logged_in(patient_host) as session:
        api = session.xenapi
        wait_for(session, ["vm"], lambda: vm in api.VM.get_all(), "the machine")
        accepted = notice_request(patient_host)
        task = getattr(api.Async.VM, operation)(vm)
        assert accepted.wait(DEADLINE_S)
        os.kill(qemu_process(libvirtd, api.VM.get_uuid(vm)), signal.SIGKILL)
        assert finished(session, task)["error_info"] == ["VM_CRASHED", vm]
        assert api.VM.get_power_state(vm) == "Halted"


def test_a_machine_that_is_switched_off_while_it_is_asked_is_shut_down(
    make_vm: MakeVm, patient_host: Host, libvirtd: PrivateLibvirt
) -> None:
    vm = make_vm(IDLE)
    with logged_in(patient_host) as session, closing(libvirt.open(libvirtd.uri)) as other:
        api = session.xenapi
        wait_for(session, ["vm"], lambda: vm in api.VM.get_all(), "the machine")
        uuid = api.VM.get_uuid(vm)
        emulator = qemu_process(libvirtd, uuid)
        os.kill(emulator, signal.SIGSTOP)
        asked = notice_call(patient_host, "shutdown")
        task = api.Async.VM.clean_shutdown(vm)
        assert asked.wait(DEADLINE_S)
        switching_off = threading.Thread(target=other.lookupByUUIDString(uuid).destroy)
        switching_off.start()
        wait_until_pending(emulator, signal.SIGTERM)
        # Not even the monitor's last answer comes.
        os.kill(emulator, signal.SIGKILL)
        assert finished(session, task)["error_info"] == []
        assert api.VM.get_power_state(vm) == "Halted"
        switching_off.join()


def notice_call(host: Host, name: str) -> threading.Event:
    """What is set as soon as libvirt is about to be called by that name."""
    connection = host.toolstack._connection
    call = connection.call
    begun = threading.Event()

    def noticing(function: Callable[..., Any], *arguments: object) -> Any:
        if getattr(function, "__name__", "") == name:
            begun.set()
        return call(function, *arguments)

    connection.call = noticing  # type: ignore[method-assign]
    return begun


def wait_until_pending(process: int, number: signal.Signals) -> None:
    """Wait until a stopped process has been sent a signal."""
    deadline = time.monotonic() + DEADLINE_S
    while not pending_signals(process) & 1 << (number - 1):
        assert time.monotonic() < deadline


def pending_signals(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    return int(status.split("ShdPnd:")[1].split()[0], 16)


@contextmanager
def logged_in(host: Host) -> Iterator[XenAPI.Session]:
    session = host.login()
    yield session
    session("close")()
