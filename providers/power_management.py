"""VirtCIM_PowerManagementService: tells the power state of a host (DSP1027).

It only tells: the hypervisor offers no way to switch its own host off and on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.hypervisor.model import Host
from virtcim.providers.host import HOST_CLASS
from virtcim.providers.instance_class import InstanceClass, KeyShape, Node, Sources
from virtcim.providers.records import Value
from virtcim.providers.view import View

__all__ = ["POWER_SERVICE", "power_state"]

_CLASS = "VirtCIM_PowerManagementService"
_OTHER, _ON = 1, 2
_NOT_APPLICABLE = 12


def _find(view: View, identity: str) -> Sources | None:
    host = view.inventory.hosts.get(identity.lower())
    return None if host is None else (host,)


def _all(view: View) -> Iterable[Sources]:
    return ((host,) for host in view.inventory.hosts.values())


def _values(host: Host) -> Mapping[str, Value]:
    return {
        "ElementName": f"Power management of {host.name_label}",
        "Caption": "Power management service",
        "EnabledState": 2,
        "RequestedState": _NOT_APPLICABLE,
        "TransitioningToState": _NOT_APPLICABLE,
        "EnabledDefault": 2,
        "AvailableRequestedStates": [],
        "Started": True,
        "OperationalStatus": [2],
        "StatusDescriptions": ["OK"],
        "HealthState": 5,
    }


POWER_SERVICE = InstanceClass(
    name=_CLASS,
    shape=KeyShape(
        names=("SystemCreationClassName", "SystemName", "CreationClassName", "Name"),
        variable="SystemName",
        fixed={
            "SystemCreationClassName": HOST_CLASS,
            "CreationClassName": _CLASS,
            "Name": "PowerManagementService",
        },
    ),
    identity=lambda host: host.uuid,
    find=_find,
    all=_all,
    values=_values,
)


def power_state(_service: Node, host: Node) -> Mapping[str, Value]:
    """The power state of a host (CIM_AssociatedPowerManagementService)."""
    live = host.sources[0].live
    return {
        "PowerState": _ON if live else _OTHER,
        "OtherPowerState": None if live else "No contact",
        "RequestedPowerState": _NOT_APPLICABLE,
        "AvailableRequestedPowerStates": [],
    }
