"""VirtCIM_ComputerSystem: a virtual machine, and its state (DSP1057)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import ObjectPath, Value
from virtcim.cim.value_maps import (
    Dedicated,
    EnabledDefault,
    EnabledState,
    EnabledStateValue,
    HealthState,
    HealthStateValue,
    OperatingStatus,
    OperatingStatusValue,
    OperationalStatus,
    OperationalStatusValue,
    PrimaryStatus,
    PrimaryStatusValue,
    RequestedState,
    RequestedStateValue,
)
from virtcim.errormap import ErrorCode, cim_message
from virtcim.hypervisor.model import PowerOperation, PowerState, StopReason, VirtualSystem
from virtcim.providers.engine.key_shapes import system_keys
from virtcim.providers.engine.per_object import per_system
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.state.job import JobElement

__all__ = [
    "COMPUTER_SYSTEM",
    "caption_of",
    "path_of_system",
    "system_element",
]

_NAME = "VirtCIM_ComputerSystem"
_MAX_CAPTION = 64  # CIM_ManagedElement


class State(NamedTuple):
    """What a power state is in the ValueMaps of CIM_ComputerSystem."""

    enabled_state: EnabledStateValue
    operational_status: OperationalStatusValue
    status_description: str
    operating_status: OperatingStatusValue
    health_state: HealthStateValue
    primary_status: PrimaryStatusValue
    available: tuple[RequestedStateValue, ...]


# The enabled states are of DSP1057 "CIM_ComputerSystem"; what can be requested follows XenAPI's
# rules.
_STATES: Mapping[PowerState, State] = MappingProxyType(
    {
        PowerState.RUNNING: State(
            EnabledState.ENABLED,
            OperationalStatus.OK,
            "Running",
            OperatingStatus.IN_SERVICE,
            HealthState.OK,
            PrimaryStatus.OK,
            (
                RequestedState.DISABLED,
                RequestedState.SHUT_DOWN,
                RequestedState.OFFLINE,
                RequestedState.QUIESCE,
                RequestedState.REBOOT,
                RequestedState.RESET,
            ),
        ),
        PowerState.PAUSED: State(
            EnabledState.QUIESCE,
            OperationalStatus.DORMANT,
            "Paused",
            OperatingStatus.DORMANT,
            HealthState.OK,
            PrimaryStatus.OK,
            (RequestedState.ENABLED, RequestedState.DISABLED, RequestedState.RESET),
        ),
        PowerState.SUSPENDED: State(
            EnabledState.ENABLED_BUT_OFFLINE,
            OperationalStatus.DORMANT,
            "Suspended",
            OperatingStatus.DORMANT,
            HealthState.OK,
            PrimaryStatus.OK,
            (RequestedState.ENABLED, RequestedState.DISABLED),
        ),
        PowerState.HALTED: State(
            EnabledState.DISABLED,
            OperationalStatus.STOPPED,
            "Stopped",
            OperatingStatus.STOPPED,
            HealthState.OK,
            PrimaryStatus.OK,
            (RequestedState.ENABLED,),
        ),
        PowerState.UNKNOWN: State(
            EnabledState.UNKNOWN,
            OperationalStatus.UNKNOWN,
            "Unknown",
            OperatingStatus.UNKNOWN,
            HealthState.UNKNOWN,
            PrimaryStatus.UNKNOWN,
            (),
        ),
    }
)

# TransitioningToState of what is being done: the requested state that it comes from.
_TRANSITIONS: Mapping[PowerOperation | None, RequestedStateValue] = MappingProxyType(
    {
        None: RequestedState.NO_CHANGE,
        PowerOperation.START: RequestedState.ENABLED,
        PowerOperation.UNPAUSE: RequestedState.ENABLED,
        PowerOperation.RESUME: RequestedState.ENABLED,
        PowerOperation.HARD_SHUTDOWN: RequestedState.DISABLED,
        PowerOperation.CLEAN_SHUTDOWN: RequestedState.SHUT_DOWN,
        PowerOperation.SUSPEND: RequestedState.OFFLINE,
        PowerOperation.PAUSE: RequestedState.QUIESCE,
        PowerOperation.CLEAN_REBOOT: RequestedState.REBOOT,
        PowerOperation.HARD_REBOOT: RequestedState.RESET,
    }
)


def caption_of(title: str, default: str) -> str:
    """The title of a system, as much of it as Caption holds; ``default`` where it has none."""
    title = " ".join(title.split()) or default
    return title if len(title) <= _MAX_CAPTION else f"{title[: _MAX_CAPTION - 3]}..."


def _values(system: VirtualSystem) -> Mapping[str, Value]:
    state = _STATES[system.power_state]
    stop = system.stop
    operational_status, descriptions = [state.operational_status], [state.status_description]
    health_state, primary_status = state.health_state, state.primary_status
    if system.incident:
        descriptions[0] += f"; {system.incident}"
    if stop is not None and not _is_failure(stop):
        descriptions[0] += f" ({stop.reason})"
    elif stop is not None:
        operational_status.insert(0, OperationalStatus.ERROR)
        descriptions.insert(0, f"Stopped by itself: {stop.reason}")
        # A paused system can go on once the cause is removed, a halted one cannot.
        paused = system.power_state is PowerState.PAUSED
        health_state = HealthState.MAJOR_FAILURE if paused else HealthState.CRITICAL_FAILURE
        primary_status = PrimaryStatus.ERROR
    title = system.title if system.live_title is None else system.live_title
    description = system.name_description
    if system.live_description is not None:
        description = system.live_description
    values: dict[str, Value] = {
        "NameFormat": "UUID",
        "ElementName": system.name_label,
        "Caption": caption_of(title, "Virtual system"),
        "Description": description or None,
        "Dedicated": [Dedicated.NOT_DEDICATED],
        "OtherIdentifyingInfo": [system.name_label, system.uuid],
        "IdentifyingDescriptions": ["Label", "UUID"],
        "EnabledState": state.enabled_state,
        "RequestedState": RequestedState.NOT_APPLICABLE,
        "TransitioningToState": _TRANSITIONS[system.transition],
        "EnabledDefault": EnabledDefault.ENABLED if system.auto_start else EnabledDefault.DISABLED,
        "TimeOfLastStateChange": system.state_since or (stop.since if stop is not None else None),
        "AvailableRequestedStates": list(state.available),
        "OperationalStatus": [*operational_status],
        "StatusDescriptions": [*descriptions],
        "HealthState": health_state,
        "OperatingStatus": state.operating_status,
        "PrimaryStatus": primary_status,
        "StopReason": None if stop is None else stop.reason,
        **_stop_error(stop),
    }
    return with_problem(values, system.problem)


def _is_failure(stop: StopReason) -> bool:
    return stop.error.code is not ErrorCode.ERR_SUCCESS


def _stop_error(stop: StopReason | None) -> Mapping[str, Value]:
    if stop is None:
        return {"StopErrorCode": None, "StopDescription": None}
    if not _is_failure(stop):
        return {"StopErrorCode": None, "StopDescription": stop.error.message}
    return {"StopErrorCode": int(stop.error.code), "StopDescription": cim_message(stop.error)}


COMPUTER_SYSTEM = per_system(_NAME, _values, shape=system_keys(_NAME))


def path_of_system(uuid: str, namespace: str) -> ObjectPath:
    """The name of the virtual system ``uuid``."""
    return ObjectPath(_NAME, COMPUTER_SYSTEM.shape.keys(uuid), namespace=namespace)


def system_element(uuid: str) -> JobElement:
    """What a job keeps of the virtual system ``uuid``."""
    return JobElement(_NAME, uuid)
