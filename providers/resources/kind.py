"""What a kind of resource is: one row that everything that has to do with resources goes over.

A kind is one module, or one folder, beside this one, and a row in ``registry.py``. Who asks it:

- the classes that are served, and the associations, for ``allocation``, ``devices`` and ``pools``;
- the registered profiles for ``profile``;
- DefineSystem, ReferenceConfiguration, and every method that must tell of which kind a setting
  is, for ``definition``;
- ModifyResourceSettings for ``change``;
- AddResourceSettings, RemoveResourceSettings, and the jobs of both, for ``plugging``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from virtcim.cim.records import Record
from virtcim.hypervisor.change import AddedDevices, VirtualSystemChange
from virtcim.hypervisor.model import VirtualSystem, VirtualSystemSpec
from virtcim.providers.engine.instance_class import InstanceClass, Node, ServedClass
from virtcim.providers.engine.reach import Reach
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resource_pool.offer import AnyOffer
from virtcim.providers.resources.allocation import AllocationSources
from virtcim.providers.resources.devices import DeviceSources

__all__ = [
    "Definition",
    "Devices",
    "Plugging",
    "PoolsOfKind",
    "Profile",
    "ResourceKind",
    "ResourceSetting",
]

S = TypeVar("S", bound=AllocationSources)


class Profile(NamedTuple):
    """A DMTF profile (DSP and number) whose central instances are the pools of a kind."""

    number: int
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSetting:
    """One setting of a resource that a client gave, for its kind to read.

    ``reader`` has the properties to be read: of a change those that say something else than what
    is, while ``given`` is the whole setting.
    """

    reader: SettingReader
    view: View
    given: Record
    resource_type: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices(Generic[S]):
    """The devices that the resources of a kind are in a virtual system.

    ``of_system`` are all of one system, ``of_allocation`` those that come from one allocation, and
    ``allocations`` leads from a device to the allocation that it comes from.
    """

    classes: tuple[ServedClass[DeviceSources], ...]
    of_system: Callable[[VirtualSystem], Iterable[Node[DeviceSources]]]
    of_allocation: Callable[[View, Node[S]], Iterable[Node[DeviceSources]]]
    allocations: Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsOfKind(Generic[S]):
    """The pools that the resources of a kind come from.

    ``offers`` are their classes, parents before their children. ``of_allocation`` is the pool that
    an allocation comes from, ``allocations`` leads from a pool to what was allocated from it.
    """

    offers: tuple[AnyOffer, ...]
    of_allocation: Callable[[View, Node[S]], Iterable[Node[Sources]]]
    allocations: Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition(Generic[S]):
    """How a resource is asked for in a new system. All functions raise CimError.

    ``resource_types`` are the numbers (CIM_ResourceAllocationSettingData.ResourceType) that ask
    for one, first the one that a class alone stands for, and ``class_names`` the last parts of the
    names of the classes that do, ours and the peers'. ``read`` gives the system with what a setting
    asks for; what the system given third (``reference``) has can be had in any case. ``places``
    are the names by which a setting can give a resource of such a reference itself
    (AddressOnParent), and ``like`` is the setting that asks for one like it.
    """

    resource_types: tuple[int, ...]
    class_names: tuple[str, ...]
    read: Callable[[ResourceSetting, VirtualSystemSpec, VirtualSystem | None], VirtualSystemSpec]
    places: Callable[[S], Iterable[str]]
    like: Callable[[View, S], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugging(Generic[S]):
    """How resources come to a system that is there, and go. ``add`` raises CimError.

    ``plurals`` are what people call them. ``added`` gives the ``id`` of the ones that came, in the
    order in which they were asked for.
    """

    plurals: tuple[str, ...]
    add: Callable[[ResourceSetting, VirtualSystemChange], VirtualSystemChange]
    remove: Callable[[VirtualSystemChange, S], VirtualSystemChange]
    added: Callable[[AddedDevices], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceKind(Generic[S]):
    """One kind of resource; ``S`` is what its settings are computed from.

    ``name`` is the part of an InstanceID that tells the kind, ``allocation`` the class of its
    settings, and ``allocations`` those of one system. ``single`` are the kinds of which every
    system has exactly one setting; without ``plugging`` resources come and go with the system.
    Where ``definition`` is None clients cannot ask for one; what they can ask for is single, or
    has ``plugging``. ``change`` gives the change with what a setting asks for in the resource of a
    system; it raises CimError.
    """

    name: str
    single: bool = False
    profile: Profile | None = None
    allocation: InstanceClass[S]
    allocations: Callable[[View, VirtualSystem], Iterable[S]]
    devices: Devices[S]
    pools: PoolsOfKind[S] | None = None
    definition: Definition[S] | None = None
    change: Callable[[ResourceSetting, S, VirtualSystemChange], VirtualSystemChange]
    plugging: Plugging[S] | None = None
