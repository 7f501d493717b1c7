"""What a kind of resource is: one row that everything that has to do with resources goes over.

A kind is one module, or one folder, beside this one, and a row in ``registry.py``. Who asks it:

- ``definition`` is read by DefineSystem, by ReferenceConfiguration and by every method that must
  tell of which kind a setting is;
- ``change`` is asked by ModifyResourceSettings;
- ``plugging`` by AddResourceSettings, RemoveResourceSettings, and the jobs of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from virtcim.cim.records import Record
from virtcim.hypervisor.change import AddedDevices, VirtualSystemChange
from virtcim.hypervisor.model import VirtualSystem, VirtualSystemSpec
from virtcim.providers.engine.instance_class import ServedClass
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.allocation import AllocationSources

__all__ = ["Definition", "Plugging", "ResourceKind", "ResourceSetting"]

Part = TypeVar("Part")


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
class Definition(Generic[Part]):
    """How a resource is asked for in a new system. All functions raise CimError.

    ``resource_types`` are the numbers (CIM_ResourceAllocationSettingData.ResourceType) that ask
    for one, first the one that a class alone stands for, and ``class_names`` the last parts of the
    names of the classes that do, ours and the peers'. ``read`` gives the system with what a setting
    asks for; what the system given third (``reference``) has can be had in any case. ``parts`` are
    those of a system that another one made after it gets, too; ``places`` the names by which a
    setting can give one of them itself (AddressOnParent), and ``like`` the setting that asks for
    one like it.
    """

    resource_types: tuple[int, ...]
    class_names: tuple[str, ...]
    read: Callable[[ResourceSetting, VirtualSystemSpec, VirtualSystem | None], VirtualSystemSpec]
    parts: Callable[[VirtualSystem], Iterable[Part]]
    places: Callable[[Part], Iterable[str]]
    like: Callable[[View, VirtualSystem, Part], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugging:
    """How resources come to a system that is there, and go. ``add`` raises CimError.

    ``plurals`` are what people call them. ``remove`` takes the ``id`` of one, and ``added`` gives
    those of the ones that came, in the order in which they were asked for.
    """

    plurals: tuple[str, ...]
    add: Callable[[ResourceSetting, VirtualSystemChange], VirtualSystemChange]
    remove: Callable[[VirtualSystemChange, str], VirtualSystemChange]
    added: Callable[[AddedDevices], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceKind(Generic[Part]):
    """One kind of resource; ``Part`` is what a virtual system has of it.

    ``name`` is the part of an InstanceID that tells the kind. ``single`` are those of which every
    system has exactly one setting; without ``plugging`` they come and go with the system.
    Where ``definition`` is None clients cannot ask for one. ``change`` gives the change with what
    a setting asks for in a part of a system; it raises CimError.
    """

    name: str
    allocation: ServedClass[AllocationSources]
    single: bool = False
    definition: Definition[Part] | None = None
    change: Callable[
        [ResourceSetting, VirtualSystem, Part, VirtualSystemChange], VirtualSystemChange
    ]
    plugging: Plugging | None = None
