"""A CIM server dies again and again while machines change: its listener hears all of it."""

from __future__ import annotations

import html
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pywbem
from daemons import Daemon

from tests.cimserver.indications.exported import Exported
from tests.cimserver.indications.listening import answer, listening
from tests.system.cim import NAMESPACE
from tests.system.stack import wait_until_connected, xenapi_session
from tests.system.waiting import wait_for

MACHINES = 3
CHANGES = 60
KILLS = 3
_QUERY = (
    "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem "
    "AND SourceInstance.EnabledState <> PreviousInstance.EnabledState"
)
_STATE = re.compile(r'NAME="EnabledState" TYPE="uint16"><VALUE>(\d+)<')
_NAME = re.compile(r'NAME="Name" TYPE="string"><VALUE>([^<]+)<')


@dataclass(frozen=True, slots=True)
class Told:
    """One change of state, as the listener heard of it."""

    machine: str
    before: int
    after: int

    @classmethod
    def of(cls, request: bytes) -> Told:
        def embedded(name: str) -> str:
            found = re.search(rf'NAME="{name}"[^>]*><VALUE>([^<]*)<', request.decode())
            assert found is not None
            return html.unescape(found[1])

        def state(instance: str) -> int:
            found = _STATE.search(instance)
            assert found is not None
            return int(found[1])

        source, previous = embedded("SourceInstance"), embedded("PreviousInstance")
        name = _NAME.search(source)
        assert name is not None
        return cls(name[1], state(previous), state(source))


def subscribe(server: Daemon, url: str) -> None:
    with pywbem.WBEMConnection(server.url, None, default_namespace="root/interop") as connection:

        def made(class_name: str, **values: object) -> pywbem.CIMInstanceName:
            return connection.CreateInstance(pywbem.CIMInstance(class_name, values))

        selecting = made("CIM_IndicationFilter", Query=_QUERY, QueryLanguage="DMTF:CQL")
        destination = made("CIM_ListenerDestinationCIMXML", Destination=url)
        made("CIM_IndicationSubscription", Filter=selecting, Handler=destination)


def states(server: Daemon) -> dict[str, int]:
    with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as connection:
        found = connection.EnumerateInstances("VirtCIM_ComputerSystem")
    return {one["Name"]: one["EnabledState"] for one in found}


def change_all_the_time(socket_path: Path) -> None:
    with xenapi_session(socket_path) as session:
        machines = [
            ref
            for ref, record in session.xenapi.VM.get_all_records().items()
            if not record["is_control_domain"] and not record["is_a_template"]
        ]
        for count in range(CHANGES):
            ref = machines[count % len(machines)]
            if session.xenapi.VM.get_power_state(ref) == "Running":
                session.xenapi.VM.hard_shutdown(ref)
            else:
                session.xenapi.VM.start(ref, False, False)


def test_a_listener_is_told_an_unbroken_story_whenever_the_server_dies(
    simulated_host_uri: Callable[[int], str],
    start_toolstack: Callable[[str], tuple[Daemon, str]],
    start_cim_server: Callable[..., Daemon],
) -> None:
    _, hypervisor_url = start_toolstack(simulated_host_uri(MACHINES))
    server = start_cim_server(hypervisor_url)
    requests: list[bytes] = []

    def take(_: socket.socket, request: bytes) -> bytes:
        requests.append(request)
        return answer()

    with listening() as listener:
        listener.behave = take
        initial = states(server)
        subscribe(server, listener.url)
        socket_path = Path(hypervisor_url.removeprefix("xapi+unix://"))
        changing = threading.Thread(target=change_all_the_time, args=(socket_path,))
        changing.start()
        for _ in range(KILLS):
            heard = len(requests)
            wait_for(
                lambda: len(requests) - heard,  # noqa: B023 - called at once
                lambda more: more > 0 or not changing.is_alive(),
                "something to be told",
            )
            server.kill()
            server.start()
            wait_until_connected(server)
        changing.join()
        final = states(server)
        wait_for(
            lambda: _last_told(initial, requests), lambda told: told == final, "the last states"
        )
        server.stop()
    exported = [Exported.of(one) for one in requests]
    by_number = dict(zip((one.number for one in exported), requests, strict=True))
    first = list(dict.fromkeys(exported))
    assert [one.number for one in first] == list(range(len(first))), "in order, without gaps"
    assert len({one.context for one in first}) == 1
    story: defaultdict[str, list[Told]] = defaultdict(list)
    for _, request in sorted(by_number.items()):
        told = Told.of(request)
        story[told.machine].append(told)
    for machine, changes in story.items():
        assert [one.before for one in changes] == [
            initial[machine],
            *(one.after for one in changes[:-1]),
        ], "each begins where the one before ended"
        assert all(one.before != one.after for one in changes)


def _last_told(initial: dict[str, int], requests: list[bytes]) -> dict[str, int]:
    told = {one.machine: one.after for one in map(Told.of, requests)}
    return initial | told
