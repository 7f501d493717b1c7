"""What a worker hears of the others where they, or the parent, do not answer as they should."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest

from virtcim.cimserver import worker_peers
from virtcim.cimserver.errors import HttpProblem
from virtcim.cimserver.other_workers import Asked, OtherWorkers
from virtcim.cimserver.worker_peers import WorkerPeers
from virtcim.daemon.requester import Requester
from virtcim.daemon.roles import EVERYTHING
from virtcim.daemon.workers.channel import Answer, AnswerFailed, Channel, ChannelLost, Message
from virtcim.daemon.workers.presence import SILENCE_S
from virtcim.daemon.workers.worker import Worker
from virtcim.providers.peers.contract import EVERYTHING as ALL_WRITTEN
from virtcim.providers.peers.contract import Reached, Written
from virtcim.providers.peers.standing import LEASE_S

_DEADLINE_S = 30.0
_ASKED = Asked(b"<CIM/>", Requester(user="ann", rights=EVERYTHING, peer="127.0.0.1"), "", "en")


class _Asking:
    """A worker that does nothing but ask its parent."""

    number = 1

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def ask(
        self, kind: str, values: Mapping[str, Any] | None = None, body: bytes = b""
    ) -> Message:
        return await self._channel.ask(Message(kind=kind, values=values or {}, body=body))

    def answering(self, kind: str, _: Answer) -> None:
        assert kind == "catch up"


@contextmanager
def _asking(**answers: Answer) -> Iterator[Worker]:
    """A worker whose parent answers so."""
    ours, its = socket.socketpair()
    told = {kind.replace("_", " "): answer for kind, answer in answers.items()}
    ends = [
        Channel(sock, hears={}, answers=some, lost=lambda: None)
        for sock, some in ((ours, {}), (its, told))
    ]
    try:
        yield cast("Worker", _Asking(ends[0]))
    finally:
        for end in ends:
            end.close()


def _run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), _DEADLINE_S))


async def _never(_: Message) -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def _gone(_: Message) -> Message:
    raise ChannelLost("there is no such worker")


async def _broken(_: Message) -> Message:
    raise RuntimeError


def test_a_worker_that_hangs_keeps_whoever_pulls_there_waiting_no_longer_than_it_may() -> None:
    async def test() -> None:
        with _asking(pass_on=_never) as worker, pytest.raises(HttpProblem) as refused:
            await OtherWorkers(worker, longest_s=0.05).answer(2, _ASKED)
        assert refused.value.status == 503
        assert refused.value.detail == "worker 2, which has this enumeration, does not answer"

    _run(test)


def test_the_enumerations_of_a_worker_that_is_gone_are_none_and_a_failing_one_has_them_still() -> (
    None
):
    async def test() -> None:
        with _asking(pass_on=_gone) as worker:
            assert await OtherWorkers(worker).answer(2, _ASKED) is None
        with _asking(pass_on=_broken) as worker, pytest.raises(AnswerFailed, match="RuntimeError"):
            await OtherWorkers(worker).answer(2, _ASKED)

    _run(test)


class _UpToDate:
    def catch_up(self, written: Sequence[Written] | None, reached: Reached) -> None:
        assert written is ALL_WRITTEN
        reached()


def test_a_parent_that_could_not_answer_a_beat_gets_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_peers, "_BEAT_S", 0.01)

    async def test() -> None:
        beats = 0
        fourth = asyncio.Event()

        async def beat(_: Message) -> Message:
            nonlocal beats
            beats += 1
            if beats == 1:
                raise RuntimeError
            if beats == 4:
                fourth.set()
            return Message(kind="", values={"known": beats > 2})

        with _asking(beat=beat) as worker:
            peers = WorkerPeers(worker)
            peers.start(_UpToDate())
            await fourth.wait()
            assert peers.is_waited_for
            peers.stop()
            await asyncio.sleep(0)

    _run(test)


def test_the_parent_waits_for_a_silent_worker_longer_than_that_believes() -> None:
    # Clocks do not go equally fast.
    assert SILENCE_S >= LEASE_S + 1
