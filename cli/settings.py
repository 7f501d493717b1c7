"""What the daemons' commands share: the TOML file of ``--config``, the state directory, logging."""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from enum import StrEnum
from pathlib import Path

import typer

__all__ = ["Authentication", "LogLevel", "default_state_directory", "read_config", "start_logging"]


class Authentication(StrEnum):
    """How clients say who they are."""

    BASIC = "basic"
    NONE = "none"


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


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options of this command from its table in a TOML file (a typer callback).

    The command line and the environment go before the file. ``hypervisor = [...]`` stands for
    ``--hypervisor``, given once per element. Raises BadParameter naming what cannot be used.
    """
    if path is None:
        return None
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(f"cannot read {path}: {exc}") from exc
    table = tables.get(context.info_name or "", {})
    known = {parameter.name for parameter in context.command.params}
    options = {str(key).replace("-", "_"): value for key, value in dict(table).items()}
    if unknown := sorted(set(options) - known):
        raise typer.BadParameter(f"{path}: {context.info_name} has no option {unknown[0]}")
    context.default_map = {**(context.default_map or {}), **options}
    return path


def start_logging(level: LogLevel) -> None:
    """Log to standard error."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.value.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
