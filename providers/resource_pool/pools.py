"""What all pools of resources have in common (DSP1041)."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.records import Value
from virtcim.cim.value_maps import HealthState, OperationalStatus, ResourceTypeValue
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.identities import instance_id
from virtcim.providers.engine.instance_class import AnyClass, InstanceClass
from virtcim.providers.engine.per_object import per_host
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.engine.sources import OfHost
from virtcim.providers.engine.view import View

__all__ = ["pool_id", "pool_values", "primordial_pool"]


def pool_id(pool: AnyClass, uuid: str) -> str:
    """The PoolID (and InstanceID) of the pool of the object ``uuid``."""
    return instance_id(uuid, pool.name.removeprefix("VirtCIM_"))


def pool_values(
    identity: str,
    name: str,
    resource_type: ResourceTypeValue,
    units: str,
    *,
    active: bool = True,
    primordial: bool = True,
    problem: str = "",
) -> Mapping[str, Value]:
    """The values that every pool has; ``identity`` is its PoolID, ``units`` what it hands out."""
    values: dict[str, Value] = {
        "PoolID": identity,
        "Name": identity,
        "ElementName": name,
        "Primordial": primordial,
        "ResourceType": resource_type,
        "AllocationUnits": units,
        "ConsumedResourceUnits": units,
        "OperationalStatus": [OperationalStatus.OK if active else OperationalStatus.STOPPED],
        "StatusDescriptions": ["OK" if active else "Not active"],
        "HealthState": HealthState.OK,
    }
    return with_problem(values, problem)


def primordial_pool(
    what: str, resource_type: ResourceTypeValue, units: str, *, name: str, caption: str
) -> InstanceClass[OfHost]:
    """The class of the one pool of all pools of a kind, at the host that stands for all hosts."""
    part = name.removeprefix("VirtCIM_")

    def values(host: Host) -> Mapping[str, Value]:
        label = f"{what} of {host.name_label}"
        return {
            **pool_values(instance_id(host.uuid, part), label, resource_type, units),
            "Caption": caption,
            # No sum of the child pools: several of them may share what they are made of.
            "Reserved": 0,
        }

    return per_host(name, values, part=part, hosts=_first_host)


def _first_host(view: View) -> Mapping[str, Host]:
    """The host that stands for the whole pool of hosts where storage and networks are concerned."""
    host = view.first_host
    return {} if host is None else {host.uuid: host}
