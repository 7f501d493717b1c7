"""VirtCIM_EnabledLogicalElementCapabilities: the states that can be requested (DSP1057)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host, VirtualSystem
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.per_object import all_systems, per_object
from virtcim.providers.engine.view import View
from virtcim.providers.virtual_system.state_change import REQUESTABLE_STATES

__all__ = ["SYSTEM_CAPABILITIES", "NamedSystem", "capabilities_of_system", "name_characters"]

_PART = "EnabledLogicalElementCapabilities"
# The MaxValue of MaxElementNameLen in the schema; a character has at most four bytes of UTF-8.
_MOST_CHARACTERS, _CHARACTER_BYTES = 256, 4


class NamedSystem(NamedTuple):
    """A virtual system, and how many characters any name that it can be given may have."""

    system: VirtualSystem
    name_limit: int


def _named(view: View, system: VirtualSystem) -> NamedSystem:
    host = view.home(system)
    return NamedSystem(system, _MOST_CHARACTERS if host is None else name_characters(host))


def name_characters(host: Host) -> int:
    """How many characters any name of a virtual system at ``host`` may have.

    A limit of bytes is told for the characters that take most of them.
    """
    if not host.name_limit_bytes:
        return _MOST_CHARACTERS
    return min(host.name_limit_bytes // _CHARACTER_BYTES, _MOST_CHARACTERS)


def _values(of: NamedSystem) -> Mapping[str, Value]:
    return {
        "ElementName": f"Capabilities of {of.system.name_label}",
        "Caption": "Capabilities of a virtual system",
        # The name is a setting: ModifySystemSettings changes it, ModifyInstance does not.
        "ElementNameEditSupported": True,
        "MaxElementNameLen": of.name_limit,
        "RequestedStatesSupported": [*REQUESTABLE_STATES],
    }


SYSTEM_CAPABILITIES = per_object(
    f"VirtCIM_{_PART}",
    all_systems,
    lambda view: partial(_named, view),
    lambda of: of.system.uuid,
    _values,
    part=_PART,
)


def capabilities_of_system(view: View, system: VirtualSystem) -> Node[NamedSystem]:
    """The capabilities of one system."""
    return SYSTEM_CAPABILITIES.node(_named(view, system))
