"""What is known of an inventory that could not be read in full (``hypervisor.unread``).

What nobody can look at now is what it was before, and nothing is told of it. What can be looked at
for the first time is what is told of from then on: nobody knows since when it is so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress
from operator import is_not
from types import MappingProxyType
from typing import Any, TypeVar

from virtcim.errormap import from_transport
from virtcim.hypervisor.model import Inventory, VirtualSystem
from virtcim.hypervisor.unread import UnreadObjects, UnreadParts

__all__ = [
    "KINDS",
    "changed_objects",
    "comparable",
    "comparable_systems",
    "known_inventory",
    "nothing_known",
    "objects",
]

# The objects of an inventory that are told of.
KINDS = ("hosts", "storage_repositories", "networks", "virtual_systems")
_PARTS = ("disks", "network_ports", "consoles")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NEVER_READ = from_transport(phase="connect", message="nobody could look at it then")
T = TypeVar("T")


def objects(inventory: Inventory, kind: str) -> Mapping[str, Any] | None:
    """The objects of one of KINDS by UUID; None where nobody can look."""
    found: Mapping[str, Any] = getattr(inventory, kind)
    return None if isinstance(found, UnreadObjects) else found


def nothing_known(present: Inventory) -> Inventory:
    """What whoever has never looked knows: nobody knows since when it is as it is now."""
    unread: dict[str, Any] = dict.fromkeys(KINDS, UnreadObjects(_NEVER_READ))
    return replace(present, memory_in_use=_NOTHING, **unread)


def known_inventory(before: Inventory, after: Inventory) -> tuple[Inventory, Sequence[str]]:
    """``after``, with what was known before in place of what cannot be looked at now.

    And the UUIDs of the virtual systems that are others, new or gone.
    """
    unread = [kind for kind in KINDS if objects(after, kind) is None]
    if unread:
        after = replace(after, **{kind: getattr(before, kind) for kind in unread})
    former, present = (objects(each, "virtual_systems") for each in (before, after))
    if present is None or former is present:
        return after, ()
    changed = changed_objects(former or {}, present)
    systems = {
        uuid: known
        for uuid in changed
        if former
        and (system := present.get(uuid)) is not None
        and _unread_parts(system)
        and (known := _with_parts(system, former.get(uuid))) is not system
    }
    if systems:
        after = replace(after, virtual_systems=MappingProxyType({**present, **systems}))
    return after, changed


def changed_objects(before: Mapping[str, T], after: Mapping[str, T]) -> Sequence[str]:
    """The UUIDs of the objects that are others, new or gone; none of them is looked at."""
    if before is after:
        return ()
    if [*before] == [*after]:
        return [*compress(after, map(is_not, before.values(), after.values()))]
    gone = [uuid for uuid in before if uuid not in after]
    return [*(uuid for uuid, one in after.items() if before.get(uuid) is not one), *gone]


def _unread_parts(system: VirtualSystem) -> list[str]:
    return [name for name in _PARTS if isinstance(getattr(system, name), UnreadParts)]


def _with_parts(system: VirtualSystem, before: VirtualSystem | None) -> VirtualSystem:
    if before is None:
        return system
    parts: dict[str, Any] = {name: getattr(before, name) for name in _unread_parts(system)}
    return replace(system, **parts)


def comparable(before: Inventory, after: Inventory) -> tuple[Inventory, Inventory]:
    """Both without the kinds that one of them does not know."""
    unknown = [
        kind for kind in KINDS if objects(before, kind) is None or objects(after, kind) is None
    ]
    if not unknown:
        return before, after
    nothing: dict[str, Any] = dict.fromkeys(unknown, _NOTHING)
    return replace(before, **nothing), replace(after, **nothing)


def comparable_systems(
    before: VirtualSystem | None, after: VirtualSystem | None
) -> tuple[VirtualSystem | None, VirtualSystem | None]:
    """Both without the parts that one of them does not know."""
    unknown = {name for each in (before, after) if each is not None for name in _unread_parts(each)}
    if not unknown:
        return before, after
    nothing: dict[str, Any] = dict.fromkeys(unknown, ())
    return (
        None if before is None else replace(before, **nothing),
        None if after is None else replace(after, **nothing),
    )
