"""What the contract tests ask for, and where they look for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import uuid4

from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import Endpoint, VirtualSystem, VirtualSystemSpec

__all__ = [
    "MIB",
    "NOBODY",
    "Witness",
    "code_of",
    "media_of",
    "network_of",
    "pool_of",
    "specification",
    "system_of",
]

MIB = 1 << 20

#: The UUID of nothing at all.
NOBODY = "00000000-0000-4000-8000-000000000000"


def specification(**fields: object) -> VirtualSystemSpec:
    """The least that a virtual system needs, and what the test wants."""
    least = VirtualSystemSpec(
        name_label=f"vm-{uuid4()}",
        memory_static_max_bytes=64 * MIB,
        memory_dynamic_max_bytes=64 * MIB,
        vcpus_max=2,
        vcpus_at_startup=1,
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def system_of(endpoint: Endpoint, uuid: str) -> VirtualSystem:
    """What the next read shows of a virtual system."""
    return endpoint.inventory().virtual_systems[uuid]


def network_of(endpoint: Endpoint) -> str:
    """One that QEMU without rights can connect a port to, where there is a choice."""
    networks = endpoint.inventory().networks.values()
    return next(one.uuid for one in sorted(networks, key=lambda one: not one.user_mode))


def pool_of(endpoint: Endpoint) -> str:
    """A storage repository that makes images."""
    repositories = endpoint.inventory().storage_repositories.values()
    return next(one.uuid for one in repositories if one.name_label == "default")


def media_of(system: VirtualSystem) -> dict[str, str]:
    """The location of what is in each disk and drive, empty for nothing."""
    return {disk.id: disk.image.location if disk.image else "" for disk in system.disks}


def code_of(error: HypervisorError) -> ErrorCode:
    """What a client is told."""
    return translate(error.fault).code


@dataclass
class Witness:
    """A monitor that keeps what it was told."""

    tasks: list[tuple[str, bool]] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)

    def task(self, ref: str, *, decisive: bool = False) -> None:
        self.tasks.append((ref, decisive))

    def progress(self, fraction: float) -> None:
        self.fractions.append(fraction)
