"""A machine whose emulator does not answer delays no other one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import XenAPI
from private_libvirt import PrivateLibvirt

from tests.system.qemu_processes import qemu_process
from tests.toolstack.host import (
    DEADLINE_S,
    Host,
    failure,
    finished,
    running_host,
    vm_record,
    wait_for,
)

HUNG = 4
#: More than libvirtd works on at a time on one connection, and than the toolstack has threads.
CALLS_EACH = 8

Hang = Callable[[str], Callable[[], None]]


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture(scope="module")
def host(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    with running_host(libvirtd.uri, domain_type="qemu") as running:
        yield running


@pytest.fixture
def impatient(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    """A toolstack that waits for nobody as long as `host` does."""
    options = {"domain_type": "qemu", "shutdown_timeout_s": 1.0}
    with running_host(libvirtd.uri, **options) as running:
        running.toolstack._dispatcher._gates._patience_s = 1.0
        yield running


@pytest.fixture(scope="module")
def session(host: Host) -> Iterator[XenAPI.Session]:
    opened = host.login()
    yield opened
    opened("close")()


@pytest.fixture(scope="module")
def machines(session: XenAPI.Session) -> Iterator[list[str]]:
    """Running machines; the last one answers, in every test."""
    api = session.xenapi
    names = [f"machine-{number}" for number in range(HUNG + 1)]
    made = [api.VM.create(vm_record(name, memory_static_max=str(32 << 20))) for name in names]
    for vm in made:
        api.VM.start(vm, False, False)
    yield made
    for vm in made:
        with suppress(XenAPI.Failure):
            api.VM.hard_shutdown(vm)
        api.VM.destroy(vm)


@pytest.fixture
def hang(api: Any, session: XenAPI.Session, libvirtd: PrivateLibvirt) -> Iterator[Hang]:
    """`hang(vm)` stops an emulator and gives what lets it go on; afterwards all machines run."""
    stopped: dict[str, Callable[[], None]] = {}

    def stop(vm: str) -> Callable[[], None]:
        process = qemu_process(libvirtd, api.VM.get_uuid(vm))
        os.kill(process, signal.SIGSTOP)
        stopped[vm] = lambda: os.kill(process, signal.SIGCONT)
        return stopped[vm]

    yield stop
    for go_on in stopped.values():
        with suppress(ProcessLookupError):
            go_on()
    wait_for(session, ["task"], lambda: "pending" not in statuses(api, api.task.get_all()), "tasks")
    for vm in stopped:
        state = api.VM.get_power_state(vm)
        if state == "Paused":
            api.VM.unpause(vm)
        elif state == "Halted":
            api.VM.start(vm, False, False)


def statuses(api: Any, tasks: list[str]) -> set[str]:
    return {api.task.get_status(task) for task in tasks}


def test_hung_machines_delay_no_other(
    api: Any, session: XenAPI.Session, machines: list[str], hang: Hang
) -> None:
    *hung, other = machines
    for vm in hung:
        hang(vm)
    waiting = [api.Async.VM.pause(vm) for vm in hung for _ in range(CALLS_EACH)]
    wait_for(
        session,
        ["vm"],
        lambda: all(api.VM.get_current_operations(vm) for vm in hung),
        "the calls to reach the machines",
    )
    api.VM.pause(other)
    api.VM.set_name_description(other, "still here")
    api.VM.unpause(other)
    # By ordering, not by time: none of the others has ended, not even by libvirt's time-out.
    assert statuses(api, waiting) == {"pending"}
    assert api.VM.get_power_state(other) == "Running"


def test_a_hung_machine_can_be_switched_off(
    api: Any, session: XenAPI.Session, machines: list[str], hang: Hang
) -> None:
    vm = machines[0]
    go_on = hang(vm)
    for _ in range(CALLS_EACH):
        api.Async.VM.pause(vm)
    wait_for(session, ["vm"], lambda: api.VM.get_current_operations(vm) != {}, "the calls")
    ending = api.Async.VM.hard_shutdown(vm)
    wait_for(
        session,
        ["vm"],
        lambda: api.VM.get_current_operations(vm).get(ending) == "hard_shutdown",
        "the end to begin",
    )
    # libvirt asks the emulator to end before it kills it: that need not be waited for.
    go_on()
    assert finished(session, ending)["status"] == "success"
    assert api.VM.get_power_state(vm) == "Halted"


def test_a_change_that_waits_for_a_machine_does_not_keep_it_from_being_switched_off(
    api: Any, session: XenAPI.Session, machines: list[str], hang: Hang
) -> None:
    vm = machines[0]
    go_on = hang(vm)
    changing = api.Async.virtcim.VM.modify(vm, {"memory_dynamic_max": str(16 << 20)})
    wait_for(session, ["vm"], lambda: changing in api.VM.get_current_operations(vm), "the change")
    ending = api.Async.VM.hard_shutdown(vm)
    wait_for(
        session,
        ["vm"],
        lambda: api.VM.get_current_operations(vm).get(ending) == "hard_shutdown",
        "the end to begin",
    )
    assert api.task.get_status(changing) == "pending"
    go_on()
    assert finished(session, ending)["status"] == "success"


def test_hung_machines_are_shut_down_hard_after_they_were_asked(
    api: Any, machines: list[str], hang: Hang, impatient: Host
) -> None:
    deaf, busy, other = machines[0], machines[1], machines[-1]
    hang(deaf)
    hang(busy)
    client = impatient.login()
    asked = client.xenapi
    refused = ["VM_SHUTDOWN_TIMEOUT", deaf, "1"]
    assert failure(asked.VM.clean_shutdown, deaf) == refused
    assert failure(asked.VM.clean_reboot, deaf) == refused
    # What the emulator has not taken has its place, and its part of a connection, still.
    assert failure(asked.VM.pause, deaf)[0] == "OTHER_OPERATION_IN_PROGRESS"
    leases = impatient.toolstack._connection._operations
    assert leases is not None
    assert sum(member.operations for member in leases._members) == 2
    pausing = [asked.Async.VM.pause(busy) for _ in range(CALLS_EACH)]
    operations = asked.VM.get_current_operations
    wait_for(client, ["vm"], lambda: len(operations(busy)) > 1, "the calls that wait")
    assert asked.VM.get_power_state(deaf) == "Running"
    endings = [asked.Async.VM.shutdown(vm) for vm in (deaf, busy)]
    asked.VM.pause(other)
    asked.VM.unpause(other)
    assert statuses(asked, endings) == {"pending"}
    # The emulators are not let go on: libvirt kills them.
    for ending in endings:
        record = finished(client, ending)
        assert (record["status"], record["error_info"]) == ("success", [])
    wait_for(client, ["task"], lambda: "pending" not in statuses(asked, pausing), "the others")
    for vm in (deaf, busy):
        assert asked.VM.get_power_state(vm) == "Halted"
        assert operations(vm) == {}
    client("close")()
    eventually(lambda: not any(member.operations for member in leases._members))
    # The other toolstack hears of it by libvirt's events.
    eventually(lambda: {api.VM.get_power_state(vm) for vm in (deaf, busy)} == {"Halted"})


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
