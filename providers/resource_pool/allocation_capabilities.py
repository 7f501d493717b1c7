"""What can be allocated from a pool, and in what amounts (DSP1043).

The settings that define the capabilities are a class of their own, so that an enumeration of the
settings of virtual systems does not hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host, Network, StorageRepository
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, InstanceClass, Node
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.allocation_ranges import (
    AllocationRange,
    image_range,
    memory_range,
    port_range,
    processor_range,
)
from virtcim.providers.resource_pool.pools import (
    DISK_DRIVE,
    ETHERNET_ADAPTER,
    MEMORY,
    MEMORY_POOL,
    NETWORK_POOL,
    PRIMORDIAL_NETWORK_POOL,
    PRIMORDIAL_STORAGE_POOL,
    PROCESSOR,
    PROCESSOR_POOL,
    STORAGE_POOL,
    pool_id,
)

__all__ = [
    "ALLOCATION_CAPABILITIES",
    "CAPABILITY_SETTINGS",
    "DESCRIBED_POOLS",
    "capabilities_of_pool",
    "capabilities_of_setting",
    "capability_role",
    "pool_of_capabilities",
    "settings_of_capabilities",
]

_PART = "AllocationCapabilities"
# AllocationCapabilities.RequestTypesSupported and SharingMode.
_SPECIFIC, _GENERAL, _SPECIFIC_AND_GENERAL = 2, 3, 4
_DEDICATED, _SHARED = 2, 3
_ENABLED, _DISABLED = 2, 3
# SettingsDefineCapabilities: (PropertyPolicy, ValueRole, ValueRange) of each setting.
_ROLES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"Default": (0, 0, 0), "Minimum": (0, 3, 1), "Maximum": (0, 3, 2), "Increment": (0, 3, 3)}
)


S = TypeVar("S", bound=Sources)
_Origin = TypeVar("_Origin", bound=Host | StorageRepository | Network)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolOffer(Generic[_Origin]):
    """What can be had from one class of pools, each of which is made of one domain object.

    ``request_types`` are RequestTypesSupported of a pool that has something to give, and of one
    that has not; ``range`` is None where resources come from child pools only.
    """

    pool: AnyClass
    origin: Callable[[View, str], _Origin | None]
    origins: Callable[[View], Iterator[_Origin]]
    resource_type: int
    request_types: tuple[int, int]
    sharing_mode: int
    # Whether resources come and go in running systems; in those that are stopped they always do.
    pluggable: bool = False
    range: Callable[[_Origin], AllocationRange] | None

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
        return pool_id(self.offer.pool, self.origin.uuid)

    @property
    def range(self) -> AllocationRange | None:
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
        return OfPool(self.offer, self.origin)


AnyOffer = PoolOffer[Host] | PoolOffer[StorageRepository] | PoolOffer[Network]
AnyPool = OfPool[Host] | OfPool[StorageRepository] | OfPool[Network]
AnySetting = PoolSetting[Host] | PoolSetting[StorageRepository] | PoolSetting[Network]


def _offer(
    pool: InstanceClass[S],
    origin: Callable[[S], _Origin],
    range_of: Callable[[_Origin], AllocationRange] | None,
    *,
    resource_type: int,
    request_types: tuple[int, int],
    sharing_mode: int,
    pluggable: bool = False,
) -> PoolOffer[_Origin]:
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
    )


_OFFERS: tuple[AnyOffer, ...] = (
    _offer(
        PROCESSOR_POOL,
        lambda of: of.host,
        processor_range,
        resource_type=PROCESSOR,
        request_types=(_GENERAL, _GENERAL),
        sharing_mode=_SHARED,
    ),
    _offer(
        MEMORY_POOL,
        lambda of: of.host,
        memory_range,
        resource_type=MEMORY,
        request_types=(_GENERAL, _GENERAL),
        sharing_mode=_DEDICATED,
    ),
    # A child pool is made of a directory that is named.
    _offer(
        PRIMORDIAL_STORAGE_POOL,
        lambda of: of.host,
        None,
        resource_type=DISK_DRIVE,
        request_types=(_SPECIFIC, _SPECIFIC),
        sharing_mode=_DEDICATED,
    ),
    # Images that are there can be had from every pool.
    _offer(
        STORAGE_POOL,
        lambda of: of.repository,
        image_range,
        resource_type=DISK_DRIVE,
        request_types=(_SPECIFIC_AND_GENERAL, _SPECIFIC),
        sharing_mode=_DEDICATED,
        pluggable=True,
    ),
    _offer(
        PRIMORDIAL_NETWORK_POOL,
        lambda of: of.host,
        None,
        resource_type=ETHERNET_ADAPTER,
        request_types=(_SPECIFIC, _SPECIFIC),
        sharing_mode=_SHARED,
    ),
    _offer(
        NETWORK_POOL,
        lambda of: of.network,
        port_range,
        resource_type=ETHERNET_ADAPTER,
        request_types=(_GENERAL, _GENERAL),
        sharing_mode=_SHARED,
        pluggable=True,
    ),
)
DESCRIBED_POOLS = tuple(each.pool for each in _OFFERS)


def _find_pool(view: View, pool_text: str) -> AnyPool | None:
    """The pool that a PoolID names."""
    for offer in _OFFERS:
        found = offer.find(view, pool_text)
        if found is not None:
            return found
    return None


def _all_pools(view: View) -> Iterator[AnyPool]:
    for offer in _OFFERS:
        yield from offer.all(view)


def _split(identity: str) -> tuple[str, str]:
    """The PoolID and what follows it in an InstanceID."""
    parsed = parse_instance_id(identity)
    if parsed is None:
        return "", ""
    pool_part, _, rest = parsed[1].partition("/")
    return instance_id(parsed[0], pool_part), rest


def _find_capabilities(view: View, identity: str) -> AnyPool | None:
    pool_text, rest = _split(identity)
    return _find_pool(view, pool_text) if rest == _PART else None


def _capabilities_values(of: AnyPool) -> Mapping[str, Value]:
    offer = of.offer
    states: Value = [_ENABLED, _DISABLED] if offer.pluggable else None
    return {
        "ElementName": f"Allocation capabilities of {of.pool_id}",
        "Caption": "Allocation capabilities",
        "ResourceType": offer.resource_type,
        "RequestTypesSupported": offer.request_types[not of.amounts],
        "SharingMode": offer.sharing_mode,
        "SupportedAddStates": states,
        "SupportedRemoveStates": states,
    }


ALLOCATION_CAPABILITIES: InstanceClass[AnyPool] = InstanceClass(
    name="VirtCIM_AllocationCapabilities",
    identity=lambda of: f"{of.pool_id}/{_PART}",
    found=_find_capabilities,
    every=_all_pools,
    values=_capabilities_values,
)


def _find_setting(view: View, identity: str) -> AnySetting | None:
    pool_text, name = _split(identity)
    found = _find_pool(view, pool_text)
    return found.setting(name) if found is not None and name in found.amounts else None


def _all_settings(view: View) -> Iterator[AnySetting]:
    for pool in _all_pools(view):
        yield from pool.settings()


def _setting_values(of: AnySetting) -> Mapping[str, Value]:
    pool = of.pool
    offered = pool.range
    assert offered is not None
    return {
        "ElementName": f"{of.name} of {pool.pool_id}",
        "Caption": f"{of.name} allocation",
        "ResourceType": of.offer.resource_type,
        "PoolID": pool.pool_id,
        "AllocationUnits": offered.units,
        "VirtualQuantity": offered.amounts()[of.name],
        "VirtualQuantityUnits": offered.units,
    }


CAPABILITY_SETTINGS: InstanceClass[AnySetting] = InstanceClass(
    name="VirtCIM_AllocationCapabilitiesSettingData",
    identity=lambda of: f"{of.pool.pool_id}/{of.name}",
    found=_find_setting,
    every=_all_settings,
    values=_setting_values,
)


def capabilities_of_pool(view: View, pool: AnyNode) -> Iterator[Node[AnyPool]]:
    """The capabilities of a pool: what can be had from it."""
    found = _find_pool(view, pool.identity)
    if found is not None:
        yield ALLOCATION_CAPABILITIES.node(found)


def pool_of_capabilities(view: View, capabilities: Node[AnyPool]) -> Iterator[AnyNode]:
    """The pool whose capabilities these are."""
    of = capabilities.sources
    found = of.offer.pool.find(view, of.pool_id)
    if found is not None:
        yield found


def capabilities_of_setting(_: View, setting: Node[AnySetting]) -> Iterator[Node[AnyPool]]:
    """The capabilities that a setting defines."""
    yield ALLOCATION_CAPABILITIES.node(setting.sources.pool)


def settings_of_capabilities(_: View, capabilities: Node[AnyPool]) -> Iterator[Node[AnySetting]]:
    """The settings that define the capabilities of a pool."""
    return (CAPABILITY_SETTINGS.node(each) for each in capabilities.sources.settings())


def capability_role(_capabilities: AnyNode, setting: AnyNode) -> Mapping[str, Value]:
    """How a setting defines capabilities (CIM_SettingsDefineCapabilities)."""
    assert CAPABILITY_SETTINGS.owns(setting)
    policy, role, value_range = _ROLES[setting.sources.name]
    return {"PropertyPolicy": policy, "ValueRole": role, "ValueRange": value_range}
