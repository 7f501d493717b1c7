"""VirtCIM_VirtualSystemManagementService: the service that makes and removes virtual systems.

DSP1042 "CIM_VirtualSystemManagementService". Every host offers it; it acts on the whole pool of
hosts.
"""

from __future__ import annotations

from virtcim.providers.host.hosted_service import host_service

__all__ = ["MANAGEMENT_SERVICE"]

MANAGEMENT_SERVICE = host_service(
    "VirtCIM_VirtualSystemManagementService",
    "Virtual system management",
    # It speaks for whatever is not shown, and so cannot speak for itself.
    problem=lambda host: host.left_out,
    StartMode="Automatic",
)
