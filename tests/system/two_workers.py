"""A `virtcim serve --workers 2`, and what it keeps where."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pywbem
from daemons import Daemon
from prometheus_client.parser import text_string_to_metric_families

from tests.system.cim import NAMESPACE
from tests.system.stack import Stack
from tests.system.waiting import DEADLINE_S, wait_for
from virtcim.daemon.passwords import HashedPassword
from virtcim.daemon.roles import parse_rights
from virtcim.daemon.users_file import User, write_private

__all__ = [
    "EVERYTHING",
    "INTEROP",
    "RIGHTS",
    "RUNNING",
    "Workers",
    "audited",
    "open_enumeration",
    "two_workers",
]

INTEROP = "root/interop"
EVERYTHING = "CIM_ManagedElement"
RIGHTS = {"ann": "administer@*", "bob": "read@*", "eve": "read@*"}
#: JobState of a job that runs.
RUNNING = 4
_PASSWORD = "right"
_HASHED = HashedPassword.of(_PASSWORD)


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
                context = open_enumeration(one)
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
            rows = database.execute("SELECT task_ref FROM job WHERE state = ?", (RUNNING,))
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
            str(User(name=name, password=_HASHED, rights=parse_rights(RIGHTS[name])))
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


@contextmanager
def two_workers(stack: Stack, directory: Path) -> Iterator[Workers]:
    """Over a running toolstack, with users who are as they were after each test."""
    place = directory / uuid.uuid4().hex[:8]
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
    found.write_users(*RIGHTS)
    with daemon:
        found.wait_ready()
        yield found
        assert daemon.stop() == 0
    said = daemon.log.read_text()
    assert "Traceback" not in said
    assert "database is locked" not in said


def audited(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def open_enumeration(connection: pywbem.WBEMConnection, **options: object) -> str:
    """A context of an enumeration of which nothing was pulled."""
    result = connection.OpenEnumerateInstancePaths(EVERYTHING, MaxObjectCount=0, **options)
    assert not result.eos
    return str(result.context[0])
