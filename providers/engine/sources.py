"""What instances are computed from: the domain objects, named, one tuple for each shape.

A record stays while each element of its sources is the same object.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from virtcim.hypervisor.model import Host, VirtualSystem

__all__ = ["HostPart", "OfHost", "OfSystem", "Sources", "SystemPart"]

# What is known of the sources of an instance whose class is not.
Sources = tuple[object, ...]
_Part_co = TypeVar("_Part_co", covariant=True)


class OfHost(NamedTuple):
    """An instance of which every host has one."""

    host: Host


class OfSystem(NamedTuple):
    """An instance of which every virtual system has one."""

    system: VirtualSystem


class HostPart(NamedTuple, Generic[_Part_co]):
    """An instance of which a host may have several: one of its parts, or the number of one."""

    host: Host
    part: _Part_co


class SystemPart(NamedTuple, Generic[_Part_co]):
    """An instance of which a system may have several: one of its parts, or the number of one."""

    system: VirtualSystem
    part: _Part_co
