"""What the options of the daemons' commands share, and their file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from virtcim.cli.helptext import Command
from virtcim.cli.startup import LogFormat, LogLevel
from virtcim.daemon.access import Authentication, ClientCertificates

__all__ = [
    "AuditOption",
    "AuthOption",
    "ConfigOption",
    "ListenOption",
    "LogFormatOption",
    "LogLevelOption",
    "MetricsListenOption",
    "PamServiceOption",
    "StopTimeoutOption",
    "TlsCertOption",
    "TlsClientCaOption",
    "TlsClientCertOption",
    "TlsClientCrlOption",
    "TlsKeyOption",
    "UsersOption",
    "register_daemon",
]


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
        help="How clients log in: with passwords of the users file, or of PAM for users of that "
        "file; none lets everybody in, and is for loopback addresses and Unix sockets only."
    ),
]
UsersOption = Annotated[
    Path | None,
    typer.Option(
        help="Users file; made with a random password where there is none. "
        "By default /etc/virtcim/users where it exists, else `users` in the state directory."
    ),
]
AuditOption = Annotated[
    Path | None,
    typer.Option(
        help="File that gets a line of JSON for each operation that changes something; made for "
        "its owner alone. By default they go to standard error."
    ),
]
PamServiceOption = Annotated[
    str, typer.Option(help="With --auth pam the service that is asked, a file of /etc/pam.d.")
]
TlsCertOption = Annotated[str, typer.Option(help="Certificate (PEM) for https.")]
TlsKeyOption = Annotated[str, typer.Option(help="Key (PEM) of the certificate.")]
TlsClientCaOption = Annotated[
    str,
    typer.Option(
        help="Certificates (PEM) that those of clients are verified by; whom one names is logged "
        "in without a password."
    ),
]
TlsClientCertOption = Annotated[
    ClientCertificates,
    typer.Option(help="Whether a client of https must show a certificate."),
]
TlsClientCrlOption = Annotated[
    str,
    typer.Option(
        help="Lists of revoked certificates (PEM), one of each authority, whose clients are "
        "refused."
    ),
]
StopTimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Seconds that running operations have to end after SIGTERM; a second one stops at "
        "once.",
    ),
]
LogLevelOption = Annotated[LogLevel, typer.Option(help="What is logged.")]
LogFormatOption = Annotated[
    LogFormat, typer.Option(help="How it is logged: lines of text, or a JSON object a line.")
]
MetricsListenOption = Annotated[
    str,
    typer.Option(
        help="http://HOST:PORT or unix:PATH of this machine where metrics and readiness are read "
        "without a login."
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with these options in a table that has the name of the command.",
        callback=_read_config,
        is_eager=True,
    ),
]


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
