"""How the ends of the associations are reached from one another.

Each function takes the view and an instance at one end, and gives those at the other; each table
says which function serves the instances of which classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from virtcim.hypervisor.model import Console, VirtualDisk, VirtualNetworkPort
from virtcim.providers.engine.instance_class import AnyNode, InstanceClass, Node
from virtcim.providers.engine.reach import reach_from
from virtcim.providers.engine.sources import (
    HostPart,
    OfHost,
    OfSystem,
    Sources,
    SystemPart,
)
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
from virtcim.providers.resource_pool.pools import (
    MEMORY_POOL,
    NETWORK_POOL,
    PRIMORDIAL_NETWORK_POOL,
    PRIMORDIAL_STORAGE_POOL,
    PROCESSOR_POOL,
    STORAGE_POOL,
    HostMemory,
    OfNetwork,
    OfRepository,
    PoolSources,
    memory_pool,
)
from virtcim.providers.resources.allocation import (
    CONSOLE_ALLOCATION,
    DISK_ALLOCATION,
    MEMORY_ALLOCATION,
    NETWORK_PORT_ALLOCATION,
    PROCESSOR_ALLOCATION,
    AllocationSources,
    SystemAtHost,
    allocations_of,
    memory_allocation,
    processor_allocation,
)
from virtcim.providers.resources.devices import (
    CD_DRIVE_DEVICE,
    DEVICES,
    DISK_DEVICES,
    DISPLAY_CONTROLLER,
    FLOPPY_DRIVE_DEVICE,
    LOGICAL_DISK,
    MEMORY_DEVICE,
    NETWORK_PORT,
    PROCESSOR_DEVICE,
    DeviceSources,
    devices_of,
    disk_device,
    displays_of,
    processors_of,
)
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
    "same",
    "settings_of_allocation",
    "systems_of_host",
]

S = TypeVar("S", bound=Sources)


def same(instance_class: InstanceClass[S]) -> Callable[[View, Node[S]], Iterable[Node[S]]]:
    """The instance of another class that has the same sources."""
    return lambda _, node: (instance_class.node(node.sources),)


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
    return devices_of(node.sources.system)


def _devices_of_host(view: View, node: Node[OfHost]) -> Iterator[Node[HostDeviceSources]]:
    return host_devices_of(view, node.sources.host)


DEVICES_OF_SYSTEMS = reach_from(COMPUTER_SYSTEM, _devices_of_system) | reach_from(
    HOST_SYSTEM, _devices_of_host
)


def _system_of_device(_: View, node: Node[DeviceSources]) -> Iterator[Node[OfSystem]]:
    yield COMPUTER_SYSTEM.node(OfSystem(node.sources.system))


def _host_of_part(
    _: View, node: Node[OfHost | HostPart[int] | HostMemory]
) -> Iterator[Node[OfHost]]:
    yield HOST_SYSTEM.node(OfHost(node.sources.host))


SYSTEMS_OF_DEVICES = (
    reach_from(DEVICES, _system_of_device)
    | reach_from(HOST_PROCESSOR, _host_of_part)
    | reach_from(HOST_MEMORY, _host_of_part)
    | reach_from(DISK_IMAGE, _first_host)
)


def allocations_of_settings(view: View, node: Node[OfSystem]) -> Iterator[Node[AllocationSources]]:
    """The resource allocations in the settings of a virtual system."""
    return allocations_of(view, node.sources.system)


def settings_of_allocation(_: View, node: Node[AllocationSources]) -> Iterator[Node[OfSystem]]:
    """The settings that a resource allocation is part of."""
    yield SYSTEM_SETTINGS.node(OfSystem(node.sources.system))


def elements_of_settings(_: View, node: Node[OfSystem]) -> Iterator[Node[OfSystem]]:
    """What the settings of a system are settings of: the system, and the settings as they are."""
    yield COMPUTER_SYSTEM.node(node.sources)
    yield SYSTEM_SETTINGS.node(node.sources)


# Devices, and the allocations that they come from.


def _processors_of_allocation(_: View, node: Node[SystemAtHost]) -> Iterator[Node[SystemPart[int]]]:
    return processors_of(node.sources.system)


def _memory_of_allocation(_: View, node: Node[SystemAtHost]) -> Iterator[Node[OfSystem]]:
    yield MEMORY_DEVICE.node(OfSystem(node.sources.system))


def _disk_of_allocation(
    _: View, node: Node[SystemPart[VirtualDisk]]
) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    yield disk_device(node.sources)


def _display_of_allocation(
    _: View, node: Node[SystemPart[Console]]
) -> Iterator[Node[SystemPart[Console]]]:
    for display in displays_of(node.sources.system):
        if display.sources.part is node.sources.part:
            yield display


DEVICES_OF_ALLOCATIONS = (
    reach_from(PROCESSOR_ALLOCATION, _processors_of_allocation)
    | reach_from(MEMORY_ALLOCATION, _memory_of_allocation)
    | reach_from(DISK_ALLOCATION, _disk_of_allocation)
    | reach_from(NETWORK_PORT_ALLOCATION, same(NETWORK_PORT))
    | reach_from(CONSOLE_ALLOCATION, _display_of_allocation)
)
ALLOCATIONS_OF_DEVICES = (
    reach_from(
        PROCESSOR_DEVICE, lambda view, node: (processor_allocation(view, node.sources.system),)
    )
    | reach_from(MEMORY_DEVICE, lambda view, node: (memory_allocation(view, node.sources.system),))
    | reach_from(DISK_DEVICES, same(DISK_ALLOCATION))
    | reach_from(NETWORK_PORT, same(NETWORK_PORT_ALLOCATION))
    | reach_from(DISPLAY_CONTROLLER, same(CONSOLE_ALLOCATION))
)


# Pools.


def _storage_pools(view: View, _: AnyNode) -> Iterator[Node[OfRepository]]:
    return STORAGE_POOL.all(view)


def _network_pools(view: View, _: AnyNode) -> Iterator[Node[OfNetwork]]:
    return NETWORK_POOL.all(view)


def _primordial_storage_pools(view: View, _: AnyNode) -> Iterator[Node[OfHost]]:
    return PRIMORDIAL_STORAGE_POOL.all(view)


def _primordial_network_pools(view: View, _: AnyNode) -> Iterator[Node[OfHost]]:
    return PRIMORDIAL_NETWORK_POOL.all(view)


CHILD_POOLS = reach_from(PRIMORDIAL_STORAGE_POOL, _storage_pools) | reach_from(
    PRIMORDIAL_NETWORK_POOL, _network_pools
)
PARENT_POOLS = reach_from(STORAGE_POOL, _primordial_storage_pools) | reach_from(
    NETWORK_POOL, _primordial_network_pools
)


def pools_of_host(view: View, node: Node[OfHost]) -> Iterator[Node[PoolSources]]:
    """The resource pools of a host."""
    host = node.sources.host
    yield PROCESSOR_POOL.node(OfHost(host))
    yield memory_pool(view, host)
    # What all hosts of a pool share is shown at the one that stands for the pool.
    if host is view.first_host:
        for pools in (PRIMORDIAL_STORAGE_POOL, STORAGE_POOL, PRIMORDIAL_NETWORK_POOL, NETWORK_POOL):
            yield from pools.all(view)


HOSTS_OF_POOLS = (
    reach_from(PROCESSOR_POOL, same(HOST_SYSTEM))
    | reach_from(MEMORY_POOL, _host_of_part)
    | reach_from(PRIMORDIAL_STORAGE_POOL, same(HOST_SYSTEM))
    | reach_from(STORAGE_POOL, _first_host)
    | reach_from(PRIMORDIAL_NETWORK_POOL, same(HOST_SYSTEM))
    | reach_from(NETWORK_POOL, _first_host)
)


def _processor_allocations(view: View, node: Node[OfHost]) -> Iterator[Node[SystemAtHost]]:
    host = node.sources.host
    for system in view.systems_at(host):
        yield PROCESSOR_ALLOCATION.node(SystemAtHost(system, host.uuid))


def _memory_allocations(view: View, node: Node[HostMemory]) -> Iterator[Node[SystemAtHost]]:
    host = node.sources.host
    for system in view.systems_at(host):
        yield MEMORY_ALLOCATION.node(SystemAtHost(system, host.uuid))


def _disk_allocations(
    view: View, node: Node[OfRepository]
) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    return (DISK_ALLOCATION.node(each) for each in view.disks_in(node.sources.repository.uuid))


def _port_allocations(
    view: View, node: Node[OfNetwork]
) -> Iterator[Node[SystemPart[VirtualNetworkPort]]]:
    return (NETWORK_PORT_ALLOCATION.node(each) for each in view.ports_on(node.sources.network.uuid))


ALLOCATIONS_OF_POOLS = (
    reach_from(PROCESSOR_POOL, _processor_allocations)
    | reach_from(MEMORY_POOL, _memory_allocations)
    | reach_from(STORAGE_POOL, _disk_allocations)
    | reach_from(NETWORK_POOL, _port_allocations)
)


def _processor_pool(view: View, node: Node[SystemAtHost]) -> Iterator[Node[OfHost]]:
    host = view.home(node.sources.system)
    if host is not None:
        yield PROCESSOR_POOL.node(OfHost(host))


def _memory_pool(view: View, node: Node[SystemAtHost]) -> Iterator[Node[HostMemory]]:
    host = view.home(node.sources.system)
    if host is not None:
        yield memory_pool(view, host)


def _pool_of_image(view: View, repository_uuid: str) -> Iterator[Node[OfRepository]]:
    repository = view.inventory.storage_repositories.get(repository_uuid)
    if repository is not None:
        yield STORAGE_POOL.node(OfRepository(repository))


def _pool_of_disk(view: View, node: Node[SystemPart[VirtualDisk]]) -> Iterator[Node[OfRepository]]:
    image = node.sources.part.image
    if image is not None:
        yield from _pool_of_image(view, image.sr_uuid)


def _pool_of_port(
    view: View, node: Node[SystemPart[VirtualNetworkPort]]
) -> Iterator[Node[OfNetwork]]:
    network = view.inventory.networks.get(node.sources.part.network_uuid)
    if network is not None:
        yield NETWORK_POOL.node(OfNetwork(network))


POOLS_OF_ALLOCATIONS = (
    reach_from(PROCESSOR_ALLOCATION, _processor_pool)
    | reach_from(MEMORY_ALLOCATION, _memory_pool)
    | reach_from(DISK_ALLOCATION, _pool_of_disk)
    | reach_from(NETWORK_PORT_ALLOCATION, _pool_of_port)
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
    | reach_from(DISK_IMAGE, lambda view, node: _pool_of_image(view, node.sources.image.sr_uuid))
    | PARENT_POOLS
)


# Disk images, and the disks and drives that they are in.


def image_in_disk(view: View, node: Node[SystemPart[VirtualDisk]]) -> Iterator[Node[OfImage]]:
    """The image behind a disk, or in a drive."""
    held, host = node.sources.part.image, view.first_host
    image = held and view.inventory.disk_images.get(held.uuid)
    if image is not None and host is not None:
        yield DISK_IMAGE.node(OfImage(image, host.uuid))


def _with_image(
    view: View,
    node: Node[OfImage],
    *classes: InstanceClass[SystemPart[VirtualDisk]],
) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    devices = (disk_device(each) for each in view.disks_with(node.sources.image.uuid))
    return (each for each in devices if each.instance_class in classes)


def disks_with_image(view: View, node: Node[OfImage]) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    """The disks that an image is behind."""
    return _with_image(view, node, LOGICAL_DISK)


def drives_with_image(view: View, node: Node[OfImage]) -> Iterator[Node[SystemPart[VirtualDisk]]]:
    """The drives that an image is in."""
    return _with_image(view, node, CD_DRIVE_DEVICE, FLOPPY_DRIVE_DEVICE)
