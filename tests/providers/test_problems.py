"""What could not be read in full is shown as Degraded, where it is or where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import identity
from virtcim.errormap import from_xapi, translate
from virtcim.hypervisor.model import Inventory, PowerState, StopReason
from virtcim.providers import Providers, Record
from virtcim.providers.engine.problems import with_problem

_SAID = "a field is no text"
KINDS = {
    "VirtCIM_HostSystem": "hosts",
    "VirtCIM_ComputerSystem": "virtual_systems",
    "VirtCIM_StoragePool": "storage_repositories",
    "VirtCIM_NetworkPool": "networks",
    "VirtCIM_DiskImage": "disk_images",
}


def with_odd(inventory: Inventory, kind: str, change: Callable[[Any], Any]) -> Inventory:
    """Change the first object of a kind."""
    objects = dict(getattr(inventory, kind))
    first = next(iter(objects))
    objects[first] = change(objects[first])
    return replace(inventory, **{kind: objects})


def degraded(providers: Providers, class_name: str) -> list[Record]:
    return [
        record
        for record in providers.enumerate_instances("root/virt", class_name)
        if record.values["OperationalStatus"][0] == 3  # type: ignore[index]
    ]


@pytest.mark.parametrize("class_name", KINDS)
def test_an_odd_object_is_degraded_and_no_other(
    endpoint: SimulatedEndpoint, providers: Providers, class_name: str
) -> None:
    assert degraded(providers, class_name) == []
    endpoint.current = with_odd(
        endpoint.current, KINDS[class_name], lambda one: replace(one, problem=_SAID)
    )
    [record] = degraded(providers, class_name)
    assert record.values["StatusDescriptions"][0] == _SAID  # type: ignore[index]
    assert record.values["HealthState"] == 10
    assert degraded(providers, "VirtCIM_VirtualSystemManagementService") == []


@pytest.mark.parametrize(
    ("class_name", "field"), [("CIM_LogicalDisk", "disks"), ("CIM_EthernetPort", "network_ports")]
)
def test_an_odd_device_is_degraded_and_its_machine_is_not(
    endpoint: SimulatedEndpoint, providers: Providers, class_name: str, field: str
) -> None:
    system = endpoint.current.virtual_systems[identity("vm", 5)]
    first, *others = getattr(system, field)
    endpoint.replace(replace(system, **{field: (replace(first, problem=_SAID), *others)}))
    [record] = degraded(providers, class_name)
    assert _SAID in str(record.values["StatusDescriptions"])
    assert degraded(providers, "VirtCIM_ComputerSystem") == []


def test_what_is_left_out_is_told_by_the_management_service(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    endpoint.current = with_odd(
        endpoint.current, "hosts", lambda host: replace(host, left_out="VM x is left out")
    )
    [service] = degraded(providers, "VirtCIM_VirtualSystemManagementService")
    assert service.values["StatusDescriptions"] == ["VM x is left out"]
    assert degraded(providers, "VirtCIM_HostSystem") == []


def test_a_worse_state_stays_beside_the_problem(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    system = endpoint.current.virtual_systems[identity("vm", 5)]
    stop = StopReason(reason="crashed", error=translate(from_xapi(["X"])))
    endpoint.replace(replace(system, power_state=PowerState.HALTED, stop=stop, problem=_SAID))
    [record] = degraded(providers, "VirtCIM_ComputerSystem")
    statuses, health = record.values["OperationalStatus"], record.values["HealthState"]
    assert isinstance(statuses, list)
    assert len(statuses) == 3
    assert health not in (5, 10)


def test_nothing_is_added_where_there_is_no_problem() -> None:
    values = {"OperationalStatus": [2], "StatusDescriptions": ["OK"], "HealthState": 5}
    assert with_problem(values, "") is values


def test_an_instance_that_cannot_be_computed_costs_only_itself(
    endpoint: SimulatedEndpoint, providers: Providers, caplog: pytest.LogCaptureFixture
) -> None:
    before = list(providers.enumerate_instances("root/virt", "VirtCIM_ComputerSystem"))
    broken = endpoint.current.virtual_systems[identity("vm", 5)]
    # No such object is ever made: it stands for a mistake of ours in computing one instance.
    endpoint.replace(replace(broken, transition="x"))  # type: ignore[arg-type]
    after = list(providers.enumerate_instances("root/virt", "VirtCIM_ComputerSystem"))
    assert [each.path for each in after] == [each.path for each in before]
    [odd] = [each for each in after if "ElementName" not in each.values]
    assert odd.values["Name"] == broken.uuid
    list(providers.enumerate_instances("root/virt", "VirtCIM_ComputerSystem"))
    assert [broken.uuid in record.getMessage() for record in caplog.records].count(True) == 1
