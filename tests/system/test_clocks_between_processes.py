"""Somebody sets the clock while nobody runs, while one of several starts anew, or of one of two."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pywbem
from daemons import Daemon

from tests.cimserver.indications.exported import Exported
from tests.cimserver.indications.listening import answer, listening
from tests.system.cim import NAMESPACE, system_path
from tests.system.clocks import DAY_S, Clock
from tests.system.machines import machine_uuid
from tests.system.stack import wait_until_connected
from tests.system.told_states import Told, states, subscribe
from tests.system.waiting import DEADLINE_S, wait_for

_MACHINES = 4
_HOUR_S = 60 * 60
_JOB_STARTED, _COMPLETED = 4096, 7
_ENABLED, _DISABLED = 2, 3
_LEFT_S = 1800


@dataclass(slots=True)
class _Story:
    """What was changed through which server, and its jobs."""

    changes: list[tuple[str, int]] = field(default_factory=list)
    jobs: list[pywbem.CIMInstanceName] = field(default_factory=list)

    def go_on(self, server: Daemon) -> None:
        """Change one more machine, and wait until its job has ended."""
        uuid = machine_uuid(len(self.changes))
        wanted = _DISABLED if states(server)[uuid] == _ENABLED else _ENABLED
        with _connected(server) as cim:
            status, output = cim.InvokeMethod(
                "RequestStateChange", system_path(uuid), RequestedState=pywbem.Uint16(wanted)
            )
            assert status == _JOB_STARTED
            job: pywbem.CIMInstanceName = output["Job"]
            wait_for(
                lambda: cim.GetInstance(job)["JobState"],
                lambda state: state == _COMPLETED,
                "the end of a job",
            )
        self.changes.append((uuid, wanted))
        self.jobs.append(job)

    def holds_at(self, server: Daemon) -> None:
        """All jobs are shown as they ended, and the subscriptions have their time before them."""
        with _connected(server) as cim:
            assert {cim.GetInstance(job)["JobState"] for job in self.jobs} <= {_COMPLETED}
            found = cim.EnumerateInstances("CIM_IndicationSubscription", "root/interop")
        assert found
        for one in found:
            assert _LEFT_S - _LEFT_S / 2 < one["SubscriptionTimeRemaining"] <= _LEFT_S

    def is_told_to(self, heard: list[bytes]) -> None:
        """Each change is told, in order; what a dying server sent may come again as it was."""

        def told() -> list[tuple[str, int]]:
            by_number = {Exported.of(one).number: Told.of(one) for one in heard}
            return [(one.machine, one.after) for _, one in sorted(by_number.items())]

        wait_for(told, lambda found: len(found) >= len(self.changes), "what a listener is told")
        assert told() == self.changes


@contextmanager
def _connected(server: Daemon) -> Iterator[pywbem.WBEMConnection]:
    with pywbem.WBEMConnection(
        server.url, None, default_namespace=NAMESPACE, timeout=int(DEADLINE_S)
    ) as cim:
        yield cim


@contextmanager
def _hearing(port: int) -> Iterator[list[bytes]]:
    heard: list[bytes] = []

    def take(_: socket.socket, request: bytes) -> bytes:
        heard.append(request)
        return answer()

    with listening(port=port) as listener:
        listener.behave = take
        yield heard


@contextmanager
def _down() -> Iterator[int]:
    """The port of a listener that is down, and nobody else's meanwhile."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@pytest.fixture
def clock(jumping_clock: Path, short_path: Path) -> Clock:
    return Clock(jumping_clock, short_path / "clock")


@pytest.fixture
def hypervisor(
    start_toolstack: Callable[..., tuple[Daemon, str]], simulated_host_uri: Callable[[int], str]
) -> str:
    """The URL of a toolstack whose clock is right."""
    return start_toolstack(simulated_host_uri(_MACHINES))[1]


