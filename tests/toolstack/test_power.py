"""The life cycle of virtual machines, through the official XenAPI module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import (
    Host,
    events,
    failure,
    finished,
    ignore_shutdown,
    only,
    reconcile,
    running_host,
    wait_for,
    write_host,
)

STATES = ("Halted", "Running", "Paused", "Suspended")

# Calls, the states they are for, and the state that they lead to.
CHANGES: dict[str, tuple[tuple[str, ...], str]] = {
    "start": (("Halted",), "Running"),
    "pause": (("Running",), "Paused"),
    "unpause": (("Paused",), "Running"),
    "suspend": (("Running",), "Suspended"),
    "resume": (("Suspended",), "Running"),
    "clean_shutdown": (("Running",), "Halted"),
    "clean_reboot": (("Running",), "Running"),
    "hard_shutdown": (("Running", "Paused", "Suspended"), "Halted"),
    "hard_reboot": (("Running", "Paused"), "Running"),
}
REACHED_BY = {
    "Halted": ("hard_shutdown",),
    "Running": (),
    "Paused": ("pause",),
    "Suspended": ("suspend",),
}


def change(api: Any, name: str, vm: str) -> Any:
    arguments = (False, False) if name in {"start", "resume"} else ()
    return getattr(api.VM, name)(vm, *arguments)


@pytest.fixture
def vm_in(api: Any, session: XenAPI.Session) -> Callable[[str], str]:
    """Bring the running virtual machine into a state, and give its reference."""

    def bring(state: str) -> str:
        vm = only(session, "VM", "runs")
        for name in REACHED_BY[state]:
            change(api, name, vm)
        assert api.VM.get_power_state(vm) == state
        return vm

    return bring


@pytest.mark.parametrize(
    ("name", "state"), [(name, state) for name, row in CHANGES.items() for state in row[0]]
)
def test_a_change_of_state_is_seen_at_once(
    api: Any, vm_in: Callable[[str], str], name: str, state: str
) -> None:
    vm = vm_in(state)
    assert change(api, name, vm) == ""
    after = CHANGES[name][1]
    # The test driver leaves a paused machine paused when it is reset, as QEMU does.
    assert api.VM.get_power_state(vm) in {after, state if name == "hard_reboot" else after}


@pytest.mark.parametrize(
    ("name", "state"),
    [(name, state) for name, row in CHANGES.items() for state in STATES if state not in row[0]],
)
def test_a_change_from_the_wrong_state_is_refused_with_both_states(
    api: Any, vm_in: Callable[[str], str], name: str, state: str
) -> None:
    vm = vm_in(state)
    expected = ", ".join(CHANGES[name][0]).lower()
    assert failure(change, api, name, vm) == ["VM_BAD_POWER_STATE", vm, expected, state.lower()]
    assert api.VM.get_power_state(vm) == state


def test_what_may_be_done_is_what_the_state_allows(api: Any, vm_in: Callable[[str], str]) -> None:
    for state in STATES:
        vm = vm_in("Running") if state == "Running" else vm_in(state)
        allowed = set(api.VM.get_allowed_operations(vm))
        assert allowed & CHANGES.keys() == {
            name for name, (states, _) in CHANGES.items() if state in states
        }
        if state != "Running":
            api.VM.unpause(vm) if state == "Paused" else change(
                api, {"Halted": "start", "Suspended": "resume"}[state], vm
            )


def test_starting_on_a_named_host_starts(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    [host] = api.host.get_all()
    api.VM.start_on(vm, host, False, False)
    assert api.VM.get_resident_on(vm) == host
    assert api.host.get_resident_VMs(host).count(vm) == 1


def test_a_template_cannot_be_started(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    api.VM.set_is_a_template(vm, True)
    assert failure(api.VM.start, vm, False, False) == ["VM_IS_TEMPLATE", vm, "start"]
    api.VM.set_is_a_template(vm, False)
    api.VM.start(vm, False, False)


def test_what_runs_is_no_template(host: Host, api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    api.VM.set_is_a_template(vm, True)
    assert api.VM.get_is_a_template(vm)
    host.libvirt.lookupByName("rests").create()
    wait_for(session, ["vm"], lambda: not api.VM.get_is_a_template(vm), "the start by others")
    api.VM.hard_shutdown(vm)
    assert api.VM.get_is_a_template(vm)


def test_an_operation_that_an_administrator_blocked_is_refused(
    api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "runs")
    api.VM.add_to_blocked_operations(vm, "hard_shutdown", "ask Ann")
    assert failure(api.VM.hard_shutdown, vm) == ["OPERATION_BLOCKED", vm, "ask Ann"]
    api.VM.remove_from_blocked_operations(vm, "hard_shutdown")
    api.VM.hard_shutdown(vm)


def test_what_the_driver_cannot_do_fails_with_all_that_libvirt_said(
    api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "rests")
    assert failure(api.VM.start, vm, True, False) == [
        "LIBVIRT_ERROR",
        "8",
        "VIR_ERR_INVALID_ARG",
        "VIR_FROM_TEST",
        "unsupported flags (0x1) in function testDomainCreateWithFlags",
        "testDomainCreateWithFlags",
        "0",
    ]
    assert api.VM.get_power_state(vm) == "Halted"
    assert api.VM.get_current_operations(vm) == {}


def test_an_asynchronous_change_ends_as_a_task_that_succeeded(
    api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "rests")
    record = finished(session, api.Async.VM.start(vm, False, False))
    assert (record["status"], record["progress"], record["result"]) == ("success", 1.0, "")
    assert record["error_info"] == []
    assert api.VM.get_power_state(vm) == "Running"


def test_an_asynchronous_failure_ends_in_the_task(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "runs")
    record = finished(session, api.Async.VM.start(vm, False, False))
    assert record["status"] == "failure"
    assert record["error_info"] == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


def test_a_guest_that_does_not_shut_down_in_time_is_reported(host_uri: str) -> None:
    with running_host(host_uri, shutdown_timeout_s=0.2) as host:
        session = host.login()
        api = session.xenapi
        vm = only(session, "VM", "runs")
        ignore_shutdown(host)
        assert failure(api.VM.clean_shutdown, vm) == ["VM_SHUTDOWN_TIMEOUT", vm, "0.2"]
        assert api.VM.get_power_state(vm) == "Running"
        assert api.VM.get_current_operations(vm) == {}
        api.VM.shutdown(vm)
        assert api.VM.get_power_state(vm) == "Halted"
        session("close")()


def test_waiting_for_a_guest_can_be_cancelled(host_uri: str) -> None:
    with running_host(host_uri) as host:
        session = host.login()
        api = session.xenapi
        vm = only(session, "VM", "runs")
        ignore_shutdown(host)
        task = api.Async.VM.clean_shutdown(vm)
        token = ""
        while not api.VM.get_current_operations(vm):
            token = events(session, ["vm"], token, 1.0)["token"]
        assert api.VM.get_current_operations(vm) == {task: "clean_shutdown"}
        while failure_or_none(api.task.cancel, task):
            token = events(session, ["task", "vm"], token, 0.1)["token"]
        record = finished(session, task)
        assert record["status"] == "cancelled"
        assert record["error_info"] == ["TASK_CANCELLED", task]
        assert api.VM.get_current_operations(vm) == {}
        session("close")()


def failure_or_none(call: Callable[..., Any], *arguments: Any) -> list[str] | None:
    try:
        call(*arguments)
    except XenAPI.Failure as refused:
        details: list[str] = refused.details
        return details
    return None


def test_many_clients_change_many_machines_at_once(tmp_path_factory: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = tuple(f"machine-{number}" for number in range(20))
    uri = write_host(tmp_path_factory.mktemp("many") / "host.xml", running=(), halted=names)
    with running_host(uri) as host:

        def go_round(name: str) -> str:
            session = host.login()
            vm = only(session, "VM", name)
            for _ in range(3):
                session.xenapi.VM.start(vm, False, False)
                session.xenapi.VM.pause(vm)
                session.xenapi.VM.unpause(vm)
                session.xenapi.VM.hard_shutdown(vm)
            session.xenapi.VM.start(vm, False, False)
            state = str(session.xenapi.VM.get_power_state(vm))
            session("close")()
            return state

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(go_round, names)) == {"Running"}


def test_a_driver_without_statistics_is_followed_too(host_uri: str) -> None:
    import libvirt

    with running_host(host_uri, reconcile_s=0.2) as host:
        connection = host.toolstack._connection
        call = connection.call

        def old_driver(function: Callable[..., Any], *arguments: object) -> Any:
            if getattr(function, "__name__", "") == "getAllDomainStats":
                error = libvirt.libvirtError("not supported")
                error.err = (libvirt.VIR_ERR_NO_SUPPORT, 0, "", 2, "", "", "", -1, -1)
                raise error
            return call(function, *arguments)

        connection.call = old_driver  # type: ignore[method-assign]
        session = host.login()
        token = events(session, ["vm"])["token"]
        reconcile(host)
        session.xenapi.VM.pause(only(session, "VM", "runs"))
        assert events(session, ["vm"], token)["events"] != []
        session("close")()
