"""Two CIM servers over one hypervisor share their state through PostgreSQL."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import libvirt
import psycopg
import pytest
import pywbem
from boot_sectors import IDLE
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.cimserver.indications.exported import Exported
from tests.cimserver.indications.listening import answer, listening
from tests.system.balancer import balanced
from tests.system.cim import CHANGE_STATE, NAMESPACE, system_path, wait_for_system
from tests.system.machines import domain_xml, machine_uuid
from tests.system.stack import wait_until_connected
from tests.system.told_states import (
    MACHINES,
    assert_unbroken,
    change_all_the_time,
    last_told,
    states,
    subscribe,
)
from tests.system.waiting import wait_for

_JOB_STARTED = 4096
_RUNNING, _COMPLETED, _TERMINATED, _EXCEPTION = 4, 7, 8, 10
_TERMINATE, _ENABLED = 4, 2

StartServer = Callable[..., Daemon]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two servers, and a machine that does not shut down when it is asked to."""

    first: Daemon
    second: Daemon
    uuid: str
    state: str

    def shut_down_at_first(self) -> pywbem.CIMInstanceName:
        with connected(self.first) as cim:
            status, output = cim.InvokeMethod(
                "RequestStateChange",
                system_path(self.uuid),
                RequestedState=pywbem.Uint16(CHANGE_STATE["shut down"]),
            )
        assert status == _JOB_STARTED
        job: pywbem.CIMInstanceName = output["Job"]
        return job

    def wait_until_a_task_carries(self, job: pywbem.CIMInstanceName) -> None:
        """From then on another server can follow what a dying one has begun."""
        uuid = job["InstanceID"].rpartition(":")[2]
        with psycopg.connect(self.state, autocommit=True) as database:
            wait_for(
                lambda: database.execute(
                    "SELECT task_ref FROM job WHERE uuid = %s", (uuid,)
                ).fetchone(),
                lambda row: row is not None and row[0] != "",
                "the task of the job",
            )


@contextmanager
def connected(server: Daemon) -> Iterator[pywbem.WBEMConnection]:
    with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as cim:
        yield cim


def state_of(cim: pywbem.WBEMConnection, job: pywbem.CIMInstanceName) -> int:
    return int(cim.GetInstance(job)["JobState"])


def wait_for_state(cim: pywbem.WBEMConnection, job: pywbem.CIMInstanceName, *ends: int) -> int:
    return wait_for(lambda: state_of(cim, job), lambda state: state in ends, f"job in {ends}")


@pytest.fixture
def pair(
    shared_libvirt: PrivateLibvirt,
    start_toolstack: Callable[..., tuple[Daemon, str]],
    start_cim_server: StartServer,
    make_disk: Callable[..., Path],
    qemu: libvirt.virConnect,
    postgresql_url: str,
) -> Pair:
    _, url = start_toolstack(shared_libvirt.uri, "--domain-type", "qemu")
    domain = qemu.defineXML(domain_xml("deaf", disks=(make_disk(IDLE),)))
    domain.create()
    options = ("--job-after", "0", "--state", postgresql_url)
    first, second = (start_cim_server(url, *options) for _ in range(2))
    for server in (first, second):
        with connected(server) as cim:
            wait_for_system(cim, domain.UUIDString(), EnabledState=_ENABLED)
    return Pair(first=first, second=second, uuid=domain.UUIDString(), state=postgresql_url)


def test_a_job_is_the_same_at_both_and_ends_as_a_client_of_the_other_asks(pair: Pair) -> None:
    job = pair.shut_down_at_first()
    with connected(pair.second) as cim:
        # The next read, without waiting for anything.
        assert state_of(cim, job) == _RUNNING
        [system] = cim.AssociatorNames(job, AssocClass="CIM_AffectedJobElement")
        assert system["Name"] == pair.uuid
        status, _ = cim.InvokeMethod(
            "RequestStateChange", job, RequestedState=pywbem.Uint16(_TERMINATE)
        )
        assert status == 0
        assert wait_for_state(cim, job, _TERMINATED, _COMPLETED, _EXCEPTION) == _TERMINATED
    with connected(pair.first) as cim:
        assert state_of(cim, job) == _TERMINATED
        cim.DeleteInstance(job)
    with connected(pair.second) as cim, pytest.raises(pywbem.CIMError) as caught:
        cim.GetInstance(job)
    assert caught.value.status_code == pywbem.CIM_ERR_NOT_FOUND


