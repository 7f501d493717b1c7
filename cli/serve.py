"""``virtcim serve``: the CIM server over one or more hypervisors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from virtcim.cimserver import Limits
from virtcim.cimserver.indications.delivery.tls import ListenerTls
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
from virtcim.cli.hypervisors import (
    AnyHostnameOption,
    CaOption,
    HypervisorOption,
    OptionError,
    PasswordFileOption,
    UserOption,
    read_hypervisors,
)
from virtcim.cli.limits import with_limits
from virtcim.cli.listeners import (
    ListenerNetworkOption,
    listener_networks,
    reachable_networks,
)
from virtcim.cli.serving import Keeping, Serving, serve
from virtcim.cli.startup import (
    LogFormat,
    LogLevel,
    default_state_directory,
    say,
    start_logging,
    usable,
    users_file,
)
from virtcim.cli.workers import OneOfSeveral, serve_with_workers
from virtcim.daemon.access import Authentication, ClientCertificates, open_access
from virtcim.daemon.audit import Audit, AuditError
from virtcim.daemon.listener import ListenError, parse_metrics_listen
from virtcim.daemon.pam_logins import PamError
from virtcim.daemon.users import UsersError
from virtcim.mof import SchemaError, load_schema

__all__ = ["register"]

_StateOption = Annotated[
    str,
    typer.Option(
        help="Directory for users, jobs and subscriptions, or the postgresql:// URL of a database"
        " that several servers share."
    ),
]
_JobAfterOption = Annotated[
    float, typer.Option(min=0.0, help="Seconds after which a method answers with a job.")
]
_WorkersOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        help="Processes that serve clients beside each other, one a core; each of them follows the "
        "hypervisors, and needs its memory.",
    ),
]
_ListenerCaOption = Annotated[
    str,
    typer.Option(
        help="Certificates (PEM) that listeners for indications are verified by, instead of those "
        "of the system."
    ),
]
_ListenerUnverifiedOption = Annotated[
    list[str] | None,
    typer.Option(
        help="HOST or HOST:PORT of a listener whose certificate is not verified. May be repeated."
    ),
]
_DebugErrorsOption = Annotated[
    bool,
    typer.Option("--debug-errors", help="Send tracebacks of unhandled failures to clients."),
]


def register(app: typer.Typer) -> None:
    """Add the command ``serve``."""
    register_daemon(app, "serve", with_limits(_serve, Limits))


def _serve(
    context: typer.Context,
    hypervisor: HypervisorOption,
    listen: ListenOption,
    state: _StateOption = "",
    auth: AuthOption = Authentication.BASIC,
    pam_service: PamServiceOption = "virtcim",
    users: UsersOption = None,
    audit: AuditOption = None,
    tls_cert: TlsCertOption = "",
    tls_key: TlsKeyOption = "",
    tls_client_ca: TlsClientCaOption = "",
    tls_client_cert: TlsClientCertOption = ClientCertificates.OPTIONAL,
    tls_client_crl: TlsClientCrlOption = "",
    hypervisor_user: UserOption = None,
    hypervisor_password_file: PasswordFileOption = None,
    hypervisor_ca: CaOption = None,
    hypervisor_any_hostname: AnyHostnameOption = False,
    job_after: _JobAfterOption = 2.0,
    workers: _WorkersOption = 1,
    listener_ca: _ListenerCaOption = "",
    listener_unverified: _ListenerUnverifiedOption = None,
    listener_network: ListenerNetworkOption = None,
    debug_errors: _DebugErrorsOption = False,
    stop_timeout: StopTimeoutOption = 30.0,
    log_level: LogLevelOption = LogLevel.INFO,
    log_format: LogFormatOption = LogFormat.TEXT,
    metrics_listen: MetricsListenOption = "",
    config: ConfigOption = None,  # noqa: ARG001 - its callback has read it
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> None:
    """Serve virtual machines to CIM clients.

    Prints one line `ready URL ...` when it accepts requests, logs to standard error, and stops on
    SIGTERM: it takes no new operations and lets running ones end; a second SIGTERM stops it at
    once. SIGHUP reads users and certificates anew, those of --listener-ca too, and opens the audit
    file again. A hypervisor that cannot be reached does not keep it from starting: requests fail
    with ERR_COMMUNICATION_NOT_ESTABLISHED until it can.

    Example: virtcim serve --hypervisor xapi+unix:///run/virtcim/toolstack.sock
    --listen http://127.0.0.1:5988 --workers 2
    """
    start_logging(log_level, log_format)
    with usable(AuditError, ListenError, OptionError, PamError, SchemaError, UsersError):
        hypervisors = read_hypervisors(
            hypervisor,
            users=hypervisor_user,
            password_files=hypervisor_password_file,
            ca_files=hypervisor_ca,
            check_hostname=not hypervisor_any_hostname,
        )
        networks = listener_networks(listener_network)
        # Users are in a directory, also where a database has everything else.
        directory = Path(state) if state and "://" not in state else default_state_directory()
        access = open_access(
            listen,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            tls_client_cert=tls_client_cert,
            tls_client_crl=tls_client_crl,
            auth=auth,
            pam_service=pam_service,
            users=users_file(users, directory),
            audit=Audit("serve", audit),
            say=lambda text: say(f"virtcim serve: {text}"),
        )
        metrics = parse_metrics_listen(metrics_listen)
        listener_tls = _listener_tls(listener_ca, listener_unverified)
    state = state or str(directory)
    one: OneOfSeveral | None = context.obj
    if workers > 1 and one is None:
        raise typer.Exit(
            serve_with_workers(
                context, workers, state, access, metrics_listen=metrics, limits=limits
            )
        )
    with usable(SchemaError):
        schema = load_schema()
    keeping = Keeping(state=state, job_after_s=job_after, stop_timeout_s=stop_timeout)
    serving = Serving(
        access=access,
        limits=limits if one is None else limits.of_each(one.workers),
        debug_errors=debug_errors,
        metrics_listen=metrics,
        listener_tls=listener_tls,
        listener_networks=reachable_networks(networks, access.listens),
    )
    raise typer.Exit(serve(hypervisors, schema, keeping, serving, one))


def _listener_tls(ca_file: str, unverified: Sequence[str] | None) -> ListenerTls:
    try:
        return ListenerTls(ca_file=ca_file, unverified=unverified or ())
    except ValueError as exc:
        raise OptionError(f"--listener-ca: {exc}") from exc
