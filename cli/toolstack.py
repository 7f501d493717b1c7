"""``virtcim toolstack``: the management API over libvirt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from virtcim.cli.daemon import (
    AuditOption,
    AuthOption,
    ConfigOption,
    ListenOption,
    LogFormatOption,
    LogLevelOption,
    MetricsListenOption,
    PamServiceOption,
    StopTimeoutOption,
    TlsCertOption,
    TlsClientCaOption,
    TlsClientCertOption,
    TlsClientCrlOption,
    TlsKeyOption,
    UsersOption,
    register_daemon,
)
from virtcim.cli.limits import with_limits
from virtcim.cli.startup import LogFormat, LogLevel
from virtcim.cli.toolstack_daemon import Arguments, DomainType, run_toolstack
from virtcim.daemon.access import Authentication, ClientCertificates
from virtcim.toolstack.limits import Limits

__all__ = ["register"]

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
    register_daemon(app, "toolstack", with_limits(_toolstack, Limits))


def _toolstack(
    libvirt: _LibvirtOption,
    listen: ListenOption,
    state: _StateOption = None,
    domain_type: _DomainTypeOption = DomainType.AUTO,
    auth: AuthOption = Authentication.BASIC,
    pam_service: PamServiceOption = "virtcim",
    users: UsersOption = None,
    audit: AuditOption = None,
    tls_cert: TlsCertOption = "",
    tls_key: TlsKeyOption = "",
    tls_client_ca: TlsClientCaOption = "",
    tls_client_cert: TlsClientCertOption = ClientCertificates.OPTIONAL,
    tls_client_crl: TlsClientCrlOption = "",
    session_idle: _SessionIdleOption = 24 * 60 * 60.0,
    shutdown_timeout: _ShutdownTimeoutOption = 120.0,
    reconcile: _ReconcileOption = 10.0,
    stop_timeout: StopTimeoutOption = 30.0,
    image_directory: _ImageDirectoryOption = None,
    image_source: _ImageSourceOption = None,
    log_level: LogLevelOption = LogLevel.INFO,
    log_format: LogFormatOption = LogFormat.TEXT,
    metrics_listen: MetricsListenOption = "",
    config: ConfigOption = None,  # noqa: ARG001 - its callback has read it
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> None:
    """Serve the XenAPI over libvirt.

    Prints one line `ready URL ...` when it accepts requests, logs to standard error, and stops on
    SIGTERM: it takes no new operations and lets running ones end; a second SIGTERM stops it at
    once. SIGHUP reads users and certificates anew, and opens the audit file again. A libvirt that
    cannot be reached does not keep it from starting: calls fail with its error until it can.
    Clients log in on TCP; on a Unix socket everybody who can open it is trusted.

    Example: virtcim toolstack --libvirt qemu:///system --listen unix:/run/virtcim/toolstack.sock
    --image-directory /var/lib/libvirt/images --image-source https://images.example/debian
    """
    raise typer.Exit(
        run_toolstack(
            Arguments(
                libvirt=libvirt,
                listen=tuple(listen),
                state=state,
                domain_type=domain_type,
                auth=auth,
                pam_service=pam_service,
                users=users,
                audit=audit,
                tls_cert=tls_cert,
                tls_key=tls_key,
                tls_client_ca=tls_client_ca,
                tls_client_cert=tls_client_cert,
                tls_client_crl=tls_client_crl,
                session_idle=session_idle,
                shutdown_timeout=shutdown_timeout,
                reconcile=reconcile,
                stop_timeout=stop_timeout,
                image_directory=tuple(image_directory or ()),
                image_source=tuple(image_source or ()),
                log_level=log_level,
                log_format=log_format,
                metrics_listen=metrics_listen,
                limits=limits,
            )
        )
    )
