"""The provider boundary: what a CIM server asks, and CimError for everything that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain

from virtcim.cim.records import (
    CimError,
    MethodResult,
    ObjectPath,
    Record,
    RecordList,
    StatusCode,
    Value,
)
from virtcim.cim.value_maps import JobState
from virtcim.errormap import ENGLISH
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.associations.job_ends import made_elements
from virtcim.providers.engine.association_engine import Filters, Link
from virtcim.providers.engine.instance_class import AnyClass, ClassModel
from virtcim.providers.engine.record_cache import MOST_RECORD_BYTES
from virtcim.providers.engine.repository import InstanceRepository
from virtcim.providers.errors import translated
from virtcim.providers.host.devices import HOST_DEVICES
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.host.power_management import POWER_SERVICE
from virtcim.providers.indications import IndicationSink
from virtcim.providers.indications.source_thread import IndicationSources
from virtcim.providers.interop.indications import (
    COLLECTION,
    DESTINATIONS,
    FILTER,
    INDICATION_CAPABILITIES,
    INDICATION_SERVICE,
)
from virtcim.providers.interop.object_manager import (
    INTEROP,
    NAMESPACE,
    OBJECT_MANAGER,
    SERVER_SYSTEM,
)
from virtcim.providers.interop.profiles import REGISTERED_PROFILE
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB
from virtcim.providers.jobs.membership import Membership
from virtcim.providers.jobs.operation import Incident
from virtcim.providers.jobs.runner import MOST_OPERATIONS, Operations
from virtcim.providers.namespace import Namespace
from virtcim.providers.peers.agreement import Agreement, Waited
from virtcim.providers.peers.contract import Peers
from virtcim.providers.peers.postgresql import PostgresqlPeers
from virtcim.providers.resource_pool_configuration.capabilities import (
    POOL_CONFIGURATION_CAPABILITIES,
)
from virtcim.providers.resource_pool_configuration.service import POOL_CONFIGURATION_SERVICE
from virtcim.providers.resources.allocation_capabilities import (
    ALLOCATION_CAPABILITIES,
    CAPABILITY_SETTINGS,
)
from virtcim.providers.resources.registry import ALLOCATIONS, DEVICES, POOLS
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.errors import StateHeldError
from virtcim.providers.state.job import Job, JobEnds
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.state.several_processes import Colleagues
from virtcim.providers.state.undo_store import UndoStore
from virtcim.providers.virtual_system.capabilities import SYSTEM_CAPABILITIES
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS
from virtcim.providers.virtual_system_management.capabilities import (
    MANAGEMENT_CAPABILITIES,
)
from virtcim.providers.virtual_system_management.service import MANAGEMENT_SERVICE

__all__ = [
    "CREATED_CLASSES",
    "HOST_CLASSES",
    "IMPLEMENTATION_CLASSES",
    "INTEROP_CLASSES",
    "ROOT",
    "SERVER_CLASSES",
    "Providers",
]

ROOT = "root/virt"
IMPLEMENTATION_CLASSES: tuple[AnyClass, ...] = (
    HOST_SYSTEM,
    COMPUTER_SYSTEM,
    SYSTEM_SETTINGS,
    *ALLOCATIONS,
    *DEVICES,
    SYSTEM_CAPABILITIES,
    *HOST_DEVICES,
    *POOLS,
    ALLOCATION_CAPABILITIES,
    CAPABILITY_SETTINGS,
    MANAGEMENT_SERVICE,
    MANAGEMENT_CAPABILITIES,
    POOL_CONFIGURATION_SERVICE,
    POOL_CONFIGURATION_CAPABILITIES,
    POWER_SERVICE,
    CONCRETE_JOB,
)
# What tells of the server itself, which other CIM servers do by classes of their own.
SERVER_CLASSES: tuple[AnyClass, ...] = (OBJECT_MANAGER, NAMESPACE)
INTEROP_CLASSES: tuple[AnyClass, ...] = (*SERVER_CLASSES, REGISTERED_PROFILE)
# What only a host with a repository of its own has, in every namespace and in the interop
# namespace; other CIM servers have their own of these.
CREATED_CLASSES: tuple[AnyClass, ...] = (FILTER, *DESTINATIONS)
HOST_CLASSES: tuple[AnyClass, ...] = (
    SERVER_SYSTEM,
    INDICATION_SERVICE,
    INDICATION_CAPABILITIES,
    COLLECTION,
    *CREATED_CLASSES,
)


class Providers:
    """The CIM classes over any number of hypervisors, one namespace each.

    Reads compute from one inventory and never block; methods block up to ``job_after_s`` and go
    on as a job. Every failure is a CimError. ``state`` is where jobs are kept: a directory, an
    SQLAlchemy URL, or nothing for this process only. ``incident`` logs a programming error within
    a job, and gives the phrase that tells of it; beyond ``most_operations`` further ones are
    refused. ``most_record_bytes`` is how much memory records that are kept may take, shared evenly
    by the hypervisors. ``job_ended`` is told of each job that ends, at once and in the context of
    whoever began it, where that was this process. ``colleagues`` are the other processes of this
    server, None where there are none, and ``peers`` how they tell each other what they wrote; those
    that share a PostgreSQL database do it there. ``waited`` is told for how long each write has
    waited for them (``peers.agreement``). ``held`` is the StateHeldError of an attempt before: the
    jobs of the process that has the directory are shown, and what would change something is
    refused. Safe to use from many threads. Raises StateError.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        classes: ClassModel,
        *,
        state: str = "",
        job_after_s: float = 2.0,
        incident: Incident | None = None,
        most_operations: int = MOST_OPERATIONS,
        most_record_bytes: int = MOST_RECORD_BYTES,
        job_ended: Callable[[Job], None] | None = None,
        peers: Peers | None = None,
        colleagues: Colleagues | None = None,
        waited: Waited = lambda _written, _duration_s: None,
        held: StateHeldError | None = None,
    ) -> None:
        self._classes = classes
        self._language = ENGLISH
        self._repository: Callable[[], InstanceRepository | None] = lambda: None
        # For readers of our other languages; copies share it.
        self._readings: dict[str, Providers] = {}
        endpoint_of = _by_namespace(endpoints)
        self._jobs = JobStore(state, colleagues=colleagues, held=held)
        if job_ended is not None:
            # Before those that nobody can take up are ended.
            self._jobs.watch(JobEnds(job_ended, self._jobs.is_elsewhere))
        self._sources: IndicationSources | None = None
        undo = [(one, UndoStore(self.state, name)) for name, one in endpoint_of.items()]
        if held is None:
            for endpoint, log in undo:
                endpoint.keep_undo_steps(log)
        self._endpoints = endpoint_of
        if self.state.engine.dialect.name == "postgresql":
            peers = PostgresqlPeers(self.state)
        self._agreement = None if peers is None else Agreement(peers, endpoint_of, waited=waited)
        self._operations = Operations(
            self._jobs,
            job_after_s,
            endpoint_of,
            made_elements,
            incident,
            most_operations,
            wrote=self._wrote,
        )
        servers = self.state.servers
        self._membership = (
            None if servers is None else Membership(servers, self._jobs, self._operations, undo)
        )
        served = [*self._implementations(most_record_bytes), self._interop()]
        self.namespaces: tuple[str, ...] = tuple(each.name for each in served)
        self._served = {each.name.lower(): each for each in served}
        if self._agreement is not None:
            self._agreement.start()

    def _implementations(self, most_record_bytes: int) -> Iterator[Namespace]:
        """The namespaces that show a hypervisor each."""
        for name, endpoint in self._endpoints.items():
            yield Namespace(
                name,
                self._classes,
                (*IMPLEMENTATION_CLASSES, *CREATED_CLASSES),
                endpoint=endpoint,
                operations=self._operations,
                jobs=self._jobs,
                served=lambda: self._served,
                repository=self._kept,
                most_record_bytes=most_record_bytes // len(self._endpoints),
                agreement=self._agreement,
            )

    def _interop(self) -> Namespace:
        """The namespace that tells of the server itself, and of the others."""
        return Namespace(
            INTEROP,
            self._classes,
            (*INTEROP_CLASSES, *HOST_CLASSES),
            served=lambda: self._served,
            repository=self._kept,
        )

    def _wrote(self, namespace: str) -> None:
        if self._agreement is not None:
            self._agreement.wrote(namespace)

    def in_language(self, language: str) -> Providers:
        """The same providers, for a reader of ``language``: what jobs tell is told in it.

        Failures are English; ``CimError.in_language`` tells them again.
        """
        if language == self._language:
            return self
        reading = self._readings.get(language)
        if reading is None:
            reading = self._readings[language] = copy(self)
            reading._language = language  # noqa: SLF001 - a copy of itself
        return reading

    def show(self, repository: Callable[[], InstanceRepository]) -> None:
        """Show what the host keeps in its repository, too; once, before the first request.

        Each operation sees what ``repository`` gives when it begins.
        """
        self._repository = repository

    def _kept(self) -> InstanceRepository | None:
        return self._repository()

    def reads_at_once(self, path: ObjectPath) -> bool:
        """Whether reading an instance, or what is around it, waits for nothing and is little."""
        namespace = self._served.get(path.namespace.lower())
        # Where the state is shared, what a job is now is asked of the database.
        return self.state.is_here and namespace is not None and namespace.reads_at_once(path)

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        """The instances of a class and of its subclasses (DSP0200 "EnumerateInstances").

        Those of one class come as a RecordList, the same as long as nothing changes. Others are
        made as they are taken, so that a host need not hold all of them at once.
        """
        with translated():
            found = self._namespace(namespace, class_name).enumerate(class_name, self._language)
        if isinstance(found, RecordList):
            return found
        records = _translated(found)
        # What fails for want of a connection fails here, not later.
        first = next(records, None)
        return () if first is None else chain((first,), records)

    def get_instance(self, path: ObjectPath) -> Record:
        """One instance (DSP0200 "GetInstance"); the path may name a superclass."""
        with translated(path):
            return self._of(path).get(path, self._language)

    def delete_instance(self, path: ObjectPath) -> None:
        """Delete an instance (DSP0200 "DeleteInstance"): a job that has ended."""
        with translated(path):
            self._of(path).delete(path)

    def associators(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[Record]:
        """The instances associated with ``path`` (DSP0200 "Associators")."""
        filters = self._filters(assoc_class, result_class, role, result_role)
        with translated(path):
            namespace = self._of(path)
            links = namespace.links(path, filters, self._language)
            return [namespace.instance(link) for link in _to_different_instances(links)]

    def associator_names(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[ObjectPath]:
        """The names of the instances associated with ``path`` (DSP0200 "AssociatorNames")."""
        filters = self._filters(assoc_class, result_class, role, result_role)
        with translated(path):
            namespace = self._of(path)
            links = namespace.links(path, filters, self._language)
            return list(dict.fromkeys(namespace.instance_name(link) for link in links))

    def references(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[Record]:
        """The associations that refer to ``path`` (DSP0200 "References")."""
        filters = self._filters(result_class, "", role, "")
        with translated(path):
            namespace = self._of(path)
            links = namespace.links(path, filters, self._language)
            # An association of an instance with itself is found from both of its ends.
            return [*{one.ends: one for one in map(namespace.reference, links)}.values()]

    def reference_names(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[ObjectPath]:
        """The names of the associations that refer to ``path`` (DSP0200 "ReferenceNames")."""
        records = self.references(path, result_class=result_class, role=role)
        return [record.path for record in records if record.path is not None]

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        """Invoke an extrinsic method on an instance, or on a class where it has no keys."""
        with translated(path):
            return self._of(path).invoke(path, method_name, parameters, self._language)

    @property
    def state(self) -> StateDatabase:
        """The database that this server keeps its state in."""
        return self._jobs.database

    def jobs_by_state(self) -> Mapping[JobState, int]:
        """How many jobs there are in each state."""
        return self._jobs.count_by_state()

    @property
    def operations_running(self) -> int:
        """How many operations are in progress at hypervisors."""
        return self._operations.running

    def server_died(self, server: str) -> None:
        """Another one of the servers on the database is known to have ended."""
        if self._membership is not None:
            self._membership.died(server)

    def on_server_gone(self, look: Callable[[], None]) -> None:
        """Call ``look`` when nothing is another server's any more that is known to have ended."""
        if self._membership is not None:
            self._membership.on_struck_off = look

    def start_indications(
        self, sink: IndicationSink, *, leads: Callable[[], bool] = lambda: True
    ) -> None:
        """Begin to tell ``sink`` what happens (``providers.indications``).

        Nothing is computed before, nor while nobody wants it. Of several servers over one database
        the one that ``leads`` tells what changes; each tells which of its operations failed. Raises
        StateHeldError where another process has the state, and so tells what happens.
        """
        if self.state.held is not None:
            raise self.state.held
        namespaces = {self._served[name.lower()]: one for name, one in self._endpoints.items()}
        self._sources = IndicationSources(namespaces, self._jobs, self._operations, sink, leads)

    def state_written(self) -> None:
        """Return when what was just written into the shared database counts at every server."""
        if self._agreement is not None:
            self._agreement.wrote_state()

    def on_state_written(self, take_over: Callable[[], None]) -> None:
        """Call ``take_over`` before what another server has written counts as shown here."""
        if self._agreement is not None:
            self._agreement.on_state_written = take_over

    def is_current(self, namespace: str) -> bool:
        """Whether it is known without asking that a namespace shows what other servers wrote."""
        return self._agreement is None or self._agreement.is_current(namespace)

    def subscriptions_changed(self) -> None:
        """To be called when the sink may want something else, or another server may lead."""
        if self._sources is not None:
            self._sources.look_again()

    def stop_indications(self) -> None:
        """Tell the sink nothing any more; it is not in use when this returns."""
        sources, self._sources = self._sources, None
        if sources is not None:
            sources.stop()

    def drain(self, timeout_s: float) -> None:
        """Begin no operation any more, and wait up to ``timeout_s`` until those that run ended.

        Blocks. Reads are answered meanwhile; whoever still waits for an operation then gets its
        job, which the next server takes up.
        """
        self._operations.drain(timeout_s)

    def hurry(self) -> None:
        """Wait for no operation any more: ``drain`` ends, and whoever waits gets a job."""
        self._operations.close()

    def close(self) -> None:
        """Let go of the job store; operations in progress end as jobs of unknown outcome."""
        self.stop_indications()
        if self._membership is not None:
            self._membership.stop()
        self._operations.close()
        if self._agreement is not None:
            self._agreement.stop()
        self._jobs.close()

    def _of(self, path: ObjectPath) -> Namespace:
        return self._namespace(path.namespace, path.class_name)

    def _namespace(self, name: str, class_name: str) -> Namespace:
        namespace = self._served.get(name.strip("/").lower())
        if namespace is None:
            raise CimError(StatusCode.INVALID_NAMESPACE, f"there is no namespace {name}")
        if self._classes.canonical(class_name) is None:
            raise CimError(StatusCode.INVALID_CLASS, f"there is no class {class_name}")
        return namespace

    def _filters(self, assoc_class: str, result_class: str, role: str, result_role: str) -> Filters:
        for name in (assoc_class, result_class):
            if name and self._classes.canonical(name) is None:
                raise CimError(StatusCode.INVALID_PARAMETER, f"there is no class {name}")
        return Filters(
            assoc_class=assoc_class, result_class=result_class, role=role, result_role=result_role
        )


def _translated(records: Iterator[Record]) -> Iterator[Record]:
    with translated():
        yield from records


def _namespace_name(endpoint: Endpoint) -> str:
    return f"{ROOT}/{endpoint.name}" if endpoint.name else ROOT


def _by_namespace(endpoints: Sequence[Endpoint]) -> dict[str, Endpoint]:
    found = {_namespace_name(each): each for each in endpoints}
    if len({name.lower() for name in found}) != len(endpoints):
        names = ", ".join(map(_namespace_name, endpoints))
        raise ValueError(f"two hypervisors have the same name: {names}")
    return found


def _to_different_instances(links: Iterable[Link]) -> Iterable[Link]:
    """One of the links to each instance: two associations may lead to the same."""
    return {
        (link.target.instance_class, link.target.namespace, link.target.identity): link
        for link in links
    }.values()
