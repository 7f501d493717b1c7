"""VirtCIM_HostSystem: the host of virtual systems (DSP1042 "CIM_System")."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    Dedicated,
    EnabledDefault,
    EnabledState,
    HealthState,
    OperatingStatus,
    OperationalStatus,
    PrimaryStatus,
    RequestedState,
)
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.key_shapes import system_keys
from virtcim.providers.engine.per_object import per_host
from virtcim.providers.engine.problems import with_problem

__all__ = ["HOST_CLASS", "HOST_SYSTEM"]

HOST_CLASS = "VirtCIM_HostSystem"


def _states(host: Host) -> Mapping[str, Value]:
    """A host that is not live cannot be reached; one that is disabled takes no new systems."""
    if not host.live:
        return {
            "EnabledState": EnabledState.UNKNOWN,
            "OperationalStatus": [OperationalStatus.NO_CONTACT],
            "StatusDescriptions": ["No contact"],
            "OperatingStatus": OperatingStatus.UNKNOWN,
            "HealthState": HealthState.UNKNOWN,
            "PrimaryStatus": PrimaryStatus.UNKNOWN,
        }
    if not host.enabled:
        return {
            "EnabledState": EnabledState.ENABLED_BUT_OFFLINE,
            "OperationalStatus": [OperationalStatus.IN_SERVICE],
            "StatusDescriptions": ["Maintenance"],
            "OperatingStatus": OperatingStatus.SERVICING,
            "HealthState": HealthState.OK,
            "PrimaryStatus": PrimaryStatus.OK,
        }
    return {
        "EnabledState": EnabledState.ENABLED,
        "OperationalStatus": [OperationalStatus.OK],
        "StatusDescriptions": ["OK"],
        "OperatingStatus": OperatingStatus.IN_SERVICE,
        "HealthState": HealthState.OK,
        "PrimaryStatus": PrimaryStatus.OK,
    }


def _values(host: Host) -> Mapping[str, Value]:
    identifying = (
        ("Label", host.name_label),
        ("UUID", host.uuid),
        ("Host name", host.hostname),
        ("Address", host.address),
    )
    known = [(kind, text) for kind, text in identifying if text]
    versions = ", ".join(f"{name} {value}" for name, value in host.software_version.items())
    values: dict[str, Value] = {
        "NameFormat": "UUID",
        "ElementName": host.name_label,
        "Caption": "Hypervisor host",
        "Description": versions or None,
        "Dedicated": [Dedicated.NOT_DEDICATED],
        "OtherIdentifyingInfo": [text for _, text in known],
        "IdentifyingDescriptions": [kind for kind, _ in known],
        "RequestedState": RequestedState.NOT_APPLICABLE,
        "TransitioningToState": RequestedState.NOT_APPLICABLE,
        "EnabledDefault": EnabledDefault.ENABLED,
        "AvailableRequestedStates": [],
        **_states(host),
    }
    return with_problem(values, host.problem)


HOST_SYSTEM = per_host(HOST_CLASS, _values, shape=system_keys(HOST_CLASS))
