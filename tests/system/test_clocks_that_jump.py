"""Somebody sets the clock of the computer while both daemons run: nobody notices."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pywbem
import requests
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.cimserver.indications.listening import RawListener, answer, listening
from tests.system.cim import NAMESPACE, system_path
from tests.system.clocks import DAY_S, Clock
from tests.system.machines import machine_uuid
from tests.system.stack import wait_until_connected
from tests.system.test_daemon_commands import generated_password
from tests.system.test_operation import samples
from tests.system.told_states import Told, subscribe
from tests.system.waiting import DEADLINE_S, wait_for

_MACHINES = 6
_JOB_STARTED, _COMPLETED = 4096, 7
_ENABLED, _DISABLED = 2, 3
# So many wrong passwords of one user, and he waits for the next answer at least so long.
_WRONG, _SLOWED_S = 6, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Both:
    clock: Clock
    toolstack: Daemon
    server: Daemon
    login: tuple[str, str]

    def connect(self) -> pywbem.WBEMConnection:
        return pywbem.WBEMConnection(
            self.server.url, self.login, NAMESPACE, timeout=int(DEADLINE_S)
        )

    def guess(self) -> None:
        """Try a password that is wrong."""
        login = self.login[0], "wrong"
        found = requests.get(f"{self.server.url}/metrics", auth=login, timeout=DEADLINE_S)
        assert found.status_code == 401

    def metric(self, name: str) -> float:
        found = requests.get(f"{self.server.url}/metrics", auth=self.login, timeout=DEADLINE_S)
        return samples(found.text)[name,]

    def set_clock(self, forward_s: int) -> None:
        """Let it be so many seconds later or earlier than it is, and both daemons know it."""
        self.clock.jump(forward_s)
        for daemon in (self.server, self.toolstack):
            wait_for(
                lambda: _ahead_s(daemon) - forward_s,  # noqa: B023 - called at once
                lambda error_s: abs(error_s) < DAY_S / 2,
                "the clock of a daemon",
            )


def _ahead_s(daemon: Daemon) -> float:
    """How far what a daemon believes the time to be is before the time."""
    found = requests.get(f"{daemon.url}/healthz", timeout=DEADLINE_S).headers["Date"]
    believed = datetime.strptime(found, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    return (believed - datetime.now(UTC)).total_seconds()


@pytest.fixture
def libvirt_uri(simulated_host_uri: Callable[[int], str]) -> str:
    """Of the hypervisor of ``both``."""
    return simulated_host_uri(_MACHINES)


@pytest.fixture
def both(
    start_daemon: Callable[..., Daemon],
    libvirt_uri: str,
    short_path: Path,
    jumping_clock: Path,
) -> _Both:
    clock = Clock(jumping_clock, short_path / "clock")
    toolstack = start_daemon(
        *("toolstack", "--libvirt", libvirt_uri),
        *("--listen", "http://127.0.0.1:0", "--listen", f"unix:{short_path}/toolstack"),
        *("--state", str(short_path / "below")),
        environment=clock.environment,
    )
    server = start_daemon(
        *("serve", "--hypervisor", f"xapi+unix://{short_path}/toolstack", "--job-after", "0"),
        *("--listen", "http://127.0.0.1:0", "--state", str(short_path / "above")),
        environment=clock.environment,
    )
    login = generated_password(server)
    wait_until_connected(server, login)
    return _Both(clock=clock, toolstack=toolstack, server=server, login=login)


class _Toolstack:
    """A client of the toolstack, in one session."""

    def __init__(self, daemon: Daemon) -> None:
        self._proxy = xmlrpc.client.ServerProxy(daemon.url)
        self.session = self._call("session.login_with_password", *generated_password(daemon))

    def call(self, method: str, *params: object) -> Any:
        return self._call(method, self.session, *params)

    def close(self) -> None:
        self._proxy("close")()

    def _call(self, method: str, *params: object) -> Any:
        answered: Any = getattr(self._proxy, method)(*params)
        assert answered["Status"] == "Success", answered["ErrorDescription"]
        return answered["Value"]


@contextmanager
def _connected(daemon: Daemon) -> Iterator[_Toolstack]:
    with closing(_Toolstack(daemon)) as client:
        yield client


def _changed(cim: pywbem.WBEMConnection, number: int) -> tuple[pywbem.CIMInstanceName, int]:
    """The job of another state of a machine, as soon as it is completed, and the state."""
    path = system_path(machine_uuid(number))
    enabled = cim.GetInstance(path)["EnabledState"] == _ENABLED
    wanted = _DISABLED if enabled else _ENABLED
    status, output = cim.InvokeMethod(
        "RequestStateChange", path, RequestedState=pywbem.Uint16(wanted)
    )
    assert status == _JOB_STARTED
    job: pywbem.CIMInstanceName = output["Job"]
    wait_for(
        lambda: cim.GetInstance(job)["JobState"],
        lambda state: state == _COMPLETED,
        "the end of a job",
    )
    return job, wanted


def _kept(listener: RawListener, requests: list[bytes]) -> None:
    def take(_: socket.socket, request: bytes) -> bytes:
        requests.append(request)
        return answer()

    listener.behave = take


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.mark.parametrize("forward_s", [DAY_S, -DAY_S], ids=["a day on", "a day back"])
def test_nothing_ends_hangs_or_is_told_again_when_the_clock_is_set(
    both: _Both, forward_s: int
) -> None:
    """There: what was begun before holds. And back: so does what was begun meanwhile."""
    heard: list[bytes] = []
    heard_late: list[bytes] = []
    story: list[tuple[str, int]] = []
    port = _free_port()
    with ExitStack() as stack:
        client = stack.enter_context(_connected(both.toolstack))
        cim = stack.enter_context(both.connect())
        listener = stack.enter_context(listening())
        _kept(listener, heard)
        for url in (listener.url, f"http://127.0.0.1:{port}/wbem"):
            subscribe(both.server, url, login=both.login, SubscriptionDuration=3600)
        jobs = []
        tasks = [client.call("task.create", "of a client", "")]
        for offset_s in (0, forward_s, 0):
            both.set_clock(offset_s)
            number = len(story)
            # All of this is asked with what was handed out before the clock was set.
            job, state = _changed(cim, number)
            jobs.append(job)
            story.append((machine_uuid(number), state))
            wait_for(
                lambda: len(heard), lambda many: many == len(story), "what the listener is told"
            )
            assert [cim.GetInstance(job)["JobState"] for job in jobs] == [_COMPLETED] * len(jobs)
            tasks.append(client.call("task.create", "of a client", ""))
            assert {client.call("task.get_status", task) for task in tasks} == {"pending"}
        # The one that was down all the time gets what waits for it, and nothing was dropped.
        late = stack.enter_context(listening(port=port))
        _kept(late, heard_late)
        wait_for(lambda: len(heard_late), lambda many: many == len(story), "what waited")
        wait_for(
            lambda: both.metric("virtcim_indication_queue_deliveries"),
            lambda many: many == 0,
            "the rest",
        )
        for told in (heard, heard_late):
            assert [(one.machine, one.after) for one in map(Told.of, told)] == story


@pytest.mark.parametrize("forward_s", [DAY_S, -DAY_S], ids=["a day on", "a day back"])
def test_what_waits_for_a_time_to_pass_waits_for_that_time(both: _Both, forward_s: int) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(_connected(both.toolstack))
        cim = stack.enter_context(both.connect())
        pool = stack.enter_context(ThreadPoolExecutor(1))
        for _ in range(_WRONG):
            both.guess()
        first = cim.OpenEnumerateInstances("VirtCIM_ComputerSystem", MaxObjectCount=1)
        cim.OpenEnumerateInstances("VirtCIM_ComputerSystem", MaxObjectCount=1, OperationTimeout=1)
        token = client.call("event.from", ["*"], "", 0.0)["token"]
        waiting = pool.submit(_no_events, both.toolstack, token)
        both.set_clock(forward_s)
        # Still slow for whoever guesses, and for nobody else.
        began = time.monotonic()
        both.guess()
        assert time.monotonic() - began > _SLOWED_S
        # The context whose client has gone is closed, the other one is not.
        wait_for(
            lambda: both.metric("virtcim_open_enumerations"),
            lambda many: many == 1,
            "the other to end",
        )
        names = [one["Name"] for one in first.instances]
        while not first.eos:
            first = cim.PullInstancesWithPath(first.context, 1)
            names += [one["Name"] for one in first.instances]
        assert sorted(names) == sorted(map(machine_uuid, range(_MACHINES)))
        # It came to its end, and then the same session is told of what happens.
        token = waiting.result(DEADLINE_S)
        changing = threading.Thread(target=_changed, args=(cim, 0))
        changing.start()
        wait_for(
            lambda: client.call("event.from", ["vm"], token, 1.0)["events"],
            lambda events: machine_uuid(0) in {one["snapshot"]["uuid"] for one in events},
            "an event",
        )
        changing.join()


def _no_events(toolstack: Daemon, token: str) -> str:
    """The token after some time in which nothing happens to pools of hosts."""
    with _connected(toolstack) as client:
        found = client.call("event.from", ["pool"], token, 2.0)
    assert found["events"] == []
    return str(found["token"])


class TestOverALibvirtd:
    """The driver is in a daemon that keeps its clock; that of both others is set all the time."""

    @pytest.fixture
    def libvirt_uri(self, own_libvirt: PrivateLibvirt) -> str:
        return own_libvirt.test_uri

    @pytest.mark.parametrize("forward_s", [DAY_S, -DAY_S], ids=["a day on", "a day back"])
    def test_one_that_hangs_is_given_up_and_its_successor_is_found(
        self, both: _Both, own_libvirt: PrivateLibvirt, forward_s: int
    ) -> None:
        libvirtd = int((own_libvirt.directory / "run" / "libvirtd.pid").read_text())
        with both.connect() as cim:
            before = cim.EnumerateInstanceNames("VirtCIM_ComputerSystem")
            days = itertools.count(1)

            def refusal() -> str:
                both.clock.jump(next(days) * forward_s)
                return _refusal(cim)

            os.kill(libvirtd, signal.SIGSTOP)
            wait_for(
                refusal,
                lambda said: said.startswith("ERR_COMMUNICATION_NOT_ESTABLISHED"),
                "the end of the connection",
            )
            # libvirtd 9.0 may crash when it goes on, as its client is gone.
            own_libvirt.kill()
            own_libvirt.start()
            wait_for(lambda: _refusal(cim), lambda said: not said, "a connection")
            assert cim.EnumerateInstanceNames("VirtCIM_ComputerSystem") == before
        assert "the daemon does not answer" in both.toolstack.log.read_text()


def _refusal(cim: pywbem.WBEMConnection) -> str:
    try:
        cim.EnumerateInstanceNames("VirtCIM_ComputerSystem")
    except pywbem.CIMError as error:
        return str(error.status_description)
    return ""
