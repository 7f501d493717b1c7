"""How one process catches up with a hypervisor, and what it lets be read meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.providers.waiting import wait_for
from virtcim.cim.records import CimError
from virtcim.providers.peers.agreement import Agreement
from virtcim.providers.peers.contract import EVERYTHING, STATE, Shows, Written
from virtcim.providers.peers.following import Following

_NAMESPACE = "root/virt"
_DEADLINE_S = 60.0


class Slow:
    """An endpoint that reaches what it is told to; until then whoever waits waits in vain."""

    position = "7"

    def __init__(self) -> None:
        self.reached: set[str] = set()
        self.asked: list[str] = []
        self.answers = threading.Semaphore(0)
        self.is_reached = False

    def has_reached(self, position: str) -> bool:
        return position in self.reached

    def reach(self, position: str, timeout_s: float) -> bool:
        assert timeout_s > 0
        self.asked.append(position)
        assert self.answers.acquire(timeout=_DEADLINE_S)
        return self.is_reached

    def answer(self, *, reached: bool, times: int = 1) -> None:
        self.is_reached = reached
        self.answers.release(times)


@pytest.fixture
def endpoint() -> Slow:
    return Slow()


@contextmanager
def following(endpoint: Slow) -> Iterator[Following]:
    one = Following("x", endpoint)  # type: ignore[arg-type]
    one.start()
    try:
        yield one
    finally:
        endpoint.answer(reached=True, times=100)
        one.stop()


def test_what_is_shown_already_is_reached_at_once(endpoint: Slow) -> None:
    endpoint.reached = {"5"}
    with following(endpoint) as one:
        reached: list[str] = []
        one.catch_up("5", lambda: reached.append("5"))
        assert reached == ["5"]
        assert endpoint.asked == []


def test_nobody_waits_for_one_that_cannot_follow_but_nothing_is_read_of_it_then(
    endpoint: Slow,
) -> None:
    with following(endpoint) as one:
        behind: list[bool] = []
        one.catch_up("5", lambda: behind.append(one.is_behind))
        endpoint.answer(reached=False)
        wait_for(lambda: behind)
        assert behind == [True]
        wait_for(lambda: len(endpoint.asked) == 2)
        # What was asked before this write does not count for it.
        one.catch_up("6", lambda: behind.append(one.is_behind))
        assert behind == [True, True]
        endpoint.answer(reached=True)
        wait_for(lambda: len(endpoint.asked) == 3)
        assert one.is_behind
        endpoint.answer(reached=True)
        wait_for(lambda: not one.is_behind)
        assert endpoint.asked == ["5", "", ""]


def test_several_writes_are_one_question(endpoint: Slow) -> None:
    with following(endpoint) as one:
        reached: list[str] = []
        one.catch_up("1", lambda: reached.append("1"))
        wait_for(lambda: endpoint.asked == ["1"])
        for number in ("2", "3"):
            one.catch_up(number, lambda number=number: reached.append(number))
        endpoint.answer(reached=True, times=2)
        wait_for(lambda: len(reached) == 3)
        assert endpoint.asked == ["1", ""]


class Carrier:
    """Implements ``Peers``: whatever the test says."""

    def __init__(self) -> None:
        self.is_waited_for = True
        self.announced: list[Written] = []

    def start(self, shows: Shows) -> None:
        shows.catch_up(EVERYTHING, self._joined)

    def _joined(self) -> None:
        self.is_waited_for = True

    def announce(self, written: list[Written]) -> None:
        self.announced += written

    def stop(self) -> None:
        self.is_waited_for = False


@pytest.fixture
def agreement(endpoint: Slow) -> Iterator[tuple[Agreement, Carrier]]:
    carrier = Carrier()
    one = Agreement(carrier, {_NAMESPACE: endpoint})  # type: ignore[arg-type, dict-item]
    yield one, carrier
    endpoint.answer(reached=True, times=100)
    one.stop()


def test_how_long_writers_wait_is_told(endpoint: Slow) -> None:
    now = [0.0]
    told: list[tuple[str, float]] = []

    class Waiting(Carrier):
        def announce(self, written: list[Written]) -> None:
            now[0] += 2.5 if [*written] == [Written(STATE)] else 0.5

    one = Agreement(
        Waiting(),  # type: ignore[arg-type]
        {_NAMESPACE: endpoint},  # type: ignore[dict-item]
        waited=lambda what, duration_s: told.append((what, duration_s)),
        clock=lambda: now[0],
    )
    one.wrote(_NAMESPACE)
    one.wrote_state()
    assert told == [("hypervisor", 0.5), ("state", 2.5)]


def test_writers_say_where_they_are(agreement: tuple[Agreement, Carrier]) -> None:
    one, carrier = agreement
    one.wrote(_NAMESPACE)
    one.wrote_state()
    assert carrier.announced == [Written(_NAMESPACE, "7"), Written(STATE)]


def test_one_that_nobody_waits_for_asks_before_each_read(
    agreement: tuple[Agreement, Carrier], endpoint: Slow
) -> None:
    one, carrier = agreement
    one.require_current(_NAMESPACE)
    assert endpoint.asked == []
    carrier.is_waited_for = False
    assert not one.is_current(_NAMESPACE)
    # What shows no hypervisor asks the database.
    assert one.is_current("root/interop")
    endpoint.answer(reached=True)
    one.require_current(_NAMESPACE)
    assert endpoint.asked == [""]
    endpoint.answer(reached=False)
    with pytest.raises(CimError, match="ERR_COMMUNICATION_NOT_ESTABLISHED: this server does not"):
        one.require_current(_NAMESPACE)


def test_who_joins_has_everything_to_catch_up_with(
    agreement: tuple[Agreement, Carrier], endpoint: Slow
) -> None:
    one, carrier = agreement
    carrier.is_waited_for = False
    taken: list[Callable[[], None]] = []
    one.on_state_written = lambda: taken.append(one.wrote_state)
    one.start()
    assert len(taken) == 1
    assert not carrier.is_waited_for
    endpoint.answer(reached=True)
    wait_for(lambda: carrier.is_waited_for)
    assert endpoint.asked == [""]
