"""How far an operation is: asked of libvirt while it works, and shown on its task."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import libvirt
import pytest
import XenAPI

from tests.toolstack.host import DEADLINE_S, Host, events, finished
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.dispatcher import Dispatcher
from virtcim.toolstack.progress import following
from virtcim.wire import ClientInfo

Ask = Callable[[], float | None]


@pytest.fixture
def work(host: Host, session: XenAPI.Session, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``work(ask)`` begins a task that ``ask`` tells the progress of; gives it and its end."""
    table = CallTable()
    asks: list[Ask] = []
    go_on = threading.Event()

    @table.add("VM.start", "", asynchronous=True)
    def handler(context: Context) -> None:
        with following(context, asks[0]):
            assert go_on.wait(DEADLINE_S)

    [call] = table
    dispatcher: Dispatcher = host.toolstack._dispatcher
    monkeypatch.setitem(dispatcher._calls, "VM.start", call)

    def begin(ask: Ask) -> tuple[str, threading.Event]:
        asks.append(ask)
        return str(session.xenapi.Async.VM.start()), go_on

    yield begin
    go_on.set()


def progress_until(session: XenAPI.Session, task: str, wanted: float) -> float:
    token, progress = "", -1.0
    while progress < wanted:
        progress = session.xenapi.task.get_progress(task)
        token = events(session, [f"task/{task}"], token, 1.0)["token"]
    return progress


def test_the_task_shows_what_is_told(session: XenAPI.Session, work: Any) -> None:
    told = iter((0.25, None, 0.75))
    task, go_on = work(lambda: next(told, 0.75))
    assert progress_until(session, task, 0.75) == 0.75
    go_on.set()
    record = finished(session, task)
    assert (record["status"], record["progress"]) == ("success", 1.0)


def test_what_cannot_be_told_does_no_harm(session: XenAPI.Session, work: Any) -> None:
    asked = threading.Event()

    def ask() -> float:
        asked.set()
        raise libvirt.libvirtError("no job is active")

    task, go_on = work(ask)
    assert asked.wait(DEADLINE_S)
    assert session.xenapi.task.get_progress(task) == 0.0
    go_on.set()
    assert finished(session, task)["status"] == "success"


def test_what_is_told_beyond_the_end_stays_within_it(session: XenAPI.Session, work: Any) -> None:
    task, go_on = work(lambda: 7.0)
    assert progress_until(session, task, 1.0) == 1.0
    go_on.set()
    assert finished(session, task)["progress"] == 1.0


def test_without_a_task_nothing_is_asked(host: Host) -> None:
    def ask() -> float:
        raise AssertionError("asked for nothing")

    with ThreadPoolExecutor(1) as threads:
        services = host.toolstack._dispatcher._services
        context = Context(services=services, client=ClientInfo(), threads=threads)
        with following(context, ask):
            pass
    assert not [one for one in threading.enumerate() if one.name == "progress"]
