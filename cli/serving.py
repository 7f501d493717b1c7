"""What ``virtcim serve`` runs, once its options are understood."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from virtcim.cimserver import CimServer, Limits
from virtcim.cimserver.indications.delivery.tls import ListenerTls
from virtcim.cimserver.indications.networks import ListenerNetworks
from virtcim.cimserver.indications.service import IndicationService
from virtcim.cimserver.job_audit import audited_jobs
from virtcim.cimserver.measures import JobMeasures, PeerMeasures
from virtcim.cimserver.other_workers import OtherWorkers
from virtcim.cimserver.worker_peers import WorkerPeers
from virtcim.cli.hypervisors import Hypervisor, open_hypervisor
from virtcim.cli.observing import (
    connection_of,
    indication_families,
    inventory_families,
    load_families,
)
from virtcim.cli.workers import OneOfSeveral
from virtcim.daemon.access import Access
from virtcim.daemon.incidents import incident
from virtcim.daemon.listener import Listen
from virtcim.daemon.observation.access import PageAccess
from virtcim.daemon.observation.pages import Observation
from virtcim.daemon.observation.program import program_families
from virtcim.daemon.roles import Role
from virtcim.daemon.run import StartError, run_daemon
from virtcim.daemon.workers.channel import Message
from virtcim.daemon.workers.logins import LoginsOfParent
from virtcim.daemon.workers.whole import WholeDaemon
from virtcim.errormap import HypervisorError
from virtcim.hypervisor import Endpoint, InventoryLoadingError
from virtcim.mof import Schema
from virtcim.providers import Job, Providers, StateError

__all__ = ["Keeping", "Serving", "serve"]

_log = logging.getLogger(__name__)

# Long enough for a hypervisor that is there, short enough for one that is not.
_FIRST_CONNECTION_S = 5.0
_SWITCH_INTERVAL_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Where operations are kept, and for how long they are waited for."""

    state: str
    job_after_s: float
    stop_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
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


def serve(
    hypervisors: Sequence[Hypervisor],
    schema: Schema,
    keeping: Keeping,
    serving: Serving,
    one: OneOfSeveral | None,
) -> int:
    """Serve until a signal ends it, and give the exit status; ``one`` where this is a worker."""
    # A thread that writes a large answer gives way this often to those with small ones.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with ExitStack() as stack:
        server = _Server(hypervisors, schema, keeping, serving, one, stack)
        return run_daemon(
            server.application,
            serving.access.listens,
            drain=server.drain,
            refresh=serving.refresh,
            local_only=serving.access.users is None,
            limits=serving.limits,
            observation=server.observation,
            metrics_listen=serving.metrics_listen,
            worker=None if one is None else one.worker,
        )


class _Server:
    """The parts of one server; what is opened is closed by ``stack``, the last one first."""

    def __init__(
        self,
        hypervisors: Sequence[Hypervisor],
        schema: Schema,
        keeping: Keeping,
        serving: Serving,
        one: OneOfSeveral | None,
        stack: ExitStack,
    ) -> None:
        self._hypervisors = hypervisors
        self._schema = schema
        self._keeping = keeping
        self._serving = serving
        self._one = one
        self._stack = stack
        self._endpoints: dict[str, Endpoint] = {}
        self._running: list[Providers] = []
        self._jobs = JobMeasures()
        self._peers = PeerMeasures()
        self.observation = Observation(
            lambda: {
                name: connection_of(each, is_current=self._running[0].is_current(name))
                for name, each in self._endpoints.items()
            }
        )

    async def application(self) -> CimServer:
        """Open everything. Raises StartError."""
        opened = self._open_endpoints()
        try:
            providers = self._open_providers(opened)
            indications = IndicationService(
                providers,
                self._schema,
                self._serving.limits,
                may_see=lambda user, namespace: self._serving.access.rights(user).may(
                    Role.READ, namespace
                ),
                tls=self._serving.listener_tls,
                networks=self._serving.listener_networks,
            )
        except StateError as exc:
            raise StartError(str(exc)) from exc
        self._running.append(providers)
        self._endpoints.update(zip(providers.namespaces, opened, strict=False))
        await asyncio.gather(*map(_await_first_connection, opened))
        self._stack.callback(indications.stop)
        indications.start()
        server = self._cim_server(providers, indications)
        self._observe(server, providers, indications)
        if self._one is not None:
            self._join(self._one, providers)
        return server

    async def drain(self) -> None:
        """Begin no operation any more, and wait for those that run."""
        try:
            for one in self._running:
                await asyncio.to_thread(one.drain, self._keeping.stop_timeout_s)
        except asyncio.CancelledError:
            for one in self._running:
                one.hurry()
            raise

    def _open_endpoints(self) -> list[Endpoint]:
        opened: list[Endpoint] = []
        for one in self._hypervisors:
            opened.append(open_hypervisor(one))
            self._stack.callback(opened[-1].close)
        return opened

    def _open_providers(self, endpoints: Sequence[Endpoint]) -> Providers:
        audited, limits = audited_jobs(self._serving.access.audit), self._serving.limits

        def job_ended(job: Job) -> None:
            self._jobs.ended(job)
            audited(job)

        providers = Providers(
            endpoints,
            self._schema,
            state=self._keeping.state,
            job_after_s=self._keeping.job_after_s,
            incident=incident,
            most_operations=limits.operations,
            most_record_bytes=limits.record_cache_bytes,
            job_ended=job_ended,
            colleagues=None if self._one is None else self._one.colleagues,
            peers=None if self._one is None else WorkerPeers(self._one.worker),
            waited=self._peers.waited,
        )
        self._stack.callback(providers.close)
        return providers

    def _cim_server(self, providers: Providers, indications: IndicationService) -> CimServer:
        access, worker = self._serving.access, None if self._one is None else self._one.worker
        asks_parent = worker is not None and access.users is not None
        return CimServer(
            providers,
            self._schema,
            authenticate=access.authenticate,
            user_stamp=access.user_stamp,
            login_threads=access.login_threads,
            knows=access.knows,
            rights=access.rights,
            audit=access.audit,
            limits=self._serving.limits,
            debug_errors=self._serving.debug_errors,
            subscriptions=indications.subscriptions,
            logins=LoginsOfParent(worker) if worker is not None and asks_parent else None,
            others=None if worker is None else OtherWorkers(worker),
        )

    def _observe(
        self, server: CimServer, providers: Providers, indications: IndicationService
    ) -> None:
        seen, audit = self.observation, self._serving.access.audit
        seen.access = PageAccess(login=server.login, scopes=providers.namespaces)
        seen.sources += [
            server.measures.families,
            lambda: inventory_families(self._endpoints),
            lambda: self._jobs.families(providers),
            self._peers.families,
            lambda: load_families(server),
            lambda: program_families("serve", server.login.logins, audit),
            lambda: indication_families(indications.queue),
        ]
        seen.limits_reached += [
            server.measures.limits_reached,
            lambda: {"concurrent-requests": server.load.refused},
        ]

    def _join(self, one: OneOfSeveral, providers: Providers) -> None:
        """Be one of the workers."""

        def died(message: Message) -> None:
            providers.server_died(message.values["server"])

        one.worker.on("died", died)
        self.observation.whole = WholeDaemon(one.worker, self.observation)


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
