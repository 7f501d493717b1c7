"""A machine whose emulator does not answer delays no other one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import XenAPI
from private_libvirt import PrivateLibvirt

from tests.system.qemu_processes import qemu_process
from tests.toolstack.host import Host, finished, running_host, vm_record, wait_for

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
