"""How a daemon is started, and what is said when it does not get ready."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemons import Daemon, DaemonError


def test_a_daemon_that_cannot_start_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    daemon = Daemon("no-such-command", log=tmp_path / "log")
    with pytest.raises(DaemonError, match=r"ended with status 2(.|\n)*no-such-command"):
        daemon.start()


def test_something_else_than_a_ready_line_is_an_error(tmp_path: Path) -> None:
    daemon = Daemon("--version", log=tmp_path / "log")
    with pytest.raises(DaemonError, match="something else than `ready <url>`"):
        daemon.start()


def test_stopping_what_was_never_started_is_no_error(tmp_path: Path) -> None:
    assert Daemon("serve", log=tmp_path / "log").stop() == 0
