"""What the system tests ask of a CIM server with pywbem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pywbem

from tests.system.waiting import wait_for

__all__ = [
    "CHANGE_STATE",
    "NAMESPACE",
    "associated",
    "define",
    "destroy",
    "find_system",
    "request_state",
    "resource_settings",
    "service_path",
    "system_path",
    "system_settings",
    "wait_for_system",
]

NAMESPACE = "root/virt"
_MIB = 1 << 20

#: CIM_EnabledLogicalElement.RequestStateChange: what each RequestedState does here.
CHANGE_STATE = {
    "run": 2,
    "switch off": 3,
    "shut down": 4,
    "suspend": 6,
    "pause": 9,
    "reboot": 10,
    "reset": 11,
}


def system_path(uuid: str) -> pywbem.CIMInstanceName:
    """The path of a virtual system."""
    return pywbem.CIMInstanceName(
        "VirtCIM_ComputerSystem",
        {"CreationClassName": "VirtCIM_ComputerSystem", "Name": uuid},
        namespace=NAMESPACE,
    )


def service_path(cim: pywbem.WBEMConnection) -> pywbem.CIMInstanceName:
    """The path of the service that makes and removes virtual systems."""
    [path] = cim.EnumerateInstanceNames("VirtCIM_VirtualSystemManagementService")
    return path


def system_settings(name: str) -> pywbem.CIMInstance:
    """The SystemSettings of DefineSystem."""
    return pywbem.CIMInstance("VirtCIM_VirtualSystemSettingData", {"ElementName": name})


def resource_settings(
    *,
    disks: Sequence[Path | str] = (),
    memory_bytes: int = 32 * _MIB,
    processors: int = 1,
    network_uuid: str = "",
) -> list[pywbem.CIMInstance]:
    """The ResourceSettings of DefineSystem."""
    settings = [
        pywbem.CIMInstance(
            "VirtCIM_ProcessorResourceAllocationSettingData",
            {"ResourceType": pywbem.Uint16(3), "VirtualQuantity": pywbem.Uint64(processors)},
        ),
        pywbem.CIMInstance(
            "VirtCIM_MemoryResourceAllocationSettingData",
            {
                "ResourceType": pywbem.Uint16(4),
                "VirtualQuantity": pywbem.Uint64(memory_bytes // _MIB),
                "AllocationUnits": "byte*2^20",
            },
        ),
        *(
            pywbem.CIMInstance(
                "VirtCIM_DiskResourceAllocationSettingData",
                {"ResourceType": pywbem.Uint16(31), "HostResource": [str(disk)]},
            )
            for disk in disks
        ),
    ]
    if network_uuid:
        settings.append(
            pywbem.CIMInstance(
                "VirtCIM_NetworkPortResourceAllocationSettingData",
                {
                    "ResourceType": pywbem.Uint16(10),
                    "PoolID": f"VirtCIM:{network_uuid}/NetworkPool",
                },
            )
        )
    return settings


def define(cim: pywbem.WBEMConnection, name: str, **resources: Any) -> str:
    """Make a virtual system (DefineSystem) and give its UUID."""
    status, output = cim.InvokeMethod(
        "DefineSystem",
        service_path(cim),
        SystemSettings=system_settings(name),
        ResourceSettings=resource_settings(**resources),
    )
    assert status == 0, output
    return str(output["ResultingSystem"]["Name"])


def destroy(cim: pywbem.WBEMConnection, uuid: str) -> None:
    """Remove a virtual system (DestroySystem)."""
    status, _ = cim.InvokeMethod(
        "DestroySystem", service_path(cim), AffectedSystem=system_path(uuid)
    )
    assert status == 0


def request_state(cim: pywbem.WBEMConnection, uuid: str, change: str) -> None:
    """Ask for a state change, by the name it has in CHANGE_STATE, and see it done."""
    status, _ = cim.InvokeMethod(
        "RequestStateChange",
        system_path(uuid),
        RequestedState=pywbem.Uint16(CHANGE_STATE[change]),
    )
    assert status == 0


def find_system(cim: pywbem.WBEMConnection, name: str) -> pywbem.CIMInstance | None:
    """The virtual system of that name, None where there is none."""
    systems = cim.EnumerateInstances("VirtCIM_ComputerSystem")
    return next((system for system in systems if system["ElementName"] == name), None)


def wait_for_system(
    cim: pywbem.WBEMConnection, uuid: str, **properties: object
) -> pywbem.CIMInstance:
    """Wait until the virtual system has these property values, and give it."""
    return wait_for(
        lambda: cim.GetInstance(system_path(uuid)),
        lambda system: all(system[name] == value for name, value in properties.items()),
        f"virtual system {uuid} with {properties}",
    )


def associated(
    cim: pywbem.WBEMConnection, path: pywbem.CIMInstanceName, association: str
) -> list[pywbem.CIMInstance]:
    """The other ends of an association."""
    found: list[pywbem.CIMInstance] = cim.Associators(path, AssocClass=association)
    return found
