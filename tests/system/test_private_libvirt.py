"""The stage itself: what the demonstration and the other system tests rely on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest
from boot_sectors import FILL_DISK, IDLE, PANIC, POWER_OFF
from domain_type import best_domain_type
from private_libvirt import PrivateLibvirt, PrivateLibvirtError

from tests.system.machines import domain_xml, machine_name, machine_uuid
from tests.system.waiting import DEADLINE_S


def wait_for_state(domain: libvirt.virDomain, state: tuple[int, int]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while tuple(domain.state()) != state:
        assert time.monotonic() < deadline, f"{domain.state()} instead of {state}"


def processes_using(directory: Path) -> list[str]:
    found = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = command_line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in text:
            found.append(text)
    return found


def test_nothing_is_left_of_it_and_its_virtual_machines() -> None:
    with PrivateLibvirt() as private_libvirt:
        directory = private_libvirt.directory
        connection = libvirt.open(private_libvirt.uri)
        connection.createXML(domain_xml("left-running"))
        connection.close()
        assert len(processes_using(directory)) >= 3
    assert processes_using(directory) == []
    assert not directory.exists()


def test_the_sudden_end_of_its_user_ends_it_too() -> None:
    program = (
        "import os, signal; from private_libvirt import PrivateLibvirt\n"
        "print(PrivateLibvirt().__enter__().directory, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    scripts = Path(sys.modules["private_libvirt"].__file__ or "").parent
    killed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(scripts)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    directory = Path(killed.stdout.strip())
    deadline = time.monotonic() + DEADLINE_S
    while processes_using(directory) or directory.exists():
        assert time.monotonic() < deadline


def test_virtual_machines_outlive_a_killed_libvirtd(own_libvirt: PrivateLibvirt) -> None:
    connection = libvirt.open(own_libvirt.uri)
    connection.defineXML(domain_xml("survivor")).create()
    host_uuid = connection.getCapabilities().partition("<uuid>")[2].partition("<")[0]
    own_libvirt.kill()
    with pytest.raises(libvirt.libvirtError):
        connection.listAllDomains()
    with pytest.raises(libvirt.libvirtError):
        libvirt.open(own_libvirt.uri)
    own_libvirt.start()
    again = libvirt.open(own_libvirt.uri)
    assert again.lookupByName("survivor").state()[0] == libvirt.VIR_DOMAIN_RUNNING
    assert host_uuid in again.getCapabilities()
    again.close()
    connection.close()


def test_a_directory_that_cannot_be_used_is_an_error_with_a_reason(tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    with pytest.raises(PrivateLibvirtError), PrivateLibvirt(obstacle):
        pass


def test_a_storage_pool_is_ready(qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt) -> None:
    pool = qemu.storagePoolLookupByName("default")
    volume = pool.createXML(
        "<volume><name>a.qcow2</name><capacity>1048576</capacity>"
        "<target><format type='qcow2'/></target></volume>"
    )
    assert volume.path() == str(shared_libvirt.images / "a.qcow2")


def test_the_domain_type_found_is_one_that_runs(
    qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt, make_disk: Callable[..., Path]
) -> None:
    domain_type = best_domain_type(shared_libvirt)
    assert domain_type in ("kvm", "qemu")
    disk = make_disk(IDLE)
    domain = qemu.createXML(domain_xml("idle", disks=(disk,), domain_type=domain_type))
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING


@pytest.mark.parametrize(
    ("boot_sector", "state"),
    [
        (POWER_OFF, (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN)),
        (PANIC, (libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_CRASHED_PANICKED)),
    ],
    ids=["power-off", "panic"],
)
def test_a_guest_ends_as_its_boot_sector_says(
    qemu: libvirt.virConnect,
    make_disk: Callable[..., Path],
    boot_sector: bytes,
    state: tuple[int, int],
) -> None:
    domain = qemu.defineXML(domain_xml("guest", disks=(make_disk(boot_sector),)))
    domain.create()
    wait_for_state(domain, state)


def test_a_guest_that_fills_the_file_system_is_paused(
    qemu: libvirt.virConnect, make_disk: Callable[..., Path], full_soon: Path
) -> None:
    disk = make_disk(FILL_DISK, size_bytes=16 << 20, directory=full_soon)
    domain = qemu.defineXML(domain_xml("filler", disks=(disk,)))
    domain.create()
    wait_for_state(domain, (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR))
    assert domain.diskErrors() == {"vda": libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE}


def test_the_test_driver_has_as_many_machines_as_asked_for(
    simulated_host_uri: Callable[[int], str],
) -> None:
    connection = libvirt.open(simulated_host_uri(20))
    states = {domain.name(): domain.state()[0] for domain in connection.listAllDomains()}
    connection_uuid = connection.lookupByName(machine_name(7)).UUIDString()
    connection.close()
    assert len(states) == 20
    assert states[machine_name(2)] == libvirt.VIR_DOMAIN_RUNNING
    assert states[machine_name(3)] == libvirt.VIR_DOMAIN_SHUTOFF
    assert connection_uuid == machine_uuid(7)


def test_the_test_driver_inside_the_daemon_is_shared_by_its_clients(
    own_libvirt: PrivateLibvirt,
) -> None:
    first, second = libvirt.open(own_libvirt.test_uri), libvirt.open(own_libvirt.test_uri)
    first.defineXML(
        "<domain type='test'><name>a</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    )
    assert second.lookupByName("a").isPersistent()
    first.close()
    second.close()
