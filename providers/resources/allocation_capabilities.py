"""What can be allocated from a pool, and in what amounts (DSP1043).

The settings that define the capabilities are a class of their own, so that an enumeration of the
settings of virtual systems does not hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    EnabledState,
    PropertyPolicy,
    PropertyPolicyValue,
    ValueRange,
    ValueRangeValue,
    ValueRole,
    ValueRoleValue,
)
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import AnyNode, InstanceClass, Node
from virtcim.providers.engine.view import View
from virtcim.providers.resource_pool.offer import AnyPool, AnySetting
from virtcim.providers.resources.registry import OFFERS

__all__ = [
    "ALLOCATION_CAPABILITIES",
    "CAPABILITY_SETTINGS",
    "capabilities_of_pool",
    "capabilities_of_setting",
    "capability_role",
    "pool_of_capabilities",
    "settings_of_capabilities",
]

_PART = "AllocationCapabilities"
# SettingsDefineCapabilities: (PropertyPolicy, ValueRole, ValueRange) of each setting.
_ROLES: Mapping[str, tuple[PropertyPolicyValue, ValueRoleValue, ValueRangeValue]] = (
    MappingProxyType(
        {
            "Default": (PropertyPolicy.INDEPENDENT, ValueRole.DEFAULT, ValueRange.POINT),
            "Minimum": (PropertyPolicy.INDEPENDENT, ValueRole.SUPPORTED, ValueRange.MINIMUMS),
            "Maximum": (PropertyPolicy.INDEPENDENT, ValueRole.SUPPORTED, ValueRange.MAXIMUMS),
            "Increment": (PropertyPolicy.INDEPENDENT, ValueRole.SUPPORTED, ValueRange.INCREMENTS),
        }
    )
)


def _find_pool(view: View, pool_text: str) -> AnyPool | None:
    """The pool that a PoolID names."""
    for offer in OFFERS:
        found = offer.find(view, pool_text)
        if found is not None:
            return found
    return None


def _all_pools(view: View) -> Iterator[AnyPool]:
    for offer in OFFERS:
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
    states: Value = [EnabledState.ENABLED, EnabledState.DISABLED] if offer.pluggable else None
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
