"""What all devices of virtual systems have in common (DSP1057 "CIM_LogicalDevice").

A device is what the operating system in a virtual system sees of a resource. It is there in every
state of the system; EnabledState tells whether it works at the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    EnabledDefault,
    EnabledState,
    EnabledStateValue,
    HealthState,
    HealthStateValue,
    OperationalStatus,
    OperationalStatusValue,
    RequestedState,
)
from virtcim.hypervisor.model import PowerState, VirtualSystem
from virtcim.providers.engine.instance_class import InstanceClass
from virtcim.providers.engine.key_shapes import device_keys
from virtcim.providers.engine.per_object import Identified, per_number, per_part, per_system
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.engine.sources import OfSystem, SystemPart
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM

__all__ = [
    "DeviceSources",
    "device_per_number",
    "device_per_part",
    "device_per_system",
    "device_values",
    "is_on",
]


class _State(NamedTuple):
    """What a state of a device is in the ValueMaps of CIM_LogicalDevice."""

    enabled_state: EnabledStateValue
    operational_status: OperationalStatusValue
    status_description: str
    health_state: HealthStateValue = HealthState.OK


# By the power state of the system.
_STATES: Mapping[PowerState, _State] = MappingProxyType(
    {
        PowerState.RUNNING: _State(EnabledState.ENABLED, OperationalStatus.OK, "OK"),
        PowerState.PAUSED: _State(
            EnabledState.QUIESCE, OperationalStatus.DORMANT, "The system is paused"
        ),
        PowerState.SUSPENDED: _State(
            EnabledState.ENABLED_BUT_OFFLINE, OperationalStatus.DORMANT, "The system is suspended"
        ),
        PowerState.HALTED: _State(
            EnabledState.DISABLED, OperationalStatus.STOPPED, "The system is stopped"
        ),
        PowerState.UNKNOWN: _State(
            EnabledState.UNKNOWN, OperationalStatus.UNKNOWN, "Unknown", HealthState.UNKNOWN
        ),
    }
)
_DETACHED = _State(EnabledState.DISABLED, OperationalStatus.STOPPED, "Not attached")
# The port works, and drops what it is given.
_UNLINKED = _State(EnabledState.ENABLED_BUT_OFFLINE, OperationalStatus.STOPPED, "The link is down")

P = TypeVar("P", bound=Identified)
# What a device is computed from: of what every system has once, or of one of its parts.
DeviceSources = OfSystem | SystemPart[object]


def is_on(system: VirtualSystem) -> bool:
    """Whether the system has what it was given when it started."""
    return system.power_state in (PowerState.RUNNING, PowerState.PAUSED)


def device_values(
    system: VirtualSystem,
    name: str,
    caption: str,
    *,
    attached: bool = True,
    link_up: bool = True,
    problem: str = "",
) -> Mapping[str, Value]:
    """The values that every device has, by the state of its system and its own."""
    plugged = attached or system.power_state is not PowerState.RUNNING
    state = _STATES[system.power_state] if plugged else _DETACHED
    if not link_up and state.enabled_state == EnabledState.ENABLED:
        state = _UNLINKED
    enabled, operational, text, health = state
    if not link_up and state is not _UNLINKED:
        text = f"{text}; the link is down"
    values: dict[str, Value] = {
        "ElementName": f"{name} of {system.name_label}",
        "Caption": caption,
        "EnabledState": enabled,
        "RequestedState": RequestedState.NOT_APPLICABLE,
        "TransitioningToState": RequestedState.NOT_APPLICABLE,
        "EnabledDefault": EnabledDefault.ENABLED,
        "OperationalStatus": [operational],
        "StatusDescriptions": [text],
        "HealthState": health,
    }
    return with_problem(values, problem)


def device_per_system(
    name: str, part: str, values: Callable[[VirtualSystem], Mapping[str, Value]]
) -> InstanceClass[OfSystem]:
    """A class of devices of which every system has one."""
    return per_system(name, values, part=part, shape=device_keys(COMPUTER_SYSTEM.name, name))


def device_per_part(
    name: str,
    part: str,
    devices: Callable[[VirtualSystem], Iterable[P]],
    values: Callable[[VirtualSystem, P], Mapping[str, Value]],
) -> InstanceClass[SystemPart[P]]:
    """A class of devices of which a system has one per part of a kind."""
    return per_part(name, part, devices, values, shape=device_keys(COMPUTER_SYSTEM.name, name))


def device_per_number(
    name: str,
    part: str,
    numbers: Callable[[VirtualSystem], Iterable[int]],
    values: Callable[[VirtualSystem, int], Mapping[str, Value]],
) -> InstanceClass[SystemPart[int]]:
    """A class of devices that have a number and nothing else."""
    return per_number(name, part, numbers, values, shape=device_keys(COMPUTER_SYSTEM.name, name))
