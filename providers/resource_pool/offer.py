"""What can be had from a class of pools: one row for each, published and enforced (DSP1043)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from virtcim.cim.value_maps import RequestTypeValue, ResourceTypeValue, SharingModeValue
from virtcim.hypervisor.model import Host, Network, StorageRepository
from virtcim.providers.engine.instance_class import AnyClass, InstanceClass
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.allocation_ranges import AllocationRange
from virtcim.providers.resource_pool.pools import pool_id

__all__ = [
    "AnyOffer",
    "AnyPool",
    "AnySetting",
    "OfPool",
    "PoolOffer",
    "PoolSetting",
    "pool_offer",
]

S = TypeVar("S", bound=Sources)
_Origin = TypeVar("_Origin", bound=Host | StorageRepository | Network)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolOffer(Generic[_Origin]):
    """What can be had from one class of pools, each of which is made of one domain object.

    ``request_types`` are RequestTypesSupported of a pool that has something to give, and of one
    that has not; ``range`` is None where resources come from child pools only, and ``children`` is
    the class of those.
    """

    pool: AnyClass
    origin: Callable[[View, str], _Origin | None]
    origins: Callable[[View], Iterator[_Origin]]
    resource_type: ResourceTypeValue
    request_types: tuple[RequestTypeValue, RequestTypeValue]
    sharing_mode: SharingModeValue
    # Whether resources come and go in running systems; in those that are stopped they always do.
    pluggable: bool = False
    range: Callable[[_Origin], AllocationRange] | None = None
    children: AnyClass | None = None

    def find(self, view: View, pool_text: str) -> OfPool[_Origin] | None:
        """The pool with this PoolID, where it is one of this class."""
        found = self.origin(view, pool_text)
        return None if found is None else OfPool(self, found)

    def all(self, view: View) -> Iterator[OfPool[_Origin]]:
        """Every pool of this class."""
        return (OfPool(self, each) for each in self.origins(view))


class OfPool(NamedTuple, Generic[_Origin]):
    """What can be had from one pool, and what the pool is made of."""

    offer: PoolOffer[_Origin]
    origin: _Origin

    @property
    def pool_id(self) -> str:
        """The PoolID."""
        return pool_id(self.offer.pool, self.origin.uuid)

    @property
    def range(self) -> AllocationRange | None:
        """What can be asked for; None where that is asked of child pools."""
        return None if self.offer.range is None else self.offer.range(self.origin)

    @property
    def amounts(self) -> Mapping[str, int]:
        """The amounts that can be had now, by the names of the settings that tell them."""
        offered = self.range
        return {} if offered is None else offered.amounts()

    def setting(self, name: str) -> PoolSetting[_Origin]:
        """The setting that tells one of the amounts."""
        return PoolSetting(self.offer, self.origin, name)

    def settings(self) -> Iterator[PoolSetting[_Origin]]:
        """The settings that tell the amounts."""
        return (self.setting(name) for name in self.amounts)


class PoolSetting(NamedTuple, Generic[_Origin]):
    """One of the amounts that describe what can be had from a pool, by its name."""

    offer: PoolOffer[_Origin]
    origin: _Origin
    name: str

    @property
    def pool(self) -> OfPool[_Origin]:
        """The pool that the amount is of."""
        return OfPool(self.offer, self.origin)


AnyOffer = PoolOffer[Host] | PoolOffer[StorageRepository] | PoolOffer[Network]
AnyPool = OfPool[Host] | OfPool[StorageRepository] | OfPool[Network]
AnySetting = PoolSetting[Host] | PoolSetting[StorageRepository] | PoolSetting[Network]


def pool_offer(
    pool: InstanceClass[S],
    origin: Callable[[S], _Origin],
    range_of: Callable[[_Origin], AllocationRange] | None,
    *,
    resource_type: ResourceTypeValue,
    request_types: tuple[RequestTypeValue, RequestTypeValue],
    sharing_mode: SharingModeValue,
    pluggable: bool = False,
    children: AnyClass | None = None,
) -> PoolOffer[_Origin]:
    """What can be had from the pools of a class; ``origin`` is what one of them is made of."""

    def find(view: View, pool_text: str) -> _Origin | None:
        found = pool.found(view, pool_text)
        return None if found is None else origin(found)

    return PoolOffer(
        pool=pool,
        origin=find,
        origins=lambda view: (origin(sources) for sources in pool.every(view)),
        resource_type=resource_type,
        request_types=request_types,
        sharing_mode=sharing_mode,
        pluggable=pluggable,
        range=range_of,
        children=children,
    )
