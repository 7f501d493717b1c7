"""What the services of a host have in common: one instance for each host, always started."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    EnabledDefault,
    EnabledState,
    HealthState,
    OperationalStatus,
    RequestedState,
)
from virtcim.hypervisor.model import Host
from virtcim.providers.engine.instance_class import InstanceClass
from virtcim.providers.engine.key_shapes import service_keys
from virtcim.providers.engine.per_object import per_host
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.engine.sources import OfHost
from virtcim.providers.host.host_system import HOST_CLASS

__all__ = ["host_service"]

_PREFIX = "VirtCIM_"


def host_service(
    class_name: str,
    title: str,
    *,
    problem: Callable[[Host], str] = lambda _: "",
    **more: Value,
) -> InstanceClass[OfHost]:
    """The class of a service that every host offers.

    ``title`` says what it is ("Power management"), ``problem`` what it cannot do in full, ``more``
    holds further property values. Its key ``Name`` is the class's name without our prefix.
    """

    def values(host: Host) -> Mapping[str, Value]:
        shown: dict[str, Value] = {
            "ElementName": f"{title} of {host.name_label}",
            "Caption": f"{title} service",
            "EnabledState": EnabledState.ENABLED,
            "RequestedState": RequestedState.NOT_APPLICABLE,
            "TransitioningToState": RequestedState.NOT_APPLICABLE,
            "EnabledDefault": EnabledDefault.ENABLED,
            "AvailableRequestedStates": [],
            "Started": True,
            "OperationalStatus": [OperationalStatus.OK],
            "StatusDescriptions": ["OK"],
            "HealthState": HealthState.OK,
            **more,
        }
        return with_problem(shown, problem(host))

    name = class_name.removeprefix(_PREFIX)
    return per_host(class_name, values, shape=service_keys(HOST_CLASS, class_name, name))
