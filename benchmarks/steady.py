"""Whether memory stays what it is while machines are made, run and removed all the time."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import pywbem
import typer
from kept import Kept, kept_by, metrics_of
from methods import carried_out
from numbered_listener import NumberedListener, numbered_listener
from raw_clients import CimClient, XmlRpcClient
from report import Progress
from stage import (
    Daemon,
    Stage,
    await_hypervisor,
    await_inventory,
)
from staging import told
from watching import show, watched

_NAMESPACE = "root/virt"
_ENABLED, _DISABLED = 2, 3
_SYSTEMS = 20
_READ_EVERY_S = 1.0
_PULLED = 25
_READ = ("VirtCIM_ComputerSystem", "CIM_LogicalDevice", "VirtCIM_VirtualSystemSettingData")

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """What there is after so many life cycles."""

    cycles: int
    seconds: float
    load: float
    toolstack: Kept
    server: Kept
    libvirt_bytes: int
    tasks: int
    sessions: int
    objects: int  # of the toolstack, of all classes
    jobs: int
    enumerations: int
    waiting: int  # indications
    told: int
    missing: int
    twice: int


@app.command()
def main(
    cycles: Annotated[int, typer.Option(min=1, help="How many machines live and die.")] = 3000,
    every: Annotated[int, typer.Option(min=1, help="After how many to look.")] = 300,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Clients at once.")] = 4,
    seconds: Annotated[int, typer.Option(min=1, help="It ends after this long anyway.")] = 3600,
    jobs: Annotated[bool, typer.Option(help="Have every operation answered with a job.")] = False,
    record: Annotated[Path | None, typer.Option(help="Also add a JSON line of each.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Define, start, stop and destroy machines through both daemons, and watch their memory.

    libvirt's test driver runs inside a libvirtd of its own. A listener is subscribed to all that
    is created and deleted. Resident memory and what is kept are printed now and then, so that a
    leak is a line that does not end.

    Example: .venv/bin/python benchmarks/steady.py --cycles 100000 --every 5000 --seconds 86400
    """
    with told() as progress:
        samples = _measured(cycles, every, clients, seconds, jobs, record, progress)
    show(samples, _line, as_json=as_json)


def _line(one: _Sample) -> str:
    return (
        f"{one.cycles} cycles, {one.seconds:.0f} s: "
        f"toolstack {one.toolstack.memory_bytes / 1e6:.1f} MB, {one.tasks} tasks, "
        f"{one.sessions} sessions, {one.objects} objects, "
        f"{one.toolstack.threads} threads, {one.toolstack.descriptors} descriptors, "
        f"{one.toolstack.files_bytes / 1e6:.1f} MB of state; "
        f"serve {one.server.memory_bytes / 1e6:.1f} MB, {one.jobs} jobs, "
        f"{one.server.threads} threads, {one.server.descriptors} descriptors, "
        f"{one.server.files_bytes / 1e6:.1f} MB of state, {one.waiting} indications wait; "
        f"{one.told} told, {one.missing} missing, {one.twice} twice; "
        f"libvirtd {one.libvirt_bytes / 1e6:.1f} MB"
    )


def _measured(
    cycles: int,
    every: int,
    clients: int,
    seconds: int,
    jobs: bool,
    record: Path | None,
    progress: Progress,
) -> list[_Sample]:
    progress.step("starting both daemons")
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(_SYSTEMS))
        listener = stack.enter_context(numbered_listener())
        toolstack = stage.start_toolstack()
        with XmlRpcClient(stage.toolstack_url) as client:
            await_hypervisor(client)
            client.call("session.logout")
        server = stage.cim_server()
        if jobs:
            server.arguments += ("--job-after", "0")
        stack.enter_context(server)
        with CimClient(server.url) as cim:
            await_inventory(cim, _NAMESPACE)
        _subscribe(server, listener.port)
        stack.enter_context(_pulling(server.url))
        load = _Load(server.url, clients, time.monotonic() + seconds)
        return watched(
            cycles,
            every,
            run=load.run,
            sample=partial(_sample, stage, toolstack, server, listener),
            line=_line,
            record=record,
            progress=progress,
        )


