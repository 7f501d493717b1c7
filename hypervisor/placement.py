"""Devices that want a certain place before those whose place the hypervisor chooses.

A management API that makes devices one by one would else give a wanted place away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from virtcim.hypervisor.change import AddedDevices, VirtualSystemChange
from virtcim.hypervisor.model import DiskSpec, NetworkPortSpec, VirtualSystemSpec

__all__ = ["change_in_order", "in_given_order", "specification_in_order"]

_Device = TypeVar("_Device", DiskSpec, NetworkPortSpec)


def specification_in_order(spec: VirtualSystemSpec) -> VirtualSystemSpec:
    """The same system, its devices in the order in which they are to be made."""
    return replace(
        spec,
        disks=_ordered(spec.disks),
        network_ports=_ordered(spec.network_ports),
    )


def change_in_order(change: VirtualSystemChange) -> VirtualSystemChange:
    """The same change, its new devices in the order in which they are to be made."""
    return replace(
        change,
        added_disks=_ordered(change.added_disks),
        added_network_ports=_ordered(change.added_network_ports),
    )


def in_given_order(change: VirtualSystemChange, added: AddedDevices) -> AddedDevices:
    """What was made by ``change_in_order(change)``, in the order of ``change`` itself."""
    return AddedDevices(
        disks=_given_order(change.added_disks, added.disks),
        network_ports=_given_order(change.added_network_ports, added.network_ports),
    )


def _order(devices: Sequence[_Device]) -> list[int]:
    return sorted(range(len(devices)), key=lambda at: not devices[at].id)


def _ordered(devices: Sequence[_Device]) -> tuple[_Device, ...]:
    return tuple(devices[at] for at in _order(devices))


def _given_order(devices: Sequence[_Device], ids: Sequence[str]) -> tuple[str, ...]:
    if len(devices) != len(ids):
        return tuple(ids)
    by_position = dict(zip(_order(devices), ids, strict=True))
    return tuple(by_position[at] for at in range(len(devices)))
