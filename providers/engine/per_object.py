"""Classes that have one instance per object of the inventory, or one per part of an object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host, VirtualSystem
from virtcim.providers.engine.instance_class import InstanceClass, Naming
from virtcim.providers.engine.key_shapes import INSTANCE_ID, KeyShape
from virtcim.providers.engine.sources import HostPart, OfHost, OfSystem, Sources, SystemPart
from virtcim.providers.engine.view import View

__all__ = [
    "Identified",
    "all_hosts",
    "all_systems",
    "per_host",
    "per_host_number",
    "per_number",
    "per_object",
    "per_part",
    "per_system",
]


class Identified(Protocol):
    """A part of an object, which has a name there."""

    @property
    def id(self) -> str:
        """The name, unique within the object."""


S = TypeVar("S", bound=Sources)
Owner = TypeVar("Owner")
T = TypeVar("T")
P = TypeVar("P", bound=Identified)


def all_hosts(view: View) -> Mapping[str, Host]:
    """The hosts by UUID."""
    return view.inventory.hosts


def all_systems(view: View) -> Mapping[str, VirtualSystem]:
    """The virtual systems by UUID."""
    return view.inventory.virtual_systems


def per_object(
    name: str,
    objects: Callable[[View], Mapping[str, Owner]],
    sources: Callable[[View], Callable[[Owner], S]],
    uuid: Callable[[S], str],
    values: Callable[[S], Mapping[str, Value]],
    *,
    part: str = "",
    shape: KeyShape = INSTANCE_ID,
    within_system: bool = False,
) -> InstanceClass[S]:
    """A class that has one instance per object.

    ``objects`` are there by UUID; ``sources`` tells for a view how what the instance is computed
    from is made of one of them. ``part`` follows the UUID in an InstanceID.
    """
    named = shape.naming()

    def find(view: View, identity: str) -> S | None:
        parsed = shape.parse(identity)
        if parsed is None or parsed[1] != part:
            return None
        found = objects(view).get(parsed[0])
        return None if found is None else sources(view)(found)

    return InstanceClass(
        name=name,
        shape=shape,
        identity=(lambda of: named(uuid(of), part)) if shape.has_parts else uuid,
        found=find,
        every=lambda view: map(sources(view), objects(view).values()),
        values=values,
        within_system=within_system,
        naming=Naming(lambda of: (uuid(of),), shape.pieces(*(("/", part) if part else ()))),
    )


def per_host(
    name: str,
    values: Callable[[Host], Mapping[str, Value]],
    *,
    part: str = "",
    shape: KeyShape = INSTANCE_ID,
    hosts: Callable[[View], Mapping[str, Host]] = all_hosts,
) -> InstanceClass[OfHost]:
    """A class that has one instance per host, or per one of ``hosts``."""
    return per_object(
        name,
        hosts,
        lambda _: OfHost,
        lambda of: of.host.uuid,
        lambda of: values(of.host),
        part=part,
        shape=shape,
    )


def per_system(
    name: str,
    values: Callable[[VirtualSystem], Mapping[str, Value]],
    *,
    part: str = "",
    shape: KeyShape = INSTANCE_ID,
) -> InstanceClass[OfSystem]:
    """A class that has one instance per virtual system."""
    return per_object(
        name,
        all_systems,
        lambda _: OfSystem,
        lambda of: of.system.uuid,
        lambda of: values(of.system),
        part=part,
        shape=shape,
        within_system=True,
    )


def per_part(
    name: str,
    part: str,
    parts: Callable[[VirtualSystem], Iterable[P]],
    values: Callable[[VirtualSystem, P], Mapping[str, Value]],
    *,
    shape: KeyShape = INSTANCE_ID,
) -> InstanceClass[SystemPart[P]]:
    """A class that has one instance per part of a virtual system.

    ``part`` and the id of the part follow the UUID in an InstanceID.
    """
    named = shape.naming()
    return InstanceClass(
        name=name,
        shape=shape,
        identity=lambda of: named(of.system.uuid, f"{part}/{of.part.id}"),
        found=_finding(shape, part, all_systems, parts, lambda each: each.id, SystemPart),
        every=lambda view: (
            SystemPart(system, each)
            for system in all_systems(view).values()
            for each in parts(system)
        ),
        values=lambda of: values(of.system, of.part),
        within_system=True,
        naming=Naming(lambda of: (of.system.uuid, of.part.id), shape.pieces(f"/{part}/", 1)),
    )


def per_number(
    name: str,
    part: str,
    numbers: Callable[[VirtualSystem], Iterable[int]],
    values: Callable[[VirtualSystem, int], Mapping[str, Value]],
    *,
    shape: KeyShape = INSTANCE_ID,
) -> InstanceClass[SystemPart[int]]:
    """A class of parts of virtual systems that have a number and nothing else."""
    named = shape.naming()
    return InstanceClass(
        name=name,
        shape=shape,
        identity=lambda of: named(of.system.uuid, f"{part}/{of.part}"),
        found=_finding(shape, part, all_systems, numbers, str, SystemPart),
        every=lambda view: (
            SystemPart(system, each)
            for system in all_systems(view).values()
            for each in numbers(system)
        ),
        values=lambda of: values(of.system, of.part),
        within_system=True,
        naming=Naming(lambda of: (of.system.uuid, str(of.part)), shape.pieces(f"/{part}/", 1)),
    )


def per_host_number(
    name: str,
    part: str,
    numbers: Callable[[Host], Iterable[int]],
    values: Callable[[Host, int], Mapping[str, Value]],
    *,
    shape: KeyShape = INSTANCE_ID,
) -> InstanceClass[HostPart[int]]:
    """A class of parts of hosts that have a number and nothing else."""
    named = shape.naming()
    return InstanceClass(
        name=name,
        shape=shape,
        identity=lambda of: named(of.host.uuid, f"{part}/{of.part}"),
        found=_finding(shape, part, all_hosts, numbers, str, HostPart),
        every=lambda view: (
            HostPart(host, each) for host in all_hosts(view).values() for each in numbers(host)
        ),
        values=lambda of: values(of.host, of.part),
    )


def _finding(
    shape: KeyShape,
    part: str,
    objects: Callable[[View], Mapping[str, Owner]],
    parts: Callable[[Owner], Iterable[T]],
    id_of: Callable[[T], str],
    sources: Callable[[Owner, T], S],
) -> Callable[[View, str], S | None]:
    """What finds the sources of the part that an identity names."""
    prefix = f"{part}/"

    def find(view: View, identity: str) -> S | None:
        parsed = shape.parse(identity)
        if parsed is None or not parsed[1].startswith(prefix):
            return None
        owner = objects(view).get(parsed[0])
        if owner is None:
            return None
        wanted = parsed[1].removeprefix(prefix)
        return next((sources(owner, each) for each in parts(owner) if id_of(each) == wanted), None)

    return find
