"""``virtcim serve``: the CIM server over one or more hypervisors."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from virtcim.cimserver import CimServer, Limits
from virtcim.cimserver.indications.delivery.tls import ListenerTls
from virtcim.cimserver.indications.networks import ListenerNetworks
from virtcim.cimserver.indications.service import IndicationService
from virtcim.cimserver.job_audit import audited_jobs
from virtcim.cimserver.measures import JobMeasures
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
    Hypervisor,
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
from virtcim.cli.observing import (
    connection_of,
    indication_families,
    inventory_families,
    load_families,
)
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
from virtcim.daemon.audit import Audit, AuditError
from virtcim.daemon.incidents import incident
from virtcim.daemon.listener import Listen, parse_metrics_listen
from virtcim.daemon.memory import return_memory
from virtcim.daemon.observation.access import PageAccess
from virtcim.daemon.observation.pages import Observation
from virtcim.daemon.observation.program import program_families
from virtcim.daemon.pam_logins import PamError
from virtcim.daemon.roles import Role
from virtcim.daemon.run import ListenError, StartError, run_daemon
from virtcim.daemon.users import UsersError
from virtcim.errormap import HypervisorError
from virtcim.hypervisor import Endpoint, InventoryLoadingError, open_endpoint
from virtcim.mof import Schema, SchemaError, load_schema
from virtcim.providers import Job, Providers, StateError

__all__ = ["register"]

_log = logging.getLogger(__name__)

# Long enough for a hypervisor that is there, short enough for one that is not.
_FIRST_CONNECTION_S = 5.0
_SWITCH_INTERVAL_S = 0.001

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
    --listen http://127.0.0.1:5988
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
        schema = load_schema()
    state = state or str(directory)
    keeping = _Keeping(state=state, job_after_s=job_after, stop_timeout_s=stop_timeout)
    serving = _Serving(
        access=access,
        limits=limits,
        debug_errors=debug_errors,
        metrics_listen=metrics,
        listener_tls=listener_tls,
        listener_networks=reachable_networks(networks, access.listens),
    )
    raise typer.Exit(_run(hypervisors, schema, keeping, serving))


def _listener_tls(ca_file: str, unverified: Sequence[str] | None) -> ListenerTls:
    try:
        return ListenerTls(ca_file=ca_file, unverified=unverified or ())
    except ValueError as exc:
        raise OptionError(f"--listener-ca: {exc}") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keeping:
    """Where operations are kept, and for how long they are waited for."""

    state: str
    job_after_s: float
    stop_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serving:
    """Who is served, and how much of it."""

    access: Access
    limits: Limits
    debug_errors: bool
    metrics_listen: Listen | None
    listener_tls: ListenerTls
    listener_networks: ListenerNetworks

    def refresh(self) -> None:
        """Read anew who is let in and who is believed."""
        self.access.refresh()
        self.listener_tls.refresh()


def _run(
    hypervisors: Sequence[Hypervisor], schema: Schema, keeping: _Keeping, serving: _Serving
) -> int:
    # A thread that writes a large answer gives way this often to those with small ones.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    running: list[Providers] = []
    endpoints: dict[str, Endpoint] = {}
    observation = Observation(lambda: {name: connection_of(one) for name, one in endpoints.items()})

    async def drain() -> None:
        try:
            for one in running:
                await asyncio.to_thread(one.drain, keeping.stop_timeout_s)
        except asyncio.CancelledError:
            for one in running:
                one.hurry()
            raise

    with ExitStack() as stack:

        async def application() -> CimServer:
            opened: list[Endpoint] = []
            for one in hypervisors:
                opened.append(
                    open_endpoint(
                        one.url,
                        name=one.name,
                        credentials=one.credentials,
                        tls=one.tls,
                        on_resynchronised=return_memory,
                    )
                )
                stack.callback(opened[-1].close)
            jobs, audited = JobMeasures(), audited_jobs(serving.access.audit)

            def job_ended(job: Job) -> None:
                jobs.ended(job)
                audited(job)

            try:
                providers = Providers(
                    opened,
                    schema,
                    state=keeping.state,
                    job_after_s=keeping.job_after_s,
                    incident=incident,
                    most_operations=serving.limits.operations,
                    most_record_bytes=serving.limits.record_cache_bytes,
                    job_ended=job_ended,
                )
                stack.callback(providers.close)
                indications = IndicationService(
                    providers,
                    schema,
                    serving.limits,
                    may_see=lambda user, namespace: serving.access.rights(user).may(
                        Role.READ, namespace
                    ),
                    tls=serving.listener_tls,
                    networks=serving.listener_networks,
                )
            except StateError as exc:
                raise StartError(str(exc)) from exc
            running.append(providers)
            endpoints.update(zip(providers.namespaces, opened, strict=False))
            await asyncio.gather(*map(_await_first_connection, opened))
            stack.callback(indications.stop)
            indications.start()
            server = CimServer(
                providers,
                schema,
                authenticate=serving.access.authenticate,
                user_stamp=serving.access.user_stamp,
                login_threads=serving.access.login_threads,
                knows=serving.access.knows,
                rights=serving.access.rights,
                audit=serving.access.audit,
                limits=serving.limits,
                debug_errors=serving.debug_errors,
                subscriptions=indications.subscriptions,
            )
            observation.access = PageAccess(login=server.login, scopes=providers.namespaces)
            observation.sources += [
                server.measures.families,
                lambda: inventory_families(endpoints),
                lambda: jobs.families(providers),
                lambda: load_families(server),
                lambda: program_families("serve", server.login.logins, serving.access.audit),
                lambda: indication_families(indications.queue),
            ]
            observation.limits_reached += [
                server.measures.limits_reached,
                lambda: {"concurrent-requests": server.load.refused},
            ]
            return server

        return run_daemon(
            application,
            serving.access.listens,
            drain=drain,
            refresh=serving.refresh,
            local_only=serving.access.users is None,
            limits=serving.limits,
            observation=observation,
            metrics_listen=serving.metrics_listen,
        )


async def _await_first_connection(endpoint: Endpoint) -> None:
    """Give a hypervisor that is there the time to be known before the first request."""
    if await asyncio.to_thread(endpoint.wait_attempted, _FIRST_CONNECTION_S):
        return
    why = "has not answered yet"
    try:
        endpoint.inventory()
    except InventoryLoadingError as exc:
        why = f"is still being read ({exc.loading})"
    except HypervisorError:
        pass
    _log.warning("%s %s; requests fail until everything has been read", endpoint.url, why)