def test_the_job_of_a_dead_server_goes_on_at_the_other(
    pair: Pair, qemu: libvirt.virConnect
) -> None:
    job = pair.shut_down_at_first()
    pair.wait_until_a_task_carries(job)
    pair.first.kill()
    with connected(pair.second) as cim:
        assert state_of(cim, job) == _RUNNING
        qemu.lookupByUUIDString(pair.uuid).destroy()
        # Not before it was adopted.
        assert wait_for_state(cim, job, _COMPLETED, _EXCEPTION) == _COMPLETED


@pytest.mark.parametrize("death", ["killed", "asleep"])
def test_a_listener_is_told_an_unbroken_story_whichever_server_leads(
    death: str,
    simulated_host_uri: Callable[[int], str],
    start_toolstack: Callable[..., tuple[Daemon, str]],
    start_cim_server: StartServer,
    postgresql_url: str,
) -> None:
    _, url = start_toolstack(simulated_host_uri(MACHINES))
    # The first one leads.
    servers = [start_cim_server(url, "--state", postgresql_url) for _ in range(2)]
    requests: list[bytes] = []
    # By which connection each came, with its number.
    deliveries: list[tuple[int, int]] = []

    def take(connection: socket.socket, request: bytes) -> bytes:
        number = Exported.of(request).number
        deliveries.append((connection.getpeername()[1], number))
        requests.append(request)
        return answer()

    def last_number() -> int:
        return max((number for _, number in deliveries), default=-1)

    with listening() as listener:
        listener.behave = take
        initial = states(servers[1])
        subscribe(servers[1], listener.url)
        changing = threading.Thread(
            target=change_all_the_time, args=(Path(url.removeprefix("xapi+unix://")),)
        )
        changing.start()
        leading, other = servers
        for _ in range(2):
            # Not only what its heir cannot know to be taken.
            heard = last_number()
            wait_for(last_number, lambda last: last > heard, "something new")  # noqa: B023
            if death == "killed":
                leading.kill()
            else:
                os.kill(leading.pid, signal.SIGSTOP)
            changing.join()
            wait_for(
                lambda: (last_told(initial, requests), states(other)),  # noqa: B023
                lambda told_and_so: told_and_so[0] == told_and_so[1],
                "what happened meanwhile",
            )
            if death == "killed":
                leading.start()
            else:
                os.kill(leading.pid, signal.SIGCONT)
            wait_until_connected(leading)
            leading, other = other, leading
            changing = threading.Thread(
                target=change_all_the_time, args=(Path(url.removeprefix("xapi+unix://")),)
            )
            changing.start()
        changing.join()
        wait_for(
            lambda: (last_told(initial, requests), states(other)),
            lambda told_and_so: told_and_so[0] == told_and_so[1],
            "the last",
        )
        for server in servers:
            server.stop()
    assert_unbroken(initial, requests)
    if death == "asleep":
        # What each was just sending; before the next it asks whether it may.
        stale = sent_after_waking(deliveries)
        assert all(len(one) == 1 for one in stale), deliveries


