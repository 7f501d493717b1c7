"""Consoles: there while something can be opened; nobody asks for one."""

from __future__ import annotations

from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.model import Console, VirtualSystem
from virtcim.providers.resources.allocation import CONSOLE_ALLOCATION
from virtcim.providers.resources.kind import ResourceKind, ResourceSetting
from virtcim.providers.resources.settings import accept_one

__all__ = ["CONSOLES"]


def _change(
    setting: ResourceSetting, _system: VirtualSystem, _: Console, change: VirtualSystemChange
) -> VirtualSystemChange:
    """Nothing of a console can be changed: ``change`` as it is."""
    accept_one(setting.reader)
    return change


CONSOLES: ResourceKind[Console] = ResourceKind(
    name="console", allocation=CONSOLE_ALLOCATION, change=_change
)
