"""A libvirtd that is away, goes away, hangs and comes back."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import XenAPI
from private_libvirt import PrivateLibvirt

from tests.toolstack.host import (
    DEADLINE_S,
    Host,
    events,
    failure,
    only,
    running_host,
    vm_record,
)
from virtcim.toolstack.faults import XapiFailure


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    """A libvirtd of our own, whose test driver is the hypervisor: each test leaves it running."""
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture
def remote(libvirtd: PrivateLibvirt, tmp_path: Path) -> Iterator[Host]:
    with running_host(libvirtd.test_uri, state_directory=tmp_path / "state") as host:
        yield host


@pytest.fixture
def session(remote: Host) -> Iterator[XenAPI.Session]:
    opened = remote.login()
    yield opened
    opened("close")()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline


def connected(session: XenAPI.Session) -> bool:
    try:
        session.xenapi.VM.get_all()
    except XenAPI.Failure as refused:
        if refused.details[0] != "LIBVIRT_ERROR":
            raise
        return False
    return True


def test_without_libvirt_calls_fail_with_its_own_words(tmp_path: Path) -> None:
    missing = tmp_path / "libvirt-sock"
    with running_host(f"test+unix:///default?socket={missing}") as host:
        session = host.login()
        details = failure(session.xenapi.VM.get_all_records)
        assert details[:4] == ["LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR", "VIR_FROM_RPC"]
        assert str(missing) in details[4]
        assert details[6] == "2"
        assert failure(events, session, ["*"]) == details
        assert failure(session.xenapi.VM.create, vm_record("x")) == details
        assert session.xenapi.task.get_all_records() == {}
        session.xenapi.session.logout()
        session("close")()


def test_a_killed_libvirtd_ends_waiting_clients_at_once_and_is_survived(
    libvirtd: PrivateLibvirt, remote: Host, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "test")
    token = events(session, ["*"])["token"]
    waiting = remote.login()
    with ThreadPoolExecutor() as pool:
        # Without the end of libvirtd it would go on for longer than anybody waits here.
        poll = pool.submit(failure, events, waiting, ["vm"], token, 10 * DEADLINE_S)
        libvirtd.kill()
        details = poll.result(DEADLINE_S)
    assert details[0] == "LIBVIRT_ERROR"
    for call, *arguments in (
        (session.xenapi.VM.get_all_records,),
        (session.xenapi.VM.get_record, vm),
        (session.xenapi.VM.pause, vm),
        (session.xenapi.VM.create, vm_record("x")),
        (session.xenapi.host.get_all,),
        (events, session, ["*"], token),
        (session.xenapi.event.inject, "VM", vm),
    ):
        assert failure(call, *arguments)[0] == "LIBVIRT_ERROR"
    libvirtd.start()
    until(lambda: connected(session))
    # The session, references and tokens are still good; what changed meanwhile is told.
    assert only(session, "VM", "test") == vm
    batch = events(session, ["vm"], token)
    assert all(event["operation"] == "mod" for event in batch["events"])
    session.xenapi.VM.pause(vm)
    after = events(session, ["vm"], batch["token"], DEADLINE_S)
    assert after["events"][-1]["snapshot"]["power_state"] == "Paused"
    waiting("close")()


def test_what_vanished_with_libvirtd_is_told_when_it_is_back(
    libvirtd: PrivateLibvirt, session: XenAPI.Session
) -> None:
    # The test driver forgets everything with its process.
    vm = session.xenapi.VM.create(vm_record("forgotten"))
    token = events(session, ["vm"])["token"]
    libvirtd.kill()
    until(lambda: not connected(session))
    libvirtd.start()
    until(lambda: connected(session))
    gone = [
        event["ref"]
        for event in events(session, ["vm"], token)["events"]
        if event["operation"] == "del"
    ]
    assert gone == [vm]


def test_a_hanging_libvirtd_is_given_up_and_taken_back(
    libvirtd: PrivateLibvirt, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "test")
    process = int((libvirtd.directory / "run" / "libvirtd.pid").read_text())
    [host] = session.xenapi.host.get_all()
    with ThreadPoolExecutor(1) as client:
        os.kill(process, signal.SIGSTOP)
        try:
            for call, *arguments in (
                (session.xenapi.VM.hard_reboot, vm),
                (session.xenapi.host.compute_free_memory, host),
                (session.xenapi.VM.get_all_records,),
            ):
                # It answers nobody until the end of the block: it is the toolstack that gives up.
                refused = client.submit(failure, call, *arguments)
                assert refused.result(DEADLINE_S)[0] == "LIBVIRT_ERROR"
        finally:
            os.kill(process, signal.SIGCONT)
    until(lambda: connected(session))
    session.xenapi.VM.hard_reboot(vm)


def test_a_task_whose_libvirtd_dies_fails(
    libvirtd: PrivateLibvirt, remote: Host, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "test")
    connection = remote.toolstack._connection
    call = connection.call

    def dies_first(function: Callable[..., Any], *arguments: object) -> Any:
        if getattr(function, "__name__", "") == "suspend":
            libvirtd.kill()
        return call(function, *arguments)

    connection.call = dies_first  # type: ignore[method-assign]
    task = session.xenapi.Async.VM.pause(vm)
    until(lambda: session.xenapi.task.get_status(task) != "pending")
    record = session.xenapi.task.get_record(task)
    assert (record["status"], record["error_info"][0]) == ("failure", "LIBVIRT_ERROR")
    connection.call = call  # type: ignore[method-assign]
    libvirtd.start()
    until(lambda: connected(session))
    assert session.xenapi.VM.get_current_operations(vm) == {}


def test_a_connection_that_is_closed_under_a_call_is_said_to_be_lost(host_uri: str) -> None:
    with running_host(host_uri) as host:
        connection = host.toolstack._connection
        connection.handle.close()
        with pytest.raises(XapiFailure) as caught:
            connection.call(connection.handle.listAllDomains)
        assert caught.value.description[:3] == ("LIBVIRT_ERROR", "5", "VIR_ERR_NO_CONNECT")


def test_nothing_is_left_of_connections_that_were_lost(
    remote: Host, session: XenAPI.Session
) -> None:
    connection = remote.toolstack._connection

    def reconnect() -> int:
        """Lose the connection, wait for the next and the end of the last; count what is open."""
        epoch = connection._epoch
        connection.lose("the test says so")
        until(lambda: connection._epoch > epoch and connection.is_ready)
        until(lambda: not connection._lost and not closing())
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    def closing() -> bool:
        return any(thread.name == "libvirt-close" for thread in threading.enumerate())

    first = [reconnect() for _ in range(3)][-1]
    # Whatever else comes and goes meanwhile, it is not one for each connection.
    opened = [reconnect() for _ in range(10)]
    assert min(opened[5:]) <= first, opened
    assert connected(session)
