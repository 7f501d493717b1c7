"""What one client leaves or takes does not take it from others."""

from __future__ import annotations

import asyncio

import pytest

from tests.toolstack.host import NULL, Host, failure, only, running_host
from tests.toolstack.test_notes import _SR, _Noted
from virtcim.toolstack.database import Database
from virtcim.toolstack.dispatcher import Dispatcher
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.limits import Limits
from virtcim.toolstack.sessions import Sessions
from virtcim.toolstack.tasks import Tasks


def test_many_logins_of_one_user_end_no_session_of_another() -> None:
    now = [0.0]
    sessions = Sessions(idle_s=1000, most=20, most_of_one=5, stamp=len, clock=lambda: now[0])
    anna = sessions.open("anna", "", NULL, 4)
    mine = []
    for _ in range(510):
        now[0] += 1
        mine.append(sessions.open("greedy", "", NULL, 6))
    assert sessions.require(anna) == anna
    assert [sessions.get(ref) is not None for ref in mine[-6:]] == [False, *5 * [True]]
    assert sessions.crowded_out == 505


def test_where_others_have_all_sessions_a_login_is_refused_and_ends_none() -> None:
    sessions = Sessions(idle_s=1000, most=2, stamp=len)
    anna, bert = sessions.open("anna", "", NULL, 4), sessions.open("bert", "", NULL, 4)
    with pytest.raises(XapiFailure) as refused:
        sessions.open("carl", "", NULL, 4)
    assert refused.value.description == ("TOO_BUSY",)
    assert sessions.crowded_out == 1
    assert (sessions.require(anna), sessions.require(bert)) == (anna, bert)
    sessions.close(anna)
    carl = sessions.open("carl", "", NULL, 4)
    assert sessions.require(carl) == carl


def test_a_name_that_nobody_asked_for_is_another_one_at_each_address() -> None:
    sessions = Sessions(idle_s=1000, most=20, most_of_one=1)
    here = sessions.open("root", "", NULL, address="")
    sessions.open("root", "", NULL, address="127.0.0.2")
    sessions.open("root", "", NULL, address="127.0.0.2")
    assert sessions.require(here) == here


def test_tasks_that_have_ended_give_way_to_further_ones_of_their_owner() -> None:
    tasks = Tasks(database := Database(1), most=8)
    other = tasks.create("other", owner="anna")
    ended = [tasks.create("ended", owner="greedy") for _ in range(4)]
    for ref in ended:
        tasks.set(ref, "status", "success")
    for _ in range(4):
        tasks.create("runs", owner="greedy")
    left = database.records("task")
    assert other in left
    assert [ref in left for ref in ended] == [False, False, True, True]


def test_tasks_that_do_not_end_are_bounded_and_those_of_others_are_still_made() -> None:
    tasks = Tasks(database := Database(1), most=8)
    for _ in range(6):
        tasks.create("runs", owner="greedy")
    with pytest.raises(XapiFailure) as refused:
        tasks.create("runs", owner="greedy")
    assert refused.value.description == ("TOO_MANY_PENDING_TASKS",)
    assert len(database.records("task")) == 6
    assert tasks.refused == 1
    tasks.destroy(tasks.create("other", owner="anna"))
    for ref in tuple(database.records("task")):
        tasks.destroy(ref)
    assert tasks.create("again", owner="greedy") in database.records("task")


def test_all_notes_together_are_bounded() -> None:
    noted = _Noted()
    noted.notes.most_bytes = 1000
    noted.notes.set("SR", _SR, "name_description", 800 * "x")
    with pytest.raises(XapiFailure, match="VALUE_NOT_SUPPORTED"):
        noted.notes.set("SR", _SR, "name_label", 300 * "x")
    assert noted.notes.refused == 1
    noted.notes.set("SR", _SR, "name_description", 100 * "x")
    noted.notes.set("SR", _SR, "name_label", 300 * "x")
    noted.remove()
    noted.publish()
    noted.notes.set("SR", _SR, "name_description", 900 * "x")


def test_whoever_waits_too_long_for_a_thread_is_told_that_all_are_busy(host: Host) -> None:
    dispatcher = Dispatcher(host.toolstack._services, [], threads=1, longest_wait_s=0.01)

    async def test() -> None:
        async with dispatcher._turn("greedy"):
            with pytest.raises(XapiFailure, match="TOO_BUSY"):
                await dispatcher._turn("anna").__aenter__()
        assert dispatcher.turns_refused == 1
        async with dispatcher._turn("anna"):
            pass

    asyncio.run(test())


def test_what_a_client_leaves_in_a_field_is_bounded(host_uri: str) -> None:
    with running_host(host_uri, limits=Limits(note_bytes=1024)) as host:
        session = host.login()
        api = session.xenapi
        vm = only(session, "VM", "runs")
        large = 2000 * "x"
        few = {str(number): "" for number in range(10)}
        many = {str(number): "" for number in range(100)}
        for call in (
            lambda: api.VM.set_other_config(vm, many),
            lambda: api.VM.add_to_other_config(vm, "key", large),
            lambda: api.session.set_other_config(session.handle, many),
            lambda: api.task.create(large, ""),
            lambda: api.task.set_result(api.task.create("x", ""), large),
        ):
            refused = failure(call)
            assert refused[0] == "VALUE_NOT_SUPPORTED"
            assert "at most 1024" in refused[3]
            assert len(refused[2]) < 100
        api.VM.set_other_config(vm, few)
        assert api.VM.get_other_config(vm).items() >= few.items()
        session("close")()
