"""The clock of the state database: whoever sets that of a computer changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from virtcim.providers.state.clock import Clock, kept_clock, steady_clock
from virtcim.providers.state.database import StateDatabase

_NOW_S = 1_800_000_000.0
_DAY_S = 24 * 60 * 60.0
_JUMPS = [0.0, _DAY_S, -_DAY_S, 365 * _DAY_S]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[StateDatabase]:
    with closing(StateDatabase(str(tmp_path / "state"))) as opened:
        yield opened


def _started(
    database: StateDatabase, *, up_s: float, ahead_s: float = 0.0, boot: str = "first"
) -> Clock:
    """The clock of a process that starts so long after its computer, whose clock is wrong."""
    with database.transaction() as connection:
        return kept_clock(
            connection, boot=boot, clock=lambda: _NOW_S + up_s + ahead_s, uptime=lambda: up_s
        )


@pytest.mark.parametrize("jump_s", [-86400.0, 365 * 86400.0])
def test_setting_the_clock_moves_nothing(monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    clock = steady_clock()
    before, real = clock(), time.time
    assert abs(before - real()) < 60
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    assert 0 <= clock() - before < 3600


@pytest.mark.parametrize("jump_s", _JUMPS)
def test_a_clock_that_is_set_between_two_processes_is_not_believed(
    database: StateDatabase, jump_s: float
) -> None:
    assert _started(database, up_s=10.0)() == _NOW_S + 10.0
    assert _started(database, up_s=70.0, ahead_s=jump_s)() == _NOW_S + 70.0


@pytest.mark.parametrize("jump_s", _JUMPS)
def test_after_a_start_of_the_computer_its_clock_is_believed(
    database: StateDatabase, jump_s: float
) -> None:
    _started(database, up_s=10.0)
    for up_s, ahead_s in ((5.0, jump_s), (9.0, 0.0)):
        clock = _started(database, up_s=up_s, ahead_s=ahead_s, boot="second")
        assert clock() == _NOW_S + up_s + jump_s
    with database.reading() as connection:
        assert connection.execute(sa.text("SELECT boot FROM clock")).all() == [("second",)]


@pytest.mark.parametrize("odd", ["'yesterday'", "x'00'", "9e999", "-9e999"])
def test_a_row_that_is_no_time_is_noted_anew(database: StateDatabase, odd: str) -> None:
    _started(database, up_s=10.0)
    with database.transaction() as connection:
        connection.execute(sa.text(f"UPDATE clock SET began = {odd}"))
    assert _started(database, up_s=20.0)() == _NOW_S + 20.0
    assert _started(database, up_s=30.0, ahead_s=_DAY_S)() == _NOW_S + 30.0


def test_a_computer_that_does_not_say_when_it_was_started_is_believed(
    database: StateDatabase,
) -> None:
    assert _started(database, up_s=10.0, ahead_s=_DAY_S, boot="")() == _NOW_S + 10.0 + _DAY_S


def test_an_observer_reads_the_clock_and_notes_nothing(database: StateDatabase) -> None:
    with database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM clock"))
        clock = kept_clock(
            connection, is_observed=True, boot="b", clock=lambda: _NOW_S, uptime=lambda: 1.0
        )
        assert clock() == _NOW_S
        assert connection.execute(sa.text("SELECT boot FROM clock")).all() == []


def test_the_database_opens_with_its_clock(tmp_path: Path) -> None:
    first = StateDatabase(str(tmp_path))
    before = first.clock()
    first.close()
    with_another = StateDatabase(str(tmp_path))
    try:
        assert 0 <= with_another.clock() - before < 3600
        with with_another.transaction() as connection:
            connection.execute(sa.text("UPDATE clock SET began = began + 1000000"))
    finally:
        with_another.close()
    third = StateDatabase(str(tmp_path))
    try:
        assert third.clock() - before > 1_000_000
    finally:
        third.close()
