"""How much of each kind of resource can be asked for: one source to publish and to enforce.

The amounts are in ``units``: bytes, or a number of things.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from virtcim.hypervisor.model import Host, Network, StorageRepository

__all__ = [
    "DEFAULT_MEMORY_BYTES",
    "DEFAULT_PROCESSORS",
    "AllocationRange",
    "image_range",
    "memory_range",
    "port_range",
    "processor_range",
    "widest",
]

_MIB, _GIB = 2**20, 2**30
# What a virtual system gets where no setting says it (DSP1042 clause 8.2.2 leaves it to us).
DEFAULT_PROCESSORS = 1
DEFAULT_MEMORY_BYTES = 512 * _MIB
_DEFAULT_IMAGE_BYTES = 8 * _GIB
_LEAST_MEMORY_BYTES = _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRange:
    """The amounts that can be asked for: multiples of ``increment`` from ``minimum`` on.

    ``default`` is None where nothing can be had now, ``maximum`` where nobody knows it.
    """

    units: str
    default: int | None
    minimum: int
    maximum: int | None
    increment: int

    def amounts(self) -> Mapping[str, int]:
        """What describes the range, by its name; empty where nothing can be had now."""
        if self.default is None:
            return {}
        named = {
            "Default": self.default,
            "Minimum": self.minimum,
            "Maximum": self.maximum,
            "Increment": self.increment,
        }
        return {name: amount for name, amount in named.items() if amount is not None}

    def objection(self, amount: int, present: Collection[int] = ()) -> str:
        """Why an amount cannot be had, empty where it can.

        What somebody has already (``present``) can be had again, and less than that.
        """
        if amount in present:
            return ""
        bounds = [self.maximum, *present]
        most = None if self.maximum is None else max(bound for bound in bounds if bound is not None)
        if amount < self.minimum or (most is not None and amount > most):
            return f"is outside the range, {self}"
        if amount % self.increment:
            return f"is no step of the range, {self}"
        return ""

    def __str__(self) -> str:
        most = f"to {self.maximum}" if self.maximum is not None else "upwards"
        steps = f" in steps of {self.increment}" if self.increment != 1 else ""
        return f"{self.minimum} {most} ({self.units}{steps})"


def processor_range(host: Host) -> AllocationRange:
    """The processors that one virtual system can have.

    More of them than the host has can be had, but nobody is served well by them.
    """
    return AllocationRange(
        units="count",
        default=DEFAULT_PROCESSORS,
        minimum=1,
        maximum=host.cpu_count or None,
        increment=1,
    )


def memory_range(host: Host) -> AllocationRange:
    """The memory that one virtual system can have."""
    step = host.memory_increment_bytes
    most = host.memory_total_bytes // step * step or None
    return AllocationRange(
        units="byte",
        default=DEFAULT_MEMORY_BYTES if most is None else min(DEFAULT_MEMORY_BYTES, most),
        minimum=max(_LEAST_MEMORY_BYTES, step),
        maximum=most,
        increment=step,
    )


def image_range(repository: StorageRepository) -> AllocationRange:
    """The sizes that a disk image in a repository can have; a new one by default one that fits.

    There is no maximum: an image that takes space as it is written may be larger than what is
    free, and where it takes all of it at once the storage says what is too much.
    """
    step = repository.image_increment_bytes
    size, used = repository.physical_size_bytes, repository.physical_utilisation_bytes
    default: int | None = _DEFAULT_IMAGE_BYTES
    if size:
        default = min(_DEFAULT_IMAGE_BYTES, max(size - used, 0) // step * step) or None
    offered = repository.makes_images and repository.attached
    return AllocationRange(
        units="byte",
        default=default if offered else None,
        minimum=step,
        maximum=None,
        increment=step,
    )


def port_range(network: Network) -> AllocationRange:
    """The network ports that one setting can ask for."""
    return AllocationRange(
        units="count",
        default=1 if network.active and network.takes_ports else None,
        minimum=1,
        maximum=1,
        increment=1,
    )


def widest(ranges: Iterable[AllocationRange]) -> AllocationRange | None:
    """The range of what can be had from any of several pools; None without pools."""
    found: AllocationRange | None = None
    for each in ranges:
        if found is None:
            found = each
            continue
        unknown = found.maximum is None or each.maximum is None
        found = replace(
            found,
            minimum=min(found.minimum, each.minimum),
            maximum=None if unknown else max(found.maximum or 0, each.maximum or 0),
            increment=min(found.increment, each.increment),
        )
    return found
