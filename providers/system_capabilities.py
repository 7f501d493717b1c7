"""VirtCIM_EnabledLogicalElementCapabilities: the states that can be requested (DSP1057)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.identities import instance_id, parse_instance_id
from virtcim.providers.instance_class import InstanceClass, Sources
from virtcim.providers.records import Value
from virtcim.providers.view import View
from virtcim.providers.virtual_system import REQUESTABLE_STATES

__all__ = ["SYSTEM_CAPABILITIES"]

_PART = "EnabledLogicalElementCapabilities"


def _find(view: View, identity: str) -> Sources | None:
    parsed = parse_instance_id(identity)
    if parsed is None or parsed[1] != _PART:
        return None
    system = view.inventory.virtual_systems.get(parsed[0])
    return None if system is None else (system,)


def _all(view: View) -> Iterable[Sources]:
    return ((system,) for system in view.inventory.virtual_systems.values())


def _values(system: VirtualSystem) -> Mapping[str, Value]:
    return {
        "ElementName": f"Capabilities of {system.name_label}",
        "Caption": "Capabilities of a virtual system",
        # The name is a setting: ModifySystemSettings changes it, ModifyInstance does not.
        "ElementNameEditSupported": False,
        "RequestedStatesSupported": [*REQUESTABLE_STATES],
    }


SYSTEM_CAPABILITIES = InstanceClass(
    name=f"VirtCIM_{_PART}",
    identity=lambda system: instance_id(system.uuid, _PART),
    find=_find,
    all=_all,
    values=_values,
)
