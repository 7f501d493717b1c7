"""RequestStateChange of a virtual system (DSP1057 "CIM_ComputerSystem.RequestStateChange")."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from virtcim.cim.records import MethodResult, Value
from virtcim.cim.value_maps import RequestedState
from virtcim.hypervisor import PowerStateError
from virtcim.hypervisor.model import PowerOperation, PowerState
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.sources import OfSystem
from virtcim.providers.errors import rejected
from virtcim.providers.jobs.elements import element_of
from virtcim.providers.jobs.invocation import (
    SUCCESS,
    TIMEOUT_NOT_SUPPORTED,
    Call,
    instance_method,
)
from virtcim.providers.jobs.operation import Operation
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM

__all__ = ["REQUESTABLE_STATES", "STATE_METHODS"]

# CIM_EnabledLogicalElement.RequestStateChange.RequestedState, where one operation serves it.
_OPERATIONS: Mapping[int, PowerOperation] = MappingProxyType(
    {
        RequestedState.DISABLED: PowerOperation.HARD_SHUTDOWN,
        RequestedState.SHUT_DOWN: PowerOperation.CLEAN_SHUTDOWN,
        RequestedState.OFFLINE: PowerOperation.SUSPEND,
        RequestedState.QUIESCE: PowerOperation.PAUSE,
        RequestedState.REBOOT: PowerOperation.CLEAN_REBOOT,
        RequestedState.RESET: PowerOperation.HARD_REBOOT,
    }
)
# Every state that can be requested of some virtual system.
REQUESTABLE_STATES: tuple[int, ...] = (RequestedState.ENABLED, *_OPERATIONS)
# What leads to "Enabled" depends on where the system is.
_ENABLING: Mapping[PowerState, PowerOperation] = MappingProxyType(
    {
        PowerState.PAUSED: PowerOperation.UNPAUSE,
        PowerState.SUSPENDED: PowerOperation.RESUME,
    }
)
# Where each leads to; a reboot and a reset lead nowhere else.
_REACHED: Mapping[int, PowerState] = MappingProxyType(
    {
        RequestedState.ENABLED: PowerState.RUNNING,
        RequestedState.DISABLED: PowerState.HALTED,
        RequestedState.SHUT_DOWN: PowerState.HALTED,
        RequestedState.OFFLINE: PowerState.SUSPENDED,
        RequestedState.QUIESCE: PowerState.PAUSED,
    }
)
_STATE_NAMES = "2 Enabled, 3 Disabled, 4 Shut Down, 6 Offline, 9 Quiesce, 10 Reboot, 11 Reset"


def _power_operation(present: PowerState, requested_state: Value) -> PowerOperation:
    """The operation that brings a system that is in a state into the requested one.

    Whether its present state allows the operation is for the hypervisor to say. Raises CimError
    for a state that no virtual system can be brought into.
    """
    if requested_state == RequestedState.ENABLED:
        return _ENABLING.get(present, PowerOperation.START)
    if not isinstance(requested_state, int) or requested_state not in _OPERATIONS:
        raise rejected(
            f"RequestedState: {'NULL' if requested_state is None else requested_state} cannot be "
            f"requested of a virtual system; possible are {_STATE_NAMES}"
        )
    return _OPERATIONS[requested_state]


def _is_reached(present: PowerState, requested_state: Value) -> bool:
    """Whether a system in that state is where the request would bring it."""
    return isinstance(requested_state, int) and _REACHED.get(requested_state) is present


def _change_state(call: Call, node: Node[OfSystem]) -> MethodResult:
    """CIM_EnabledLogicalElement.RequestStateChange of a virtual system."""
    system = node.sources.system
    requested = call.parameter("RequestedState")
    operation = _power_operation(system.power_state, requested)
    if call.limits_time:
        return MethodResult(return_value=TIMEOUT_NOT_SUPPORTED)

    def change(monitor: Operation) -> MethodResult:
        try:
            call.endpoint.change_power(system.uuid, operation, monitor)
        except PowerStateError as refused:
            # It was chosen for a state that the system has left meanwhile: choose again, once.
            if refused.present is system.power_state:
                raise
            if not _is_reached(refused.present, requested):
                again = _power_operation(refused.present, requested)
                if again is operation:
                    raise
                call.endpoint.change_power(system.uuid, again, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("RequestStateChange", change, affected=[element_of(node)])


STATE_METHODS = (
    instance_method(
        COMPUTER_SYSTEM, "RequestStateChange", ("RequestedState", "TimeoutPeriod"), _change_state
    ),
)
