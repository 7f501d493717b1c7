"""Everything libvirt has, in memory: read once, kept true by events and by a slow reconciliation.

One thread keeps the connection, reads what events say has changed and reconciles; handlers of
calls refresh what they changed themselves before they answer.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.native import watch
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.native.object_locks import ObjectLocks
from virtcim.toolstack.native.queries import (
    read_domain,
    read_host,
    read_network,
    read_pool,
    read_states,
)
from virtcim.toolstack.native.stop_reason import StopDetail
from virtcim.toolstack.native.views import DomainView, HostView, NetworkView, PoolView
from virtcim.toolstack.state import State

__all__ = ["Inventory", "Observer"]

_log = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_POSTPONE_S = 0.2
_JOIN_S = 5.0
_GONE = frozenset(
    {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_NETWORK,
    }
)


class Observer(Protocol):
    """Who makes records of views; called with the lock of the inventory held."""

    def host_changed(self, host: HostView) -> None:
        """The host was read."""

    def domain_changed(self, uuid: str, old: DomainView | None, new: DomainView | None) -> None:
        """A domain was read; None: it was not, or is no longer, there."""

    def pool_changed(self, uuid: str, old: PoolView | None, new: PoolView | None) -> None:
        """A storage pool was read."""

    def network_changed(self, uuid: str, old: NetworkView | None, new: NetworkView | None) -> None:
        """A network was read."""

    def domain_rebooted(self) -> None:
        """A guest restarted; nothing else need have changed."""

    def flush(self) -> None:
        """All that belongs together was read."""


class Inventory:
    """The views of all objects by UUID; ``lock`` guards them together with the observer."""

    def __init__(
        self,
        connection: LibvirtConnection,
        state: State,
        observer: Observer,
        *,
        lock: AbstractContextManager[object],
        reconcile_s: float,
        mark_background: Callable[[], None],
    ) -> None:
        self.lock = lock
        self.domains: dict[str, DomainView] = {}
        self.pools: dict[str, PoolView] = {}
        self.networks: dict[str, NetworkView] = {}
        self.host: HostView | None = None
        self.reboots: dict[str, int] = {}
        self._connection = connection
        self._state = state
        self._observer = observer
        self._reconcile_s = reconcile_s
        self._mark_background = mark_background
        self._details = {
            vm: StopDetail.from_fields(fields) for vm, fields in state.stop_details().items()
        }
        self._started: dict[str, datetime] = {}
        self._locks = ObjectLocks()
        self._postponed: set[tuple[str, str]] = set()
        self._messages: queue.SimpleQueue[tuple[str, str, Any]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="inventory", daemon=True)

    def start(self) -> None:
        """Begin to follow libvirt."""
        self._thread.start()

    def stop(self) -> None:
        """Follow libvirt no more."""
        self._stopping.set()
        self.wake()

    def join(self) -> None:
        """Wait a little for the thread to end, once the connection is closed."""
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def wake(self) -> None:
        """Let the thread look at the connection again."""
        self._messages.put(("", "", None))

    def changing(self, uuid: str) -> AbstractContextManager[object]:
        """Give the lock under which an object is read and changed, so that none is lost."""
        return self._locks.of(uuid)

    # What handlers call

    def refresh_domain(self, uuid: str) -> DomainView | None:
        """Read one domain now."""
        with self.changing(uuid):
            domain = self._lookup(self._connection.handle.lookupByUUIDString, uuid)
            view = None if domain is None else self._read_domain(domain)
            with self.lock:
                self._put_domain(uuid, view)
                self._observer.flush()
        return view

    def refresh_pool(self, uuid: str) -> PoolView | None:
        """Read one storage pool and its volumes now."""
        with self.changing(uuid):
            pool = self._lookup(self._connection.handle.storagePoolLookupByUUIDString, uuid)
            view = None if pool is None else self._gone_is_none(read_pool, pool)
            with self.lock:
                old = _replace(self.pools, uuid, view)
                self._observer.pool_changed(uuid, old, view)
                self._observer.flush()
        return view

    def refresh_network(self, uuid: str) -> NetworkView | None:
        """Read one network now."""
        with self.changing(uuid):
            network = self._lookup(self._connection.handle.networkLookupByUUIDString, uuid)
            view = None if network is None else self._gone_is_none(read_network, network)
            with self.lock:
                old = _replace(self.networks, uuid, view)
                self._observer.network_changed(uuid, old, view)
                self._observer.flush()
        return view

    def refresh_host(self) -> HostView:
        """Read the host now."""
        view = read_host(self._connection)
        with self.lock:
            self.host = view
            self._observer.host_changed(view)
            self._observer.flush()
        return view

    # Reading

    def _lookup(self, function: Callable[[str], Any], uuid: str) -> Any:
        try:
            return self._connection.call(function, uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() in _GONE:
                return None
            raise

    def _gone_is_none(self, read: Callable[..., Any], native: Any) -> Any:
        try:
            return read(self._connection, native)
        except libvirt.libvirtError as error:
            if error.get_error_code() in _GONE:
                return None
            raise

    def _read_domain(self, domain: Any) -> DomainView | None:
        uuid = domain.UUIDString()
        try:
            view = read_domain(
                self._connection,
                domain,
                detail=self._details.get(uuid),
                started=self._started.get(uuid),
                now=datetime.now(UTC),
            )
        except libvirt.libvirtError as error:
            if error.get_error_code() in _GONE:
                return None
            raise
        known = self._details.get(uuid)
        if view.stop is not None and (
            known is None or (known.state, known.reason) != (view.state, view.reason)
        ):
            # Seen only afterwards: from now on the time of that does not change.
            self._set_detail(
                uuid,
                StopDetail(
                    time=view.stop.time,
                    state=view.state,
                    reason=view.reason,
                    stop_reason=view.stop.reason,
                    event=view.stop.event,
                ),
            )
        return view

    def _put_domain(self, uuid: str, view: DomainView | None) -> None:
        with self.lock:
            old = _replace(self.domains, uuid, view)
            if view is None:
                self._set_detail(uuid, None)
                self._started.pop(uuid, None)
                self.reboots.pop(uuid, None)
            self._observer.domain_changed(uuid, old, view)

    def _set_detail(self, uuid: str, detail: StopDetail | None) -> None:
        if detail is not None:
            self._details[uuid] = detail
            self._state.set_stop_detail(uuid, detail.to_fields())
        elif self._details.pop(uuid, None) is not None:
            self._state.set_stop_detail(uuid, None)

    # The thread

    def _keep(self) -> None:
        self._mark_background()
        failures = 0
        while not self._stopping.is_set():
            try:
                self._connect()
                failures = 0
                self._follow()
            except XapiFailure as failure:
                if self._stopping.is_set():
                    return
                if failures == 0:
                    _log.warning("no connection to libvirt: %s", " ".join(failure.description))
                self._stopping.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
            except libvirt.libvirtError as error:
                # Reading everything failed half way: nothing is known to be true any more.
                self._connection.lose(error.get_error_message() or str(error))
            except Exception:  # noqa: BLE001 - the boundary of this thread: logs and starts over
                _log.exception("following libvirt failed unexpectedly; starting over")
                self._connection.lose("reading its objects failed unexpectedly")
                self._stopping.wait(_BACKOFF_S[-1])

    def _connect(self) -> None:
        self._connection.open()
        watch.register_events(self._connection.handle, self._report)
        self.refresh_host()
        self._reconcile_networks()
        self._reconcile_pools(everything=True)
        self._reconcile_domains(everything=True)
        self._connection.mark_ready()
        _log.info(
            "connected to libvirt at %s: %d domains, %d pools, %d networks",
            self._connection.uri,
            len(self.domains),
            len(self.pools),
            len(self.networks),
        )

    def _report(self, kind: str, uuid: str, payload: Any) -> None:
        self._messages.put((kind, uuid, payload))

    def _follow(self) -> None:
        """Handle messages until the connection is lost (raises XapiFailure) or all stops."""
        next_reconcile = time.monotonic() + self._reconcile_s
        while not self._stopping.is_set():
            self._connection.require()
            left_s = max(0.0, next_reconcile - time.monotonic())
            try:
                self._handle(self._take(min(left_s, _POSTPONE_S) if self._postponed else left_s))
            except queue.Empty:
                self._handle([(*postponed, None) for postponed in self._postponed])
                if time.monotonic() >= next_reconcile:
                    self._reconcile()
                    next_reconcile = time.monotonic() + self._reconcile_s

    def _take(self, timeout_s: float) -> Iterable[tuple[str, str, Any]]:
        """Wait for messages; several that say the same are one."""
        messages = [self._messages.get(timeout=timeout_s)]
        while not self._messages.empty():
            messages.append(self._messages.get())
        # The last of equal messages counts: it was sent after all the changes before it.
        last = {message[:2]: number for number, message in enumerate(messages)}
        return [
            message
            for number, message in enumerate(messages)
            if message[0] == watch.DETAIL or last[message[:2]] == number
        ]

    def _handle(self, messages: Iterable[tuple[str, str, Any]]) -> None:
        for kind, uuid, payload in messages:
            if kind in (watch.DOMAIN, watch.POOL, watch.NETWORK):
                self._refresh_if_free(kind, uuid)
            elif kind == watch.DETAIL:
                with self.lock:
                    self._set_detail(uuid, payload)
            elif kind == watch.STARTED:
                self._started[uuid] = payload
            elif kind == watch.REBOOTED:
                self.reboots[uuid] = self.reboots.get(uuid, 0) + 1
                self._observer.domain_rebooted()

    def _refresh_if_free(self, kind: str, uuid: str) -> None:
        """Read an object now, or later where somebody who changes it waits for a machine.

        A machine that does not answer must not keep the others from being seen.
        """
        refresh = {
            watch.DOMAIN: self.refresh_domain,
            watch.POOL: self.refresh_pool,
            watch.NETWORK: self.refresh_network,
        }
        lock = self._locks.of(uuid)
        if not lock.acquire(blocking=False):
            self._postponed.add((kind, uuid))
            return
        try:
            self._postponed.discard((kind, uuid))
            refresh[kind](uuid)
        finally:
            lock.release()

    def _reconcile(self) -> None:
        """Find what changed without an event, with few calls."""
        self.refresh_host()
        self._reconcile_networks()
        self._reconcile_pools(everything=False)
        self._reconcile_domains(everything=False)

    def _reconcile_domains(self, *, everything: bool) -> None:
        found = set()
        for domain, state, reason in read_states(self._connection):
            uuid = domain.UUIDString()
            found.add(uuid)
            known = self.domains.get(uuid)
            now = (state, reason, domain.name())
            if everything:
                with self.changing(uuid):
                    view = self._read_domain(domain)
                    with self.lock:
                        self._put_domain(uuid, view)
            elif known is None or now != (known.state, known.reason, known.config.name):
                self._refresh_if_free(watch.DOMAIN, uuid)
        with self.lock:
            self._observer.flush()
        for uuid in set(self.domains) - found:
            self._refresh_if_free(watch.DOMAIN, uuid)

    def _reconcile_pools(self, *, everything: bool) -> None:
        pools = self._list(self._connection.handle.listAllStoragePools)
        for pool in pools:
            uuid = pool.UUIDString()
            if everything or self._pool_differs(pool, self.pools.get(uuid)):
                self._refresh_if_free(watch.POOL, uuid)
        for uuid in set(self.pools) - {pool.UUIDString() for pool in pools}:
            self._refresh_if_free(watch.POOL, uuid)

    def _pool_differs(self, pool: Any, known: PoolView | None) -> bool:
        """There is no event for volumes that others make or delete."""
        if known is None or bool(self._connection.call(pool.isActive)) != known.active:
            return True
        if not known.active:
            return False
        try:
            names = set(self._connection.call(pool.listVolumes))
        except libvirt.libvirtError as error:
            if error.get_error_code() in _GONE | {libvirt.VIR_ERR_OPERATION_INVALID}:
                return True
            raise
        return names != {volume.name for volume in known.volumes}

    def _reconcile_networks(self) -> None:
        networks = self._list(self._connection.handle.listAllNetworks)
        for uuid in {network.UUIDString() for network in networks} | set(self.networks):
            self.refresh_network(uuid)

    def _list(self, function: Callable[[], list[Any]]) -> list[Any]:
        try:
            return self._connection.call(function)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                return []  # an embedded driver: there really are none
            raise


def _replace(views: dict[str, Any], uuid: str, view: Any) -> Any:
    old = views.pop(uuid, None)
    if view is not None:
        views[uuid] = view
    return old
