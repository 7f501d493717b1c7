"""Watchdogs: a kind of resource that only the tests know. Each system has one or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from virtcim.cim.records import Value
from virtcim.cim.value_maps import RequestType, ResourceType, SharingMode
from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.model import Host, VirtualSystem, VirtualSystemSpec
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.per_object import per_host, per_part
from virtcim.providers.engine.reach import reach_from, same
from virtcim.providers.engine.sources import OfHost, SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.allocation_ranges import AllocationRange
from virtcim.providers.resource_pool.offer import pool_offer
from virtcim.providers.resource_pool.pools import pool_id, pool_values
from virtcim.providers.resources.allocation import ALLOCATED
from virtcim.providers.resources.devices import device_per_part, device_values
from virtcim.providers.resources.kind import (
    Definition,
    Devices,
    Plugging,
    PoolsOfKind,
    Profile,
    ResourceKind,
    ResourceSetting,
)
from virtcim.providers.resources.settings import accept_one, setting_like

__all__ = ["WATCHDOGS"]


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The watchdog of a system, and what it does when the guest hangs."""

    action: str
    id: str = "0"


@cache
def _watchdog(action: str) -> Watchdog:
    return Watchdog(action)


def _watchdogs(system: VirtualSystem) -> tuple[Watchdog, ...]:
    action = system.other_config.get("watchdog", "reset")
    return (_watchdog(action),) if action else ()


def _parts(_: View, system: VirtualSystem) -> Iterator[SystemPart[Watchdog]]:
    return (SystemPart(system, each) for each in _watchdogs(system))


def _pool_values(host: Host) -> Mapping[str, Value]:
    identity = pool_id(_POOL, host.uuid)
    name = f"Watchdogs of {host.name_label}"
    return {
        **pool_values(identity, name, ResourceType.OTHER, "count"),
        "Caption": "Watchdogs",
        "Reserved": 0,
    }


_POOL = per_host("VirtCIM_WatchdogPool", _pool_values, part="WatchdogPool")


def _range(_: Host) -> AllocationRange:
    return AllocationRange(units="count", default=1, minimum=1, maximum=1, increment=1)


def _allocation_values(system: VirtualSystem, watchdog: Watchdog) -> Mapping[str, Value]:
    return {
        **ALLOCATED,
        "ElementName": f"Watchdog of {system.name_label}",
        "ResourceType": ResourceType.OTHER,
        "OtherResourceType": "Watchdog",
        "ResourceSubType": watchdog.action,
        "AddressOnParent": watchdog.id,
        "AllocationUnits": "count",
        "VirtualQuantity": 1,
        "VirtualQuantityUnits": "count",
    }


_ALLOCATION = per_part(
    "VirtCIM_WatchdogResourceAllocationSettingData", "watchdog", _watchdogs, _allocation_values
)


def _device_values(system: VirtualSystem, watchdog: Watchdog) -> Mapping[str, Value]:
    return {**device_values(system, "Watchdog", "Virtual watchdog"), "Name": watchdog.id}


_DEVICE = device_per_part("VirtCIM_Watchdog", "watchdog", _watchdogs, _device_values)


def _pool_of(view: View, node: Node[SystemPart[Watchdog]]) -> Iterator[Node[OfHost]]:
    host = view.home(node.sources.system)
    if host is not None:
        yield _POOL.node(OfHost(host))


def _from_pool(view: View, node: Node[OfHost]) -> Iterator[Node[SystemPart[Watchdog]]]:
    for system in view.systems_at(node.sources.host):
        yield from map(_ALLOCATION.node, _parts(view, system))


def _accept(setting: ResourceSetting) -> None:
    accept_one(setting.reader)
    setting.reader.accept("OtherResourceType", "Watchdog")


def _read(setting: ResourceSetting) -> str:
    reader = setting.reader
    _accept(setting)
    reader.ignore("AddressOnParent")
    action = reader.text("ResourceSubType")
    if action not in ("reset", "poweroff"):
        raise reader.refuse("ResourceSubType", action, "is neither reset nor poweroff")
    return action


def _define(
    setting: ResourceSetting, spec: VirtualSystemSpec, _: VirtualSystem | None
) -> VirtualSystemSpec:
    return replace(spec, other_config={**spec.other_config, "watchdog": _read(setting)})


def _add(setting: ResourceSetting, change: VirtualSystemChange) -> VirtualSystemChange:
    return replace(change, actions_after_crash=_read(setting))


def _remove(change: VirtualSystemChange, _: SystemPart[Watchdog]) -> VirtualSystemChange:
    return replace(change, actions_after_crash="")


def _change(
    setting: ResourceSetting, _: SystemPart[Watchdog], change: VirtualSystemChange
) -> VirtualSystemChange:
    if setting.reader.has("ResourceSubType"):
        return _add(setting, change)
    _accept(setting)
    return change


WATCHDOGS: ResourceKind[SystemPart[Watchdog]] = ResourceKind(
    name="watchdog",
    profile=Profile(9999, "Watchdog Virtualization", "1.0.0"),
    allocation=_ALLOCATION,
    allocations=_parts,
    devices=Devices(
        classes=(_DEVICE,),
        of_system=lambda system: (
            _DEVICE.node(SystemPart(system, each)) for each in _watchdogs(system)
        ),
        of_allocation=same(_DEVICE),
        allocations=reach_from(_DEVICE, same(_ALLOCATION)),
    ),
    pools=PoolsOfKind(
        offers=(
            pool_offer(
                _POOL,
                lambda of: of.host,
                _range,
                resource_type=ResourceType.OTHER,
                request_types=(RequestType.GENERAL, RequestType.GENERAL),
                sharing_mode=SharingMode.DEDICATED,
            ),
        ),
        of_allocation=_pool_of,
        allocations=reach_from(_POOL, _from_pool),
    ),
    definition=Definition(
        resource_types=(ResourceType.OTHER,),
        class_names=("WatchdogResourceAllocationSettingData",),
        read=_define,
        places=lambda of: (of.part.id,),
        like=lambda _, of: setting_like(
            _ALLOCATION.values(of), ("ResourceType", "AddressOnParent", "ResourceSubType")
        ),
    ),
    change=_change,
    plugging=Plugging(
        plurals=("watchdogs",), add=_add, remove=_remove, added=lambda _: (Watchdog("").id,)
    ),
)
