"""What the result of a task names, for whoever did not begin the task."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from itertools import chain
from typing import TypeVar

from virtcim.hypervisor.change import Made
from virtcim.hypervisor.model import Inventory, StorageRepository, VirtualDiskImage, VirtualSystem
from virtcim.hypervisor.xenapi.own_calls import added_ids

__all__ = ["made_by"]

_Object = TypeVar("_Object", VirtualSystem, StorageRepository, VirtualDiskImage)


def made_by(result: str, inventory: Inventory) -> Made:
    """What a task with this result has made, as far as it is still there.

    That is the reference of one object (XenAPI ``SR.create``, ``VDI.create``), or what our own
    toolstack answers to ``virtcim.VM.define`` and ``virtcim.VM.modify``.
    """
    refs = _refs(result)
    if refs is None:
        return Made(
            repository=_uuid(inventory.storage_repositories, result),
            image=_uuid(inventory.disk_images, result),
        )
    if "VM" in refs:
        return Made(system=_uuid(inventory.virtual_systems, next(iter(refs["VM"]), "")))
    changed = _owner(inventory, set(chain(refs.get("VBDs", ()), refs.get("VIFs", ()))))
    if changed is None:
        return Made()
    return Made(changed_system=changed.uuid, devices=added_ids(changed, refs))


def _refs(result: str) -> Mapping[str, list[str]] | None:
    """The references of an answer in JSON, by what they are of; None where it is none."""
    try:
        found = json.loads(result)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return {
        name: [str(one) for one in (refs if isinstance(refs, list) else [refs])]
        for name, refs in found.items()
    }


def _uuid(objects: Mapping[str, _Object], ref: str) -> str:
    for one in objects.values():
        if one.ref == ref:
            return one.uuid
    return ""


def _owner(inventory: Inventory, refs: Container[str]) -> VirtualSystem | None:
    """The virtual system that has any of these devices."""
    for system in inventory.virtual_systems.values():
        owned = chain(
            (disk.ref for disk in system.disks), (port.ref for port in system.network_ports)
        )
        if any(ref in refs for ref in owned):
            return system
    return None
