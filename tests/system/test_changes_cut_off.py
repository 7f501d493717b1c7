"""Changes of a running machine that end in the middle: the next toolstack takes them back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest
import XenAPI
from boot_sectors import IDLE
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.machines import domain_xml
from tests.system.qemu_processes import qemu_process
from tests.system.waiting import wait_for

PERSISTENT = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
DRIVE = (
    "<controller type='scsi' model='virtio-scsi'/><disk type='file' device='cdrom'>"
    "<driver name='qemu' type='raw'/><source file='{medium}'/><target dev='sdz' bus='scsi'/>"
    "<readonly/></disk></devices>"
)
LISTEN = ("--listen", "http://127.0.0.1:0", "--auth", "none")


@pytest.fixture
def machine(
    qemu: libvirt.virConnect, make_disk: Callable[..., Path]
) -> tuple[libvirt.virDomain, Path]:
    """A machine that runs with a medium in its drive, and another medium."""
    drive = DRIVE.format(medium=make_disk(IDLE))
    text = domain_xml("cut-off", disks=(make_disk(IDLE),)).replace("</devices>", drive)
    domain = qemu.defineXML(text)
    # Its guest lets go of nothing: no code of it runs.
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    return domain, make_disk(IDLE)


def begin_change(daemon: Daemon, domain: libvirt.virDomain, medium: Path) -> None:
    """Begin a change that waits for the guest, and wait until all the rest of it is made."""
    session = XenAPI.Session(daemon.url)
    session.login_with_password("root", "", "1.0", "tests")
    try:
        task = modify_in_the_background(session, domain, medium)
        wait_for(
            lambda: (
                str(medium) in domain.XMLDesc(),
                "vda" not in domain.XMLDesc(PERSISTENT),
                domain.autostart(),
                session.xenapi.task.get_error_info(task),
            ),
            lambda found: found == (True, True, 1, []),
            "the half of the change that can be made",
        )
    finally:
        session("close")()


def modify_in_the_background(
    session: XenAPI.Session, domain: libvirt.virDomain, medium: Path
) -> str:
    api: Any = session.xenapi
    [vm] = api.VM.get_by_name_label(domain.name())
    vbds = {api.VBD.get_device(ref): ref for ref in api.VM.get_VBDs(vm)}
    change = {
        "name_description": "half made",
        "auto_poweron": True,
        "changed_VBDs": [{"VBD": vbds["sdz"], "location": str(medium), "type": "raw"}],
        "removed_VBDs": [vbds["vda"]],
    }
    return str(session.xenapi.Async.virtcim.VM.modify(vm, change))


def test_a_killed_toolstack_leaves_no_half_change(
    machine: tuple[libvirt.virDomain, Path],
    shared_libvirt: PrivateLibvirt,
    start_daemon: Callable[..., Daemon],
    short_path: Path,
) -> None:
    domain, medium = machine
    before = domain.XMLDesc(PERSISTENT)
    arguments = ("toolstack", "--libvirt", shared_libvirt.uri, *LISTEN)
    state = ("--state", str(short_path / "state"))
    first = start_daemon(*arguments, *state)
    begin_change(first, domain, medium)
    first.kill()
    second = start_daemon(*arguments, *state)
    # It may be ready before: it waits for that only so long.
    wait_for(
        second.log.read_text,
        lambda log: "a change that was cut off has been taken back" in log,
        "the end of taking back",
    )
    assert domain.XMLDesc(PERSISTENT) == before
    running = domain.XMLDesc()
    assert str(medium) not in running
    assert "half made" not in running
    assert domain.autostart() == 0


def test_what_somebody_has_changed_since_is_not_overwritten(
    machine: tuple[libvirt.virDomain, Path],
    qemu: libvirt.virConnect,
    shared_libvirt: PrivateLibvirt,
    start_daemon: Callable[..., Daemon],
    short_path: Path,
) -> None:
    domain, medium = machine
    arguments = ("toolstack", "--libvirt", shared_libvirt.uri, *LISTEN)
    state = ("--state", str(short_path / "state"))
    first = start_daemon(*arguments, *state)
    begin_change(first, domain, medium)
    first.kill()
    edited = domain.XMLDesc(PERSISTENT).replace("<vcpu", "<title>mine</title><vcpu", 1)
    qemu.defineXML(edited)
    theirs = domain.XMLDesc(PERSISTENT)
    second = start_daemon(*arguments, *state)
    wait_for(
        second.log.read_text,
        lambda log: "of a change that was cut off there remains: its description" in log,
        "the end of taking back",
    )
    assert domain.XMLDesc(PERSISTENT) == theirs
    assert str(medium) not in domain.XMLDesc()


def test_an_emulator_that_does_not_answer_holds_up_no_start(
    machine: tuple[libvirt.virDomain, Path],
    shared_libvirt: PrivateLibvirt,
    start_daemon: Callable[..., Daemon],
    short_path: Path,
) -> None:
    domain, medium = machine
    before = domain.XMLDesc(PERSISTENT)
    first_medium, _ = drive_of(domain)
    arguments = ("toolstack", "--libvirt", shared_libvirt.uri, *LISTEN)
    state = ("--state", str(short_path / "state"))
    first = start_daemon(*arguments, *state)
    begin_change(first, domain, medium)
    assert drive_of(domain) == (str(medium), False)
    first.kill()
    emulator = qemu_process(shared_libvirt, domain.UUIDString())
    os.kill(emulator, signal.SIGSTOP)
    try:
        second = start_daemon(*arguments, *state)
        wait_for(
            second.log.read_text,
            lambda log: "the emulator does not answer yet" in log and "connected to" in log,
            "the toolstack serves the others",
        )
    finally:
        os.kill(emulator, signal.SIGCONT)
    log = wait_for(
        second.log.read_text,
        lambda text: (
            "a change that was cut off has been taken back" in text or "there remains" in text
        ),
        "the end of taking back",
    )
    assert "there remains" not in log, log
    assert domain.XMLDesc(PERSISTENT) == before
    assert "half made" not in domain.XMLDesc()
    # libvirt shows another medium as soon as it asks for it: QEMU says what is in the drive.
    assert drive_of(domain) == (first_medium, False)
    assert domain.XMLDesc().count(str(medium)) == 0


def drive_of(domain: libvirt.virDomain) -> tuple[str, bool]:
    """The file that the drive of a running machine has, and whether its tray is open."""
    command = '{"execute": "query-block"}'
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, command, 0))
    [drive] = [one for one in answer["return"] if "tray_open" in one]
    return drive["inserted"]["file"], drive["tray_open"]


def test_a_change_is_taken_back_when_libvirt_is_back(
    own_libvirt: PrivateLibvirt,
    start_daemon: Callable[..., Daemon],
    short_path: Path,
) -> None:
    from boot_sectors import write_disk

    def image(name: str) -> Path:
        path = own_libvirt.images / name
        return own_libvirt.give(write_disk(path, IDLE, size_bytes=1 << 20))

    connection = libvirt.open(own_libvirt.uri)
    text = domain_xml("cut-off", disks=(image("a.img"),))
    text = text.replace("</devices>", DRIVE.format(medium=image("b.img")))
    domain = connection.defineXML(text)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    before = domain.XMLDesc(PERSISTENT)
    daemon = start_daemon(
        "toolstack", "--libvirt", own_libvirt.uri, *LISTEN, "--state", str(short_path / "state")
    )
    begin_change(daemon, domain, image("c.img"))
    own_libvirt.kill()
    own_libvirt.start()
    connection.close()
    again = libvirt.open(own_libvirt.uri)
    domain = again.lookupByName("cut-off")
    wait_for(lambda: domain.XMLDesc(PERSISTENT), lambda found: found == before, "the description")
    wait_for(lambda: "c.img" in domain.XMLDesc(), lambda found: not found, "the medium")
    wait_for(
        daemon.log.read_text,
        lambda log: "a change that was cut off has been taken back" in log,
        "the log of the toolstack",
    )
    again.close()
