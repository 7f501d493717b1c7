"""Killed and stopped under clients at work, the daemons leave nothing half-made."""

from __future__ import annotations

import pytest
from kill_under_load import run


@pytest.mark.parametrize("daemon", ["toolstack", "serve"])
def test_nothing_is_half_made_and_nobody_was_told_what_is_not_so(daemon: str) -> None:
    report = run(daemon, ["kill", "stop"], clients=3, pause_s=(0.3, 1.0))
    assert report.is_clean, report
    # Otherwise it would say nothing.
    assert report.counts.get("define done", 0) > 0, report
