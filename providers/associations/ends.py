"""How the ends of the associations are reached from one another.

Each function takes the view and an instance at one end, and gives those at the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.engine.instance_class import InstanceClass, Node
from virtcim.providers.engine.view import View
from virtcim.providers.host.devices import (
    DISK_IMAGE,
    HOST_MEMORY,
    HOST_PROCESSOR,
    host_devices_of,
)
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.resource_pool.pools import (
    MEMORY_POOL,
    NETWORK_POOL,
    PRIMORDIAL_NETWORK_POOL,
    PRIMORDIAL_STORAGE_POOL,
    PROCESSOR_POOL,
    STORAGE_POOL,
    memory_pool,
)
from virtcim.providers.resources.allocation import (
    CONSOLE_ALLOCATION,
    DISK_ALLOCATION,
    MEMORY_ALLOCATION,
    NETWORK_PORT_ALLOCATION,
    PROCESSOR_ALLOCATION,
    allocations_of,
    system_of,
)
from virtcim.providers.resources.devices import (
    DISPLAY_CONTROLLER,
    MEMORY_DEVICE,
    NETWORK_PORT,
    PROCESSOR_DEVICE,
    devices_of,
    drive_class,
    processors_of,
)
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS

__all__ = [
    "allocations_from_pool",
    "allocations_of_element",
    "allocations_of_settings",
    "child_pools",
    "devices_from_pool",
    "devices_of_system",
    "disks_with_image",
    "drives_with_image",
    "elements_of_settings",
    "elements_with_settings",
    "hosts_of_pool",
    "hosts_of_system",
    "images_in_disk",
    "parts_of_pool",
    "pool_of_allocation",
    "pools_of_device",
    "pools_of_host",
    "pools_of_part",
    "same",
    "settings_of_allocation",
    "state_settings",
    "system_of_device",
    "systems_of_host",
]

# The device, the allocation that it comes from, and the pool that both come from.
_ALLOCATION_OF: Mapping[InstanceClass, InstanceClass] = MappingProxyType(
    {
        PROCESSOR_DEVICE: PROCESSOR_ALLOCATION,
        MEMORY_DEVICE: MEMORY_ALLOCATION,
        NETWORK_PORT: NETWORK_PORT_ALLOCATION,
        DISPLAY_CONTROLLER: CONSOLE_ALLOCATION,
    }
)
_CHILD_OF: Mapping[InstanceClass, InstanceClass] = MappingProxyType(
    {STORAGE_POOL: PRIMORDIAL_STORAGE_POOL, NETWORK_POOL: PRIMORDIAL_NETWORK_POOL}
)


def same(instance_class: InstanceClass) -> Callable[[View, Node], Iterable[Node]]:
    """The instance of another class that comes from the same domain object."""
    return lambda _, node: (Node(instance_class, node.sources[:1]),)


def _first_host(view: View) -> Iterable[Node]:
    host = view.first_host
    return () if host is None else (Node(HOST_SYSTEM, (host,)),)


def _home_uuid(view: View, system: VirtualSystem) -> str:
    host = view.home(system)
    return "" if host is None else host.uuid


# Systems, their settings and their devices.


def hosts_of_system(view: View, node: Node) -> Iterable[Node]:
    """The host that a virtual system lives on."""
    host = view.home(node.sources[0])
    return () if host is None else (Node(HOST_SYSTEM, (host,)),)


def systems_of_host(view: View, node: Node) -> Iterable[Node]:
    """The virtual systems that live on a host."""
    return (Node(COMPUTER_SYSTEM, (each,)) for each in view.systems_at(node.sources[0]))


def devices_of_system(view: View, node: Node) -> Iterable[Node]:
    """The devices of a virtual system or a host."""
    source = node.sources[0]
    return (
        devices_of(source)
        if node.instance_class is COMPUTER_SYSTEM
        else host_devices_of(view, source)
    )


def system_of_device(view: View, node: Node) -> Iterable[Node]:
    """The system that has a device."""
    if node.instance_class is DISK_IMAGE:
        return _first_host(view)
    source = node.sources[0]
    system_class = COMPUTER_SYSTEM if isinstance(source, VirtualSystem) else HOST_SYSTEM
    return (Node(system_class, (source,)),)


def allocations_of_settings(view: View, node: Node) -> Iterable[Node]:
    """The resource allocations in the settings of a virtual system."""
    return allocations_of(view, node.sources[0])


def settings_of_allocation(_: View, node: Node) -> Iterable[Node]:
    """The settings that a resource allocation is part of."""
    return (Node(SYSTEM_SETTINGS, (system_of(node),)),)


def state_settings(view: View, node: Node) -> Iterable[Node]:
    """The settings of a system, or the allocation that a device comes from."""
    if node.instance_class is COMPUTER_SYSTEM:
        return (Node(SYSTEM_SETTINGS, node.sources),)
    return allocations_of_element(view, node)


def elements_with_settings(_: View, node: Node) -> Iterator[Node]:
    """The system or devices that settings or an allocation define the state of."""
    system = node.sources[0]
    if node.instance_class is SYSTEM_SETTINGS:
        yield Node(COMPUTER_SYSTEM, (system,))
    elif node.instance_class is PROCESSOR_ALLOCATION:
        for number in processors_of(system):
            yield Node(PROCESSOR_DEVICE, (system, number))
    elif node.instance_class is MEMORY_ALLOCATION:
        yield Node(MEMORY_DEVICE, (system, ""))
    else:
        wanted = node.sources[1]
        for device in devices_of(system):
            if device.sources[1] is wanted:
                yield device


def elements_of_settings(_: View, node: Node) -> Iterable[Node]:
    """What the settings of a system are settings of: the system, and the settings as they are."""
    return (Node(COMPUTER_SYSTEM, node.sources), Node(SYSTEM_SETTINGS, node.sources))


def allocations_of_element(view: View, node: Node) -> Iterable[Node]:
    """The resource allocation that a device comes from."""
    system, device = node.sources
    wanted = _ALLOCATION_OF.get(node.instance_class, DISK_ALLOCATION)
    if wanted in (PROCESSOR_ALLOCATION, MEMORY_ALLOCATION):
        device = _home_uuid(view, system)
    return (Node(wanted, (system, device)),)


# Pools.


def pools_of_host(view: View, node: Node) -> Iterator[Node]:
    """The resource pools of a host."""
    host = node.sources[0]
    yield Node(PROCESSOR_POOL, (host,))
    yield memory_pool(view, host)
    # What all hosts of a pool share is shown at the one that stands for the pool.
    if host is view.first_host:
        for primordial in (PRIMORDIAL_STORAGE_POOL, PRIMORDIAL_NETWORK_POOL):
            yield Node(primordial, (host,))
            yield from child_pools(view, Node(primordial, (host,)))


def hosts_of_pool(view: View, node: Node) -> Iterable[Node]:
    """The host that a resource pool belongs to."""
    if node.instance_class in _CHILD_OF:
        return _first_host(view)
    return (Node(HOST_SYSTEM, node.sources[:1]),)


def child_pools(view: View, node: Node) -> Iterable[Node]:
    """The pools that were made from a primordial pool."""
    if node.instance_class is PRIMORDIAL_STORAGE_POOL:
        found = view.inventory.storage_repositories.values()
        return (Node(STORAGE_POOL, (each,)) for each in found)
    if node.instance_class is PRIMORDIAL_NETWORK_POOL:
        return (Node(NETWORK_POOL, (each,)) for each in view.inventory.networks.values())
    return ()


def _parent_pools(view: View, node: Node) -> Iterable[Node]:
    host = view.first_host
    return () if host is None else (Node(_CHILD_OF[node.instance_class], (host,)),)


def allocations_from_pool(view: View, node: Node) -> Iterator[Node]:
    """The resource allocations that are taken from a pool."""
    source = node.sources[0]
    if node.instance_class is STORAGE_POOL:
        for found in view.disks_in(source.uuid):
            yield Node(DISK_ALLOCATION, found)
    elif node.instance_class is NETWORK_POOL:
        for connected in view.ports_on(source.uuid):
            yield Node(NETWORK_PORT_ALLOCATION, connected)
    elif node.instance_class in (PROCESSOR_POOL, MEMORY_POOL):
        is_processor = node.instance_class is PROCESSOR_POOL
        wanted = PROCESSOR_ALLOCATION if is_processor else MEMORY_ALLOCATION
        for system in view.systems_at(source):
            yield Node(wanted, (system, source.uuid))


def pool_of_allocation(view: View, node: Node) -> Iterator[Node]:
    """The pool that a resource allocation is taken from."""
    system, detail = node.sources
    inventory = view.inventory
    if node.instance_class is DISK_ALLOCATION:
        repository = detail.image and inventory.storage_repositories.get(detail.image.sr_uuid)
        if repository:
            yield Node(STORAGE_POOL, (repository,))
    elif node.instance_class is NETWORK_PORT_ALLOCATION:
        network = inventory.networks.get(detail.network_uuid)
        if network:
            yield Node(NETWORK_POOL, (network,))
    elif node.instance_class in (PROCESSOR_ALLOCATION, MEMORY_ALLOCATION):
        host = view.home(system)
        is_processor = node.instance_class is PROCESSOR_ALLOCATION
        if host:
            yield Node(PROCESSOR_POOL, (host,)) if is_processor else memory_pool(view, host)


def devices_from_pool(view: View, node: Node) -> Iterator[Node]:
    """The devices, and the child pools, that are taken from a pool."""
    for allocation in allocations_from_pool(view, node):
        if allocation.instance_class is DISK_ALLOCATION:
            yield Node(drive_class(allocation.sources[1]), allocation.sources)
        elif allocation.instance_class is NETWORK_PORT_ALLOCATION:
            yield Node(NETWORK_PORT, allocation.sources)
        else:
            yield from elements_with_settings(view, allocation)
    yield from child_pools(view, node)


def pools_of_device(view: View, node: Node) -> Iterator[Node]:
    """The pool that a device or a child pool is taken from."""
    if node.instance_class in _CHILD_OF:
        yield from _parent_pools(view, node)
        return
    for allocation in allocations_of_element(view, node):
        yield from pool_of_allocation(view, allocation)


def parts_of_pool(view: View, node: Node) -> Iterator[Node]:
    """What a pool consists of: resources of the host, disk images, or other pools."""
    source = node.sources[0]
    if node.instance_class is PROCESSOR_POOL:
        for number in range(source.cpu_count):
            yield Node(HOST_PROCESSOR, (source, number))
    elif node.instance_class is MEMORY_POOL:
        yield Node(HOST_MEMORY, (source, ""))
    elif node.instance_class is STORAGE_POOL:
        host = view.first_host
        if host is not None:
            for image in view.images_in(source.uuid):
                yield Node(DISK_IMAGE, (image, host.uuid))
    yield from child_pools(view, node)


def pools_of_part(view: View, node: Node) -> Iterator[Node]:
    """The pool that a resource of the host, a disk image or a pool is part of."""
    if node.instance_class in _CHILD_OF:
        yield from _parent_pools(view, node)
    elif node.instance_class is DISK_IMAGE:
        repository = view.inventory.storage_repositories.get(node.sources[0].sr_uuid)
        if repository is not None:
            yield Node(STORAGE_POOL, (repository,))
    else:
        host = node.sources[0]
        is_processor = node.instance_class is HOST_PROCESSOR
        yield Node(PROCESSOR_POOL, (host,)) if is_processor else memory_pool(view, host)


def images_in_disk(view: View, node: Node) -> Iterable[Node]:
    """The image behind a disk, or in a drive."""
    held, host = node.sources[1].image, view.first_host
    image = held and view.inventory.disk_images.get(held.uuid)
    return (Node(DISK_IMAGE, (image, host.uuid)),) if image and host else ()


def _with_image(view: View, node: Node, *, fixed: bool) -> Iterator[Node]:
    for found in view.disks_with(node.sources[0].uuid):
        device_class = drive_class(found[1])
        if (device_class.name == "VirtCIM_LogicalDisk") is fixed:
            yield Node(device_class, found)


def disks_with_image(view: View, node: Node) -> Iterable[Node]:
    """The disks that an image is behind."""
    return _with_image(view, node, fixed=True)


def drives_with_image(view: View, node: Node) -> Iterable[Node]:
    """The drives that an image is in."""
    return _with_image(view, node, fixed=False)
