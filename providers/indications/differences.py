"""What differs between two inventories, as instances that came, changed and went.

The cost is that of what differs: unchanged domain objects are the same objects, and the record of
an instance is computed only where one of its sources is another. That no object is another is
found by comparing references, without looking at any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import Record
from virtcim.hypervisor.model import Inventory, VirtualSystem
from virtcim.providers.engine.instance_class import AnyClass, AnyNode
from virtcim.providers.engine.record_cache import unchanged
from virtcim.providers.engine.view import View
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.indications.known_objects import comparable, comparable_systems
from virtcim.providers.namespace import Namespace
from virtcim.providers.resources.registry import ALLOCATIONS, POOLS
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS

__all__ = ["TOLD_CLASSES", "Difference", "differences"]

# Instances of a host, a repository or a network, and those of one virtual system.
_SHARED: tuple[AnyClass, ...] = (HOST_SYSTEM, *POOLS)
_OF_SYSTEMS: tuple[AnyClass, ...] = (COMPUTER_SYSTEM, SYSTEM_SETTINGS, *ALLOCATIONS)
TOLD_CLASSES = (*_SHARED, *_OF_SYSTEMS)


class Difference(NamedTuple):
    """One instance before and after; None where it was not there."""

    before: Record | None
    after: Record | None


def differences(
    namespace: Namespace, before: Inventory, after: Inventory, changed: Collection[str]
) -> Iterator[Difference]:
    """How the instances of a namespace differ, those of hosts and pools first.

    ``changed`` are the UUIDs of the virtual systems that are others, new or gone.
    """
    before, after = comparable(before, after)
    if _shared_objects_differ(before, after):
        yield from _of_classes(
            namespace, _SHARED, namespace.view_of(before), namespace.view_of(after)
        )
    if before.hosts is not after.hosts and before.hosts.keys() != after.hosts.keys():
        # Which host a system is at may be another although the system is the same.
        changed = before.virtual_systems.keys() | after.virtual_systems.keys()
    if changed:
        yield from _of_classes(namespace, _OF_SYSTEMS, *_only(namespace, before, after, changed))


def _shared_objects_differ(before: Inventory, after: Inventory) -> bool:
    return (
        before.hosts is not after.hosts
        or before.storage_repositories is not after.storage_repositories
        or before.networks is not after.networks
        or before.memory_in_use != after.memory_in_use
    )


def _only(
    namespace: Namespace, before: Inventory, after: Inventory, uuids: Iterable[str]
) -> tuple[View, View]:
    """Views of some of the virtual systems only, before and after."""
    former: dict[str, VirtualSystem] = {}
    present: dict[str, VirtualSystem] = {}
    for uuid in uuids:
        old, new = comparable_systems(
            before.virtual_systems.get(uuid), after.virtual_systems.get(uuid)
        )
        if old is not None:
            former[uuid] = old
        if new is not None:
            present[uuid] = new
    return (
        namespace.view_of(replace(before, virtual_systems=MappingProxyType(former))),
        namespace.view_of(replace(after, virtual_systems=MappingProxyType(present))),
    )


def _of_classes(
    namespace: Namespace, classes: Iterable[AnyClass], before: View, after: View
) -> Iterator[Difference]:
    for instance_class in classes:
        former = {node.identity: node for node in instance_class.all(before)}
        for node in instance_class.all(after):
            yield from _of_instance(namespace, former.pop(node.identity, None), node)
        for node in former.values():
            yield Difference(namespace.former_record(node), None)


def _of_instance(
    namespace: Namespace, before: AnyNode | None, after: AnyNode
) -> Iterator[Difference]:
    if before is None:
        yield Difference(None, namespace.record(after))
    elif not unchanged(before.sources, after.sources):
        # First what is about to be replaced among the records that are kept.
        former = namespace.former_record(before)
        present = namespace.record(after)
        if former.values != present.values:
            yield Difference(former, present)
