"""How the ends of the associations are reached from one another.

Each function takes the view and an instance at one end, and gives those at the other; each table
says which function serves the instances of which classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_

from virtcim.hypervisor.model import DiskKind, Host, VirtualDisk
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, Node
from virtcim.providers.engine.reach import Reach, reach_from
from virtcim.providers.engine.sources import HostPart, OfHost, OfSystem, SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.host.devices import (
    DISK_IMAGE,
    HOST_MEMORY,
    HOST_PROCESSOR,
    HostDeviceSources,
    OfImage,
    host_devices_of,
    host_processors_of,
)
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.resource_pool.offer import AnyOffer
from virtcim.providers.resource_pool.pools import pool_id
from virtcim.providers.resources.allocation import AllocationSources
from virtcim.providers.resources.devices import DeviceSources
from virtcim.providers.resources.disk.devices import LOGICAL_DISK, disk_device
from virtcim.providers.resources.disk.pool import STORAGE_POOL, OfRepository, storage_pool
from virtcim.providers.resources.memory import MEMORY_POOL, memory_pool
from virtcim.providers.resources.processor import PROCESSOR_POOL
from virtcim.providers.resources.registry import DEVICES, KINDS, OFFERS
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS

__all__ = [
    "ALLOCATIONS_OF_DEVICES",
    "ALLOCATIONS_OF_POOLS",
    "CHILD_POOLS",
    "DEVICES_OF_ALLOCATIONS",
    "DEVICES_OF_SYSTEMS",
    "HOSTS_OF_POOLS",
    "PARENT_POOLS",
    "PARTS_OF_POOLS",
    "POOLS_OF_ALLOCATIONS",
    "POOLS_OF_PARTS",
    "SYSTEMS_OF_DEVICES",
    "allocations_of_settings",
    "disks_with_image",
    "drives_with_image",
    "elements_of_settings",
    "hosts_of_system",
    "image_in_disk",
    "pools_of_host",
    "settings_of_allocation",
    "systems_of_host",
]


def _all_of(several: Iterable[Reach]) -> Reach:
    """From the classes of all."""
    return reduce(or_, several)


def _first_host(view: View, _: AnyNode) -> Iterator[Node[OfHost]]:
    host = view.first_host
    if host is not None:
        yield HOST_SYSTEM.node(OfHost(host))


# Systems, their settings and their devices.


def hosts_of_system(view: View, node: Node[OfSystem]) -> Iterator[Node[OfHost]]:
    """The host that a virtual system lives on."""
    host = view.home(node.sources.system)
    if host is not None:
        yield HOST_SYSTEM.node(OfHost(host))


def systems_of_host(view: View, node: Node[OfHost]) -> Iterator[Node[OfSystem]]:
    """The virtual systems that live on a host."""
    return (COMPUTER_SYSTEM.node(OfSystem(each)) for each in view.systems_at(node.sources.host))


def _devices_of_system(_: View, node: Node[OfSystem]) -> Iterator[Node[DeviceSources]]:
    system = node.sources.system
    return (each for kind in KINDS for each in kind.devices.of_system(system))


def _devices_of_host(view: View, node: Node[OfHost]) -> Iterator[Node[HostDeviceSources]]:
    return host_devices_of(view, node.sources.host)


DEVICES_OF_SYSTEMS = reach_from(COMPUTER_SYSTEM, _devices_of_system) | reach_from(
    HOST_SYSTEM, _devices_of_host
)


def _system_of_device(_: View, node: Node[DeviceSources]) -> Iterator[Node[OfSystem]]:
    yield COMPUTER_SYSTEM.node(OfSystem(node.sources.system))


def _host_of_part(_: View, node: Node[OfHost | HostPart[int]]) -> Iterator[Node[OfHost]]:
    yield HOST_SYSTEM.node(OfHost(node.sources.host))


SYSTEMS_OF_DEVICES = (
    reach_from(DEVICES, _system_of_device)
    | reach_from(HOST_PROCESSOR, _host_of_part)
    | reach_from(HOST_MEMORY, _host_of_part)
    | reach_from(DISK_IMAGE, _first_host)
)


def allocations_of_settings(view: View, node: Node[OfSystem]) -> Iterator[Node[AllocationSources]]:
    """The resource allocations in the settings of a virtual system."""
    for kind in KINDS:
        for sources in kind.allocations(view, node.sources.system):
            yield kind.allocation.node(sources)


def settings_of_allocation(_: View, node: Node[AllocationSources]) -> Iterator[Node[OfSystem]]:
    """The settings that a resource allocation is part of."""
    yield SYSTEM_SETTINGS.node(OfSystem(node.sources.system))


def elements_of_settings(_: View, node: Node[OfSystem]) -> Iterator[Node[OfSystem]]:
    """What the settings of a system are settings of: the system, and the settings as they are."""
    yield COMPUTER_SYSTEM.node(node.sources)
    yield SYSTEM_SETTINGS.node(node.sources)


# Devices, and the allocations that they come from.


DEVICES_OF_ALLOCATIONS = _all_of(
    reach_from(kind.allocation, kind.devices.of_allocation) for kind in KINDS
)
ALLOCATIONS_OF_DEVICES = _all_of(kind.devices.allocations for kind in KINDS)


# Pools.


def _all_of_class(wanted: AnyClass) -> Callable[[View, AnyNode], Iterator[AnyNode]]:
    return lambda view, _: wanted.all(view)


CHILD_POOLS = _all_of(
    reach_from(offer.pool, _all_of_class(offer.children)) for offer in OFFERS if offer.children
)
PARENT_POOLS = _all_of(
    reach_from(offer.children, _all_of_class(offer.pool)) for offer in OFFERS if offer.children
)


def pools_of_host(view: View, node: Node[OfHost]) -> Iterator[AnyNode]:
    """The resource pools of a host."""
    host = node.sources.host
    for offer in OFFERS:
        if offer.pool not in PARENT_POOLS:
            found = offer.pool.find(view, pool_id(offer.pool, host.uuid))
            if found is not None:
                yield found
        # What all hosts of a pool share is shown at the one that stands for the pool.
        elif host is view.first_host:
            yield from offer.pool.all(view)


def _host_of_pool(offer: AnyOffer) -> Reach:
    def reached(view: View, node: AnyNode) -> Iterator[Node[OfHost]]:
        found = offer.find(view, node.identity)
        if found is not None and isinstance(found.origin, Host):
            yield HOST_SYSTEM.node(OfHost(found.origin))

    children = offer.pool in PARENT_POOLS
    return reach_from(offer.pool, _first_host if children else reached)


HOSTS_OF_POOLS = _all_of(map(_host_of_pool, OFFERS))
ALLOCATIONS_OF_POOLS = _all_of(kind.pools.allocations for kind in KINDS if kind.pools)
POOLS_OF_ALLOCATIONS = _all_of(
    reach_from(kind.allocation, kind.pools.of_allocation) for kind in KINDS if kind.pools
)


def _images_of_pool(view: View, node: Node[OfRepository]) -> Iterator[Node[OfImage]]:
    host = view.first_host
    if host is not None:
        for image in view.images_in(node.sources.repository.uuid):
            yield DISK_IMAGE.node(OfImage(image, host.uuid))


# What a pool consists of: resources of the host, disk images, or other pools.
PARTS_OF_POOLS = (
    reach_from(PROCESSOR_POOL, lambda _, node: host_processors_of(node.sources.host))
    | reach_from(MEMORY_POOL, lambda _, node: (HOST_MEMORY.node(OfHost(node.sources.host)),))
    | reach_from(STORAGE_POOL, _images_of_pool)
    | CHILD_POOLS
)
POOLS_OF_PARTS = (
    reach_from(HOST_PROCESSOR, lambda _, node: (PROCESSOR_POOL.node(OfHost(node.sources.host)),))
    | reach_from(HOST_MEMORY, lambda view, node: (memory_pool(view, node.sources.host),))
    | reach_from(DISK_IMAGE, lambda view, node: storage_pool(view, node.sources.image.sr_uuid))
    | PARENT_POOLS
)


# Disk images, and the disks and drives that they are in.


def image_in_disk(view: View, node: Node[SystemPart[VirtualDisk]]) -> Sequence[Node[OfImage]]:
    """The image behind a disk, or in a drive."""
    held, host = node.sources.part.image, view.first_host
    # Of a disk that has none, too: where images could not be read nobody has one, and this fails.
    image = view.inventory.disk_images.get(held.uuid if held else "")
    if image is None or host is None:
        return ()
    return (DISK_IMAGE.node(OfImage(image, host.uuid)),)


def disks_with_image(view: View, node: Node[OfImage]) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    """The disks that an image is behind."""
    for each in view.disks_with(node.sources.image.uuid):
        if each.part.kind is DiskKind.DISK:
            yield LOGICAL_DISK.node(each)


def drives_with_image(view: View, node: Node[OfImage]) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    """The drives that an image is in."""
    for each in view.disks_with(node.sources.image.uuid):
        if each.part.kind is not DiskKind.DISK:
            yield disk_device(each)
