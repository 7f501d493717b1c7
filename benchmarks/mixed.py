"""Everything at once for an hour: readers, changes, listeners, wrong logins, a dying toolstack."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from kept import Kept, kept_by, metrics_of
from mixed_clients import Clients, Tally
from numbered_listener import NumberedListener, Told, numbered_listener
from raw_clients import XmlRpcClient
from report import Progress, machine, print_lines
from stage import (
    Daemon,
    Stage,
    await_hypervisor,
    system_uuid,
)
from staging import told

_SLOW_MS = 400
# Between two kills of the toolstack, and how long it stays down.
_KILL_EVERY_S = (150.0, 270.0)
_DOWN_S = (0.5, 5.0)
_SIGHUP_EVERY_S = 45.0
_LISTENER_UP_S, _LISTENER_DOWN_S = 240.0, 120.0
_LOOK_EVERY_S = 60.0
_LOOK_AGAIN_S = 0.05
_DRAINED_WITHIN_S = 300.0
# How long after the server has its hypervisor back a request may have begun before.
_GRACE_S = 1.0

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """What both daemons hold at some time."""

    seconds: float
    load: float
    toolstack: Kept
    server: Kept
    jobs: int
    enumerations: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latency:
    """How long requests of one kind took that succeeded."""

    kind: str
    count: int
    median_ms: float
    percentile_99_ms: float
    most_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    """Requests of one kind that failed in one way."""

    kind: str
    name: str
    without_toolstack: bool  # it was down or the server just had it back
    count: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listened:
    """What one listener was told."""

    path: str
    arrived: int
    missing: int
    twice: int
    lives_untold: int  # of machines that lived while the toolstack did: no creation, no deletion
    lives_told_twice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What came of all of it."""

    minutes: float
    requests: int
    per_second: float
    kills: int
    without_toolstack_s: float
    sighups: int
    wrong_lists: int
    lives: int
    left_waiting: int
    latencies: list[_Latency]
    errors: list[_Error]
    listened: list[_Listened]
    samples: list[_Sample]
    tracebacks: int


