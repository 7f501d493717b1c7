"""VirtCIM_ResourcePoolConfigurationService: the service that changes pools and what is in them.

DSP1041. Every host offers it; it acts on the whole pool of hosts.
"""

from __future__ import annotations

from virtcim.providers.host.hosted_service import host_service

__all__ = ["POOL_CONFIGURATION_SERVICE"]

POOL_CONFIGURATION_SERVICE = host_service(
    "VirtCIM_ResourcePoolConfigurationService",
    "Resource pool configuration",
    StartMode="Automatic",
)
