"""Where there is too much to look at, everything has its turn before anything has a second one."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack.following.reconcile import Reconciliation, Turns


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(1, 50))
def test_all_have_their_turn_before_one_has_another(steps: list[int], number: int) -> None:
    turns: Turns[int] = Turns("numbers")
    keys = range(number)
    seen: list[int] = []
    for step in steps:
        due = turns.begin(keys)
        seen += [due.popleft() for _ in range(min(step, len(due)))]
    for first in range(0, len(seen), number):
        once = seen[first : first + number]
        assert len(once) == len(set(once))


def test_what_is_gone_has_no_turn_and_what_is_new_has_one_later() -> None:
    turns: Turns[str] = Turns("names")
    assert list(turns.begin(["a", "b", "c"])) == ["a", "b", "c"]
    turns.popleft()
    assert list(turns.begin(["a", "c", "d"])) == ["c"]
    turns.popleft()
    assert list(turns.begin(["a", "c", "d"])) == ["a", "c", "d"]


def test_the_time_that_one_turn_of_many_takes_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns: Turns[int] = Turns("domains")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            turns.begin(range(2000)).clear()
    assert sum("2000 domains" in record.getMessage() for record in caplog.records) >= 1
    few: Turns[int] = Turns("networks")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            few.begin(range(10)).clear()
    assert not any("networks" in record.getMessage() for record in caplog.records)


def test_a_round_begins_early_enough_to_be_over_within_the_time_that_is_promised() -> None:
    nothing = SimpleNamespace(domains={})
    rounds = Reconciliation(nothing, None, reconcile_s=10.0)  # type: ignore[arg-type]
    assert rounds.pause_s() <= 9.0