def _sample(
    stage: Stage,
    toolstack: Daemon,
    server: Daemon,
    listener: NumberedListener,
    cycles: int,
    seconds: float,
) -> _Sample:
    below, above = metrics_of(stage.toolstack_url), metrics_of(server.url)
    told = listener.told().values()
    return _Sample(
        cycles=cycles,
        seconds=seconds,
        load=os.getloadavg()[0],
        toolstack=kept_by(toolstack),
        server=kept_by(server),
        libvirt_bytes=stage.libvirt_memory().now_bytes,
        tasks=below.total("virtcim_objects", 'class="task"'),
        sessions=below.total("virtcim_sessions"),
        objects=below.total("virtcim_objects"),
        jobs=above.total("virtcim_jobs"),
        enumerations=above.total("virtcim_open_enumerations"),
        waiting=above.total("virtcim_indication_queue_deliveries"),
        told=sum(one.arrived for one in told),
        missing=sum(one.missing for one in told),
        twice=sum(one.twice for one in told),
    )


@contextmanager
def _pulling(url: str) -> Iterator[None]:
    """A reader that pulls all devices and settings in small pieces, once a second."""
    ended = threading.Event()

    def read() -> None:
        with pywbem.WBEMConnection(url, None, default_namespace=_NAMESPACE) as cim:
            while not ended.wait(_READ_EVERY_S):
                for class_name in _READ:
                    pulled = cim.OpenEnumerateInstances(class_name, MaxObjectCount=_PULLED)
                    while not pulled.eos:
                        pulled = cim.PullInstancesWithPath(pulled.context, _PULLED)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            yield
        finally:
            ended.set()
            reader.result()


def _subscribe(server: Daemon, port: int) -> None:
    with pywbem.WBEMConnection(server.url, None, default_namespace="root/interop") as connection:

        def made(class_name: str, **values: object) -> pywbem.CIMInstanceName:
            return connection.CreateInstance(pywbem.CIMInstance(class_name, values))

        destination = made("CIM_ListenerDestinationCIMXML", Destination=f"http://127.0.0.1:{port}")
        for number, what in enumerate(("CIM_InstCreation", "CIM_InstDeletion")):
            selecting = made(
                "CIM_IndicationFilter",
                Name=f"steady:{number}",
                Query=f"SELECT * FROM {what}",
                QueryLanguage="DMTF:CQL",
            )
            made("CIM_IndicationSubscription", Filter=selecting, Handler=destination)


class _Load:
    """Clients that let machines live and die, until a time of ``time.monotonic``."""

    def __init__(self, url: str, clients: int, until: float) -> None:
        self._url = url
        self._clients = clients
        self._until = until
        self._count = 0

    def run(self, cycles: int) -> int:
        """Let so many live and die; gives how many there was time for."""
        numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        for _ in range(cycles):
            self._count += 1
            numbers.put(self._count)
        with ThreadPoolExecutor(self._clients) as pool:
            return sum(pool.map(lambda _: self._work(numbers), range(self._clients)))

    def _work(self, numbers: queue.SimpleQueue[int]) -> int:
        done = 0
        with pywbem.WBEMConnection(self._url, None, default_namespace=_NAMESPACE) as cim:
            [service] = cim.EnumerateInstanceNames("VirtCIM_VirtualSystemManagementService")
            pools = cim.EnumerateInstances("VirtCIM_NetworkPool")
            pool = next(one["PoolID"] for one in pools if one["ElementName"] == "default")
            while time.monotonic() < self._until:
                try:
                    number = numbers.get_nowait()
                except queue.Empty:
                    break
                _live_and_die(cim, service, f"steady-{number}", str(pool))
                done += 1
        return done


def _live_and_die(
    cim: pywbem.WBEMConnection, service: pywbem.CIMInstanceName, name: str, pool: str
) -> None:
    given = {
        "SystemSettings": pywbem.CIMInstance(
            "VirtCIM_VirtualSystemSettingData", {"ElementName": name}
        ),
        "ResourceSettings": [
            pywbem.CIMInstance(
                "VirtCIM_MemoryResourceAllocationSettingData",
                {
                    "ResourceType": pywbem.Uint16(4),
                    "VirtualQuantity": pywbem.Uint64(32),
                    "AllocationUnits": "byte*2^20",
                },
            ),
            pywbem.CIMInstance(
                "VirtCIM_NetworkPortResourceAllocationSettingData",
                {"ResourceType": pywbem.Uint16(10), "PoolID": pool},
            ),
        ],
    }
    system = carried_out(cim, "DefineSystem", service, **given)
    for state in (_ENABLED, _DISABLED):
        carried_out(cim, "RequestStateChange", system, RequestedState=pywbem.Uint16(state))
    carried_out(cim, "DestroySystem", service, AffectedSystem=system)


if __name__ == "__main__":
    app()
