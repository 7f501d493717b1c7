"""VirtCIM_ComputerSystem: a virtual machine, and its state (DSP1057)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import ObjectPath, Value
from virtcim.errormap import ErrorCode, cim_message
from virtcim.hypervisor.model import PowerOperation, PowerState, StopReason, VirtualSystem
from virtcim.providers.engine.key_shapes import system_keys
from virtcim.providers.engine.per_object import per_system
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.state.job_store import JobElement

__all__ = [
    "COMPUTER_SYSTEM",
    "caption_of",
    "path_of_system",
    "system_element",
]

_NAME = "VirtCIM_ComputerSystem"
_NOT_APPLICABLE = 12
_MAX_CAPTION = 64  # CIM_ManagedElement
_NO_CHANGE = 5
_ERROR_STATUS, _ERROR_PRIMARY = 6, 3
_MAJOR_FAILURE, _CRITICAL_FAILURE = 20, 25


class State(NamedTuple):
    """What a power state is in the ValueMaps of CIM_ComputerSystem."""

    enabled_state: int
    operational_status: int
    status_description: str
    operating_status: int
    health_state: int
    primary_status: int
    available: tuple[int, ...]


# DSP1057 clause 7.2 gives the enabled states; what can be requested follows XenAPI's rules.
_STATES: Mapping[PowerState, State] = MappingProxyType(
    {
        PowerState.RUNNING: State(2, 2, "Running", 16, 5, 1, (3, 4, 6, 9, 10, 11)),
        PowerState.PAUSED: State(9, 15, "Paused", 7, 5, 1, (2, 3, 11)),
        PowerState.SUSPENDED: State(6, 15, "Suspended", 7, 5, 1, (2, 3)),
        PowerState.HALTED: State(3, 10, "Stopped", 5, 5, 1, (2,)),
        PowerState.UNKNOWN: State(0, 0, "Unknown", 0, 0, 0, ()),
    }
)

# TransitioningToState of what is being done: the requested state that it comes from.
_TRANSITIONS: Mapping[PowerOperation | None, int] = MappingProxyType(
    {
        None: _NO_CHANGE,
        PowerOperation.START: 2,
        PowerOperation.UNPAUSE: 2,
        PowerOperation.RESUME: 2,
        PowerOperation.HARD_SHUTDOWN: 3,
        PowerOperation.CLEAN_SHUTDOWN: 4,
        PowerOperation.SUSPEND: 6,
        PowerOperation.PAUSE: 9,
        PowerOperation.CLEAN_REBOOT: 10,
        PowerOperation.HARD_REBOOT: 11,
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
        operational_status.insert(0, _ERROR_STATUS)
        descriptions.insert(0, f"Stopped by itself: {stop.reason}")
        # A paused system can go on once the cause is removed, a halted one cannot.
        paused = system.power_state is PowerState.PAUSED
        health_state = _MAJOR_FAILURE if paused else _CRITICAL_FAILURE
        primary_status = _ERROR_PRIMARY
    title = system.title if system.live_title is None else system.live_title
    description = system.name_description
    if system.live_description is not None:
        description = system.live_description
    values: dict[str, Value] = {
        "NameFormat": "UUID",
        "ElementName": system.name_label,
        "Caption": caption_of(title, "Virtual system"),
        "Description": description or None,
        "Dedicated": [0],
        "OtherIdentifyingInfo": [system.name_label, system.uuid],
        "IdentifyingDescriptions": ["Label", "UUID"],
        "EnabledState": state.enabled_state,
        "RequestedState": _NOT_APPLICABLE,
        "TransitioningToState": _TRANSITIONS[system.transition],
        "EnabledDefault": 2 if system.auto_start else 3,
        "TimeOfLastStateChange": system.state_since or (stop.since if stop is not None else None),
        "AvailableRequestedStates": list(state.available),
        "OperationalStatus": operational_status,
        "StatusDescriptions": descriptions,
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
