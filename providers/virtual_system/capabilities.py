"""VirtCIM_EnabledLogicalElementCapabilities: the states that can be requested (DSP1057)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host, VirtualSystem
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass, Sources
from virtcim.providers.engine.view import View
from virtcim.providers.virtual_system.state_change import REQUESTABLE_STATES

__all__ = ["SYSTEM_CAPABILITIES", "name_characters", "name_limit"]

_PART = "EnabledLogicalElementCapabilities"
# The MaxValue of MaxElementNameLen in the schema; a character has at most four bytes of UTF-8.
_MOST_CHARACTERS, _CHARACTER_BYTES = 256, 4


def _find(view: View, identity: str) -> Sources | None:
    parsed = parse_instance_id(identity)
    if parsed is None or parsed[1] != _PART:
        return None
    system = view.inventory.virtual_systems.get(parsed[0])
    return None if system is None else (system, name_limit(view, system))


def _all(view: View) -> Iterable[Sources]:
    systems = view.inventory.virtual_systems.values()
    return ((system, name_limit(view, system)) for system in systems)


def name_limit(view: View, system: VirtualSystem) -> int:
    """How many characters any name that ``system`` can be given may have."""
    host = view.home(system)
    return name_characters(host) if host is not None else _MOST_CHARACTERS


def name_characters(host: Host) -> int:
    """How many characters any name of a virtual system at ``host`` may have.

    A limit of bytes is told for the characters that take most of them.
    """
    if not host.name_limit_bytes:
        return _MOST_CHARACTERS
    return min(host.name_limit_bytes // _CHARACTER_BYTES, _MOST_CHARACTERS)


def _values(system: VirtualSystem, limit: int) -> Mapping[str, Value]:
    return {
        "ElementName": f"Capabilities of {system.name_label}",
        "Caption": "Capabilities of a virtual system",
        # The name is a setting: ModifySystemSettings changes it, ModifyInstance does not.
        "ElementNameEditSupported": True,
        "MaxElementNameLen": limit,
        "RequestedStatesSupported": [*REQUESTABLE_STATES],
    }


SYSTEM_CAPABILITIES = InstanceClass(
    name=f"VirtCIM_{_PART}",
    identity=lambda system, _: instance_id(system.uuid, _PART),
    find=_find,
    all=_all,
    values=_values,
)
