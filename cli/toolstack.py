"""``virtcim toolstack``: the management API over libvirt."""

from __future__ import annotations

import logging
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from virtcim.cli.daemon import (
    Access,
    Authentication,
    AuthOption,
    ConfigOption,
    ListenOption,
    LogLevel,
    LogLevelOption,
    StopTimeoutOption,
    TlsCertOption,
    TlsKeyOption,
    UsersOption,
    default_state_directory,
    open_access,
    register_daemon,
    start_logging,
    usable,
)
from virtcim.cli.users import UsersError
from virtcim.toolstack import FenceError, StateError, Toolstack, ToolstackOptions
from virtcim.wire.application import ASGIApp
from virtcim.wire.listen import ListenError, run_daemon

__all__ = ["register"]

# A libvirt that is there answers sooner, also with thousands of domains.
_FIRST_CONNECTION_S = 10.0


class DomainType(StrEnum):
    """How the virtual machines that are defined here are run."""

    AUTO = "auto"
    KVM = "kvm"
    QEMU = "qemu"


_LibvirtOption = Annotated[
    str,
    typer.Option(help="URI of the hypervisor, such as qemu:///system or test:///default."),
]
_StateOption = Annotated[
    Path | None,
    typer.Option(help="Directory for what libvirt has no place for, and for users."),
]
_DomainTypeOption = Annotated[
    DomainType,
    typer.Option(help="How new virtual machines are run: auto takes KVM where it can be used."),
]
_SessionIdleOption = Annotated[
    float, typer.Option(min=1.0, help="Seconds after which a session that is not used ends.")
]
_ShutdownTimeoutOption = Annotated[
    float,
    typer.Option(min=1.0, help="Seconds that a guest has to follow a clean shutdown or reboot."),
]
_ReconcileOption = Annotated[
    float,
    typer.Option(min=1.0, help="Seconds between looks for changes that libvirt has no events for."),
]
_ImageDirectoryOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Directory in which clients may name images, kernels and new storage pools; without "
        "one the directories of the storage pools that others made. May be repeated.",
        metavar="DIRECTORY",
    ),
]
_ImageSourceOption = Annotated[
    list[str] | None,
    typer.Option(
        help="URL below which clients may name images on the network, such as "
        "https://images.example/debian. May be repeated.",
        metavar="URL-PREFIX",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command ``toolstack``."""
    register_daemon(app, "toolstack", _toolstack)


def _toolstack(
    libvirt: _LibvirtOption,
    listen: ListenOption,
    state: _StateOption = None,
    domain_type: _DomainTypeOption = DomainType.AUTO,
    auth: AuthOption = Authentication.BASIC,
    users: UsersOption = None,
    tls_cert: TlsCertOption = "",
    tls_key: TlsKeyOption = "",
    session_idle: _SessionIdleOption = 24 * 60 * 60.0,
    shutdown_timeout: _ShutdownTimeoutOption = 120.0,
    reconcile: _ReconcileOption = 10.0,
    stop_timeout: StopTimeoutOption = 30.0,
    image_directory: _ImageDirectoryOption = None,
    image_source: _ImageSourceOption = None,
    log_level: LogLevelOption = LogLevel.INFO,
    config: ConfigOption = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Serve the XenAPI over libvirt.

    Prints one line `ready URL ...` when it accepts requests, logs to standard error, and stops on
    SIGTERM: it takes no new operations and lets running ones end; a second SIGTERM stops it at
    once. A libvirt that cannot be reached does not keep it from starting: calls fail with its
    error until it can. Clients log in on TCP; on a Unix socket everybody who can open it is
    trusted.

    Example: virtcim toolstack --libvirt qemu:///system --listen unix:/run/virtcim/toolstack.sock
    --image-directory /var/lib/libvirt/images --image-source https://images.example/debian
    """
    start_logging(log_level)
    directory = state or default_state_directory() / "toolstack"
    with usable(FenceError, ListenError, StateError, UsersError):
        access = open_access(
            "toolstack",
            listen,
            tls_cert=tls_cert,
            tls_key=tls_key,
            auth=auth,
            users=users or directory / "users",
            trusts_unix=True,
        )
        toolstack = Toolstack(
            ToolstackOptions(
                libvirt_uri=libvirt,
                state_directory=directory,
                domain_type=domain_type.value,
                authenticate=access.authenticate,
                session_idle_s=session_idle,
                shutdown_timeout_s=shutdown_timeout,
                reconcile_s=reconcile,
                image_directories=tuple(image_directory or ()),
                image_sources=tuple(image_source or ()),
            )
        )
    raise typer.Exit(_run(toolstack, access, stop_timeout))


def _run(toolstack: Toolstack, access: Access, stop_timeout_s: float) -> int:
    def application() -> ASGIApp:
        toolstack.start()
        if not toolstack.wait_connected(_FIRST_CONNECTION_S):
            typer.echo(
                f"virtcim toolstack: {toolstack.why_not_connected()}; calls fail until it can be "
                "reached",
                err=True,
            )
        return toolstack.application

    status = 1
    try:
        status = run_daemon(
            application, access.listens, drain=lambda: toolstack.drain(stop_timeout_s)
        )
    finally:
        idle = toolstack.stop()
        if not idle:
            # Python would wait for the threads that are in libvirt, perhaps for ever.
            logging.shutdown()
            os._exit(status)
    return status
