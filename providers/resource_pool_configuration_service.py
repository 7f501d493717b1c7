"""VirtCIM_ResourcePoolConfigurationService: the service that changes pools and what is in them.

DSP1041. Every host offers it; it acts on the whole pool of hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.hypervisor.model import Host
from virtcim.providers.host import HOST_CLASS
from virtcim.providers.instance_class import InstanceClass, KeyShape, Sources
from virtcim.providers.records import Value
from virtcim.providers.view import View

__all__ = ["POOL_CONFIGURATION_SERVICE"]

_CLASS = "VirtCIM_ResourcePoolConfigurationService"


def _find(view: View, identity: str) -> Sources | None:
    host = view.inventory.hosts.get(identity.lower())
    return None if host is None else (host,)


def _all(view: View) -> Iterable[Sources]:
    return ((host,) for host in view.inventory.hosts.values())


def _values(host: Host) -> Mapping[str, Value]:
    return {
        "ElementName": f"Resource pool configuration of {host.name_label}",
        "Caption": "Resource pool configuration service",
        "EnabledState": 2,
        "RequestedState": 12,
        "TransitioningToState": 12,
        "EnabledDefault": 2,
        "AvailableRequestedStates": [],
        "Started": True,
        "StartMode": "Automatic",
        "OperationalStatus": [2],
        "StatusDescriptions": ["OK"],
        "HealthState": 5,
    }


POOL_CONFIGURATION_SERVICE = InstanceClass(
    name=_CLASS,
    shape=KeyShape(
        names=("SystemCreationClassName", "SystemName", "CreationClassName", "Name"),
        variable="SystemName",
        fixed={
            "SystemCreationClassName": HOST_CLASS,
            "CreationClassName": _CLASS,
            "Name": "ResourcePoolConfigurationService",
        },
    ),
    identity=lambda host: host.uuid,
    find=_find,
    all=_all,
    values=_values,
)