class _Outages:
    """When the server had no hypervisor: from each kill until it said that it has it back."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self._since: float | None = None

    def began(self) -> None:
        self._since = time.monotonic()

    def ended(self) -> None:
        assert self._since is not None
        self.spans.append((self._since, time.monotonic()))
        self._since = None

    def touched(self, began: float, ended: float) -> bool:
        """Whether one was going on at any time in between."""
        if self._since is not None and ended >= self._since:
            return True
        place = bisect_right(self.spans, (ended, ended))
        return any(end + _GRACE_S >= began for _, end in self.spans[max(0, place - 1) : place])


@app.command()
def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long the clients work.")] = 60.0,
    systems: Annotated[int, typer.Option(min=4, help="Machines that stay.")] = 60,
    record: Annotated[Path | None, typer.Option(help="Also write a JSON object.")] = None,
) -> None:
    """Let twelve kinds of clients work while the toolstack is killed and listeners fail.

    libvirt's test driver runs inside a libvirtd of its own; the CIM server asks for passwords. A
    listener answers at once, another after 400 ms, a third is down for two minutes of six. The
    toolstack is killed every few minutes and started again, both daemons get SIGHUPs. What failed
    is told apart by whether the server had its hypervisor then.

    Example: .venv/bin/python benchmarks/mixed.py --minutes 60
    """
    with told() as progress:
        result = _measured(minutes, systems, progress)
    if record is not None:
        record.write_text(json.dumps({"machine": machine(), **asdict(result)}, indent=2))
    print_lines(", ".join(f"{name} {value}" for name, value in machine().items()), *_lines(result))


def _lines(result: _Result) -> list[str]:
    first, last = result.samples[0], result.samples[-1]
    lines = [
        (
            f"{result.minutes:.1f} minutes: {result.requests} requests ({result.per_second:.1f} a "
            f"second), {result.kills} kills of the toolstack ({result.without_toolstack_s:.0f} s "
            f"without it), {result.sighups} SIGHUPs, {result.lives} whole lives, "
            f"{result.wrong_lists} wrong lists, {result.tracebacks} tracebacks"
        ),
        *(
            f"{name}: {begin.memory_bytes / 1e6:.1f} MB at the beginning, "
            f"{end.memory_bytes / 1e6:.1f} at the end, "
            f"{max(getattr(one, name).peak_bytes for one in result.samples) / 1e6:.1f} at most; "
            f"{begin.threads} and {end.threads} threads, "
            f"{begin.descriptors} and {end.descriptors} descriptors, "
            f"{begin.files_bytes / 1e6:.1f} and {end.files_bytes / 1e6:.1f} MB of state"
            for name, begin, end in (
                ("toolstack", first.toolstack, last.toolstack),
                ("server", first.server, last.server),
            )
        ),
    ]
    lines += [
        f"{one.kind}: {one.count}, median {one.median_ms:.1f} ms, 99 % "
        f"{one.percentile_99_ms:.1f} ms, most {one.most_ms:.0f} ms"
        for one in result.latencies
    ]
    lines += [
        f"{one.count} x {one.kind}: {one.name}"
        f"{', without toolstack' if one.without_toolstack else ''}: {one.example!r}"
        for one in result.errors
    ]
    lines += [
        f"listener {one.path}: {one.arrived} indications, {one.missing} missing, {one.twice} twice,"
        f" {one.lives_untold} lives untold, {one.lives_told_twice} told twice"
        for one in result.listened
    ]
    return [*lines, f"{result.left_waiting} indications still wait"]


def _measured(minutes: float, systems: int, progress: Progress) -> _Result:
    progress.step("starting both daemons")
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(systems))
        listeners = {
            "prompt": stack.enter_context(numbered_listener()),
            "slow": stack.enter_context(numbered_listener(_SLOW_MS)),
            "down": stack.enter_context(numbered_listener()),
        }
        toolstack = stage.start_toolstack()
        with XmlRpcClient(stage.toolstack_url) as client:
            await_hypervisor(client)
            client.call("session.logout")
        server = stack.enter_context(stage.public_server(with_passwords=True))
        outages, tally = _Outages(), Tally()
        staying = [system_uuid(number) for number in range(systems)]
        user = ("virtcim", stage.password_of(server))

        def look() -> _Sample:
            return _sample(toolstack, server, user, began)

        _await_connected(server, user)
        clients = Clients(
            server.url,
            user,
            staying,
            tally,
            lambda at: outages.touched(at, time.monotonic()),
        )
        for name, listener in listeners.items():
            clients.subscribe(f"http://127.0.0.1:{listener.port}", name)
        began = time.monotonic()
        ended = threading.Event()
        samples = [look()]
        sighups: Counter[str] = Counter()
        jobs: Sequence[Callable[[], None]] = (
            lambda: _hang_up(toolstack, server, sighups, outages, ended),
            lambda: _close_and_open(listeners["down"], ended),
            *(lambda actor=actor: clients.run(actor, ended) for actor in clients.actors()),
        )
        killer = _Killer(toolstack, server, user, outages)
        with ThreadPoolExecutor(len(jobs)) as pool:
            running = [pool.submit(job) for job in jobs]
            try:
                for _ in _turns(began + minutes * 60, running):
                    # A daemon ends with the thread that started it, so this one does that.
                    killer.work()
                    if time.monotonic() >= samples[-1].seconds + began + _LOOK_EVERY_S:
                        samples.append(look())
                        progress.step(_progress(samples[-1], tally))
            finally:
                ended.set()
            for one in running:
                one.result()
        seconds = time.monotonic() - began
        waiting = _await_drained(server, user)
        samples.append(look())
        return _result(seconds, tally, outages, samples, listeners, sighups, waiting, server)


def _progress(sample: _Sample, tally: Tally) -> str:
    with tally.lock:
        done = sum(map(len, tally.seconds.values()))
        failed = sum(tally.errors.values())
    return (
        f"{sample.seconds:.0f} s: {done} requests, {failed} failed; toolstack "
        f"{sample.toolstack.memory_bytes / 1e6:.1f} MB, serve "
        f"{sample.server.memory_bytes / 1e6:.1f} MB, {sample.jobs} jobs, "
        f"{sample.waiting} indications wait"
    )


def _sample(toolstack: Daemon, server: Daemon, user: tuple[str, str], began: float) -> _Sample:
    metrics = metrics_of(server.url, user)
    return _Sample(
        seconds=time.monotonic() - began,
        load=os.getloadavg()[0],
        toolstack=kept_by(toolstack),
        server=kept_by(server),
        jobs=metrics.total("virtcim_jobs"),
        enumerations=metrics.total("virtcim_open_enumerations"),
        waiting=metrics.total("virtcim_indication_queue_deliveries"),
    )


def _is_connected(server: Daemon, user: tuple[str, str]) -> bool:
    return metrics_of(server.url, user).total("virtcim_inventory_connected") == 1


def _await_connected(server: Daemon, user: tuple[str, str]) -> None:
    while not _is_connected(server, user):
        time.sleep(_LOOK_AGAIN_S)


def _turns(until: float, running: Sequence[Future[None]]) -> Iterator[None]:
    """One turn a second, until the time is over or something has failed."""
    while (left := until - time.monotonic()) > 0 and not any(one.done() for one in running):
        yield
        time.sleep(min(left, 1.0))


class _Killer:
    """Kills the toolstack now and then, and starts it again."""

    def __init__(
        self, toolstack: Daemon, server: Daemon, user: tuple[str, str], outages: _Outages
    ) -> None:
        self._toolstack = toolstack
        self._server = server
        self._user = user
        self._outages = outages
        self._chance = random.Random(3)
        self._next = self._planned()

    def work(self) -> None:
        """Kill it if it is time to, and return when the server has it back."""
        if time.monotonic() < self._next:
            return
        self._outages.began()
        self._toolstack.kill()
        time.sleep(self._chance.uniform(*_DOWN_S))
        self._toolstack.start()
        _await_connected(self._server, self._user)
        self._outages.ended()
        self._next = self._planned()

    def _planned(self) -> float:
        return time.monotonic() + self._chance.uniform(*_KILL_EVERY_S)


def _hang_up(
    toolstack: Daemon,
    server: Daemon,
    sighups: Counter[str],
    outages: _Outages,
    ended: threading.Event,
) -> None:
    while not ended.wait(_SIGHUP_EVERY_S):
        os.kill(server.pid, signal.SIGHUP)
        sighups["server"] += 1
        if not outages.touched(time.monotonic() - _GRACE_S, time.monotonic()):
            os.kill(toolstack.pid, signal.SIGHUP)
            sighups["toolstack"] += 1


def _close_and_open(listener: NumberedListener, ended: threading.Event) -> None:
    while not ended.wait(_LISTENER_UP_S):
        listener.close_port()
        ended.wait(_LISTENER_DOWN_S)
        listener.open_port()


def _await_drained(server: Daemon, user: tuple[str, str]) -> int:
    """Wait until every indication was delivered; gives how many were not."""
    deadline = time.monotonic() + _DRAINED_WITHIN_S
    while waiting := metrics_of(server.url, user).total("virtcim_indication_queue_deliveries"):
        if time.monotonic() > deadline:
            break
        time.sleep(_LOOK_AGAIN_S)
    return waiting


def _result(
    seconds: float,
    tally: Tally,
    outages: _Outages,
    samples: list[_Sample],
    listeners: dict[str, NumberedListener],
    sighups: Counter[str],
    waiting: int,
    server: Daemon,
) -> _Result:
    undisturbed = [uuid for uuid, life in tally.lives.items() if not outages.touched(*life)]
    requests = sum(map(len, tally.seconds.values())) + tally.errors.total()
    return _Result(
        minutes=seconds / 60,
        requests=requests,
        per_second=requests / seconds,
        kills=len(outages.spans),
        without_toolstack_s=sum(end - begin for begin, end in outages.spans),
        sighups=sighups.total(),
        wrong_lists=tally.wrong_lists,
        lives=len(tally.lives),
        left_waiting=waiting,
        latencies=[_latency(kind, taken) for kind, taken in sorted(tally.seconds.items())],
        errors=[
            _Error(
                kind=key[0],
                name=key[1],
                without_toolstack=key[2],
                count=count,
                example=tally.examples[key],
            )
            for key, count in tally.errors.most_common()
        ],
        listened=[
            _listened(told, undisturbed)
            for listener in listeners.values()
            for told in listener.told().values()
        ],
        samples=samples,
        tracebacks=server.log.read_text(errors="replace").count("Traceback"),
    )


def _latency(kind: str, taken: Sequence[float]) -> _Latency:
    ordered = sorted(taken)
    return _Latency(
        kind=kind,
        count=len(ordered),
        median_ms=ordered[len(ordered) // 2] * 1e3,
        percentile_99_ms=ordered[len(ordered) * 99 // 100] * 1e3,
        most_ms=ordered[-1] * 1e3,
    )


def _listened(told: Told, lives: Sequence[str]) -> _Listened:
    counts = [
        told.systems.get(uuid, {}).get(f"VirtCIM_Inst{what}", 0)
        for uuid in lives
        for what in ("Creation", "Deletion")
    ]
    return _Listened(
        path=told.path,
        arrived=told.arrived,
        missing=told.missing,
        twice=told.twice,
        lives_untold=counts.count(0),
        lives_told_twice=sum(count > 1 for count in counts),
    )


if __name__ == "__main__":
    app()
