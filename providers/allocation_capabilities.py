"""What can be allocated from a pool, and in what amounts (DSP1043).

The settings that define the capabilities are a class of their own, so that an enumeration of the
settings of virtual systems does not hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from virtcim.hypervisor.model import Host, Network, StorageRepository
from virtcim.providers.definition import DEFAULT_MEMORY_BYTES, DEFAULT_PROCESSORS
from virtcim.providers.identities import instance_id, parse_instance_id
from virtcim.providers.instance_class import InstanceClass, Node, Sources
from virtcim.providers.records import Value
from virtcim.providers.resource_pool import (
    DISK_DRIVE,
    ETHERNET_ADAPTER,
    MEMORY,
    MEMORY_POOL,
    NETWORK_POOL,
    PROCESSOR,
    PROCESSOR_POOL,
    STORAGE_POOL,
    pool_id,
)
from virtcim.providers.view import View

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
_MIB = 2**20
# AllocationCapabilities.RequestTypesSupported and SharingMode.
_GENERAL, _SPECIFIC_AND_GENERAL = 3, 4
_DEDICATED, _SHARED = 2, 3
_ENABLED, _DISABLED = 2, 3
# SettingsDefineCapabilities: (PropertyPolicy, ValueRole, ValueRange) of each setting.
_ROLES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"Default": (0, 0, 0), "Minimum": (0, 3, 1), "Maximum": (0, 3, 2), "Increment": (0, 3, 3)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What can be had from one class of pools; ``amounts`` by the names of the settings."""

    resource_type: int
    units: str
    request_types: int
    sharing_mode: int
    # Whether resources come and go in running systems; in those that are stopped they always do.
    pluggable: bool = False
    amounts: Callable[[Any], Mapping[str, int | None]]


def _processors(host: Host) -> Mapping[str, int | None]:
    # More virtual processors than physical ones can be had, but nobody is served well by them.
    return {
        "Default": DEFAULT_PROCESSORS,
        "Minimum": 1,
        "Maximum": host.cpu_count or None,
        "Increment": 1,
    }


def _memory(host: Host) -> Mapping[str, int | None]:
    return {
        "Default": DEFAULT_MEMORY_BYTES,
        "Minimum": _MIB,
        "Maximum": host.memory_total_bytes or None,
        "Increment": _MIB,
    }


def _storage(repository: StorageRepository) -> Mapping[str, int | None]:
    # There is no default: who wants a new image says how large.
    free = repository.physical_size_bytes - repository.physical_utilisation_bytes
    known = bool(repository.physical_size_bytes)
    return {"Minimum": _MIB, "Maximum": max(free, 0) if known else None, "Increment": _MIB}


def _ports(_: Network) -> Mapping[str, int | None]:
    return {"Default": 1, "Minimum": 1, "Maximum": 1, "Increment": 1}


_KINDS: Mapping[InstanceClass, _Kind] = MappingProxyType(
    {
        PROCESSOR_POOL: _Kind(
            resource_type=PROCESSOR,
            units="count",
            request_types=_GENERAL,
            sharing_mode=_SHARED,
            amounts=_processors,
        ),
        MEMORY_POOL: _Kind(
            resource_type=MEMORY,
            units="byte",
            request_types=_GENERAL,
            sharing_mode=_DEDICATED,
            amounts=_memory,
        ),
        STORAGE_POOL: _Kind(
            resource_type=DISK_DRIVE,
            units="byte",
            request_types=_SPECIFIC_AND_GENERAL,
            sharing_mode=_DEDICATED,
            pluggable=True,
            amounts=_storage,
        ),
        NETWORK_POOL: _Kind(
            resource_type=ETHERNET_ADAPTER,
            units="count",
            request_types=_GENERAL,
            sharing_mode=_SHARED,
            pluggable=True,
            amounts=_ports,
        ),
    }
)
DESCRIBED_POOLS = tuple(_KINDS)


def _amounts(pool: InstanceClass, source: Any) -> Mapping[str, int]:
    """The amounts that are known."""
    amounts = _KINDS[pool].amounts(source)
    return {role: amount for role, amount in amounts.items() if amount is not None}


def _find_pool(view: View, pool_text: str) -> Sources | None:
    """The pool class and the domain object that a PoolID names."""
    for pool in DESCRIBED_POOLS:
        found = pool.find(view, pool_text)
        if found is not None:
            return (pool, *found)
    return None


def _all_pools(view: View) -> Iterable[Sources]:
    return ((pool, *sources) for pool in DESCRIBED_POOLS for sources in pool.all(view))


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
        "RequestTypesSupported": kind.request_types,
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
    identity = pool_id(pool, source.uuid)
    return {
        "ElementName": f"{role} of {identity}",
        "Caption": f"{role} allocation",
        "ResourceType": kind.resource_type,
        "PoolID": identity,
        "AllocationUnits": kind.units,
        "VirtualQuantity": _amounts(pool, source)[role],
        "VirtualQuantityUnits": kind.units,
    }


CAPABILITY_SETTINGS = InstanceClass(
    name="VirtCIM_AllocationCapabilitiesSettingData",
    identity=lambda pool, source, role: f"{pool_id(pool, source.uuid)}/{role}",
    find=_find_setting,
    all=_all_settings,
    values=_setting_values,
)


def pool_of_capabilities(capabilities: Node) -> Node:
    """The pool whose capabilities these are."""
    pool, source = capabilities.sources
    return Node(pool, (source,))


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
