"""`virtcim serve --workers 2`: two processes serve the same clients as one would."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import libvirt
import pytest
import pywbem
from boot_sectors import IDLE
from daemons import Daemon
from prometheus_client.parser import text_string_to_metric_families

from tests.cimserver.indications.listening import RawListener, listening
from tests.system.cim import CHANGE_STATE, NAMESPACE, system_path, wait_for_system
from tests.system.machines import domain_xml
from tests.system.stack import Stack
from tests.system.waiting import DEADLINE_S, wait_for
from virtcim.daemon.passwords import HashedPassword
from virtcim.daemon.roles import parse_rights
from virtcim.daemon.users_file import User, write_private

_INTEROP = "root/interop"
_EVERYTHING = "CIM_ManagedElement"
_PASSWORD = "right"
_HASHED = HashedPassword.of(_PASSWORD)
_RIGHTS = {"ann": "administer@*", "bob": "read@*", "eve": "read@*"}
_RUNNING, _COMPLETED, _TERMINATED = 4, 7, 8
_ENABLED, _PAUSED = 2, 9
_TERMINATE = 4
_A_MOMENT_S = 0.5
# A worker that is silent for longer is waited for by nobody, and knows it.
_NOT_YET_SILENT_S = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """A server of two workers, and what it keeps where."""

    daemon: Daemon
    state: Path
    users: Path
    audit: Path
    metrics: str

    def connect(self, user: str = "ann", password: str = _PASSWORD) -> pywbem.WBEMConnection:
        """A client with a connection of its own, which the next worker gets."""
        return pywbem.WBEMConnection(
            self.daemon.url,
            (user, password),
            default_namespace=NAMESPACE,
            timeout=int(DEADLINE_S),
        )

    def each(self, user: str = "ann", times: int = 4) -> Iterator[pywbem.WBEMConnection]:
        """So many clients, half of them at each worker."""
        for _ in range(times):
            with self.connect(user) as connection:
                yield connection

    @contextmanager
    def at(self, number: int) -> Iterator[pywbem.WBEMConnection]:
        """A client of one of the two."""
        with ExitStack() as stack:
            # Those at the other one stay open: the next ones go elsewhere.
            while True:
                one = stack.enter_context(self.connect())
                context = _open(one)
                one.CloseEnumeration((context, NAMESPACE))
                if context.startswith(f"{number}-"):
                    break
            yield one

    def _database(self) -> closing[sqlite3.Connection]:
        """The state, where each statement is a transaction of its own."""
        file = self.state / "virtcim.sqlite"
        return closing(sqlite3.connect(file, timeout=DEADLINE_S, isolation_level=None))

    def tasks_of_jobs(self) -> list[str]:
        """The tasks that are known to carry what runs."""
        with self._database() as database:
            rows = database.execute("SELECT task_ref FROM job WHERE state = ?", (_RUNNING,))
            return [task for (task,) in rows]

    @contextmanager
    def delivering(self, job: pywbem.CIMInstanceName) -> Iterator[None]:
        """Have indications delivered by the worker that has a job, for as long as it is there.

        Its beat counts all the time, so nobody takes over since it was silent.
        """
        with self._database() as database:
            uuid = str(job["InstanceID"]).rpartition(":")[2]
            [[server]] = database.execute("SELECT server FROM job WHERE uuid = ?", (uuid,))
            owner = f"{server}/of the test"
            database.execute("UPDATE indication_deliverer SET owner = ?", (owner,))
        ended = threading.Event()

        def beat() -> None:
            mine = "UPDATE indication_deliverer SET beat = beat + 1 WHERE owner = ?"
            with self._database() as database:
                while not ended.wait(0.2):
                    database.execute(mine, (owner,))

        beating = threading.Thread(target=beat)
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()

    @contextmanager
    def asleep(self, number: int) -> Iterator[None]:
        """Have a worker asleep that is not in the middle of writing."""
        pid = self.pids()[number]
        with closing(sqlite3.connect(self.state / "virtcim.sqlite", timeout=0)) as database:
            while True:
                os.kill(pid, signal.SIGSTOP)
                try:
                    database.execute("BEGIN IMMEDIATE")
                    database.rollback()
                    break
                except sqlite3.OperationalError:
                    os.kill(pid, signal.SIGCONT)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def page(self, name: str) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=self.metrics)
        with httpx.Client(transport=transport, base_url="http://localhost") as client:
            return client.get(name, timeout=DEADLINE_S)

    def metric(self, name: str, **labels: str) -> float:
        """One value; each call asks the other worker."""
        [value] = [
            sample.value
            for family in text_string_to_metric_families(self.page("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return value

    def write_users(self, *names: str) -> None:
        lines = [
            str(User(name=name, password=_HASHED, rights=parse_rights(_RIGHTS[name])))
            for name in names
        ]
        write_private(self.users, "".join(f"{line}\n" for line in lines))

    def pids(self) -> dict[int, int]:
        """The processes of the workers by their numbers."""
        children = Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text()
        found = {}
        for pid in children.split():
            number = re.search(r'"worker": (\d+)', _last_line_of(self.daemon.log, int(pid)))
            if number is not None:
                found[int(number[1])] = int(pid)
        return found

    def wait_ready(self) -> None:
        wait_for(lambda: self.page("/readyz").json(), lambda told: told["ready"], "both workers")


def _last_line_of(log: Path, pid: int) -> str:
    """Where a worker said that it serves."""
    lines = [one for one in log.read_text().splitlines() if f"server process [{pid}]" in one]
    return lines[-1] if lines else ""


@pytest.fixture(scope="module")
def workers(stack: Stack, stack_directory: Path) -> Iterator[Workers]:
    """Two workers that the tests of this file share; all users are as they were after each."""
    place = stack_directory / "two"
    place.mkdir()
    metrics = place / "m.sock"
    daemon = Daemon(
        *("serve", "--hypervisor", stack.hypervisor_url, "--workers", "2"),
        *("--listen", "http://127.0.0.1:0", "--state", str(place / "state")),
        *("--users", str(place / "users"), "--audit", str(place / "audit")),
        *("--metrics-listen", f"unix:{metrics}", "--job-after", "0", "--log-format", "json"),
        log=place / "log",
    )
    found = Workers(
        daemon=daemon,
        state=place / "state",
        users=place / "users",
        audit=place / "audit",
        metrics=str(metrics),
    )
    found.write_users(*_RIGHTS)
    with daemon:
        found.wait_ready()
        yield found
        assert daemon.stop() == 0
    said = daemon.log.read_text()
    assert "Traceback" not in said
    assert "database is locked" not in said


def _audited(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _names(paths: list[pywbem.CIMInstanceName]) -> list[str]:
    return [str(pywbem.CIMInstanceName(one.classname, one.keybindings)) for one in paths]


def _open(connection: pywbem.WBEMConnection, **options: object) -> str:
    """A context of an enumeration of which nothing was pulled."""
    result = connection.OpenEnumerateInstancePaths(_EVERYTHING, MaxObjectCount=0, **options)
    assert not result.eos
    return str(result.context[0])


def test_an_enumeration_is_pulled_at_whichever_worker(workers: Workers) -> None:
    with workers.connect() as one:
        expected = one.EnumerateInstanceNames(_EVERYTHING)
    contexts = [_open(each) for each in workers.each()]
    assert {context.partition("-")[0] for context in contexts} == {"1", "2"}
    assert workers.metric("virtcim_open_enumerations") == 4
    for context in contexts:
        paths: list[pywbem.CIMInstanceName] = []
        is_over = False
        while not is_over:
            with workers.connect() as one:
                pulled = one.PullInstancePaths((context, NAMESPACE), MaxObjectCount=3)
            paths += pulled.paths
            is_over = pulled.eos
        assert sorted(_names(paths)) == sorted(_names(expected))
    assert workers.metric("virtcim_open_enumerations") == 0


def test_what_others_have_opened_is_refused_at_whichever_worker(workers: Workers) -> None:
    with workers.connect("bob") as bob:
        context = _open(bob)
    for eve in workers.each("eve", times=2):
        with pytest.raises(pywbem.CIMError) as caught:
            eve.PullInstancePaths((context, NAMESPACE), MaxObjectCount=1)
        assert caught.value.status_code == pywbem.CIM_ERR_INVALID_ENUMERATION_CONTEXT
        with pytest.raises(pywbem.CIMError):
            eve.CloseEnumeration((context, NAMESPACE))
    # An administrator may close it, also from elsewhere.
    with workers.connect("ann"), workers.connect("ann") as ann:
        ann.CloseEnumeration((context, NAMESPACE))
    assert workers.metric("virtcim_open_enumerations") == 0


def test_a_client_opens_no_more_at_two_workers_than_at_one(workers: Workers) -> None:
    contexts: list[str] = []
    with workers.connect("eve") as first, workers.connect("eve") as second:

        def open_in_turn() -> None:
            while True:
                contexts.append(_open((first, second)[len(contexts) % 2]))

        with pytest.raises(pywbem.CIMError) as caught:
            open_in_turn()
    assert caught.value.status_code == pywbem.CIM_ERR_SERVER_LIMITS_EXCEEDED
    of_each = Counter(context.partition("-")[0] for context in contexts)
    # What is opened at the other one in this moment may not have been heard of.
    assert sum(of_each.values()) in (128, 129), of_each
    with workers.connect("eve") as eve:
        for context in contexts:
            eve.CloseEnumeration((context, NAMESPACE))


def test_wrong_passwords_are_as_slow_as_with_one_worker(workers: Workers) -> None:
    before = workers.metric("virtcim_logins_failed_total")
    began = time.monotonic()
    for _ in range(5):
        with workers.connect("bob", "wrong") as bob, pytest.raises(pywbem.AuthError):
            bob.EnumerateInstanceNames("VirtCIM_HostSystem")
    # Three are free; each worker would give three of its own.
    assert time.monotonic() - began >= 0.25 + 0.5
    assert [workers.metric("virtcim_logins_failed_total") for _ in range(2)] == [before + 5] * 2


def test_metrics_are_those_of_both_whichever_is_asked(workers: Workers) -> None:
    def operations() -> float:
        return workers.metric(
            "virtcim_cim_operations_total",
            operation="EnumerateInstanceNames",
            outcome="success",
        )

    for each in workers.each(times=2):
        each.EnumerateInstanceNames("VirtCIM_HostSystem")  # what nobody did is not told
    before = operations()
    for each in workers.each(times=6):
        each.EnumerateInstanceNames("VirtCIM_HostSystem")
    assert [operations() for _ in range(2)] == [before + 6] * 2
    assert workers.metric("virtcim_inventory_objects", kind="host") == 1
    assert workers.page("/readyz").json()["workers"] == {"1": True, "2": True}


def test_a_hang_up_reads_users_and_opens_the_audit_file_anew_in_both(workers: Workers) -> None:
    for each in workers.each("eve", times=2):
        each.EnumerateInstanceNames("VirtCIM_HostSystem")  # both know his password now
    moved = workers.audit.with_name("audit.1")
    workers.audit.rename(moved)
    workers.write_users("ann", "bob")
    try:
        os.kill(workers.daemon.pid, signal.SIGHUP)
        wait_for(workers.audit.exists, bool, "a new audit file")

        def both_write() -> set[object]:
            for bob in workers.each("bob", times=2):
                with pytest.raises(pywbem.CIMError):
                    bob.CreateInstance(
                        pywbem.CIMInstance("CIM_IndicationFilter", {"Query": "x"}), _INTEROP
                    )
            return {one["worker"] for one in _audited(workers.audit)}

        wait_for(both_write, lambda found: found >= {1, 2}, "both in the new file")
        for eve in workers.each("eve", times=2):
            with pytest.raises(pywbem.AuthError):
                eve.EnumerateInstanceNames("VirtCIM_HostSystem")
    finally:
        workers.write_users(*_RIGHTS)


def test_two_workers_write_at_once_and_each_shows_what_the_other_wrote(workers: Workers) -> None:
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            with workers.connect() as one:
                for turn in range(8):
                    url = f"http://127.0.0.1:1/{number}/{turn}"
                    made = one.CreateInstance(
                        pywbem.CIMInstance("CIM_ListenerDestinationCIMXML", {"Destination": url}),
                        _INTEROP,
                    )
                    for reader in workers.each(times=2):
                        assert reader.GetInstance(made)["Destination"] == url
                    one.DeleteInstance(made)
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


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
        made.append(cim.CreateInstance(pywbem.CIMInstance(class_name, values), _INTEROP))
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
        expected = len(one.EnumerateInstanceNames(_EVERYTHING))
    stopping = threading.Event()
    wrong: list[object] = []
    cut_off = Counter[int]()
    read = Counter[int]()

    def read_again_and_again(number: int) -> None:
        while not stopping.is_set():
            with workers.connect() as one:
                try:
                    for _ in range(10):
                        found = len(one.EnumerateInstanceNames(_EVERYTHING))
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
                assert job_state() == _RUNNING, "the other one cannot show it yet"
        wait_for(job_state, lambda state: state == _COMPLETED, "a job that has ended")
        assert workers.metric("virtcim_peer_wait_seconds_count", written="hypervisor") >= 1
        seen = [each.GetInstance(path)["EnabledState"] for each in workers.each(times=4)]
    assert seen == [_PAUSED] * 4


def test_a_job_is_cancelled_at_the_other_worker(deaf: libvirt.virDomain, workers: Workers) -> None:
    with workers.at(1) as first, workers.at(2) as second:
        job = _shut_down(first, deaf)
        assert second.GetInstance(job)["JobState"] == _RUNNING
        second.InvokeMethod("RequestStateChange", job, RequestedState=pywbem.Uint16(_TERMINATE))
        wait_for(
            lambda: {int(one.GetInstance(job)["JobState"]) for one in (first, second)},
            lambda states: states == {_TERMINATED},
            "a job that is terminated",
        )
    asked = [one for one in _audited(workers.audit) if one["operation"] == "RequestStateChange"]
    assert {one["worker"] for one in asked} == {1, 2}


def test_a_change_is_told_once(deaf: libvirt.virDomain, workers: Workers) -> None:
    with _told(workers, _OF_SYSTEMS) as listener:
        deaf.suspend()
        listener.wait_for(1)
        deaf.resume()
        listener.wait_for(2)
    _is_one_story(listener)
