"""Calls that change machines are loaded after those that read them, and nobody can tell."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import Host, failure, only
from virtcim.toolstack.accessors import accessor_calls
from virtcim.toolstack.calls import CALLS_OF_READERS, all_calls, calls_of_changers
from virtcim.toolstack.dispatcher import Dispatcher


def test_the_first_call_that_changes_something_is_answered(
    host: Host, session: XenAPI.Session, api: Any
) -> None:
    vm = only(session, "VM", "runs")
    dispatcher = host.toolstack._dispatcher
    assert dispatcher is not None
    assert "VM.pause" not in dispatcher._calls
    api.VM.pause(vm)
    assert api.VM.get_power_state(vm) == "Paused"


def test_a_call_that_there_is_not_is_told_so_before_and_after(
    host: Host, session: XenAPI.Session, api: Any
) -> None:
    for _ in range(2):
        assert failure(api.VM.fly) == ["MESSAGE_METHOD_UNKNOWN", "VM.fly"]


def test_what_follows_ready_loads_everything(host: Host, session: XenAPI.Session) -> None:
    host.toolstack.load()
    host.toolstack.load()
    dispatcher = host.toolstack._dispatcher
    assert dispatcher is not None
    names = {call.name for call in (*accessor_calls(), *all_calls())}
    assert dispatcher._calls.keys() == names


def test_no_call_that_is_loaded_late_hides_one_that_is_there() -> None:
    early = {call.name for call in (*accessor_calls(), *CALLS_OF_READERS)}
    assert not early & {call.name for call in calls_of_changers()}


def test_two_that_need_further_calls_load_them_once(host: Host) -> None:
    begun, go_on, times = threading.Event(), threading.Event(), []

    def more() -> Any:
        times.append(None)
        begun.set()
        go_on.wait()
        return calls_of_changers()

    dispatcher = Dispatcher(host.toolstack._services, [], more=more, threads=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(dispatcher.load)
        begun.wait()
        second = pool.submit(dispatcher.load)
        go_on.set()
        first.result()
        second.result()
    assert len(times) == 1


def test_calls_that_are_there_twice_are_refused(host: Host) -> None:
    dispatcher = Dispatcher(
        host.toolstack._services, CALLS_OF_READERS, more=lambda: CALLS_OF_READERS, threads=1
    )
    with pytest.raises(ValueError, match="twice"):
        dispatcher.load()