def sent_after_waking(deliveries: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Numbers that came again by a connection by which nothing new came after them.

    An heir sends again what he cannot know to be taken, and goes on with what is new.
    """
    last_connection, _ = deliveries[-1]
    again: defaultdict[int, list[int]] = defaultdict(list)
    known: set[int] = set()
    stale = []
    for connection, number in deliveries:
        one = again[connection]
        if one and number != one[-1] + 1:
            stale.append(again.pop(connection))
        if number in known:
            again[connection].append(number)
        else:
            known.add(number)
            again.pop(connection, None)
    # Who sends last may yet go on.
    again.pop(last_connection, None)
    return [*stale, *(one for one in again.values() if one)]


@pytest.mark.parametrize(
    ("deliveries", "stale"),
    [
        # All was told before it fell asleep, but for the last two its heir could not know.
        ("a0 a1 a2 b1 b2 b3", []),
        ("a0 a1 a2 b1 b2 a2 b3 b4", [[2]]),
        ("a0 a1 b1 b2 b3 a2 a3 b4 a5", [[2, 3]]),
        ("a0 a1 b1 b2 a1 b3 a3", [[1]]),
    ],
)
def test_who_sends_what_somebody_else_has_sent_is_told_from_an_heir(
    deliveries: str, stale: list[list[int]]
) -> None:
    words = deliveries.split()
    assert sent_after_waking([(ord(word[0]), int(word[1])) for word in words]) == stale


def test_behind_a_load_balancer_it_does_not_matter_who_answers(
    pair: Pair, short_path: Path
) -> None:
    with (
        balanced((pair.first, pair.second), short_path) as balancer,
        pywbem.WBEMConnection(balancer.url, None, default_namespace=NAMESPACE) as cim,
    ):
        status, output = cim.InvokeMethod(
            "RequestStateChange",
            system_path(pair.uuid),
            RequestedState=pywbem.Uint16(CHANGE_STATE["shut down"]),
        )
        assert status == _JOB_STARTED
        pair.wait_until_a_task_carries(output["Job"])
        before = balancer.served()
        assert {state_of(cim, output["Job"]) for _ in range(6)} == {_RUNNING}
        assert [after - old for after, old in zip(balancer.served(), before, strict=True)] == [
            3,
            3,
        ]
        destination = cim.CreateInstance(
            pywbem.CIMInstance(
                "CIM_ListenerDestinationCIMXML", {"Destination": "http://127.0.0.1:1"}
            ),
            namespace="root/interop",
        )
        found = [
            cim.EnumerateInstanceNames("CIM_ListenerDestinationCIMXML", "root/interop")
            for _ in range(4)
        ]
        assert [[each["Name"] for each in names] for names in found] == [[destination["Name"]]] * 4
        pair.first.kill()
        wait_for(balancer.up, lambda up: up == [False, True], "the dead one to get nothing")
        assert state_of(cim, output["Job"]) == _RUNNING
        cim.InvokeMethod(
            "RequestStateChange", output["Job"], RequestedState=pywbem.Uint16(_TERMINATE)
        )


def test_a_balancer_that_goes_by_the_client_keeps_pulls_with_their_server(
    simulated_host_uri: Callable[[int], str],
    start_toolstack: Callable[..., tuple[Daemon, str]],
    start_cim_server: StartServer,
    postgresql_url: str,
    short_path: Path,
) -> None:
    _, url = start_toolstack(simulated_host_uri(6))
    servers = [start_cim_server(url, "--state", postgresql_url) for _ in range(2)]
    with balanced(servers, short_path, balance="source") as balancer:
        opened = _pulled(balancer.url, "")
        names = [one["Name"] for one in opened.instances]
        while not opened.eos:
            # Each time by a new connection, as of a client that keeps none.
            opened = _pulled(balancer.url, opened.context)
            names += [one["Name"] for one in opened.instances]
        assert sorted(names) == sorted(machine_uuid(number) for number in range(6))
        served = balancer.served()
        assert sorted(served) == [0, 6]
        # Its server dies: the other one knows nothing of its contexts, and says so.
        opened = _pulled(balancer.url, "")
        number = served.index(6)
        servers[number].kill()
        wait_for(balancer.up, lambda up: not up[number], "the dead one to get nothing")
        with pytest.raises(pywbem.CIMError) as caught:
            _pulled(balancer.url, opened.context)
        assert caught.value.status_code == pywbem.CIM_ERR_INVALID_ENUMERATION_CONTEXT
        assert not _pulled(balancer.url, "").eos


def _pulled(url: str, context: object) -> pywbem.pull_inst_result_tuple:
    """One system with an open enumeration, which is opened where there is no context."""
    with pywbem.WBEMConnection(url, None, default_namespace=NAMESPACE) as cim:
        if context:
            return cim.PullInstancesWithPath(context, 1)
        return cim.OpenEnumerateInstances("VirtCIM_ComputerSystem", MaxObjectCount=1)
