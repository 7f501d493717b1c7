"""Turns and shares between clients, and the memory of their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from virtcim.daemon.bodies import BodyRefused, read_body
from virtcim.daemon.message_memory import Held, MessageMemory
from virtcim.daemon.shares import Shares
from virtcim.daemon.turns import TurnRefused, Turns

_LONG_S = 600.0


def _run(test: Coroutine[object, object, None]) -> None:
    asyncio.run(test)


def _filled(shares: Shares, client: str) -> int:
    while shares.has_room(client):
        shares.change(client, 1)
    return shares.of(client)


@pytest.mark.parametrize(
    ("most", "factor", "got"),
    [(100, 1, [50, 25, 13]), (100, 3, [75, 19, 5]), (1, 3, [1, 0]), (4, 3, [3, 1])],
)
def test_each_greedy_client_leaves_some_for_the_next(
    most: int, factor: int, got: list[int]
) -> None:
    shares = Shares(most, factor=factor)
    assert [_filled(shares, str(number)) for number in range(len(got))] == got
    for number, each in enumerate(got):
        shares.change(str(number), -each)
    assert shares.total == 0


def test_a_client_alone_has_as_many_turns_as_it_is_meant_to_have() -> None:
    for for_one in range(1, 40):
        shares = Shares(Turns(for_one=for_one, longest_s=1.0).slots, factor=3)
        assert for_one <= _filled(shares, "only") <= for_one + 1


def test_it_goes_round_from_client_to_client() -> None:
    async def test() -> None:
        turns = Turns(for_one=1, longest_s=_LONG_S)
        assert not await turns.enter("greedy")
        order: list[str] = []

        async def take(client: str) -> None:
            assert await turns.enter(client)
            order.append(client)

        waiting = [asyncio.ensure_future(take("greedy")) for _ in range(50)]
        await asyncio.sleep(0)
        waiting += [asyncio.ensure_future(take(client)) for client in ("anna", "bert", "anna")]
        await asyncio.sleep(0)
        assert turns.waiting == 53
        turns.leave("greedy")
        for number in range(53):
            await asyncio.sleep(0)
            turns.leave(order[number])
        await asyncio.gather(*waiting)
        assert order[:6] == ["greedy", "anna", "bert", "greedy", "anna", "greedy"]
        assert (len(order), turns.waiting) == (53, 0)

    _run(test())


def test_the_next_client_finds_a_turn_while_another_takes_all_it_gets() -> None:
    async def test() -> None:
        turns = Turns(for_one=8, longest_s=_LONG_S)
        greedy = [asyncio.ensure_future(turns.enter("greedy")) for _ in range(100)]
        await asyncio.sleep(0)
        assert not await turns.enter("anna", goes_on=False) or turns.waiting
        for one in greedy:
            one.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)
        assert turns.waiting == 0

    _run(test())


def test_who_waits_too_long_is_refused_and_who_goes_on_is_not() -> None:
    async def test() -> None:
        turns = Turns(for_one=1, longest_s=0.01)
        await turns.enter("anna")
        goes_on = asyncio.ensure_future(turns.enter("bert", goes_on=True))
        with pytest.raises(TurnRefused):
            await turns.enter("bert")
        assert (turns.refused, goes_on.done()) == (1, False)
        turns.leave("anna")
        assert await goes_on

    _run(test())


def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    async def test() -> None:
        turns = Turns(for_one=1, longest_s=_LONG_S)
        await turns.enter("anna")
        waiting = [asyncio.ensure_future(turns.enter("bert")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        turns.leave("anna")
        # It has its turn, and does not know it yet.
        waiting[1].cancel()
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        assert await waiting[2]
        turns.leave("bert")
        assert (turns.waiting, await turns.enter("carl")) == (0, False)

    _run(test())


def test_who_has_no_room_waits_and_keeps_nobody_from_his_turn() -> None:
    async def test() -> None:
        full = {"greedy"}
        turns = Turns(for_one=2, longest_s=_LONG_S, has_room=lambda client: client not in full)
        waiting = asyncio.ensure_future(turns.enter("greedy"))
        await asyncio.sleep(0)
        await turns.enter("anna")
        assert turns.waiting == 1
        # Nobody says that there is room now.
        full.clear()
        assert await waiting

    _run(test())


def test_a_body_in_pieces_is_held_and_read_as_there_is_room() -> None:
    async def test() -> None:
        memory = MessageMemory(100)
        other, older, own = (Held(memory, client) for client in ("other", "anna", "anna"))
        pieces = [b"x" * 40, b"x" * 40, b"x" * 10]
        read: list[int] = []

        async def receive() -> dict[str, object]:
            read.append(memory.held_bytes)
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        other.hold(20)
        older.hold(10)
        reading = asyncio.ensure_future(
            read_body({"headers": []}, receive, most_bytes=1000, timeout_s=_LONG_S, held=own)
        )
        for _ in range(10):
            await asyncio.sleep(0)
        # Anna has 50 of 100, and 30 are left.
        assert (read, memory.held_bytes) == ([30], 70)
        other.hold(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (read, memory.held_bytes) == ([30], 50)
        # What is the oldest of a client goes on: one thing always ends.
        older.hold(0)
        assert len(await reading) == 90
        assert (read, own.bytes) == ([30, 40, 80], 90)
        own.hold(0)
        assert memory.held_bytes == 0

    _run(test())


def test_a_body_for_which_no_room_comes_is_refused() -> None:
    async def test() -> None:
        memory = MessageMemory(100)
        Held(memory, "other").hold(90)
        Held(memory, "anna").hold(1)

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"x" * 40, "more_body": True}

        own = Held(memory, "anna")
        with pytest.raises(BodyRefused) as refused:
            await read_body({"headers": []}, receive, most_bytes=1000, timeout_s=0.01, held=own)
        assert refused.value.status == 503

    _run(test())
