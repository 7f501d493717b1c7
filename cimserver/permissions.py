"""Which role an operation needs: what is not in these tables is allowed to nobody but as said.

The role is needed in the namespace of what is read or changed. What ``changes`` something leaves a
line in the audit log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from virtcim.daemon.roles import Role

__all__ = ["METHODS", "OPERATIONS", "WRITTEN_CLASSES", "Permission"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """The least role that an operation needs, and whether it changes something."""

    role: Role
    changes: bool = False


_READS = Permission(role=Role.READ)
_KEEPS_OWN = Permission(role=Role.READ, changes=True)
_OPERATES = Permission(role=Role.OPERATE, changes=True)
_ADMINISTERS = Permission(role=Role.ADMINISTER, changes=True)

OPERATIONS: Mapping[str, Permission] = MappingProxyType(
    {
        name.lower(): permission
        for names, permission in (
            (
                (
                    *("GetClass", "EnumerateClasses", "EnumerateClassNames"),
                    *("GetQualifier", "EnumerateQualifiers"),
                    *("GetInstance", "GetProperty", "EnumerateInstances", "EnumerateInstanceNames"),
                    *("Associators", "AssociatorNames", "References", "ReferenceNames"),
                    *("OpenEnumerateInstances", "OpenEnumerateInstancePaths"),
                    *("OpenAssociatorInstances", "OpenAssociatorInstancePaths"),
                    *("OpenReferenceInstances", "OpenReferenceInstancePaths"),
                    *("ExecQuery", "OpenQueryInstances"),
                    *("PullInstancesWithPath", "PullInstancePaths", "PullInstances"),
                    *("CloseEnumeration", "EnumerationCount"),
                ),
                _READS,
            ),
            # What may be written depends on the class: WRITTEN_CLASSES.
            (("CreateInstance", "ModifyInstance", "DeleteInstance", "SetProperty"), _READS),
        )
        for name in names
    }
)
"""The intrinsic operations, in lower case."""

WRITTEN_CLASSES: Mapping[str, Permission] = MappingProxyType(
    {
        "CIM_ConcreteJob": _OPERATES,
        # One's own; what others have made needs the role administer (roles.may_touch).
        "CIM_IndicationFilter": _KEEPS_OWN,
        "CIM_ListenerDestination": _KEEPS_OWN,
        "CIM_AbstractIndicationSubscription": _KEEPS_OWN,
    }
)
"""The classes of instances that CreateInstance, ModifyInstance and DeleteInstance write, with
their subclasses. Those of any other class are for administrators, where they can be written at all.
"""

METHODS: Mapping[tuple[str, str], Permission] = MappingProxyType(
    {
        (class_name, method.lower()): permission
        for class_name, methods, permission in (
            ("VirtCIM_ComputerSystem", ("RequestStateChange",), _OPERATES),
            ("VirtCIM_ConcreteJob", ("GetError", "GetErrors"), _READS),
            ("VirtCIM_ConcreteJob", ("RequestStateChange", "KillJob"), _OPERATES),
            (
                "VirtCIM_VirtualSystemManagementService",
                (
                    *("DefineSystem", "DestroySystem", "ModifySystemSettings"),
                    *("AddResourceSettings", "ModifyResourceSettings", "RemoveResourceSettings"),
                ),
                _ADMINISTERS,
            ),
            (
                "VirtCIM_ResourcePoolConfigurationService",
                (
                    *("CreateChildResourcePool", "DeleteResourcePool", "CreateResourcePool"),
                    *("CreateResourceInPool", "DeleteResourceInPool", "ResizeResourceInPool"),
                    *("AddResourcesToResourcePool", "RemoveResourcesFromResourcePool"),
                    "ChangeParentResourcePool",
                ),
                _ADMINISTERS,
            ),
        )
        for method in methods
    }
)
"""The extrinsic methods by class and, in lower case, name. A method that is served and stands not
here is allowed to nobody; asking for one that is not served is for administrators.
"""
