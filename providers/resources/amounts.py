"""Amounts: resources of which every system has so much from the start until it is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from virtcim.cim.value_maps import RequestType, ResourceTypeValue, SharingModeValue
from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.model import Host, VirtualSystem, VirtualSystemSpec
from virtcim.providers.engine.identities import parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass, Node, ServedClass
from virtcim.providers.engine.reach import reach_from
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.allocation_ranges import AllocationRange, widest
from virtcim.providers.parameters.setting_difference import different
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import Unit
from virtcim.providers.resource_pool.offer import pool_offer
from virtcim.providers.resources.allocation import SystemAtHost, at_host
from virtcim.providers.resources.devices import DeviceSources
from virtcim.providers.resources.kind import (
    Definition,
    Devices,
    PoolsOfKind,
    Profile,
    ResourceKind,
    ResourceSetting,
)
from virtcim.providers.resources.settings import setting_like

__all__ = ["Amount", "AmountOfSystem", "PoolPerHost", "amount_kind"]

S = TypeVar("S", bound=Sources)
# What asks for the same amount again.
_LIKE = ("ResourceType", "AllocationUnits", "VirtualQuantity", "VirtualQuantityUnits", "Limit")


class Amount(NamedTuple):
    """What a system has at the start, and the most it can be given; None: as it is."""

    initial: int
    maximum: int


class _Wanted(NamedTuple):
    """What a setting says; None where it does not."""

    quantity: int | None
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPerHost(Generic[S]):
    """The pools that an amount comes from: each host has one, for all systems that live there.

    ``of_host`` are the sources of the pool of a host, ``host`` is the host in such sources.
    """

    pool: InstanceClass[S]
    of_host: Callable[[View, Host], S]
    host: Callable[[S], Host]
    sharing_mode: SharingModeValue


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountOfSystem:
    """An amount that a system has, and how it is asked for.

    ``pool`` is the part of a PoolID that names the pool that it comes from, one per host, and
    ``range_of`` what that can give. ``units`` reads the units of VirtualQuantity and of Limit,
    which are of ``base`` units. ``default`` is what a system gets where no setting says it.
    ``change`` is given the initial amount and the maximum, None where they stay as they are.
    """

    pool: str
    range_of: Callable[[Host], AllocationRange]
    base: str
    units: Callable[[SettingReader], tuple[Unit, Unit]]
    default: int
    present: Callable[[VirtualSystem], Amount]
    define: Callable[[VirtualSystemSpec, Amount], VirtualSystemSpec]
    change: Callable[[VirtualSystemChange, int | None, int | None], VirtualSystemChange]

    def defined(
        self, setting: ResourceSetting, spec: VirtualSystemSpec, reference: VirtualSystem | None
    ) -> VirtualSystemSpec:
        """``spec`` with the amount that a setting asks for. Raises CimError."""
        wanted = self._read(setting, () if reference is None else self.present(reference))
        initial = wanted.quantity or wanted.limit or self.default
        maximum = wanted.limit or initial
        if maximum < initial:
            raise setting.reader.refuse("Limit", wanted.limit, "is below VirtualQuantity")
        return self.define(spec, Amount(initial, maximum))

    def changed(
        self, setting: ResourceSetting, of: SystemAtHost, change: VirtualSystemChange
    ) -> VirtualSystemChange:
        """``change`` with what a setting asks for; more than the limit raises a limit not given.

        A limit that is sent back as it was is not given. Raises CimError.
        """
        present = self.present(of.system)
        wanted = self._read(setting, present)
        initial = wanted.quantity or present.initial
        limit = None if wanted.limit == present.maximum else wanted.limit
        maximum = limit or max(present.maximum, initial)
        if maximum < initial:
            raise setting.reader.refuse("Limit", maximum, f"is below VirtualQuantity, {initial}")
        return self.change(
            change, different(initial, present.initial), different(maximum, present.maximum)
        )

    def _read(self, setting: ResourceSetting, present: Collection[int]) -> _Wanted:
        """What can be had; what a system has already (``present``) whatever the range is."""
        reader = setting.reader
        quantity_unit, limit_unit = self.units(reader)
        pool = reader.text("PoolID")
        if pool and self.pool.lower() not in pool.lower():
            raise reader.refuse("PoolID", pool, f"is no {self.pool}")
        wanted = _Wanted(
            reader.quantity("VirtualQuantity", quantity_unit, self.base),
            reader.quantity("Limit", limit_unit, self.base),
        )
        # A reservation or weight of nothing is what happens anyway.
        reader.accept("Reservation", 0)
        reader.accept("Weight", 0)
        if wanted.quantity == 0:
            raise reader.refuse("VirtualQuantity", 0, "is too little for a virtual system")
        possible = self._possible(setting.view, pool) if wanted.quantity or wanted.limit else None
        for name, amount in (("VirtualQuantity", wanted.quantity), ("Limit", wanted.limit)):
            if amount and possible is not None:
                reader.check_range(name, amount, possible, present)
        return wanted

    def _possible(self, view: View, pool: str) -> AllocationRange | None:
        """What a pool can give, else any host: the hypervisor chooses it."""
        hosts = view.inventory.hosts
        parsed = parse_instance_id(pool)
        named = hosts.get(parsed[0]) if parsed is not None else None
        return widest(self.range_of(host) for host in ((named,) if named else hosts.values()))


def amount_kind(
    name: str,
    amount: AmountOfSystem,
    *,
    profile: Profile,
    resource_type: ResourceTypeValue,
    class_names: tuple[str, ...],
    allocation: InstanceClass[SystemAtHost],
    device: ServedClass[DeviceSources],
    devices: Callable[[VirtualSystem], Iterable[Node[DeviceSources]]],
    pools: PoolPerHost[S],
) -> ResourceKind[SystemAtHost]:
    """A kind of resource of which every system has one amount; ``devices`` are those of one."""
    return ResourceKind(
        name=name,
        single=True,
        profile=profile,
        allocation=allocation,
        allocations=lambda view, system: (at_host(view, system),),
        devices=Devices(
            classes=(device,),
            of_system=devices,
            of_allocation=lambda _, node: devices(node.sources.system),
            allocations=reach_from(
                device, lambda view, node: (allocation.node(at_host(view, node.sources.system)),)
            ),
        ),
        pools=_pools_of_kind(pools, amount.range_of, resource_type, allocation),
        definition=Definition(
            resource_types=(resource_type,),
            class_names=class_names,
            read=amount.defined,
            places=lambda _: (name,),
            like=lambda _, of: setting_like(allocation.values(of), _LIKE),
        ),
        change=amount.changed,
    )


def _pools_of_kind(
    pools: PoolPerHost[S],
    range_of: Callable[[Host], AllocationRange],
    resource_type: ResourceTypeValue,
    allocation: InstanceClass[SystemAtHost],
) -> PoolsOfKind[SystemAtHost]:
    def of_allocation(view: View, node: Node[SystemAtHost]) -> Iterator[Node[S]]:
        host = view.home(node.sources.system)
        if host is not None:
            yield pools.pool.node(pools.of_host(view, host))

    def allocations(view: View, node: Node[S]) -> Iterator[Node[SystemAtHost]]:
        host = pools.host(node.sources)
        for system in view.systems_at(host):
            yield allocation.node(SystemAtHost(system, host.uuid))

    offer = pool_offer(
        pools.pool,
        pools.host,
        range_of,
        resource_type=resource_type,
        request_types=(RequestType.GENERAL, RequestType.GENERAL),
        sharing_mode=pools.sharing_mode,
    )
    return PoolsOfKind(
        offers=(offer,),
        of_allocation=of_allocation,
        allocations=reach_from(pools.pool, allocations),
    )
