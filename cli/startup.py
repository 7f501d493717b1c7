"""What starting a daemon takes once its options are known: its state directory and its log."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from virtcim.daemon.log_lines import LogFormat, log_handler

__all__ = [
    "SYSTEM_CONFIGURATION",
    "SYSTEM_USERS",
    "LogFormat",
    "LogLevel",
    "default_state_directory",
    "say",
    "start_logging",
    "usable",
    "users_file",
]


SYSTEM_CONFIGURATION = Path("/etc/virtcim/virtcim.toml")
"""What tells hosted providers, and their registration, which hypervisors there are."""

SYSTEM_USERS = Path("/etc/virtcim/users")
"""The users file of the whole system, which both daemons read where there is one."""


class LogLevel(StrEnum):
    """What is logged to standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def default_state_directory() -> Path:
    """Where a daemon keeps what must outlive it: the system's directory, or the user's own."""
    if os.geteuid() == 0:
        return Path("/var/lib/virtcim")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "virtcim"


def users_file(given: Path | None, directory: Path) -> Path:
    """The users file: what the administrator names, that of the system, or that of the daemon."""
    if given is not None:
        return given
    try:
        is_there = SYSTEM_USERS.exists()
    except OSError:
        # One that may not be looked at is not passed over: whoever reads it will say why.
        is_there = True
    return SYSTEM_USERS if is_there else directory / "users"


def start_logging(level: LogLevel, form: LogFormat = LogFormat.TEXT) -> None:
    """Log to standard error."""
    logging.basicConfig(level=level.value.upper(), handlers=[log_handler(form)])


def say(text: str) -> None:
    """Say something to whoever starts the daemon."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - where the administrator looks


@contextmanager
def usable(*errors: type[Exception]) -> Iterator[None]:
    """End with status 1 and one sentence when ``errors`` say that an option cannot be used."""
    try:
        yield
    except errors as exc:
        say(f"error: {exc}")
        raise SystemExit(1) from exc
