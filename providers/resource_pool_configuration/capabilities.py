"""VirtCIM_ResourcePoolConfigurationCapabilities: which methods can change pools (DSP1041)."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.records import Value
from virtcim.cim.value_maps import PoolConfigurationMethod
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.per_object import per_host

__all__ = ["POOL_CONFIGURATION_CAPABILITIES"]

_PART = "ResourcePoolConfigurationCapabilities"


def _values(host: Host) -> Mapping[str, Value]:
    return {
        "ElementName": f"Resource pool configuration capabilities of {host.name_label}",
        "Caption": "Resource pool configuration capabilities",
        # No method may be in both lists: those that may return a job are in this one.
        "AsynchronousMethodsSupported": [
            PoolConfigurationMethod.CREATE_CHILD_RESOURCE_POOL_IS_SUPPORTED,
            PoolConfigurationMethod.DELETE_RESOURCE_POOL_IS_SUPPORTED,
        ],
        "SynchronousMethodsSupported": [],
    }


POOL_CONFIGURATION_CAPABILITIES = per_host(f"VirtCIM_{_PART}", _values, part=_PART)
