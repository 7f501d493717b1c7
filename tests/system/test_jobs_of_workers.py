"""Jobs and what is told of them where two workers serve: one dies, sleeps, or is asked instead."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE

from tests.cimserver.indications.listening import RawListener, listening
from tests.system.cim import CHANGE_STATE, system_path, wait_for_system
from tests.system.machines import domain_xml
from tests.system.two_workers import EVERYTHING, INTEROP, RUNNING, Workers, audited
from tests.system.waiting import wait_for

_COMPLETED, _TERMINATED = 7, 8
_ENABLED, _PAUSED = 2, 9
_TERMINATE = 4
_A_MOMENT_S = 0.5
# A worker that is silent for longer is waited for by nobody, and knows it.
_NOT_YET_SILENT_S = 2.5


@pytest.fixture
def deaf(
    qemu: libvirt.virConnect, make_disk: Callable[..., Path], workers: Workers
) -> libvirt.virDomain:
    """A running machine that does not shut down when it is asked to."""
    domain = qemu.defineXML(domain_xml("deaf", disks=(make_disk(IDLE),)))
    domain.create()
    for number in (1, 2):
        with workers.at(number) as cim:
            wait_for_system(cim, domain.UUIDString(), EnabledState=_ENABLED)
    return domain


def _shut_down(cim: pywbem.WBEMConnection, domain: libvirt.virDomain) -> pywbem.CIMInstanceName:
    """The job of what will not come about by itself."""
    _, output = cim.InvokeMethod(
        "RequestStateChange",
        system_path(domain.UUIDString()),
        RequestedState=pywbem.Uint16(CHANGE_STATE["shut down"]),
    )
    job: pywbem.CIMInstanceName = output["Job"]
    return job


_OF_SYSTEMS = "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem"


@contextmanager
def _told(workers: Workers, query: str) -> Iterator[RawListener]:
    """A listener that is told what a query selects."""
    made: list[pywbem.CIMInstanceName] = []

    def make(class_name: str, **values: object) -> pywbem.CIMInstanceName:
        made.append(cim.CreateInstance(pywbem.CIMInstance(class_name, values), INTEROP))
        return made[-1]

    with listening() as listener:
        with workers.connect() as cim:
            make(
                "CIM_IndicationSubscription",
                Filter=make("CIM_IndicationFilter", Query=query, QueryLanguage="DMTF:CQL"),
                Handler=make("CIM_ListenerDestinationCIMXML", Destination=listener.url),
            )
        yield listener
        with workers.connect() as cim:
            for one in reversed(made):
                cim.DeleteInstance(one)


def _is_one_story(listener: RawListener) -> None:
    """Nothing is missing, and nothing came twice."""
    numbers = [one.number for one in listener.got]
    assert numbers == [*range(len(numbers))]
    assert len(set(listener.texts)) == len(numbers)


def test_a_worker_that_is_killed_costs_its_connections_and_nothing_else(
    deaf: libvirt.virDomain, workers: Workers
) -> None:
    with workers.at(1) as one:
        job = _shut_down(one, deaf)
        # Of what was killed before that nobody could know whether it was begun.
        wait_for(workers.tasks_of_jobs, all, "the task of the job")
        expected = len(one.EnumerateInstanceNames(EVERYTHING))
    stopping = threading.Event()
    wrong: list[object] = []
    cut_off = Counter[int]()
    read = Counter[int]()

    def read_again_and_again(number: int) -> None:
        while not stopping.is_set():
            with workers.connect() as one:
                try:
                    for _ in range(10):
                        found = len(one.EnumerateInstanceNames(EVERYTHING))
                        read[number] += 1
                        if found != expected:
                            wrong.append(found)
                except pywbem.ConnectionError:
                    cut_off[number] += 1
                except pywbem.Error as error:
                    wrong.append(error)

    with _told(workers, _OF_SYSTEMS) as listener, workers.delivering(job):
        readers = [threading.Thread(target=read_again_and_again, args=(n,)) for n in range(3)]
        for reader in readers:
            reader.start()
        before = workers.pids()
        try:
            os.kill(before[1], signal.SIGKILL)
            after = wait_for(
                workers.pids, lambda now: len(now) == 2 and now[1] != before[1], "another worker"
            )
            assert after[2] == before[2]
            workers.wait_ready()
            seen = read.total()
            wait_for(read.total, lambda now: now > seen + 3, "readers")
        finally:
            stopping.set()
            for reader in readers:
                reader.join()
        # What it ran is the other one's now, which sees how it ends, and tells of it.
        deaf.destroy()
        with workers.at(2) as one:
            wait_for(
                lambda: int(one.GetInstance(job)["JobState"]),
                lambda state: state == _COMPLETED,
                "the job of the dead worker",
            )
        listener.wait_for(1)
    _is_one_story(listener)
    assert not wrong
    assert max(cut_off.values(), default=0) <= 1, "each had one connection at a time"
    assert "SIGKILL" in workers.daemon.log.read_text()


def test_an_operation_has_ended_when_both_workers_show_what_it_did(
    deaf: libvirt.virDomain, workers: Workers
) -> None:
    path = system_path(deaf.UUIDString())
    with workers.at(1) as first:

        def job_state() -> int:
            return int(first.GetInstance(output["Job"])["JobState"])

        with workers.asleep(2):
            stopped_s = time.monotonic()
            _, output = first.InvokeMethod(
                "RequestStateChange", path, RequestedState=pywbem.Uint16(CHANGE_STATE["pause"])
            )
            wait_for(
                lambda: int(first.GetInstance(path)["EnabledState"]),
                lambda state: state == _PAUSED,
                "a machine that is paused",
            )
            until_s = min(time.monotonic() + _A_MOMENT_S, stopped_s + _NOT_YET_SILENT_S)
            while time.monotonic() < until_s:
                assert job_state() == RUNNING, "the other one cannot show it yet"
        wait_for(job_state, lambda state: state == _COMPLETED, "a job that has ended")
        assert workers.metric("virtcim_peer_wait_seconds_count", written="hypervisor") >= 1
        seen = [each.GetInstance(path)["EnabledState"] for each in workers.each(times=4)]
    assert seen == [_PAUSED] * 4


def test_a_job_is_cancelled_at_the_other_worker(deaf: libvirt.virDomain, workers: Workers) -> None:
    with workers.at(1) as first, workers.at(2) as second:
        job = _shut_down(first, deaf)
        assert second.GetInstance(job)["JobState"] == RUNNING
        second.InvokeMethod("RequestStateChange", job, RequestedState=pywbem.Uint16(_TERMINATE))
        wait_for(
            lambda: {int(one.GetInstance(job)["JobState"]) for one in (first, second)},
            lambda states: states == {_TERMINATED},
            "a job that is terminated",
        )
    asked = [one for one in audited(workers.audit) if one["operation"] == "RequestStateChange"]
    assert {one["worker"] for one in asked} == {1, 2}


def test_a_change_is_told_once(deaf: libvirt.virDomain, workers: Workers) -> None:
    with _told(workers, _OF_SYSTEMS) as listener:
        deaf.suspend()
        listener.wait_for(1)
        deaf.resume()
        listener.wait_for(2)
    _is_one_story(listener)
