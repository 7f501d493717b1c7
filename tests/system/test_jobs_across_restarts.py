"""A server that ends in the middle of an operation finds out afterwards how that went on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.cim import (
    CHANGE_STATE,
    NAMESPACE,
    system_path,
    wait_for_system,
)
from tests.system.machines import domain_xml
from tests.system.stack import xenapi_session
from tests.system.waiting import wait_for

_JOB_STARTED = 4096
_RUNNING, _COMPLETED, _TERMINATED, _EXCEPTION = 4, 7, 8, 10
_UNABLE_TO_VERIFY_STATE, _VM_STUCK = 1, 9
_TERMINATE = 4
_ENABLED = 2

MakeDisk = Callable[..., Path]
StartToolstack = Callable[..., tuple[Daemon, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A machine that does not shut down, asked to by a server that is dead now."""

    server: Daemon
    toolstack: Daemon
    socket: Path
    uuid: str
    job: pywbem.CIMInstanceName

    @contextmanager
    def restarted(self) -> Iterator[pywbem.WBEMConnection]:
        """The server again, on the same state."""
        self.server.start()
        with connected(self.server) as cim:
            yield cim


@contextmanager
def connected(server: Daemon) -> Iterator[pywbem.WBEMConnection]:
    with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as cim:
        yield cim


@pytest.fixture
def interrupt(
    shared_libvirt: PrivateLibvirt,
    start_toolstack: StartToolstack,
    start_cim_server: Callable[..., Daemon],
    make_disk: MakeDisk,
    short_path: Path,
    qemu: libvirt.virConnect,
) -> Callable[..., Interrupted]:
    def make(*toolstack_options: str) -> Interrupted:
        options = ("--domain-type", "qemu", *toolstack_options)
        toolstack, url = start_toolstack(shared_libvirt.uri, *options)
        socket = Path(url.removeprefix("xapi+unix://"))
        domain = qemu.defineXML(domain_xml("deaf", disks=(make_disk(IDLE),)))
        domain.create()
        uuid = domain.UUIDString()
        state = short_path / "interrupted"
        server = start_cim_server(url, "--job-after", "0", "--state", str(state))
        with connected(server) as cim:
            # The toolstack learns of the start by an event.
            wait_for_system(cim, uuid, EnabledState=_ENABLED)
            job = shut_down(cim, uuid)
            wait_for(
                lambda: stored_tasks(state / "virtcim.sqlite"),
                lambda refs: refs not in ([], [""]),
                "the task of the shutdown in the state of the server",
            )
        server.kill()
        return Interrupted(server=server, toolstack=toolstack, socket=socket, uuid=uuid, job=job)

    return make


def shut_down(cim: pywbem.WBEMConnection, uuid: str) -> pywbem.CIMInstanceName:
    status, output = cim.InvokeMethod(
        "RequestStateChange",
        system_path(uuid),
        RequestedState=pywbem.Uint16(CHANGE_STATE["shut down"]),
    )
    assert status == _JOB_STARTED
    job: pywbem.CIMInstanceName = output["Job"]
    return job


def stored_tasks(database: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [ref for (ref,) in connection.execute("select task_ref from job")]


def tasks(socket: Path) -> list[dict[str, Any]]:
    with xenapi_session(socket) as session:
        return list(session.xenapi.task.get_all_records().values())


def state_of(cim: pywbem.WBEMConnection, job: pywbem.CIMInstanceName, *states: int) -> Any:
    return wait_for(
        lambda: cim.GetInstance(job),
        lambda instance: instance["JobState"] in states,
        f"one of the states {states} of the job",
    )


def test_an_operation_goes_on_and_its_job_with_it(
    interrupt: Callable[..., Interrupted], qemu: libvirt.virConnect
) -> None:
    interrupted = interrupt()
    with interrupted.restarted() as cim:
        assert cim.GetInstance(interrupted.job)["JobState"] == _RUNNING
        [system] = cim.AssociatorNames(interrupted.job, AssocClass="CIM_AffectedJobElement")
        assert system["Name"] == interrupted.uuid
        qemu.lookupByUUIDString(interrupted.uuid).destroy()
        instance = state_of(cim, interrupted.job, _COMPLETED, _EXCEPTION)
        assert (instance["JobState"], instance["ErrorCode"]) == (_COMPLETED, 0)


def test_an_operation_that_ended_meanwhile_is_completed(
    interrupt: Callable[..., Interrupted], qemu: libvirt.virConnect
) -> None:
    interrupted = interrupt()
    qemu.lookupByUUIDString(interrupted.uuid).destroy()
    wait_for(
        lambda: tasks(interrupted.socket),
        lambda found: [one["status"] for one in found] == ["success"],
        "the end of the task",
    )
    with interrupted.restarted() as cim:
        assert state_of(cim, interrupted.job, _COMPLETED, _EXCEPTION)["JobState"] == _COMPLETED


def test_an_operation_that_failed_meanwhile_ends_in_its_error(
    interrupt: Callable[..., Interrupted],
) -> None:
    interrupted = interrupt("--shutdown-timeout", "1")
    wait_for(
        lambda: tasks(interrupted.socket),
        lambda found: [one["status"] for one in found] == ["failure"],
        "the end of the task",
    )
    with interrupted.restarted() as cim:
        instance = state_of(cim, interrupted.job, _COMPLETED, _EXCEPTION)
        assert (instance["JobState"], instance["ErrorCode"]) == (_EXCEPTION, _VM_STUCK)
        _, output = cim.InvokeMethod("GetError", interrupted.job)
        assert output["Error"]["MessageID"] == "ERR_VM_STUCK"


def test_an_operation_is_cancelled_by_the_next_server(
    interrupt: Callable[..., Interrupted],
) -> None:
    interrupted = interrupt()
    with interrupted.restarted() as cim:
        state_of(cim, interrupted.job, _RUNNING)
        status, _ = cim.InvokeMethod(
            "RequestStateChange", interrupted.job, RequestedState=pywbem.Uint16(_TERMINATE)
        )
        assert status == 0
        state_of(cim, interrupted.job, _TERMINATED)
        assert cim.GetInstance(system_path(interrupted.uuid))["EnabledState"] == _ENABLED


def test_what_a_hypervisor_has_forgotten_when_it_comes_back_is_said_to_be_unknown(
    interrupt: Callable[..., Interrupted],
) -> None:
    interrupted = interrupt()
    interrupted.toolstack.kill()
    with interrupted.restarted() as cim:
        assert cim.GetInstance(interrupted.job)["JobState"] == _RUNNING
        interrupted.toolstack.start()
        instance = state_of(cim, interrupted.job, _COMPLETED, _EXCEPTION)
        assert instance["JobState"] == _EXCEPTION
        assert instance["ErrorCode"] == _UNABLE_TO_VERIFY_STATE
        assert instance["ErrorDescription"].startswith("ERR_UNABLE_TO_VERIFY_STATE: ")
