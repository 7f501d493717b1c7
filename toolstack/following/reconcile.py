"""Looking for what changed without an event: lists in few calls, descriptions bit by bit.

One round looks at all that libvirt gives in lists, and at as many descriptions and sizes as the
processor time allows: all of them up to ``_LEAST`` of each kind, else in turns. A round is a
generator that pauses often, so that events are handled in between.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeVar

import libvirt

from virtcim.toolstack.following.messages import DOMAIN, NETWORK, POOL
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.listing import (
    ListedDomain,
    ListedObject,
    list_domains,
    list_networks,
    list_pools,
)
from virtcim.toolstack.reading.queries import texts_of_domain
from virtcim.toolstack.reading.storage_queries import look_at_pool, look_at_volume
from virtcim.toolstack.reading.views import DomainView, PoolView, VolumeView

if TYPE_CHECKING:
    from virtcim.toolstack.following.inventory import Inventory
    from virtcim.toolstack.native.objects import Domain, Network, StoragePool, StorageVolume

    # libvirt's object and what is known of it, by the UUID of the pool and the volume's name.
    _Volumes = dict[tuple[str, str], tuple[StorageVolume, VolumeView]]

__all__ = ["Reconciliation", "Turns"]

_log = logging.getLogger(__name__)
_Key = TypeVar("_Key")

# Up to so many objects of a kind each round looks at every one.
_LEAST = 1000
# Looking takes time as well: all of it, and the telling, is over within the time promised.
_EARLY = 0.9
# The part of one processor that looking may take where there are more.
_SHARE = 0.025
# How many looks are made before events are handled again.
_CHUNK = 25


class Reconciliation:
    """The rounds over one inventory; used by the inventory's thread only."""

    def __init__(
        self, inventory: Inventory, connection: LibvirtConnection, *, reconcile_s: float
    ) -> None:
        self._inventory = inventory
        self._connection = connection
        self._reconcile_s = reconcile_s
        self._domains = Turns[str]("domains")
        self._volumes = Turns[tuple[str, str]]("volumes")
        self._used_s = 0.0

    def pause_s(self) -> float:
        """How long to wait from the beginning of the last round to that of the next."""
        many = max(len(self._inventory.domains), self._volumes.number) > _LEAST
        if many:
            return max(self._reconcile_s, self._used_s / _SHARE)
        return _EARLY * self._reconcile_s

    def round(self) -> Iterator[None]:
        """Look at everything that is due; raises XapiFailure when the connection is lost."""
        began_s = time.thread_time()
        self._used_s = 0.0
        for _ in self._steps():
            self._used_s += time.thread_time() - began_s
            yield
            began_s = time.thread_time()
        self._used_s += time.thread_time() - began_s

    def _steps(self) -> Iterator[None]:
        self._inventory.refresh_memory()
        yield from self._networks()
        yield
        volumes: _Volumes = {}
        yield from self._pools(volumes)
        yield
        listed = list_domains(self._connection)
        yield from self._listed_domains(listed)
        yield
        by_uuid = {domain.uuid: domain for domain in listed}
        yield from self._turn(self._domains, by_uuid.keys(), lambda uuid: self._look(by_uuid[uuid]))
        changed: defaultdict[str, dict[str, VolumeView]] = defaultdict(dict)
        yield from self._turn(
            self._volumes,
            volumes.keys(),
            lambda key: self._look_at_volume(key, *volumes[key], changed),
        )
        for pool, new in changed.items():
            self._inventory.replace_volumes(pool, new)
        self._inventory.tell_what_is_left_out()

    # Domains

    def _listed_domains(self, listed: list[ListedDomain]) -> Iterator[None]:
        known = self._inventory.domains
        for domain in listed:
            if _differs(domain, known.get(domain.uuid)):
                self._inventory.refresh_unless_busy(DOMAIN, domain.uuid)
                yield
        for uuid in known.keys() - {domain.uuid for domain in listed}:
            self._inventory.refresh_unless_busy(DOMAIN, uuid)

    def _look(self, listed: ListedDomain) -> None:
        known = self._inventory.domains.get(listed.uuid)
        if known is None:
            return
        if texts_of_domain(self._connection, listed.native, known) != known.texts:
            self._inventory.refresh_unless_busy(DOMAIN, listed.uuid)

    # Networks

    def _networks(self) -> Iterator[None]:
        listed = self._inventory.listed(list_networks, "networks")
        if listed is None:
            return
        known = self._inventory.networks
        for network in listed:
            view = known.get(network.uuid)
            if (
                view is None
                or network.active not in (None, view.active)
                or network.autostart not in (None, view.autostart)
                or self._text(network.native) != view.text
            ):
                self._inventory.refresh_unless_busy(NETWORK, network.uuid)
                yield
        for uuid in known.keys() - {network.uuid for network in listed}:
            self._inventory.refresh_unless_busy(NETWORK, uuid)

    def _text(self, native: Network | Domain) -> int:
        try:
            return hash(self._connection.call(native.XMLDesc))
        except (libvirt.libvirtError, ValueError):
            return hash("")

    # Storage pools

    def _pools(self, volumes: _Volumes) -> Iterator[None]:
        listed = self._inventory.listed(list_pools, "storage pools")
        if listed is None:
            return
        known = self._inventory.pools
        for pool in listed:
            view = known.get(pool.uuid)
            if view is None or pool.active not in (None, view.active):
                self._inventory.refresh_unless_busy(POOL, pool.uuid)
            else:
                for name, volume in self._look_at_pool(pool, view).items():
                    volumes[pool.uuid, name] = volume
            yield
        for uuid in known.keys() - {pool.uuid for pool in listed}:
            self._inventory.refresh_unless_busy(POOL, uuid)

    def _look_at_pool(
        self, listed: ListedObject[StoragePool], known: PoolView
    ) -> dict[str, tuple[StorageVolume, VolumeView]]:
        try:
            view, natives = look_at_pool(self._connection, listed, known)
        except libvirt.libvirtError:
            self._inventory.refresh_unless_busy(POOL, listed.uuid)  # it is gone
            return {}
        if view != known:
            self._inventory.replace_pool(known, view)
        return {
            volume.name: (natives[volume.name], volume)
            for volume in view.volumes
            if volume.name in natives
        }

    def _look_at_volume(
        self,
        key: tuple[str, str],
        native: StorageVolume,
        known: VolumeView,
        changed: defaultdict[str, dict[str, VolumeView]],
    ) -> None:
        volume = look_at_volume(self._connection, native, known)
        if volume != known:
            changed[key[0]][volume.name] = volume

    # What all kinds share

    def _turn(
        self, turns: Turns[_Key], keys: Collection[_Key], look: Callable[[_Key], None]
    ) -> Iterator[None]:
        """Look at the objects whose turn it is."""
        budget_s = _SHARE * self._reconcile_s
        due = turns.begin(keys)
        for number in range(len(due)):
            if number >= _LEAST and self._used_s >= budget_s:
                return
            look(due.popleft())
            if number % _CHUNK == _CHUNK - 1:
                yield


