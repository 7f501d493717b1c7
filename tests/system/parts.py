"""What belongs to each virtual system, as one reply of a CIM server shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["parts_by_system"]

_KINDS = ("disk", "memory", "network", "processor")


def parts_by_system(instance_ids: Iterable[str]) -> dict[str, list[str]]:
    """The kinds of the resource allocations of each virtual system, by its UUID, in order.

    Pools describe what they offer by resource allocations too; those are left out.
    """
    parts = defaultdict(list)
    for instance_id in instance_ids:
        owner, _, part = instance_id.removeprefix("VirtCIM:").partition("/")
        if (kind := part.partition("/")[0]) in _KINDS:
            parts[owner].append(kind)
    return {owner: sorted(kinds) for owner, kinds in parts.items()}
