"""Whether the toolstack's memory stays what it is while machines come and go, in short turns."""

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
from uuid import uuid4

import typer
from kept import Kept, kept_by, metrics_of
from raw_clients import RequestError, XmlRpcClient
from report import Progress
from stage import Daemon, Stage, await_hypervisor
from staging import told
from watching import show, watched

_SYSTEMS = 20
_MEMORY = str(32 * 2**20)
_LOOK_AGAIN_S = 0.01
_EVENTS_S = 10.0
# So many cycles a client makes in one session; every second one is left open, as by clients that
# just vanish.
_CYCLES_OF_A_SESSION = 50

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """What there is after so many life cycles."""

    cycles: int
    seconds: float
    load: float
    toolstack: Kept
    libvirt_bytes: int
    tasks: int
    sessions: int
    objects: int


@app.command()
def main(
    cycles: Annotated[int, typer.Option(min=1, help="How many machines live and die.")] = 5000,
    every: Annotated[int, typer.Option(min=1, help="After how many to look.")] = 500,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Clients at once.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, help="It ends after this long anyway.")] = 3600,
    record: Annotated[Path | None, typer.Option(help="Also add a JSON line of each.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Define, start, stop and destroy machines by the XenAPI, and watch the toolstack's memory.

    libvirt's test driver runs inside a libvirtd of its own. Machines are defined by tasks, which
    the clients leave behind, and so they do with every second session; one more client follows all
    events.

    Example: .venv/bin/python benchmarks/steady_toolstack.py --cycles 100000 --every 5000
    """
    with told() as progress:
        samples = _measured(cycles, every, clients, seconds, record, progress)
    show(samples, _line, as_json=as_json)


def _line(one: _Sample) -> str:
    return (
        f"{one.cycles} cycles, {one.seconds:.0f} s: {one.toolstack.memory_bytes / 1e6:.1f} MB, "
        f"{one.tasks} tasks, {one.sessions} sessions, {one.objects} objects, "
        f"{one.toolstack.threads} threads, {one.toolstack.descriptors} descriptors, "
        f"{one.toolstack.files_bytes / 1e6:.1f} MB of state; "
        f"libvirtd {one.libvirt_bytes / 1e6:.1f} MB"
    )


def _measured(
    cycles: int, every: int, clients: int, seconds: int, record: Path | None, progress: Progress
) -> list[_Sample]:
    progress.step("starting the toolstack")
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(_SYSTEMS))
        toolstack = stage.start_toolstack()
        with XmlRpcClient(stage.toolstack_url) as client:
            await_hypervisor(client)
            client.call("session.logout")
        stack.enter_context(_following(stage.toolstack_url))
        until = time.monotonic() + seconds
        return watched(
            cycles,
            every,
            run=lambda many: _live_and_die(stage.toolstack_url, clients, many, until),
            sample=partial(_sample, stage, toolstack),
            line=_line,
            record=record,
            progress=progress,
        )


def _sample(stage: Stage, toolstack: Daemon, cycles: int, seconds: float) -> _Sample:
    metrics = metrics_of(stage.toolstack_url)
    return _Sample(
        cycles=cycles,
        seconds=seconds,
        load=os.getloadavg()[0],
        toolstack=kept_by(toolstack),
        libvirt_bytes=stage.libvirt_memory().now_bytes,
        tasks=metrics.total("virtcim_objects", 'class="task"'),
        sessions=metrics.total("virtcim_sessions"),
        objects=metrics.total("virtcim_objects"),
    )


@contextmanager
def _following(url: str) -> Iterator[None]:
    """A client that is told of every event until the end of the block."""
    ended = threading.Event()

    def follow() -> None:
        with XmlRpcClient(url) as client:
            token = ""
            while not ended.is_set():
                token = client.call("event.from", ["*"], token, _EVENTS_S)["token"]

    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(follow)
        try:
            yield
        finally:
            ended.set()
            follower.result()


def _live_and_die(url: str, clients: int, cycles: int, until: float) -> int:
    """Let so many machines live and die, and give how many there was time for."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(cycles):
        waiting.put(number)

    def work(_: int) -> int:
        done = 0
        while time.monotonic() < until and not waiting.empty():
            with XmlRpcClient(url) as client:
                [network] = client.call("network.get_by_name_label", "default")
                for _ in range(_CYCLES_OF_A_SESSION):
                    try:
                        number = waiting.get_nowait()
                    except queue.Empty:
                        break
                    _one_life(client, network)
                    done += 1
                if number % 2:
                    client.call("session.logout")
        return done

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(work, range(clients)))


def _one_life(client: XmlRpcClient, network: str) -> None:
    uuid = str(uuid4())
    task = client.call("Async.virtcim.VM.define", _wanted(uuid, network))
    while (status := client.call("task.get_status", task)) == "pending":
        time.sleep(_LOOK_AGAIN_S)
    if status != "success":
        raise RequestError(f"define: {client.call('task.get_error_info', task)}")
    vm = client.call("VM.get_by_uuid", uuid)
    client.call("VM.start", vm, False, False)
    client.call("VM.hard_shutdown", vm)
    client.call("VM.destroy", vm)


def _wanted(uuid: str, network: str) -> dict[str, object]:
    """A machine as small as can be, with one interface."""
    memory = {
        f"memory_{which}": _MEMORY
        for which in ("static_max", "dynamic_max", "dynamic_min", "static_min")
    }
    interface = {"device": "0", "network": network, "MAC": "", "MTU": "0", "other_config": {}}
    return {
        "uuid": uuid,
        "name_label": f"steady-{uuid}",
        "name_description": "",
        "VCPUs_max": "1",
        "VCPUs_at_startup": "1",
        "domain_type": "hvm",
        "HVM_boot_policy": "BIOS order",
        "HVM_boot_params": {"order": "cd"},
        "platform": {},
        "other_config": {},
        **memory,
        "VBDs": [],
        "VIFs": [interface],
    }


if __name__ == "__main__":
    app()
