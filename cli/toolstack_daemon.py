"""The daemon behind ``virtcim toolstack``, once its options are known."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from virtcim.cli.startup import (
    LogFormat,
    LogLevel,
    default_state_directory,
    say,
    start_logging,
    usable,
    users_file,
)
from virtcim.daemon.access import Access, Authentication, ClientCertificates, open_access
from virtcim.daemon.asgi import ASGIApp
from virtcim.daemon.audit import Audit, AuditError
from virtcim.daemon.listener import Listen, ListenError, parse_metrics_listen
from virtcim.daemon.pam_logins import PamError
from virtcim.daemon.users import UsersError
from virtcim.toolstack import FenceError, StateError, Toolstack, ToolstackOptions
from virtcim.toolstack.limits import Limits

__all__ = ["Arguments", "DomainType", "run_toolstack"]

# A libvirt that is there answers sooner, also with thousands of domains.
_FIRST_CONNECTION_S = 10.0


class DomainType(StrEnum):
    """How the virtual machines that are defined here are run."""

    AUTO = "auto"
    KVM = "kvm"
    QEMU = "qemu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The options of the command, by their names."""

    libvirt: str
    listen: tuple[str, ...]
    state: Path | None = None
    domain_type: DomainType = DomainType.AUTO
    auth: Authentication = Authentication.BASIC
    pam_service: str = "virtcim"
    users: Path | None = None
    audit: Path | None = None
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    tls_client_cert: ClientCertificates = ClientCertificates.OPTIONAL
    tls_client_crl: str = ""
    session_idle: float = 24 * 60 * 60.0
    shutdown_timeout: float = 120.0
    reconcile: float = 10.0
    stop_timeout: float = 30.0
    image_directory: tuple[str, ...] = ()
    image_source: tuple[str, ...] = ()
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    metrics_listen: str = ""
    limits: Limits = field(default_factory=Limits)


def run_toolstack(arguments: Arguments) -> int:
    """Serve until a signal ends it; gives the exit status."""
    start_logging(arguments.log_level, arguments.log_format)
    directory = arguments.state or default_state_directory() / "toolstack"
    with usable(AuditError, FenceError, ListenError, PamError, StateError, UsersError):
        access = open_access(
            arguments.listen,
            tls_cert=arguments.tls_cert,
            tls_key=arguments.tls_key,
            tls_client_ca=arguments.tls_client_ca,
            tls_client_cert=arguments.tls_client_cert,
            tls_client_crl=arguments.tls_client_crl,
            auth=arguments.auth,
            pam_service=arguments.pam_service,
            users=users_file(arguments.users, directory),
            audit=Audit("toolstack", arguments.audit),
            trusts_unix=True,
            say=lambda text: say(f"virtcim toolstack: {text}"),
        )
        toolstack = Toolstack(
            ToolstackOptions(
                libvirt_uri=arguments.libvirt,
                state_directory=directory,
                domain_type=arguments.domain_type.value,
                authenticate=access.authenticate,
                user_stamp=access.user_stamp,
                login_threads=access.login_threads,
                knows=access.knows,
                rights=access.rights,
                audit=access.audit,
                session_idle_s=arguments.session_idle,
                shutdown_timeout_s=arguments.shutdown_timeout,
                reconcile_s=arguments.reconcile,
                image_directories=arguments.image_directory,
                image_sources=arguments.image_source,
                limits=arguments.limits,
            )
        )
        metrics_listen = parse_metrics_listen(arguments.metrics_listen)
    return _run(toolstack, access, metrics_listen, arguments)


def _run(
    toolstack: Toolstack, access: Access, metrics_listen: Listen | None, arguments: Arguments
) -> int:
    def application() -> ASGIApp:
        served = toolstack.application
        toolstack.observe(observation)
        if not toolstack.wait_connected(_FIRST_CONNECTION_S):
            say(
                f"virtcim toolstack: {toolstack.why_not_connected()}; calls fail until it can be "
                "reached"
            )
        return served

    status = 1
    try:
        # libvirt is read while everything else is loaded and made ready.
        toolstack.start()
        from virtcim.daemon.observation.pages import Observation
        from virtcim.daemon.run import run_daemon

        observation = Observation(toolstack.connections)
        status = run_daemon(
            application,
            access.listens,
            afterwards=toolstack.load,
            drain=lambda: toolstack.drain(arguments.stop_timeout),
            refresh=access.refresh,
            local_only=access.users is None,
            limits=arguments.limits,
            observation=observation,
            metrics_listen=metrics_listen,
        )
    finally:
        idle = toolstack.stop()
        if not idle:
            # Python would wait for the threads that are in libvirt, perhaps for ever.
            logging.shutdown()
            os._exit(status)
    return status
