"""The parent of several workers: what it does when one of them fails, hangs or dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import bare_worker
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.listener import parse_listen
from virtcim.daemon.workers.parent import Parent, _Supervisor
from virtcim.daemon.workers.process import WorkerProgram

_DEADLINE_S = 60.0
_A_MOMENT_S = 0.02


class Parenting:
    """A parent of workers that each behave as they are told, by their numbers."""

    def __init__(self, place: Path, *behaviours: str) -> None:
        self.place = place
        self.supervisor = _Supervisor(
            Parent(
                program=WorkerProgram(
                    command=[sys.executable, "-IS", bare_worker.__file__],
                    instructions={"place": str(place), "behaviours": behaviours},
                    environment={},
                ),
                workers=len(behaviours),
                listens=[parse_listen("http://127.0.0.1:0")],
                metrics_listen=None,
                limits=ClientLimits(),
                logins=lambda: None,
                sources=lambda _: (),
                refresh=lambda: None,
            )
        )

    def heard(self, number: int) -> list[str]:
        """What a worker has heard, but of connections."""
        file = self.place / str(number)
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if line != "wanted"]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - other processes write files
            await asyncio.sleep(_A_MOMENT_S)

    def running(self) -> list[int]:
        """Those of its workers that still run."""
        pids = (pid for file in self.place.glob("*.pids") for pid in file.read_text().split())
        return [int(pid) for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Parenting]]:
    """Makes a parent; nothing of it is left after the test."""
    made: list[Parenting] = []

    def parenting(*behaviours: str) -> Parenting:
        made.append(Parenting(tmp_path, *behaviours))
        return made[-1]

    yield parenting
    for each in made:
        for pid in each.running():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that do not end are killed soon."""
    monkeypatch.setattr("virtcim.daemon.workers.parent._END_S", 0.3)


def _run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        try:
            await asyncio.wait_for(test, _DEADLINE_S)
        finally:
            for each in asyncio.all_tasks() - {asyncio.current_task()}:
                each.cancel()
                with suppress(asyncio.CancelledError):
                    await each

    asyncio.run(bounded())


@pytest.mark.parametrize("other", ["serves", "hangs", "goes on"])
def test_when_a_worker_cannot_start_nothing_is_served_and_nothing_left(
    tmp_path: Path,
    begin: Callable[..., Parenting],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    other: str,
) -> None:
    parenting = begin(other, "fails")

    async def test() -> None:
        assert await parenting.supervisor.run() == 1

    _run(test())
    assert parenting.running() == []
    [record] = caplog.records
    pid = (tmp_path / "2.pids").read_text().strip()
    assert record.getMessage() == (
        f"worker 2 (process {pid}) ended with status 1 before it was ready"
    )
    assert capfd.readouterr() == ("", "error: it cannot be\n")


def test_a_second_signal_stops_workers_at_once_and_ends_those_that_go_on(
    begin: Callable[..., Parenting],
) -> None:
    parenting = begin("goes on", "goes on")

    async def test() -> None:
        running = asyncio.ensure_future(parenting.supervisor.run())
        await parenting.supervisor._ready.wait()
        parenting.supervisor._stop()
        await parenting.until(lambda: [parenting.heard(n) for n in (1, 2)] == [["stop"]] * 2)
        assert not running.done(), "an orderly stop takes as long as it does"
        parenting.supervisor._stop()
        assert await running == 0

    _run(test())
    assert [parenting.heard(number) for number in (1, 2)] == [["stop", "stop"]] * 2
    assert parenting.running() == []


def test_a_worker_is_dead_for_the_others_when_its_process_has_ended(
    begin: Callable[..., Parenting],
) -> None:
    parenting = begin("is deaf", "serves")

    async def test() -> None:
        running = asyncio.ensure_future(parenting.supervisor.run())
        await parenting.supervisor._ready.wait()
        # The first one says nothing more, and goes on.
        parenting.supervisor._tell_all("refresh")
        await parenting.until(lambda: len(parenting.heard(2)) > 1)
        parenting.supervisor._stop()
        parenting.supervisor._stop()
        assert await running == 0

    _run(test())
    assert parenting.heard(2)[:2] == ["refresh", "died, alive: False"]
