"""VirtCIM_ResourcePoolConfigurationCapabilities: which methods can change pools (DSP1041)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass, Sources
from virtcim.providers.engine.view import View

__all__ = ["POOL_CONFIGURATION_CAPABILITIES"]

_PART = "ResourcePoolConfigurationCapabilities"
_CREATE_CHILD_POOL, _DELETE_POOL = 3, 4


def _find(view: View, identity: str) -> Sources | None:
    parsed = parse_instance_id(identity)
    if parsed is None or parsed[1] != _PART:
        return None
    host = view.inventory.hosts.get(parsed[0])
    return None if host is None else (host,)


def _all(view: View) -> Iterable[Sources]:
    return ((host,) for host in view.inventory.hosts.values())


def _values(host: Host) -> Mapping[str, Value]:
    return {
        "ElementName": f"Resource pool configuration capabilities of {host.name_label}",
        "Caption": "Resource pool configuration capabilities",
        # No method may be in both lists: those that may return a job are in this one.
        "AsynchronousMethodsSupported": [_CREATE_CHILD_POOL, _DELETE_POOL],
        "SynchronousMethodsSupported": [],
    }


POOL_CONFIGURATION_CAPABILITIES = InstanceClass(
    name=f"VirtCIM_{_PART}",
    identity=lambda host: instance_id(host.uuid, _PART),
    find=_find,
    all=_all,
    values=_values,
)
