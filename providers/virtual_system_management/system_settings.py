"""Properties of the settings of a whole system; None where they are not given."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from virtcim.cim.value_maps import AutomaticRecoveryAction, AutomaticStartupAction
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.virtual_system.settings import (
    BOOT_DEVICES,
    PASSED_BOOT_DEVICES,
)

__all__ = ["auto_start", "boot_order", "recovery"]

_RECOVERY: Mapping[int, str] = MappingProxyType(
    {AutomaticRecoveryAction.NONE: "destroy", AutomaticRecoveryAction.RESTART: "restart"}
)


def boot_order(settings: SettingReader, present: str = "") -> str | None:
    """XenAPI's letters for the devices to boot from; ``present`` are those of the system.

    Passed-through devices can be named where the system boots from such ones already.
    """
    letters = dict(BOOT_DEVICES)
    letters |= {word: one for word, one in PASSED_BOOT_DEVICES.items() if one in present}
    order = ""
    for device in settings.texts("BootDevices"):
        letter = letters.get(device.lower())
        if letter is None or letter in order:
            known = ", ".join(letters)
            raise settings.refuse("BootDevices", device, f"is not one of {known}, each once")
        order += letter
    return order or None


def auto_start(settings: SettingReader) -> bool | None:
    """Whether the system shall start with its host."""
    action = settings.number("AutomaticStartupAction")
    flag = settings.flag("AutoStart")
    always, never = AutomaticStartupAction.ALWAYS_STARTUP, AutomaticStartupAction.NONE
    if action not in (None, never, always):
        raise settings.refuse(
            "AutomaticStartupAction", action, "cannot be applied; possible are 2 None, 4 Always"
        )
    return action == always if action is not None else flag


def recovery(settings: SettingReader) -> str | None:
    """XenAPI's word for what shall happen after a crash."""
    action = settings.number("AutomaticRecoveryAction")
    if action is None:
        return None
    if action not in _RECOVERY:
        raise settings.refuse(
            "AutomaticRecoveryAction", action, "cannot be applied; possible are 2 None, 3 Restart"
        )
    return _RECOVERY[action]