class Turns(deque[_Key]):
    """What of a kind is still to be looked at until all have been."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.number = 0
        self._what = what
        self._began_s = 0.0
        self._said_s = 0.0

    def begin(self, keys: Collection[_Key]) -> deque[_Key]:
        """Give what is due, which the caller takes away as far as it comes."""
        known = len(self)
        self.number = len(keys)
        if not known:
            self._finish(time.monotonic())
            self.extend(keys)
        elif gone := [key for key in self if key not in keys]:
            for key in gone:
                self.remove(key)
        return self

    def _finish(self, now_s: float) -> None:
        """All were looked at once: say how long that takes where it is not each round."""
        period_s, began_s, self._began_s = now_s - self._began_s, self._began_s, now_s
        if not began_s or self.number <= _LEAST:
            return
        if not self._said_s / 1.5 <= period_s <= self._said_s * 1.5:
            self._said_s = period_s
            _log.info(
                "%d %s: what changes in one without an event is seen within %.0f s",
                self.number,
                self._what,
                period_s,
            )


def _differs(listed: ListedDomain, known: DomainView | None) -> bool:
    """Whether the lists tell something else of a domain than what is known."""
    if known is None:
        return True
    return (
        (listed.state, listed.reason) != (known.state, known.reason)
        or listed.name not in ("", known.config.name, known.uuid)
        or listed.persistent not in (None, known.persistent)
        or listed.autostart not in (None, known.autostart)
        or (known.live is None and listed.saved not in (None, known.saved))
    )
