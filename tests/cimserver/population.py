"""The virtual systems that the real providers show to the tests of the CIM server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, inventory, virtual_system
from virtcim.cim.records import ObjectPath
from virtcim.hypervisor import VirtualSystem

__all__ = ["HOST_NAME", "SYSTEM", "populate", "system_path", "system_uuid"]

SYSTEM = "VirtCIM_ComputerSystem"
HOST_NAME = HOST.name_label


def system_uuid(number: int) -> str:
    """The UUID of ``vm-<number>``."""
    return f"00000000-0000-0000-0000-{number:012}"


def system_path(number: int) -> ObjectPath:
    """The path of ``vm-<number>``."""
    keys = {"CreationClassName": SYSTEM, "Name": system_uuid(number)}
    return ObjectPath(SYSTEM, keys, namespace="root/virt")


def _running(number: int) -> VirtualSystem:
    # Every fourth of the population runs.
    like = virtual_system(4 * number)
    return replace(like, uuid=system_uuid(number), name_label=f"vm-{number}")


def populate(endpoint: SimulatedEndpoint, numbers: Iterable[int]) -> None:
    """Let there be these virtual systems, all running, and no others."""
    systems = [_running(number) for number in numbers]
    images = [disk.image for system in systems for disk in system.disks if disk.image]
    endpoint.current = replace(inventory(0), generation=endpoint.current.generation)
    endpoint.publish(
        virtual_systems={system.uuid: system for system in systems},
        disk_images={image.uuid: image for image in images},
    )
