"""VirtCIM_PowerManagementService: tells the power state of a host (DSP1027).

It only tells: the hypervisor offers no way to switch its own host off and on.
"""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.records import Value
from virtcim.cim.value_maps import PowerState, RequestedPowerState
from virtcim.providers.engine.instance_class import AnyNode
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.host.hosted_service import host_service

__all__ = ["POWER_SERVICE", "power_state"]

_CLASS = "VirtCIM_PowerManagementService"


POWER_SERVICE = host_service(_CLASS, "Power management")


def power_state(_service: AnyNode, host: AnyNode) -> Mapping[str, Value]:
    """The power state of a host (CIM_AssociatedPowerManagementService)."""
    assert HOST_SYSTEM.owns(host)
    live = host.sources.host.live
    return {
        "PowerState": PowerState.ON if live else PowerState.OTHER,
        "OtherPowerState": None if live else "No contact",
        "RequestedPowerState": RequestedPowerState.NOT_APPLICABLE,
        "AvailableRequestedPowerStates": [],
    }
