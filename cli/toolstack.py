"""``virtcim toolstack``: the management API over libvirt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from virtcim.cli.settings import (
    Authentication,
    LogLevel,
    default_state_directory,
    read_config,
    start_logging,
)
from virtcim.cli.users import UsersError, open_users
from virtcim.toolstack import StateError, Toolstack, ToolstackOptions
from virtcim.wire.application import ASGIApp
from virtcim.wire.listen import (
    Listen,
    ListenError,
    parse_listen,
    require_authentication,
    run_daemon,
)

__all__ = ["register"]

# A libvirt that is there answers sooner, also with thousands of domains.
_FIRST_CONNECTION_S = 10.0


class DomainType(StrEnum):
    """How the virtual machines that are defined here are run."""

    AUTO = "auto"
    KVM = "kvm"
    QEMU = "qemu"


def register(app: typer.Typer) -> None:
    """Add the command ``toolstack``."""
    app.command("toolstack")(_toolstack)


def _env(name: str) -> str:
    return f"VIRTCIM_TOOLSTACK_{name}"


def _toolstack(
    libvirt: Annotated[
        str,
        typer.Option(
            help="URI of the hypervisor, such as qemu:///system or test:///default.",
            envvar=_env("LIBVIRT"),
        ),
    ],
    listen: Annotated[
        list[str],
        typer.Option(
            help="unix:PATH, http://HOST:PORT or https://HOST:PORT; port 0 takes a free one. "
            "May be repeated.",
            envvar=_env("LISTEN"),
        ),
    ],
    state: Annotated[
        Path | None,
        typer.Option(
            help="Directory for what libvirt has no place for, and for users.",
            envvar=_env("STATE"),
        ),
    ] = None,
    domain_type: Annotated[
        DomainType,
        typer.Option(
            help="How new virtual machines are run: auto takes KVM where it can be used.",
            envvar=_env("DOMAIN_TYPE"),
        ),
    ] = DomainType.AUTO,
    auth: Annotated[
        Authentication,
        typer.Option(
            help="How clients on TCP log in; none is for loopback addresses only. On a Unix "
            "socket everybody who can open it is trusted.",
            envvar=_env("AUTH"),
        ),
    ] = Authentication.BASIC,
    users: Annotated[
        Path | None,
        typer.Option(
            help="Users file; made with a random password where there is none. "
            "By default `users` in the state directory.",
            envvar=_env("USERS"),
        ),
    ] = None,
    tls_cert: Annotated[
        str, typer.Option(help="Certificate (PEM) for https.", envvar=_env("TLS_CERT"))
    ] = "",
    tls_key: Annotated[
        str, typer.Option(help="Key (PEM) of the certificate.", envvar=_env("TLS_KEY"))
    ] = "",
    session_idle: Annotated[
        float,
        typer.Option(
            min=1.0,
            help="Seconds after which a session that is not used ends.",
            envvar=_env("SESSION_IDLE"),
        ),
    ] = 24 * 60 * 60.0,
    shutdown_timeout: Annotated[
        float,
        typer.Option(
            min=1.0,
            help="Seconds that a guest has to follow a clean shutdown or reboot.",
            envvar=_env("SHUTDOWN_TIMEOUT"),
        ),
    ] = 120.0,
    reconcile: Annotated[
        float,
        typer.Option(
            min=1.0,
            help="Seconds between looks for changes that libvirt has no events for.",
            envvar=_env("RECONCILE"),
        ),
    ] = 10.0,
    log_level: Annotated[
        LogLevel, typer.Option(help="What is logged.", envvar=_env("LOG_LEVEL"))
    ] = LogLevel.INFO,
    config: Annotated[  # noqa: ARG001 - its callback has read it
        Path | None,
        typer.Option(
            help="TOML file whose table [toolstack] holds these options.",
            envvar=_env("CONFIG"),
            callback=read_config,
            is_eager=True,
        ),
    ] = None,
) -> None:
    """Serve the XenAPI over libvirt.

    Prints one line `ready URL ...` when it accepts requests, logs to standard error, and stops on
    SIGTERM. A libvirt that cannot be reached does not keep it from starting: calls fail with its
    error until it can.

    Example: virtcim toolstack --libvirt qemu:///system --listen unix:/run/virtcim/toolstack.sock
    """
    start_logging(log_level)
    directory = state or default_state_directory() / "toolstack"
    try:
        listens = [parse_listen(one, cert_file=tls_cert, key_file=tls_key) for one in listen]
        authenticate = _authenticator(auth, users or directory / "users", listens)
        toolstack = Toolstack(
            ToolstackOptions(
                libvirt_uri=libvirt,
                state_directory=directory,
                domain_type=domain_type.value,
                authenticate=authenticate,
                session_idle_s=session_idle,
                shutdown_timeout_s=shutdown_timeout,
                reconcile_s=reconcile,
            )
        )
    except (ListenError, StateError, UsersError) as exc:
        _fail(str(exc))
    raise typer.Exit(_run(toolstack, listens))


def _run(toolstack: Toolstack, listens: Sequence[Listen]) -> int:
    def application() -> ASGIApp:
        toolstack.start()
        if not toolstack.wait_connected(_FIRST_CONNECTION_S):
            typer.echo(
                f"virtcim toolstack: {toolstack.why_not_connected()}; calls fail until it can be "
                "reached",
                err=True,
            )
        return toolstack.application

    try:
        return run_daemon(application, listens)
    finally:
        toolstack.stop()


def _authenticator(
    auth: Authentication, users: Path, listens: Sequence[Listen]
) -> Callable[[str, str], bool] | None:
    if auth is Authentication.NONE:
        require_authentication(listens)
        return None
    if all(listen.kind == "unix" for listen in listens):
        return None
    return open_users(users, lambda text: typer.echo(f"virtcim toolstack: {text}", err=True)).verify


def _fail(text: str) -> NoReturn:
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(1)
