"""VirtCIM_VirtualSystemSettingData: the settings of a virtual system.

DSP1057 "CIM_VirtualSystemSettingData".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    AutomaticRecoveryAction,
    AutomaticRecoveryActionValue,
    AutomaticStartupAction,
)
from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.engine.per_object import per_system
from virtcim.providers.virtual_system.computer_system import caption_of

__all__ = [
    "BOOT_DEVICES",
    "PASSED_BOOT_DEVICES",
    "SYSTEM_SETTINGS",
    "TYPE_PREFIX",
]

TYPE_PREFIX = "virtcim"
# AutomaticRecoveryAction of XenAPI's on_crash_behaviour.
_RECOVERY: Mapping[str, AutomaticRecoveryActionValue] = MappingProxyType(
    {
        "destroy": AutomaticRecoveryAction.NONE,
        "coredump_and_destroy": AutomaticRecoveryAction.NONE,
        "preserve": AutomaticRecoveryAction.NONE,
        "restart": AutomaticRecoveryAction.RESTART,
        "coredump_and_restart": AutomaticRecoveryAction.RESTART,
        "rename_restart": AutomaticRecoveryAction.RESTART,
    }
)
# The words for boot devices, and XenAPI's letters in HVM_boot_params["order"].
BOOT_DEVICES: Mapping[str, str] = MappingProxyType(
    {"fd": "a", "hd": "c", "cdrom": "d", "network": "n"}
)
# Devices of the host, and of clients elsewhere, that our own toolstack tells of a machine that
# boots from them: libvirt's words and its letters.
PASSED_BOOT_DEVICES: Mapping[str, str] = MappingProxyType({"hostdev": "h", "redirdev": "r"})
_BOOT_LETTERS = {
    letter: device for device, letter in (*BOOT_DEVICES.items(), *PASSED_BOOT_DEVICES.items())
}


def _values(system: VirtualSystem) -> Mapping[str, Value]:
    boot = [_BOOT_LETTERS[letter] for letter in system.boot_order if letter in _BOOT_LETTERS]
    return {
        "ElementName": system.name_label,
        "Caption": caption_of(system.title, "Settings of a virtual system"),
        "Description": system.name_description or None,
        "VirtualSystemIdentifier": system.uuid,
        "VirtualSystemType": f"{TYPE_PREFIX}:{system.os_type}"
        if system.os_type
        else "DMTF:unknown",
        "AutomaticStartupAction": AutomaticStartupAction.ALWAYS_STARTUP
        if system.auto_start
        else AutomaticStartupAction.NONE,
        "AutomaticRecoveryAction": _RECOVERY.get(system.actions_after_crash.lower()),
        "BootDevices": boot or None,
    }


SYSTEM_SETTINGS = per_system("VirtCIM_VirtualSystemSettingData", _values)
