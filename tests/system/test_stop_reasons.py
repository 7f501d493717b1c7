"""A virtual machine that stopped by itself says why, whoever asks and whenever they come."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import libvirt
import libvirt_qemu
import pytest
import pywbem
from boot_sectors import FILL_DISK, IDLE, PANIC, POWER_OFF
from private_libvirt import PrivateLibvirt

from tests.system.cim import define, request_state, system_path, wait_for_system
from tests.system.file_systems import enlarge
from tests.system.machines import domain_xml
from tests.system.qemu_processes import qemu_process
from tests.system.stack import Stack, running_stack
from tests.system.waiting import wait_for

_OUT_OF_DISK_SPACE = 2
_RUNNING = 2
_HALTED = 3
_STUCK = 9
_PAUSED = 9
_OK, _CRITICAL = 5, 25
_DEGRADED = 3  # of OperationalStatus
_STOP_PROPERTIES = ("StopReason", "StopErrorCode", "StopDescription")

MakeDisk = Callable[..., Path]


def stop_of(system: pywbem.CIMInstance) -> tuple[object, ...]:
    return tuple(system[name] for name in _STOP_PROPERTIES)


@pytest.fixture
def full(cim: pywbem.WBEMConnection, make_disk: MakeDisk, full_soon: Path) -> str:
    """A virtual machine that has just filled its file system."""
    uuid = define(
        cim, "filler", disks=[make_disk(FILL_DISK, size_bytes=16 << 20, directory=full_soon)]
    )
    request_state(cim, uuid, "run")
    wait_for_system(cim, uuid, StopErrorCode=_OUT_OF_DISK_SPACE, EnabledState=_PAUSED)
    return uuid


def check_full(system: pywbem.CIMInstance) -> None:
    assert system["StopReason"] == "io-error"
    assert system["StopErrorCode"] == _OUT_OF_DISK_SPACE
    assert system["StopDescription"].startswith("ERR_OUT_OF_DISK_SPACE: ")
    assert system["EnabledState"] == _PAUSED


def test_a_guest_that_fills_its_storage_says_so_until_it_runs_on(
    cim: pywbem.WBEMConnection, full: str, full_soon: Path
) -> None:
    check_full(cim.GetInstance(system_path(full)))
    enlarge(full_soon, size_mib=64)
    request_state(cim, full, "run")
    system = wait_for_system(cim, full, StopErrorCode=None, EnabledState=_RUNNING)
    assert stop_of(system) == (None, None, None)


def test_running_on_while_the_storage_is_still_full_gives_the_reason_again(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, full: str
) -> None:
    request_state(cim, full, "run")
    domain = qemu.lookupByUUIDString(full)
    wait_for(
        lambda: tuple(domain.state()),
        lambda state: state == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR),
        "the guest's second stop",
    )
    check_full(wait_for_system(cim, full, StopErrorCode=_OUT_OF_DISK_SPACE, EnabledState=_PAUSED))


def test_a_full_storage_is_known_to_a_server_that_starts_only_afterwards(
    stack: Stack, full: str
) -> None:
    with (
        stack.another_server() as server,
        pywbem.WBEMConnection(server.url, None, default_namespace="root/virt") as late,
    ):
        check_full(late.GetInstance(system_path(full)))


def test_a_full_storage_is_known_to_a_toolstack_that_starts_only_afterwards(
    shared_libvirt: PrivateLibvirt, stack_directory: Path, full: str
) -> None:
    with (
        running_stack(shared_libvirt.uri, stack_directory) as late_stack,
        late_stack.connect() as late,
    ):
        check_full(late.GetInstance(system_path(full)))


def test_a_guest_that_switches_itself_off_has_no_stop_error(
    cim: pywbem.WBEMConnection, make_disk: MakeDisk
) -> None:
    uuid = define(cim, "polite", disks=[make_disk(POWER_OFF)])
    request_state(cim, uuid, "run")
    system = wait_for_system(cim, uuid, EnabledState=_HALTED)
    assert stop_of(system) == (None, None, None)


def test_a_machine_that_was_switched_off_or_paused_has_no_stop_error(
    cim: pywbem.WBEMConnection, make_disk: MakeDisk
) -> None:
    uuid = define(cim, "obedient", disks=[make_disk(IDLE)])
    request_state(cim, uuid, "run")
    for change, state in (("pause", _PAUSED), ("switch off", _HALTED)):
        request_state(cim, uuid, change)
        system = cim.GetInstance(system_path(uuid))
        assert system["EnabledState"] == state
        assert stop_of(system) == (None, None, None)


def test_a_guest_that_panics_says_crashed_until_it_is_started_again(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    disk = make_disk(PANIC)
    # Made beside us, as an administrator would with virsh: with a panic device, kept when crashed.
    domain = qemu.defineXML(domain_xml("panicking", disks=(disk,)))
    domain.create()
    system = wait_for(
        lambda: next(iter(cim.EnumerateInstances("VirtCIM_ComputerSystem")), None),
        # It stands still for a moment before libvirt knows why.
        lambda found: found is not None and found["StopReason"] == "crashed",
        "the reason of the panic",
    )
    assert system is not None
    assert system["Name"] == domain.UUIDString()
    assert system["StopErrorCode"] not in (None, 0, _OUT_OF_DISK_SPACE)
    assert re.match("ERR_[A-Z_]+: ", system["StopDescription"])
    domain.destroy()
    with disk.open("r+b") as image:
        image.write(IDLE)
    wait_for_system(cim, domain.UUIDString(), EnabledState=_HALTED)
    request_state(cim, domain.UUIDString(), "run")
    system = cim.GetInstance(system_path(domain.UUIDString()))
    assert system["EnabledState"] == _RUNNING
    assert stop_of(system) == (None, None, None)


def test_a_machine_whose_qemu_is_killed_says_that_its_emulator_ended(
    cim: pywbem.WBEMConnection, shared_libvirt: PrivateLibvirt, make_disk: MakeDisk
) -> None:
    uuid = define(cim, "murdered", disks=[make_disk(IDLE)])
    request_state(cim, uuid, "run")
    started = wait_for_system(cim, uuid, EnabledState=_RUNNING)["TimeOfLastStateChange"]
    os.kill(qemu_process(shared_libvirt, uuid), signal.SIGKILL)
    system = wait_for_system(cim, uuid, StopReason="failed", EnabledState=_HALTED)
    assert (system["StopErrorCode"], system["HealthState"]) == (_STUCK, _CRITICAL)
    assert "emulator process of the virtual machine ended" in system["StopDescription"]
    assert system["TimeOfLastStateChange"].datetime >= started.datetime


def test_a_pause_that_nobody_explains_is_no_failure(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    uuid = define(cim, "stopped", disks=[make_disk(IDLE)])
    request_state(cim, uuid, "run")
    domain = qemu.lookupByUUIDString(uuid)
    libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "stop"}', 0)
    system = wait_for_system(cim, uuid, EnabledState=_PAUSED, StopReason="paused-unknown")
    assert system["StopErrorCode"] is None
    assert "unknown reason" in system["StopDescription"]
    assert (system["HealthState"], system["OperationalStatus"]) == (_OK, [15])


def test_a_panic_that_restarts_the_guest_is_told_while_it_runs(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    domain = qemu.defineXML(domain_xml("restarting", disks=(make_disk(PANIC),), on_crash="restart"))
    domain.create()
    system = wait_for(
        lambda: next(iter(cim.EnumerateInstances("VirtCIM_ComputerSystem")), None),
        lambda found: (
            found is not None
            and found["EnabledState"] == _RUNNING
            and "its guest panicked at " in found["StatusDescriptions"][0]
        ),
        "the panic",
    )
    assert system is not None
    assert (system["StopReason"], system["HealthState"]) == (None, _OK)


def test_a_machine_that_has_just_paused_goes_on_whatever_was_seen_of_it(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    uuid = define(cim, "pausing", disks=[make_disk(IDLE)])
    request_state(cim, uuid, "run")
    domain = qemu.lookupByUUIDString(uuid)
    for _ in range(5):
        domain.suspend()
        request_state(cim, uuid, "run")
        assert cim.GetInstance(system_path(uuid))["EnabledState"] == _RUNNING


def test_an_error_that_only_the_guest_is_told_is_shown_on_the_disk(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: MakeDisk, full_soon: Path
) -> None:
    disk = make_disk(FILL_DISK, size_bytes=16 << 20, directory=full_soon)
    domain = qemu.defineXML(domain_xml("reporting", disks=(disk,), error_policy="report"))
    domain.create()
    shown = wait_for(
        lambda: next(iter(cim.EnumerateInstances("VirtCIM_LogicalDisk")), None),
        lambda found: found is not None and found["OperationalStatus"][0] == _DEGRADED,
        "the error on the disk",
    )
    assert shown is not None
    assert "could not be read or written" in shown["StatusDescriptions"][0]
    system = cim.GetInstance(system_path(domain.UUIDString()))
    assert (system["EnabledState"], system["StopReason"]) == (_RUNNING, None)
