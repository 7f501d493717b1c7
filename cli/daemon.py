"""What the daemons' commands share: options, their file, listeners, users, logging."""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from virtcim.cli.helptext import Command
from virtcim.cli.users import open_users
from virtcim.wire.listen import Listen, parse_listen, require_authentication

__all__ = [
    "Access",
    "AuthOption",
    "Authentication",
    "ConfigOption",
    "ListenOption",
    "LogLevel",
    "LogLevelOption",
    "StopTimeoutOption",
    "TlsCertOption",
    "TlsKeyOption",
    "UsersOption",
    "default_state_directory",
    "open_access",
    "register_daemon",
    "start_logging",
    "usable",
]


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


def _read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options of this command from its table in a TOML file (a typer callback).

    The command line and the environment go before the file. ``hypervisor = [...]`` stands for
    ``--hypervisor``, given once per element; a single value needs no brackets. Raises
    BadParameter naming what cannot be used.
    """
    if path is None:
        return None
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(f"cannot read {path}: {exc}") from exc
    table = tables.get(context.info_name or "", {})
    if not isinstance(table, dict):
        raise typer.BadParameter(f"{path}: {context.info_name} is no table of options")
    parameters = {parameter.name: parameter for parameter in context.command.params}
    options = {key.replace("-", "_"): value for key, value in table.items()}
    if unknown := sorted(set(options) - set(parameters)):
        raise typer.BadParameter(f"{path}: {context.info_name} has no option {unknown[0]}")
    for name, value in options.items():
        if getattr(parameters[name], "multiple", False) and not isinstance(value, list):
            options[name] = [value]
    context.default_map = {**(context.default_map or {}), **options}
    return path


ListenOption = Annotated[
    list[str],
    typer.Option(
        help="unix:PATH, http://HOST:PORT or https://HOST:PORT; port 0 takes a free one. "
        "May be repeated."
    ),
]
AuthOption = Annotated[
    Authentication,
    typer.Option(
        help="How clients log in; none lets everybody in, and is for loopback addresses and Unix "
        "sockets only."
    ),
]
UsersOption = Annotated[
    Path | None,
    typer.Option(
        help="Users file; made with a random password where there is none. "
        "By default `users` in the state directory."
    ),
]
TlsCertOption = Annotated[str, typer.Option(help="Certificate (PEM) for https.")]
TlsKeyOption = Annotated[str, typer.Option(help="Key (PEM) of the certificate.")]
StopTimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Seconds that running operations have to end after SIGTERM; a second one stops at "
        "once.",
    ),
]
LogLevelOption = Annotated[LogLevel, typer.Option(help="What is logged.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with these options in a table that has the name of the command.",
        callback=_read_config,
        is_eager=True,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a daemon listens, and who is let in: everybody where ``authenticate`` is None."""

    listens: Sequence[Listen]
    authenticate: Callable[[str, str], bool] | None


class _DaemonCommand(Command):
    """A daemon's command; ``VIRTCIM_<COMMAND>_<OPTION>`` in the environment is an option, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Refusals name the variable; they would not if a prefix alone were set (typer 0.29).
        for parameter in self.params:
            parameter.envvar = f"VIRTCIM_{self.name}_{parameter.name}".upper()


def register_daemon(app: typer.Typer, name: str, command: Callable[..., None]) -> None:
    """Add a daemon's command."""
    app.command(name, cls=_DaemonCommand)(command)


def default_state_directory() -> Path:
    """Where a daemon keeps what must outlive it: the system's directory, or the user's own."""
    if os.geteuid() == 0:
        return Path("/var/lib/virtcim")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "virtcim"


def start_logging(level: LogLevel) -> None:
    """Log to standard error."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.value.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


@contextmanager
def usable(*errors: type[Exception]) -> Iterator[None]:
    """End with status 1 and one sentence when ``errors`` say that an option cannot be used."""
    try:
        yield
    except errors as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(1) from exc


def open_access(
    daemon: str,
    listen: Sequence[str],
    *,
    tls_cert: str,
    tls_key: str,
    auth: Authentication,
    users: Path,
    trusts_unix: bool = False,
) -> Access:
    """Understand where to listen, and open the users file unless nobody has to log in.

    ``trusts_unix``: the daemon asks nobody who comes by a Unix socket. Raises ListenError and
    UsersError.
    """
    listens = [parse_listen(one, cert_file=tls_cert, key_file=tls_key) for one in listen]
    if auth is Authentication.NONE:
        require_authentication(listens)
        return Access(listens=listens, authenticate=None)
    if trusts_unix and all(one.kind == "unix" for one in listens):
        return Access(listens=listens, authenticate=None)
    opened = open_users(users, lambda text: typer.echo(f"virtcim {daemon}: {text}", err=True))
    return Access(listens=listens, authenticate=opened.verify)
