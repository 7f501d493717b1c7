"""VirtCIM_VirtualSystemManagementCapabilities: what the management service can do.

DSP1042 "CIM_VirtualSystemManagementCapabilities". One per host, as the guests that a host can run
depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from virtcim.cim.records import Value
from virtcim.cim.value_maps import SystemManagementMethod
from virtcim.errormap import TABLE_VERSION
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.per_object import per_host
from virtcim.providers.virtual_system.capabilities import name_characters
from virtcim.providers.virtual_system.settings import TYPE_PREFIX
from virtcim.providers.virtual_system_management.service_methods import MANAGEMENT_METHODS

__all__ = ["MANAGEMENT_CAPABILITIES"]

_PART = "VirtualSystemManagementCapabilities"
# SynchronousMethodsSupported and AsynchronousMethodsSupported.
_NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        "DefineSystem": SystemManagementMethod.DEFINE_SYSTEM_SUPPORTED,
        "DestroySystem": SystemManagementMethod.DESTROY_SYSTEM_SUPPORTED,
        "DestroySystemConfiguration": SystemManagementMethod.DESTROY_SYSTEM_CONFIGURATION_SUPPORTED,
        "ModifyResourceSettings": SystemManagementMethod.MODIFY_RESOURCE_SETTINGS_SUPPORTED,
        "ModifySystemSettings": SystemManagementMethod.MODIFY_SYSTEM_SETTINGS_SUPPORTED,
        "RemoveResourceSettings": SystemManagementMethod.REMOVE_RESOURCES_SUPPORTED,
        "SelectSystemConfiguration": SystemManagementMethod.SELECT_SYSTEM_CONFIGURATION_SUPPORTED,
        "SnapshotSystem": SystemManagementMethod.SNAPSHOT_SYSTEM_SUPPORTED,
        "AddResourceSettings": SystemManagementMethod.ADD_RESOURCES_SUPPORTED,
    }
)


def _values(host: Host) -> Mapping[str, Value]:
    served = {method.name for method in MANAGEMENT_METHODS}
    methods: list[int] = sorted(_NUMBERS[name] for name in served & _NUMBERS.keys())
    return {
        "ElementName": f"Virtual system management capabilities of {host.name_label}",
        "Caption": "Virtual system management capabilities",
        "VirtualSystemTypesSupported": [f"{TYPE_PREFIX}:{kind}" for kind in host.system_types],
        # Each ends at once, or goes on as a job if it takes longer.
        "SynchronousMethodsSupported": [*methods],
        "AsynchronousMethodsSupported": [*methods],
        "IndicationsSupported": [],
        # The names of the virtual systems; that of the service is fixed.
        "ElementNameEditSupported": True,
        "MaxElementNameLen": name_characters(host),
        "RequestedStatesSupported": [],
        "ErrorTableVersion": TABLE_VERSION,
    }


MANAGEMENT_CAPABILITIES = per_host(f"VirtCIM_{_PART}", _values, part=_PART)
