"""VirtCIM_HostSystem: the host of virtual systems (DSP1042 clause 7.2)."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.key_shapes import system_keys
from virtcim.providers.engine.per_object import per_host
from virtcim.providers.engine.problems import with_problem

__all__ = ["HOST_CLASS", "HOST_SYSTEM"]

HOST_CLASS = "VirtCIM_HostSystem"
_NOT_APPLICABLE = 12


def _states(host: Host) -> Mapping[str, Value]:
    """A host that is not live cannot be reached; one that is disabled takes no new systems."""
    if not host.live:
        enabled, operational, text, operating, health, primary = 0, 12, "No contact", 0, 0, 0
    elif not host.enabled:
        enabled, operational, text, operating, health, primary = 6, 11, "Maintenance", 2, 5, 1
    else:
        enabled, operational, text, operating, health, primary = 2, 2, "OK", 16, 5, 1
    return {
        "EnabledState": enabled,
        "OperationalStatus": [operational],
        "StatusDescriptions": [text],
        "OperatingStatus": operating,
        "HealthState": health,
        "PrimaryStatus": primary,
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
        "Dedicated": [0],
        "OtherIdentifyingInfo": [text for _, text in known],
        "IdentifyingDescriptions": [kind for kind, _ in known],
        "RequestedState": _NOT_APPLICABLE,
        "TransitioningToState": _NOT_APPLICABLE,
        "EnabledDefault": 2,
        "AvailableRequestedStates": [],
        **_states(host),
    }
    return with_problem(values, host.problem)


HOST_SYSTEM = per_host(HOST_CLASS, _values, shape=system_keys(HOST_CLASS))