@pytest.fixture
def start_server(start_daemon: Callable[..., Daemon], hypervisor: str) -> Callable[..., Daemon]:
    """Start a CIM server without passwords that has the state and the clock that are given."""

    def start(state: str, clock: Clock | None, *options: str) -> Daemon:
        server = start_daemon(
            *("serve", "--hypervisor", hypervisor, "--listen", "http://127.0.0.1:0"),
            *("--auth", "none", "--state", state, "--job-after", "0"),
            # What waits for longer is dropped.
            *("--limit-waiting-indications", str(_LEFT_S), *options),
            environment=None if clock is None else clock.environment,
        )
        wait_until_connected(server)
        return server

    return start


@pytest.mark.parametrize("forward_s", [DAY_S, -DAY_S], ids=["a day on", "a day back"])
def test_what_is_stored_outlives_a_clock_that_is_set_between_stop_and_start(
    start_server: Callable[..., Daemon], clock: Clock, short_path: Path, forward_s: int
) -> None:
    """There, and back: jobs, subscriptions with a duration, and what waits for a listener."""
    state, story = str(short_path / "state"), _Story()
    server = start_server(state, clock)
    with _down() as port:
        subscribe(server, f"http://127.0.0.1:{port}/wbem", SubscriptionDuration=_LEFT_S)
        for offset_s in (forward_s, 0):
            story.go_on(server)
            assert server.stop() == 0
            clock.jump(offset_s)
            server = start_server(state, clock)
            story.holds_at(server)
        story.go_on(server)
    with _hearing(port) as heard:
        story.is_told_to(heard)


@pytest.mark.parametrize("forward_s", [DAY_S, -DAY_S], ids=["a day on", "a day back"])
def test_a_worker_that_starts_after_the_clock_was_set_agrees_with_the_other(
    start_server: Callable[..., Daemon], clock: Clock, short_path: Path, forward_s: int
) -> None:
    story = _Story()
    server = start_server(str(short_path / "state"), clock, "--workers", "2")
    with _down() as port:
        subscribe(server, f"http://127.0.0.1:{port}/wbem", SubscriptionDuration=_LEFT_S)
    with _hearing(port) as heard:
        story.go_on(server)
        story.is_told_to(heard)
        clock.jump(forward_s)
        # Both, one after the other: whoever tells is one that began after the clock was set.
        for _ in range(2):
            before = _workers(server)
            os.kill(before[0], signal.SIGKILL)
            wait_for(
                lambda: _workers(server),
                lambda now: len(now) == 2 and now != before,  # noqa: B023 - called at once
                "another worker",
            )
            wait_until_connected(server)
            story.go_on(server)
            for _ in range(4):  # each connection is that of the next one
                story.holds_at(server)
            story.is_told_to(heard)


def test_servers_whose_clocks_differ_by_an_hour_share_jobs_subscriptions_and_deliveries(
    start_server: Callable[..., Daemon], clock: Clock, postgresql_url: str
) -> None:
    story = _Story()
    clock.jump(_HOUR_S)
    ahead, right = start_server(postgresql_url, clock), start_server(postgresql_url, None)
    with _down() as port:
        for server in (ahead, right):
            story.go_on(server)
        subscribe(ahead, f"http://127.0.0.1:{port}/wbem", SubscriptionDuration=_LEFT_S)
        story = _Story(jobs=story.jobs)
        for server in (ahead, right):
            story.go_on(server)
            for each in (ahead, right):
                story.holds_at(each)
        # Who may be waiting to deliver leaves it to the other one.
        ahead.kill()
        story.holds_at(right)
    with _hearing(port) as heard:
        story.is_told_to(heard)
        ahead = start_server(postgresql_url, clock)
        right.kill()
        story.go_on(ahead)
        story.is_told_to(heard)
        story.holds_at(ahead)


def _workers(server: Daemon) -> list[int]:
    """The processes of a server's workers, in the order of their numbers."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    said = server.log.read_text()
    return [int(pid) for pid in children if re.search(rf"server process \[{pid}\]", said)]
