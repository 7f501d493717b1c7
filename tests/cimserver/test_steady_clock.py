"""Clocks that are set change nothing that is counted."""

from __future__ import annotations

import time

import pytest

from virtcim.cimserver.steady_clock import steady_clock


@pytest.mark.parametrize("jump_s", [-86400.0, 365 * 86400.0])
def test_setting_the_clock_moves_nothing(monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    clock = steady_clock()
    before, real = clock(), time.time
    assert abs(before - real()) < 60
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    assert 0 <= clock() - before < 3600
