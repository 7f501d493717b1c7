"""What the processes of one daemon say to each other, and what they are together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from typing import Any, cast

import pytest

from virtcim.cimserver.limits import Limits
from virtcim.daemon.admission import Admission
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.observation.measures import Distribution, Family
from virtcim.daemon.workers.channel import Answer, AnswerFailed, Channel, ChannelLost, Hear, Message
from virtcim.daemon.workers.ledger import Ledger
from virtcim.daemon.workers.presence import Presence
from virtcim.daemon.workers.readiness import together
from virtcim.daemon.workers.reception import Counter, Handed, Reception
from virtcim.daemon.workers.totals import Totals, families_from_json, families_to_json

_DEADLINE_S = 30.0
_CONNECTED = {"ready": True, "connections": {"root/virt": {"state": "connected"}}}
_LOADING = {
    "ready": False,
    "reason": "root/virt: loading",
    "connections": {"root/virt": {"state": "loading"}},
}


def _run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, _DEADLINE_S))


def _nothing() -> None:
    """Nobody wants to know."""


def _pair(
    *,
    hears: Mapping[str, Hear] | None = None,
    answers: Mapping[str, Answer] | None = None,
    lost: Callable[[], None] = _nothing,
) -> tuple[Channel, Channel]:
    """A channel that talks, and one that hears and answers."""
    ours, its = socket.socketpair()
    talking = Channel(ours, hears={}, answers={}, lost=lost)
    return talking, Channel(its, hears=hears or {}, answers=answers or {}, lost=_nothing)


def test_what_is_asked_is_answered_however_long_it_is() -> None:
    async def test() -> None:
        async def twice(message: Message) -> Message:
            return Message(kind="", values=message.values, body=2 * message.body)

        talking, other = _pair(answers={"twice": twice})
        body = bytes(range(256)) * 20_000
        told = await asyncio.gather(
            *(
                talking.ask(Message(kind="twice", values={"a": number, "b": "\udc80"}, body=body))
                for number in range(3)
            )
        )
        assert [one.values for one in told] == [{"a": n, "b": "\udc80"} for n in range(3)]
        assert all(one.body == 2 * body for one in told)
        talking.close()
        other.close()

    _run(test())


def test_whoever_asks_hears_that_the_other_one_is_gone() -> None:
    async def test() -> None:
        asked, lost = asyncio.Event(), asyncio.Event()

        async def never(_: Message) -> Message:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        talking, other = _pair(answers={"never": never}, lost=lost.set)
        asking = asyncio.ensure_future(talking.ask(Message(kind="never")))
        await asked.wait()
        other.close()
        with pytest.raises(ChannelLost):
            await asking
        await lost.wait()
        with pytest.raises(ChannelLost):
            await talking.ask(Message(kind="never"))

    _run(test())


def test_that_a_third_one_is_gone_is_no_failure_of_whoever_says_so() -> None:
    async def test() -> None:
        async def ask_further(_: Message) -> Message:
            raise ChannelLost("there is no such worker")

        talking, other = _pair(answers={"pass on": ask_further})
        with pytest.raises(ChannelLost, match="no such worker"):
            await talking.ask(Message(kind="pass on"))
        talking.close()
        other.close()

    _run(test())


def test_what_cannot_be_answered_is_said_to_be_so(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async def fail(_: Message) -> Message:
            raise OSError

        talking, other = _pair(answers={"fail": fail})
        for kind in ("fail", "unknown"):
            with pytest.raises(AnswerFailed, match=kind):
                await talking.ask(Message(kind=kind))
        talking.close()
        other.close()

    _run(test())
    assert "fail was asked and cannot be answered" in caplog.text


def test_a_connection_that_a_worker_has_not_taken_goes_to_another_one() -> None:
    async def test() -> None:
        admission = Admission(most=10, most_of_an_address=10)
        reception = Reception(admission, ClientLimits())
        got: list[tuple[str, Message]] = []
        arrived = asyncio.Event()

        def hear(name: str) -> Mapping[str, Hear]:
            def note(message: Message) -> None:
                got.append((name, message))
                arrived.set()

            return {"connection": note, "wanted": lambda _: None}

        with ExitStack() as stack:
            first, first_end = _pair(hears=hear("first"))
            second, second_end = _pair(hears=hear("second"))
            for channel in (first, first_end, second, second_end):
                stack.callback(channel.close)
            dying = reception.add(first)
            client, accepted = socket.socketpair()
            stack.callback(client.close)
            reception._receive(0, accepted, "192.0.2.1")
            reception._admissions[0] = admission
            admission._take("192.0.2.1")
            await arrived.wait()
            arrived.clear()
            # It has the socket, and dies before it says so.
            [(_, message)] = got
            assert message.sock is not None
            message.sock.close()
            reception.remove(dying)
            surviving = reception.add(second)
            await arrived.wait()
            name, message = got[1]
            assert (name, message.values["address"]) == ("second", "192.0.2.1")
            assert message.sock is not None
            reception.taken(surviving, message)
            message.sock.sendall(b"served")
            assert client.recv(16) == b"served"
            message.sock.close()
            # The place is given back once, when the one that had it dies.
            assert admission.total == 1
            reception.remove(surviving)
            assert admission.total == 0
            assert client.recv(16) == b""

    _run(test())


def _counted(value: float, counts: tuple[int, int], *, life: float) -> list[Family]:
    return [
        Family(name="c", kind="counter", what="C.", labels=("l",), values={("x",): value}),
        Family(
            name="h", kind="histogram", what="H.", values={(): Distribution(counts, float(value))}
        ),
        Family.single("g", "gauge", "G.", value),
        Family.single("most", "gauge", "M.", value, together="most"),
        Family.single("least", "gauge", "L.", life, together="least"),
    ]


def test_metrics_of_workers_are_added_up_and_counters_never_go_back() -> None:
    totals = Totals()

    def values(told: dict[str, list[Family]], alive: list[str]) -> dict[str, object]:
        sent = {name: families_from_json(families_to_json(one)) for name, one in told.items()}
        return {one.name: next(iter(one.values.values())) for one in totals.of(sent, alive)}

    both = {"a": _counted(3, (1, 2), life=5), "b": _counted(4, (0, 4), life=7)}
    assert values(both, ["a", "b"]) == {
        "c": 7,
        "h": Distribution((1, 6), 7.0),
        "g": 7,
        "most": 4,
        "least": 5,
    }
    # One does not answer, and is there.
    assert values({"b": _counted(5, (0, 5), life=7)}, ["a", "b"])["c"] == 8
    # It has ended: what it had counted stays, what it was does not.
    after = values({"b": _counted(5, (0, 5), life=7)}, ["b"])
    assert after == {"c": 8, "h": Distribution((1, 7), 8.0), "g": 5, "most": 5, "least": 7}
    after = values({"b": _counted(5, (0, 5), life=7), "c": _counted(1, (1, 0), life=9)}, ["b", "c"])
    assert after["c"] == 9


def test_what_a_client_has_at_a_worker_that_ends_is_taken_off() -> None:
    ledger = Ledger()
    ledger.change("a", "ann", [2, 100])
    ledger.change("a", "bob", [1, 10])
    ledger.change("a", "bob", [-1, -10])
    ledger.change("b", "ann", [1, 5])
    assert dict(ledger.others("b")) == {"ann": [2, 100]}
    assert dict(ledger.remove("a")) == {"ann": [-2, -100]}
    assert dict(ledger.others("b")) == {}


def test_a_worker_that_was_silent_learns_that_nobody_waited_for_it() -> None:
    now = [0.0]
    presence = Presence(lambda: now[0])
    assert not presence.is_there("a")
    assert not presence.beat("a"), "it has just come"
    now[0] = 3.9
    assert presence.is_there("a")
    assert presence.beat("a")
    now[0] = 8.0
    assert not presence.is_there("a")
    assert not presence.beat("a")
    presence.leave("a")
    assert not presence.is_there("a")


def test_a_daemon_is_ready_when_all_of_its_workers_are() -> None:
    assert together({1: _CONNECTED, 2: _CONNECTED}) == {
        **_CONNECTED,
        "workers": {"1": True, "2": True},
    }
    assert together({1: _CONNECTED, 2: _LOADING}) == {
        **_LOADING,
        "reason": "worker 2: root/virt: loading",
        "workers": {"1": True, "2": False},
    }
    told = together({1: None, 2: _CONNECTED})
    assert (told["ready"], told["reason"]) == (False, "worker 1: starting")


def test_workers_divide_what_they_do_not_count_together() -> None:
    limits = Limits()
    each = limits.of_each(3)
    assert each.operations == 86
    assert each.read_threads == 2
    assert each.message_memory_bytes * 3 >= limits.message_memory_bytes
    for exact in ("connections", "open_enumerations", "open_enumeration_bytes", "subscriptions"):
        assert getattr(each, exact) == getattr(limits, exact)
    assert Limits(read_threads=1).of_each(64).read_threads == 1


def test_a_worker_that_takes_nothing_is_known_to_be_slow() -> None:
    ours, other = socket.socketpair()
    with ours, other:
        counter = Counter(channel=cast("Channel", None))
        assert not counter.is_slow(100.0)
        counter.handed[1] = Handed(0, ours, "192.0.2.1", since_s=99.5)
        assert not counter.is_slow(100.0)
        assert counter.is_slow(101.0)
