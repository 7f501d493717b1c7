"""A job that was promised is there after any death; without room for one nothing is begun."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import pywbem
from daemons import Daemon, DaemonError

from tests.system.cim import CHANGE_STATE, NAMESPACE, system_path
from tests.system.file_systems import CannotMountError, tiny_file_system
from tests.system.machines import machine_uuid
from tests.system.stack import wait_until_connected, xenapi_session
from tests.system.waiting import wait_for

_JOB_STARTED = 4096
_RUNNING, _SHUTTING_DOWN, _COMPLETED, _EXCEPTION = 4, 6, 7, 10
_UNABLE_TO_VERIFY_STATE = 1
_KILLS = 8
# The first of two machines runs.
_MACHINE = machine_uuid(1)

StartToolstack = Callable[[str], tuple[Daemon, str]]


@pytest.fixture
def hypervisor(
    simulated_host_uri: Callable[[int], str], start_toolstack: StartToolstack
) -> tuple[Daemon, str]:
    return start_toolstack(simulated_host_uri(2))


@contextmanager
def connected(server: Daemon) -> Iterator[pywbem.WBEMConnection]:
    wait_until_connected(server)
    with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as cim:
        yield cim


def request(cim: pywbem.WBEMConnection, *, run: bool) -> tuple[int, pywbem.CIMInstanceName | None]:
    wanted = CHANGE_STATE["run" if run else "switch off"]
    status, output = cim.InvokeMethod(
        "RequestStateChange", system_path(_MACHINE), RequestedState=pywbem.Uint16(wanted)
    )
    return status, output.get("Job")


def runs(url: str) -> bool:
    """What the hypervisor itself says."""
    with xenapi_session(Path(url.removeprefix("xapi+unix://"))) as session:
        ref = session.xenapi.VM.get_by_uuid(_MACHINE)
        return bool(session.xenapi.VM.get_power_state(ref) == "Running")


def test_a_job_that_was_promised_is_there_and_ends_truthfully_whenever_the_server_dies(
    hypervisor: tuple[Daemon, str], start_cim_server: Callable[..., Daemon]
) -> None:
    _, url = hypervisor
    server = start_cim_server(url, "--job-after", "0")
    for _ in range(_KILLS):
        wanted = not runs(url)
        with connected(server) as cim:
            status, job = request(cim, run=wanted)
        # At once: the operation may have begun, be under way, or be done.
        server.kill()
        server.start()
        with connected(server) as cim:
            if status != _JOB_STARTED:
                # It had ended before there was a job to promise.
                assert (status, runs(url)) == (0, wanted)
                continue
            assert job is not None
            instance = wait_for(
                lambda cim=cim, job=job: cim.GetInstance(job),
                lambda found: found["JobState"] not in (_RUNNING, _SHUTTING_DOWN),
                "the end of the job",
            )
            if instance["JobState"] == _COMPLETED:
                assert runs(url) is wanted
            else:
                assert instance["JobState"] == _EXCEPTION
                assert instance["ErrorCode"] == _UNABLE_TO_VERIFY_STATE


def test_on_a_full_disk_nothing_is_begun_and_the_administrator_is_told(
    hypervisor: tuple[Daemon, str],
    start_cim_server: Callable[..., Daemon],
    short_path: Path,
) -> None:
    _, url = hypervisor
    try:
        with tiny_file_system(short_path / "small") as place:
            state = place / "state"
            server = start_cim_server(url, "--state", str(state))
            with connected(server) as cim:
                before = runs(url)
                fill(place)
                with pytest.raises(pywbem.CIMError) as refused:
                    request(cim, run=not before)
                told = str(refused.value.status_description)
                assert "nothing was begun, since its job could not be kept" in told
                assert f"make room in the file system of {state}/virtcim.sqlite" in told
                assert runs(url) is before
                assert cim.EnumerateInstanceNames("VirtCIM_ConcreteJob") == []
                (place / "filling").unlink()
                status, _ = request(cim, run=not before)
                assert status in (0, _JOB_STARTED)
            server.stop()
            # Nor does one start that could keep nothing.
            (state / "virtcim.sqlite").unlink()
            fill(place)
            with pytest.raises(DaemonError) as ended:
                server.start()
            assert "error: the state cannot be kept in " in str(ended.value)
            assert f"make room in the file system of {state}" in str(ended.value)
    except CannotMountError as error:
        pytest.skip(str(error))


def fill(place: Path) -> None:
    """Leave no room at all."""
    with (place / "filling").open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


def test_a_locked_database_refuses_and_is_served_again_when_it_is_free(
    hypervisor: tuple[Daemon, str], start_cim_server: Callable[..., Daemon], short_path: Path
) -> None:
    _, url = hypervisor
    state = short_path / "locked"
    server = start_cim_server(url, "--state", str(state))
    before = runs(url)
    with connected(server) as cim:
        with closing(sqlite3.connect(state / "virtcim.sqlite")) as other:
            other.execute("begin immediate")
            with pytest.raises(pywbem.CIMError, match="another process holds it locked"):
                request(cim, run=not before)
            # Reading needs no database.
            assert len(cim.EnumerateInstanceNames("VirtCIM_ComputerSystem")) == 2
        assert runs(url) is before
        status, _ = request(cim, run=not before)
        assert status in (0, _JOB_STARTED)
