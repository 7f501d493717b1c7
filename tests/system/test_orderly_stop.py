"""SIGTERM: no new operations, those that run end, and everybody learns how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt
import pytest
import pywbem
import XenAPI
from boot_sectors import IDLE
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.cim import CHANGE_STATE, NAMESPACE, define, system_path
from tests.system.machines import domain_xml
from tests.system.stack import events_from, xenapi_session
from tests.system.waiting import DEADLINE_S, wait_for

_JOB_STARTED = 4096
_COMPLETED = 7
_ENABLED, _DISABLED = 2, 3
# Longer than anything here is waited for: what ends is ended by what is looked at.
_PATIENCE_S = 4 * DEADLINE_S

MakeDisk = Callable[..., Path]
StartToolstack = Callable[..., tuple[Daemon, str]]


@pytest.fixture
def deaf(make_disk: MakeDisk, qemu: libvirt.virConnect) -> libvirt.virDomain:
    """A running machine that does not follow a shutdown: that goes on until it is switched off."""
    domain = qemu.defineXML(domain_xml("deaf", disks=(make_disk(IDLE),)))
    domain.create()
    return domain


@pytest.fixture
def toolstack(
    shared_libvirt: PrivateLibvirt, deaf: libvirt.virDomain, start_toolstack: StartToolstack
) -> Callable[..., tuple[Daemon, str]]:
    assert deaf.isActive()
    return lambda *options: start_toolstack(shared_libvirt.uri, "--domain-type", "qemu", *options)


@contextmanager
def connected(server: Daemon) -> Iterator[pywbem.WBEMConnection]:
    with pywbem.WBEMConnection(
        server.url, None, default_namespace=NAMESPACE, timeout=120
    ) as connection:
        yield connection


def shut_down(cim: pywbem.WBEMConnection, uuid: str) -> tuple[int, dict[str, Any]]:
    status, output = cim.InvokeMethod(
        "RequestStateChange",
        system_path(uuid),
        RequestedState=pywbem.Uint16(CHANGE_STATE["shut down"]),
    )
    return status, dict(output)


def wait_until_toolstack_stops(api: Any, vm: str) -> None:
    """Wait until it takes no new operations."""

    def refused() -> list[str]:
        try:
            api.VM.set_name_description(vm, "too late")
        except XenAPI.Failure as failure:
            return list(failure.details)
        return []

    wait_for(refused, lambda answer: answer == ["VIRTCIM_STOPPING"], "the stop")


def wait_until_server_stops(cim: pywbem.WBEMConnection) -> str:
    """Wait until it takes no new operations, and give what it says."""

    def refused() -> str:
        try:
            define(cim, "too late")
        except pywbem.CIMError as error:
            return str(error.status_description)
        except AssertionError:
            return ""  # it was taken as a job before the stop
        return ""

    return wait_for(refused, bool, "the stop")


def task_of(api: Any, task: str) -> str:
    return str(api.task.get_status(task))


def test_a_toolstack_lets_operations_end_and_takes_no_new_ones(
    toolstack: StartToolstack, deaf: libvirt.virDomain
) -> None:
    daemon, url = toolstack("--stop-timeout", str(_PATIENCE_S))
    with xenapi_session(Path(url.removeprefix("xapi+unix://"))) as session:
        api = session.xenapi
        vm = api.VM.get_by_uuid(deaf.UUIDString())
        task = api.Async.VM.clean_shutdown(vm)
        with ThreadPoolExecutor(1) as thread:
            stopped = thread.submit(daemon.stop, patience_s=_PATIENCE_S)
            wait_until_toolstack_stops(api, vm)
            # Also who waits for events goes on, longer than a daemon without work would be there.
            events_from(session, ["sr"], events_from(session, ["sr"], "", 0.0)["token"], 3.0)
            assert api.VM.get_power_state(vm) == "Running"
            assert task_of(api, task) == "pending"
            deaf.destroy()
            assert wait_for(lambda: task_of(api, task), lambda one: one != "pending", "the end")
            assert task_of(api, task) == "success"
            assert stopped.result() == 0
        session.logout = lambda: None


def test_a_toolstack_does_not_wait_for_ever(
    toolstack: StartToolstack, deaf: libvirt.virDomain
) -> None:
    daemon, url = toolstack("--stop-timeout", "0.2")
    with xenapi_session(Path(url.removeprefix("xapi+unix://"))) as session:
        vm = session.xenapi.VM.get_by_uuid(deaf.UUIDString())
        session.xenapi.Async.VM.clean_shutdown(vm)
        session.logout()
        session.logout = lambda: None
    assert daemon.stop() == 0
    assert "stopping while operations run" in daemon.log.read_text()
    assert "VM.clean_shutdown" in daemon.log.read_text()


def test_a_cim_server_lets_operations_end_and_takes_no_new_ones(
    toolstack: StartToolstack, start_cim_server: Callable[..., Daemon], deaf: libvirt.virDomain
) -> None:
    _, url = toolstack()
    server = start_cim_server(url, "--job-after", "0", "--stop-timeout", str(_PATIENCE_S))
    with connected(server) as cim:
        status, output = shut_down(cim, deaf.UUIDString())
        assert status == _JOB_STARTED
        with ThreadPoolExecutor(1) as thread:
            stopped = thread.submit(server.stop, patience_s=_PATIENCE_S)
            said = wait_until_server_stops(cim)
            assert said.startswith("ERR_COMMUNICATION_NOT_ESTABLISHED: ")
            assert "is being stopped" in said
            assert cim.GetInstance(system_path(deaf.UUIDString()))["EnabledState"] == _ENABLED
            deaf.destroy()
            assert stopped.result() == 0
    server.start()
    with connected(server) as cim:
        job = cim.GetInstance(output["Job"])
        assert (job["JobState"], job["ErrorCode"]) == (_COMPLETED, 0)


def test_who_waits_longer_than_a_cim_server_gets_a_job_that_the_next_one_has(
    toolstack: StartToolstack, start_cim_server: Callable[..., Daemon], deaf: libvirt.virDomain
) -> None:
    _, url = toolstack()
    server = start_cim_server(url, "--job-after", "600", "--stop-timeout", "0.2")
    with connected(server) as cim, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(shut_down, cim, deaf.UUIDString())
        with xenapi_session(Path(url.removeprefix("xapi+unix://"))) as session:
            wait_for(session.xenapi.task.get_all, lambda tasks: len(tasks) == 1, "the task")
        assert server.stop() == 0
        status, output = waiting.result()
    assert status == _JOB_STARTED
    server.start()
    with connected(server) as cim:
        deaf.destroy()
        job = wait_for(
            lambda: cim.GetInstance(output["Job"]),
            lambda one: one["JobState"] == _COMPLETED,
            "the end of the job",
        )
        assert job["ErrorCode"] == 0
        assert cim.GetInstance(system_path(deaf.UUIDString()))["EnabledState"] == _DISABLED


def test_a_second_signal_stops_at_once(
    toolstack: StartToolstack, start_cim_server: Callable[..., Daemon], deaf: libvirt.virDomain
) -> None:
    daemon, url = toolstack("--stop-timeout", str(_PATIENCE_S))
    for workers in ("1", "2"):
        server = start_cim_server(
            *(url, "--job-after", "0", "--stop-timeout", str(_PATIENCE_S), "--workers", workers)
        )
        with connected(server) as cim:
            shut_down(cim, deaf.UUIDString())
            # Two signals at once may come as one: the second is sent when the first was heard.
            server.terminate()
            wait_until_server_stops(cim)
        assert server.stop(patience_s=0) == 0
    with xenapi_session(Path(url.removeprefix("xapi+unix://"))) as session:
        vm = session.xenapi.VM.get_by_uuid(deaf.UUIDString())
        daemon.terminate()
        wait_until_toolstack_stops(session.xenapi, vm)
        session.logout = lambda: None
    assert daemon.stop(patience_s=0) == 0
