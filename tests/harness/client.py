"""One virtual system as a CIM client sees and changes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pywbem

from tests.system.cim import NAMESPACE, associated, service_path

__all__ = ["DISK", "NETWORK_POOL", "PORT", "SystemClient"]

VSSD = "VirtCIM_VirtualSystemSettingData"
DISK = "VirtCIM_DiskResourceAllocationSettingData"
PORT = "VirtCIM_NetworkPortResourceAllocationSettingData"
NETWORK_POOL = "VirtCIM_NetworkPool"
_COMPONENTS = "VirtCIM_VirtualSystemSettingDataComponent"


class SystemClient:
    """Reads the settings of one system, and asks for changes of it; raises pywbem.CIMError."""

    def __init__(self, cim: pywbem.WBEMConnection, uuid: str) -> None:
        self.cim = cim
        self.uuid = uuid
        self._service = service_path(cim)
        self._path = pywbem.CIMInstanceName(
            VSSD, {"InstanceID": f"VirtCIM:{uuid}"}, namespace=NAMESPACE
        )

    def system(self) -> pywbem.CIMInstance:
        """The settings of the system itself."""
        return self.cim.GetInstance(self._path)

    def settings(self) -> dict[str, pywbem.CIMInstance]:
        """The settings of its resources by what follows its identity: `memory`, `disk/vda`."""
        found = associated(self.cim, self._path, _COMPONENTS)
        return {each["InstanceID"].partition("/")[2]: each for each in found}

    def modify_system(self, instance: pywbem.CIMInstance | None = None, **values: Any) -> None:
        """ModifySystemSettings with what was read and these values instead."""
        self._invoke(
            "ModifySystemSettings", SystemSettings=_with(instance or self.system(), values)
        )

    def modify(self, *changes: tuple[str, dict[str, Any]]) -> None:
        """ModifyResourceSettings: of each part what was read, with these values instead."""
        known = self.settings()
        self.send([_with(known[part], values) for part, values in changes])

    def send(self, settings: Iterable[pywbem.CIMInstance]) -> None:
        """ModifyResourceSettings with these settings."""
        self._invoke("ModifyResourceSettings", ResourceSettings=list(settings))

    def add(self, class_name: str, **values: Any) -> None:
        """AddResourceSettings."""
        self._invoke(
            "AddResourceSettings",
            AffectedConfiguration=self._path,
            ResourceSettings=[pywbem.CIMInstance(class_name, values)],
        )

    def remove(self, class_name: str, part: str) -> None:
        """RemoveResourceSettings."""
        keys = {"InstanceID": f"VirtCIM:{self.uuid}/{part}"}
        path = pywbem.CIMInstanceName(class_name, keys, namespace=NAMESPACE)
        self._invoke("RemoveResourceSettings", ResourceSettings=[path])

    def _invoke(self, method: str, **parameters: Any) -> None:
        status, output = self.cim.InvokeMethod(method, self._service, **parameters)
        assert status == 0, (method, status, output)


def _with(instance: pywbem.CIMInstance, values: dict[str, Any]) -> pywbem.CIMInstance:
    """What was read with other values; None leaves a property out."""
    changed = instance.copy()
    for name, value in values.items():
        if value is None:
            changed.properties.pop(name, None)
        else:
            changed[name] = value
    changed.path = None
    return changed
