"""Of several deliverers one delivers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from virtcim.cimserver.indications.delivery.ownership import Ownership, Patience
from virtcim.providers.state.database import StateDatabase


class Clock:
    """Seconds since one computer was started."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


PATIENCE = Patience(owner_s=3.0, heir_s=5.0)


@pytest.fixture
def database(state: str) -> Iterator[StateDatabase]:
    database = StateDatabase(state)
    yield database
    database.close()


@pytest.fixture
def clocks() -> tuple[Clock, Clock]:
    return Clock(10.0), Clock(70_000.0)


@pytest.fixture
def rivals(database: StateDatabase, clocks: tuple[Clock, Clock]) -> tuple[Ownership, Ownership]:
    first, second = (Ownership(database, patience=PATIENCE, clock=clock) for clock in clocks)
    return first, second


def test_the_first_owns_it_and_no_other_while_it_beats(
    rivals: tuple[Ownership, Ownership], clocks: tuple[Clock, Clock]
) -> None:
    first, second = rivals
    assert not first.is_held
    for _ in range(20):
        assert first.hold()
        assert not second.hold()
        assert (first.is_held, second.is_held) == (True, False)
        for clock in clocks:
            clock.seconds += 2.0


def test_one_that_beats_no_more_stops_long_before_another_takes_over(
    rivals: tuple[Ownership, Ownership], clocks: tuple[Clock, Clock]
) -> None:
    first, second = rivals
    first.hold()
    assert not second.hold()
    for clock in clocks:
        clock.seconds += 3.0
    assert not first.is_held
    assert not second.hold()
    for clock in clocks:
        clock.seconds += 2.0
    assert second.hold()
    # It wakes up again, and finds out.
    assert not first.is_held
    assert not first.hold()
    assert second.is_held


def test_one_that_wakes_up_in_time_goes_on(
    rivals: tuple[Ownership, Ownership], clocks: tuple[Clock, Clock]
) -> None:
    first, second = rivals
    first.hold()
    second.hold()
    for clock in clocks:
        clock.seconds += 4.0
    assert first.hold()
    for clock in clocks:
        clock.seconds += 4.0
    assert not second.hold()


def test_who_lets_go_is_followed_at_once(rivals: tuple[Ownership, Ownership]) -> None:
    first, second = rivals
    first.hold()
    assert not second.hold()
    first.release()
    assert not first.is_held
    assert second.hold()


def test_letting_go_takes_nothing_from_another(
    rivals: tuple[Ownership, Ownership], clocks: tuple[Clock, Clock]
) -> None:
    first, second = rivals
    first.hold()
    second.hold()
    for clock in clocks:
        clock.seconds += 6.0
    assert second.hold()
    first.release()
    assert not first.hold()
    assert second.hold()


def test_a_beat_that_took_too_long_begins_a_new_term(database: StateDatabase) -> None:
    clock = Clock(10.0)
    owner = Ownership(database, patience=PATIENCE, clock=clock)
    owner.hold()
    clock.seconds += 2.9
    owner.hold()
    assert owner.term == 1
    # It is in time when it begins to beat; somebody may ask before it is through.
    told = iter((clock.seconds + 2.9, clock.seconds + 3.1))
    owner._clock = lambda: next(told)
    assert owner.hold()
    assert owner.term == 2


def test_who_takes_over_begins_a_term_of_its_own(
    rivals: tuple[Ownership, Ownership], clocks: tuple[Clock, Clock]
) -> None:
    first, second = rivals
    first.hold()
    second.hold()
    for clock in clocks:
        clock.seconds += 5.0
    second.hold()
    first.hold()
    assert (first.term, second.term) == (1, 1)
    second.release()
    first.hold()
    assert first.term == 2
