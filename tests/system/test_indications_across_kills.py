"""A server that is killed at any moment loses no indication, and tells no change twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import Daemon

from tests.system.stack import wait_until_connected, xenapi_session
from tests.system.test_indications import Listener, subscribe

_MACHINES = 3
_CHANGES = 36
_PAUSED = 9
_COMMUNICATIONS = "SELECT * FROM CIM_AlertIndication WHERE AlertType = 2"

StartToolstack = Callable[[str], tuple[Daemon, str]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    """One that is sent things again where a server dies before it hears the answer."""
    listening = Listener()
    yield listening
    listening.stop()


@pytest.fixture
def hypervisor(
    simulated_host_uri: Callable[[int], str], start_toolstack: StartToolstack
) -> tuple[Daemon, str]:
    return start_toolstack(simulated_host_uri(_MACHINES))


class Course:
    """What was told of each machine, without what was sent again."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.states: dict[str, list[int]] = {}
        self.numbers: dict[str, list[int]] = {}

    def take(self) -> None:
        """Take the next indication, which must go on from what was told of its machine."""
        told = self._listener.next()
        numbers = self.numbers.setdefault(told["SequenceContext"], [])
        number = int(told["SequenceNumber"])
        if numbers and number <= numbers[-1]:
            return  # the server died before it knew that it had been taken
        assert number == (numbers[-1] + 1 if numbers else number), "nothing is left out"
        numbers.append(number)
        before, after = told["PreviousInstance"], told["SourceInstance"]
        states = self.states.setdefault(after["Name"], [before["EnabledState"]])
        assert before["EnabledState"] == states[-1]
        states.append(after["EnabledState"])


def test_kills_at_any_moment_lose_no_change_and_tell_none_twice(
    hypervisor: tuple[Daemon, str],
    start_cim_server: Callable[..., Daemon],
    listener: Listener,
) -> None:
    _, url = hypervisor
    server = start_cim_server(url)
    subscribe(server, listener)
    course = Course(listener)
    with xenapi_session(Path(url.removeprefix("xapi+unix://"))) as session:
        machines = {
            str(record["uuid"]): ref for ref, record in session.xenapi.VM.get_all_records().items()
        }
        for number in range(_CHANGES):
            ref = [*machines.values()][number % _MACHINES]
            _turn(session.xenapi, ref)
            if number % 9 == 4:
                # The moment differs with the machine's load, and so with each run.
                server.kill()
                server.start()
        # In a state that nothing was in before.
        for ref in machines.values():
            if session.xenapi.VM.get_power_state(ref) != "Running":
                session.xenapi.VM.start(ref, False, False)
            session.xenapi.VM.pause(ref)
    while {uuid: states[-1] for uuid, states in course.states.items()} != dict.fromkeys(
        machines, _PAUSED
    ):
        course.take()


def test_a_hypervisor_that_dies_and_comes_back_is_told_of(
    hypervisor: tuple[Daemon, str], start_cim_server: Callable[..., Daemon], listener: Listener
) -> None:
    toolstack, url = hypervisor
    server = start_cim_server(url)
    wait_until_connected(server)
    subscribe(server, listener, _COMMUNICATIONS)
    toolstack.kill()
    lost = listener.next()
    assert lost["MessageID"] == "ERR_COMMUNICATION_NOT_ESTABLISHED"
    assert "VirtCIM_HostSystem" in lost["AlertingManagedElement"]
    toolstack.start()
    assert listener.next()["MessageID"] == "ERR_SUCCESS"


def _turn(api: Any, ref: str) -> None:
    """Switch a machine off or on."""
    if api.VM.get_power_state(ref) == "Running":
        api.VM.hard_shutdown(ref)
    else:
        api.VM.start(ref, False, False)
