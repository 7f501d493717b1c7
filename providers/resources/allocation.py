"""What the settings of all allocations have in common (DSP1041)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.cim.value_maps import ConsumerVisibility
from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.engine.instance_class import InstanceClass
from virtcim.providers.engine.per_object import all_systems, per_object
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.engine.view import View

__all__ = [
    "ALLOCATED",
    "AllocationSources",
    "SystemAtHost",
    "allocation_per_system",
    "at_host",
]

#: What every allocation says.
ALLOCATED: Mapping[str, Value] = MappingProxyType(
    {
        "AutomaticAllocation": True,
        "AutomaticDeallocation": True,
        "ConsumerVisibility": ConsumerVisibility.VIRTUALIZED,
    }
)


class SystemAtHost(NamedTuple):
    """A virtual system, and the host that it lives on; empty where it lives on none."""

    system: VirtualSystem
    host_uuid: str


# What an allocation is computed from: of what every system has once, or of one of its parts.
AllocationSources = SystemAtHost | SystemPart[object]


def at_host(view: View, system: VirtualSystem) -> SystemAtHost:
    """A virtual system at the host that it lives on."""
    host = view.home(system)
    return SystemAtHost(system, "" if host is None else host.uuid)


def allocation_per_system(
    name: str, part: str, values: Callable[[SystemAtHost], Mapping[str, Value]]
) -> InstanceClass[SystemAtHost]:
    """A class of allocations of which every system has one."""
    return per_object(
        name,
        all_systems,
        lambda view: partial(at_host, view),
        lambda of: of.system.uuid,
        values,
        part=part,
    )
