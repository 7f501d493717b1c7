"""Everything libvirt has, in memory.

The follower keeps it true; handlers of calls refresh what they changed themselves before they
answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.following.answers import Answers
from virtcim.toolstack.following.domain_history import DomainHistory
from virtcim.toolstack.following.messages import DOMAIN, NETWORK, POOL
from virtcim.toolstack.following.object_locks import ObjectLocks
from virtcim.toolstack.following.observer import Observer
from virtcim.toolstack.following.stop_details import StopDetails
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.common import GONE, unreadable
from virtcim.toolstack.reading.known_devices import KnownDevices
from virtcim.toolstack.reading.listing import ListedDomain, ListedObject
from virtcim.toolstack.reading.oddities import Oddities
from virtcim.toolstack.reading.queries import (
    DomainAnswers,
    ask_domain,
    read_host,
    read_memory,
    read_network,
    understand_domain,
)
from virtcim.toolstack.reading.stop_reason import StopDetail
from virtcim.toolstack.reading.storage_queries import read_pool
from virtcim.toolstack.reading.views import (
    DomainView,
    HostView,
    NetworkView,
    PoolView,
    VolumeView,
)
from virtcim.toolstack.state import State

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import ApiObject, Connection, Domain

__all__ = ["Inventory"]

_log = logging.getLogger(__name__)
_Native = TypeVar("_Native", bound="ApiObject")
_View = TypeVar("_View")
_Asked = ParamSpec("_Asked")


class Inventory:
    """The views of all objects by UUID; ``lock`` guards them together with the observer."""

    def __init__(
        self,
        connection: LibvirtConnection,
        state: State,
        observer: Observer,
        devices: KnownDevices,
        *,
        lock: AbstractContextManager[object],
    ) -> None:
        self.lock = lock
        self._domains: dict[str, DomainView] = {}
        self.answers = Answers(lock, self._put_answers, self._all_are_put)
        self.pools: dict[str, PoolView] = {}
        self.networks: dict[str, NetworkView] = {}
        self.host: HostView | None = None
        self.history = DomainHistory(state)
        self._connection = connection
        self._observer = observer
        self._known_devices = devices
        self._details = StopDetails(state)
        self._oddities = Oddities()
        self._locks = ObjectLocks()
        self._postponed: set[tuple[str, str]] = set()

    def changing(self, uuid: str) -> AbstractContextManager[object]:
        """Give the lock under which an object is read and changed, so that none is lost."""
        return self._locks.of(uuid)

    # What handlers call

    def refresh_domain(self, uuid: str) -> DomainView | None:
        """Read one domain now."""
        with self.changing(uuid):
            with self.same_connection() as handle:
                domain = self._lookup(handle.lookupByUUIDString, uuid)
                view = None if domain is None else self.read_domain(domain)
            with self.lock:
                self.put_domain(uuid, view)
                self.flush()
        return view

    def refresh_pool(self, uuid: str) -> PoolView | None:
        """Read one storage pool and its volumes now."""
        with self.changing(uuid):
            with self.same_connection() as handle:
                pool = self._lookup(handle.storagePoolLookupByUUIDString, uuid)
                view = None if pool is None else self.gone_is_none(read_pool, pool)
            with self.lock:
                self.put_pool(uuid, view)
                self._observer.flush()
        return view

    def refresh_network(self, uuid: str) -> NetworkView | None:
        """Read one network now."""
        with self.changing(uuid):
            with self.same_connection() as handle:
                network = self._lookup(handle.networkLookupByUUIDString, uuid)
                view = None if network is None else self.gone_is_none(read_network, network)
            with self.lock:
                self.put_network(uuid, view)
                self._observer.flush()
        return view

    def refresh_host(self) -> HostView:
        """Read the host now."""
        view = read_host(self._connection)
        self._put_host(replace(view, problem=self._oddities.left_out))
        return view

    # What the rounds of the reconciliation call

    def refresh_memory(self) -> None:
        """Read how much memory of the host is free."""
        host = self.host
        if host is None:
            return
        try:
            with self.same_connection():
                total, free = read_memory(self._connection)
        except libvirt.libvirtError as error:
            self._require_connection()
            self._oddities.note("host", host.uuid, host.hostname, f"its memory {unreadable(error)}")
            return
        self._oddities.note("host", host.uuid, host.hostname, "")
        self._put_host(replace(host, memory_bytes=total, memory_free_bytes=free))

    def refresh_unless_busy(self, kind: str, uuid: str) -> None:
        """Read one object now, or soon where an operation is working on it."""
        refresh: Mapping[str, Callable[[str], object]] = {
            DOMAIN: self.refresh_domain,
            POOL: self.refresh_pool,
            NETWORK: self.refresh_network,
        }
        lock = self._locks.of(uuid)
        if not lock.acquire(blocking=False):
            self._postponed.add((kind, uuid))
            return
        try:
            refresh[kind](uuid)
        except XapiFailure:
            raise
        except Exception as error:  # noqa: BLE001 - one odd object costs only itself
            self._require_connection()
            self._oddities.note(kind, uuid, uuid, f"it {unreadable(error)}")
        finally:
            lock.release()

    @property
    def has_postponed(self) -> bool:
        """Whether an object is to be read when no operation is working on it any more."""
        return bool(self._postponed)

    def refresh_postponed(self) -> None:
        """Read what an operation was working on, or postpone it again."""
        postponed, self._postponed = self._postponed, set()
        for kind, uuid in postponed:
            self.refresh_unless_busy(kind, uuid)

    def note_stop(self, uuid: str, detail: StopDetail | None) -> None:
        """Note why a domain has stopped by itself; None: it goes on."""
        with self.lock:
            self._details.put(uuid, detail)

    def replace_pool(self, known: PoolView, view: PoolView) -> None:
        """Take what a look at a pool has seen, unless it was read anew meanwhile."""
        lock = self._locks.of(known.uuid)
        if not lock.acquire(blocking=False):
            return
        try:
            with self.lock:
                if self.pools.get(known.uuid) is known:
                    self.put_pool(known.uuid, view)
                    self._observer.flush()
        finally:
            lock.release()

    def replace_volumes(self, uuid: str, volumes: Mapping[str, VolumeView]) -> None:
        """Take what looks at volumes of a pool have seen."""
        known = self.pools.get(uuid)
        if known is not None:
            self.replace_pool(
                known,
                replace(
                    known,
                    volumes=tuple(volumes.get(volume.name, volume) for volume in known.volumes),
                ),
            )

    def listed(
        self, function: Callable[[LibvirtConnection], list[ListedObject[_Native]]], what: str
    ) -> list[ListedObject[_Native]] | None:
        """Give a list of libvirt's; None: it cannot be had, which costs only what is on it."""
        try:
            with self.same_connection():
                listed = function(self._connection)
        except libvirt.libvirtError as error:
            self._require_connection()
            problem = f"the list of {what} {unreadable(error)}"
            self._oddities.leave_out("list", what, problem)
            return None
        self._oddities.leave_out("list", what, "")
        return listed

    def tell_what_is_left_out(self) -> None:
        """Show on the host what cannot be shown itself."""
        host, problem = self.host, self._oddities.left_out
        if host is not None and host.problem != problem:
            self._put_host(replace(host, problem=problem))

    def flush(self) -> None:
        """Show what was put."""
        self._known_devices.flush()
        self._observer.flush()

    def write_known_devices(self) -> None:
        """Write down what is known of devices."""
        self._known_devices.flush()

    def flush_first(self) -> None:
        """Show what was put of a first reading: what is only to be written waits for its end."""
        self._observer.flush()

    def flush_waiting(self) -> None:
        """Tell what has waited long enough."""
        with self.lock:
            self._observer.flush()

    def keep_only(self, domains: Collection[str]) -> None:
        """Remember what is known of these domains alone: all others are gone."""
        with self.lock:
            for uuid in {*self._domains, *self.answers.uuids} - set(domains):
                self.put_domain(uuid, None)
            self.flush_first()
        self._known_devices.keep_only(domains)
        self._details.keep_only(domains)
        self.history.keep_only(domains)

    # Reading

    @contextmanager
    def same_connection(self) -> Iterator[Connection]:
        """Give libvirt's connection; raises XapiFailure if it was lost while all seemed well.

        What could not be read then says nothing about the object.
        """
        handle = self._connection.handle
        yield handle
        if self._connection.handle is not handle:
            raise self._connection.failure()

    def _require_connection(self) -> None:
        """Raise XapiFailure where a failure is due to a lost connection, and to nothing else."""
        _handle = self._connection.handle

    def _lookup(self, function: Callable[[str], _Native], uuid: str) -> _Native | None:
        try:
            return self._connection.call(function, uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() in GONE:
                return None
            raise

    def gone_is_none(
        self,
        read: Callable[Concatenate[LibvirtConnection, _Asked], _View],
        *asked: _Asked.args,
        **named: _Asked.kwargs,
    ) -> _View | None:
        """Read an object; None when it is gone."""
        try:
            return read(self._connection, *asked, **named)
        except libvirt.libvirtError as error:
            if error.get_error_code() in GONE:
                return None
            raise

    def read_domain(self, domain: Domain) -> DomainView | None:
        """Read one domain; None when it is gone."""
        answers = self.ask_domain(domain)
        return None if answers is None else self._understand(answers)

    def ask_domain(
        self, domain: Domain, listed: ListedDomain | None = None
    ) -> DomainAnswers | None:
        """Ask about one domain; None when it is gone."""
        uuid = domain.UUIDString() if listed is None else listed.uuid
        detail = self._details.get(uuid)
        try:
            return ask_domain(self._connection, domain, uuid, detail=detail, listed=listed)
        except libvirt.libvirtError as error:
            if error.get_error_code() in GONE:
                return None
            raise

    def _understand(self, answers: DomainAnswers) -> DomainView:
        uuid, now = answers.uuid, datetime.now(UTC)
        detail = self._details.get(uuid)
        view = understand_domain(answers, self._known_devices, detail=detail, now=now)
        self._details.looked(view)
        before = self._domains.get(uuid)
        if not view.texts and before is not None:
            # The last description that could be read is still the best that is known.
            live = before.live or before.config
            view = replace(view, config=before.config, live=None if view.live is None else live)
        return self.history.look(view, now)

    @property
    def domains(self) -> Mapping[str, DomainView]:
        """The views of all domains by UUID."""
        self.answers.want_all()
        return self._domains

    @property
    def understood(self) -> Mapping[str, DomainView]:
        """The views of those domains that nothing has to be understood of any more."""
        return self._domains

    def expect_domains(self, answers: Collection[DomainAnswers]) -> None:
        """Take what was answered about domains, to be understood when that is wanted."""
        with self.lock:
            self.answers.add(answers)
            self._observer.domains_expected([each.uuid for each in answers])

    def _put_answers(self, answers: DomainAnswers) -> None:
        was_announcing, self._observer.announcing = self._observer.announcing, True
        try:
            self.put_domain(answers.uuid, self._understand(answers))
        except Exception as error:  # noqa: BLE001 - one odd object costs only itself
            _log.exception("domain %s: it cannot be understood", answers.uuid)
            self.leave_out(DOMAIN, answers.uuid, error)
        finally:
            self._observer.announcing = was_announcing

    def _all_are_put(self) -> None:
        self.flush_first()
        self.tell_what_is_left_out()
        self._observer.all_domains_known()

    def put_domain(self, uuid: str, view: DomainView | None) -> None:
        """Take how a domain is now; None: it is gone. Called with ``lock`` held."""
        with self.lock:
            self.answers.discard(uuid)
            old = _replace(self._domains, uuid, view)
            if view is None:
                self._known_devices.forget(uuid)
                self._details.put(uuid, None)
                self.history.forget(uuid)
                self._oddities.note(DOMAIN, uuid, uuid, "")
            else:
                self._oddities.note(DOMAIN, uuid, view.config.name, view.problem)
            self._published(DOMAIN, uuid, lambda: self._observer.domain_changed(uuid, old, view))

    def put_pool(self, uuid: str, view: PoolView | None) -> None:
        """Take how a storage pool is now; None: it is gone. Called with ``lock`` held."""
        old = _replace(self.pools, uuid, view)
        known = ("", "") if view is None else (view.name, view.problem)
        self._oddities.note(POOL, uuid, *known)
        now = _odd_volumes(view)
        for name in sorted(_odd_volumes(old).keys() | now.keys()):
            self._oddities.note("volume", name, name, now.get(name, ""))
        self._published(POOL, uuid, lambda: self._observer.pool_changed(uuid, old, view))

    def put_network(self, uuid: str, view: NetworkView | None) -> None:
        """Take how a network is now; None: it is gone. Called with ``lock`` held."""
        old = _replace(self.networks, uuid, view)
        known = ("", "") if view is None else (view.name, view.problem)
        self._oddities.note(NETWORK, uuid, *known)
        self._published(NETWORK, uuid, lambda: self._observer.network_changed(uuid, old, view))

    def _put_host(self, view: HostView) -> None:
        with self.lock:
            self.host = view
            self._observer.host_changed(view)
            self._observer.flush()

    def _published(self, kind: str, uuid: str, publish: Callable[[], None]) -> None:
        """Make records; where that fails for one object, it costs only that one."""
        try:
            publish()
        except Exception as error:  # noqa: BLE001 - one odd object costs only itself
            if not self._oddities.is_left_out(kind, uuid):
                _log.exception("%s %s: no record can be made of it", kind, uuid)
            self.leave_out(kind, uuid, error)
        else:
            if self._oddities.is_left_out(kind, uuid):
                self._oddities.leave_out(kind, uuid, "")

    def leave_out(self, kind: str, uuid: str, error: Exception) -> None:
        """Note that an object is not shown, as no record can be made of it."""
        problem = f"{kind} {uuid} is not shown: no record can be made of it ({error!r:.200})"
        self._oddities.leave_out(kind, uuid, problem)


def _odd_volumes(pool: PoolView | None) -> Mapping[str, str]:
    """What is odd about the volumes of a pool, by the names that the log calls them."""
    if pool is None:
        return {}
    return {f"{pool.name}/{one.name}": one.problem for one in pool.volumes if one.problem}


def _replace(views: dict[str, _View], uuid: str, view: _View | None) -> _View | None:
    old = views.pop(uuid, None)
    if view is not None:
        views[uuid] = view
    return old
