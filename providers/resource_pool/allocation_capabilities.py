"""What can be allocated from a pool, and in what amounts (DSP1043).

The settings that define the capabilities are a class of their own, so that an enumeration of the
settings of virtual systems does not hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from virtcim.cim.records import Value
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass, Node, Sources
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What can be had from one class of pools.

    ``request_types`` are RequestTypesSupported of a pool that has something to give, and of one
    that has not; ``range`` is None where resources come from child pools only.
    """

    resource_type: int
    request_types: tuple[int, int]
    sharing_mode: int
    # Whether resources come and go in running systems; in those that are stopped they always do.
    pluggable: bool = False
    range: Callable[[Any], AllocationRange] | None


_KINDS: Mapping[InstanceClass, _Kind] = MappingProxyType(
    {
        PROCESSOR_POOL: _Kind(
            resource_type=PROCESSOR,
            request_types=(_GENERAL, _GENERAL),
            sharing_mode=_SHARED,
            range=processor_range,
        ),
        MEMORY_POOL: _Kind(
            resource_type=MEMORY,
            request_types=(_GENERAL, _GENERAL),
            sharing_mode=_DEDICATED,
            range=memory_range,
        ),
        # A child pool is made of a directory that is named.
        PRIMORDIAL_STORAGE_POOL: _Kind(
            resource_type=DISK_DRIVE,
            request_types=(_SPECIFIC, _SPECIFIC),
            sharing_mode=_DEDICATED,
            range=None,
        ),
        # Images that are there can be had from every pool.
        STORAGE_POOL: _Kind(
            resource_type=DISK_DRIVE,
            request_types=(_SPECIFIC_AND_GENERAL, _SPECIFIC),
            sharing_mode=_DEDICATED,
            pluggable=True,
            range=image_range,
        ),
        PRIMORDIAL_NETWORK_POOL: _Kind(
            resource_type=ETHERNET_ADAPTER,
            request_types=(_SPECIFIC, _SPECIFIC),
            sharing_mode=_SHARED,
            range=None,
        ),
        NETWORK_POOL: _Kind(
            resource_type=ETHERNET_ADAPTER,
            request_types=(_GENERAL, _GENERAL),
            sharing_mode=_SHARED,
            pluggable=True,
            range=port_range,
        ),
    }
)
DESCRIBED_POOLS = tuple(_KINDS)


def _amounts(pool: InstanceClass, source: Any) -> Mapping[str, int]:
    """The amounts that can be had now, by the names of the settings that tell them."""
    range_of = _KINDS[pool].range
    return range_of(source).amounts() if range_of is not None else {}


def _find_pool(view: View, pool_text: str) -> Sources | None:
    """The pool class and the domain object that a PoolID names."""
    for pool in DESCRIBED_POOLS:
        found = pool.find(view, pool_text)
        if found is not None:
            return (pool, found[0])
    return None


def _all_pools(view: View) -> Iterable[Sources]:
    return ((pool, sources[0]) for pool in DESCRIBED_POOLS for sources in pool.all(view))


def _split(identity: str) -> tuple[str, str]:
    """The PoolID and what follows it in an InstanceID."""
    parsed = parse_instance_id(identity)
    if parsed is None:
        return "", ""
    pool_part, _, rest = parsed[1].partition("/")
    return instance_id(parsed[0], pool_part), rest


def _find_capabilities(view: View, identity: str) -> Sources | None:
    pool_text, rest = _split(identity)
    return _find_pool(view, pool_text) if rest == _PART else None


def _capabilities_values(pool: InstanceClass, source: Any) -> Mapping[str, Value]:
    kind = _KINDS[pool]
    states: Value = [_ENABLED, _DISABLED] if kind.pluggable else None
    return {
        "ElementName": f"Allocation capabilities of {pool_id(pool, source.uuid)}",
        "Caption": "Allocation capabilities",
        "ResourceType": kind.resource_type,
        "RequestTypesSupported": kind.request_types[not _amounts(pool, source)],
        "SharingMode": kind.sharing_mode,
        "SupportedAddStates": states,
        "SupportedRemoveStates": states,
    }


ALLOCATION_CAPABILITIES = InstanceClass(
    name="VirtCIM_AllocationCapabilities",
    identity=lambda pool, source: f"{pool_id(pool, source.uuid)}/{_PART}",
    find=_find_capabilities,
    all=_all_pools,
    values=_capabilities_values,
)


def _find_setting(view: View, identity: str) -> Sources | None:
    pool_text, role = _split(identity)
    found = _find_pool(view, pool_text)
    return (*found, role) if found is not None and role in _amounts(*found) else None


def _all_settings(view: View) -> Iterable[Sources]:
    return (
        (pool, source, role) for pool, source in _all_pools(view) for role in _amounts(pool, source)
    )


def _setting_values(pool: InstanceClass, source: Any, role: str) -> Mapping[str, Value]:
    kind = _KINDS[pool]
    assert kind.range is not None
    offered = kind.range(source)
    identity = pool_id(pool, source.uuid)
    return {
        "ElementName": f"{role} of {identity}",
        "Caption": f"{role} allocation",
        "ResourceType": kind.resource_type,
        "PoolID": identity,
        "AllocationUnits": offered.units,
        "VirtualQuantity": offered.amounts()[role],
        "VirtualQuantityUnits": offered.units,
    }


CAPABILITY_SETTINGS = InstanceClass(
    name="VirtCIM_AllocationCapabilitiesSettingData",
    identity=lambda pool, source, role: f"{pool_id(pool, source.uuid)}/{role}",
    find=_find_setting,
    all=_all_settings,
    values=_setting_values,
)


def pool_of_capabilities(view: View, capabilities: Node) -> Node:
    """The pool whose capabilities these are."""
    pool, source = capabilities.sources
    return Node(pool, pool.find(view, pool_id(pool, source.uuid)) or (source,))


def capabilities_of_setting(_: View, setting: Node) -> Iterable[Node]:
    """The capabilities that a setting defines."""
    return (Node(ALLOCATION_CAPABILITIES, setting.sources[:2]),)


def settings_of_capabilities(_: View, capabilities: Node) -> Iterable[Node]:
    """The settings that define the capabilities of a pool."""
    pool, source = capabilities.sources
    for role in _amounts(pool, source):
        yield Node(CAPABILITY_SETTINGS, (pool, source, role))


def capability_role(setting: Node) -> Mapping[str, Value]:
    """How a setting defines capabilities (CIM_SettingsDefineCapabilities)."""
    policy, role, value_range = _ROLES[setting.sources[2]]
    return {"PropertyPolicy": policy, "ValueRole": role, "ValueRange": value_range}
