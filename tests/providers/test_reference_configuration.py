"""Defining a virtual system after another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.providers.changing import (
    THIRTEEN,
    call,
    configuration,
    setting,
)
from tests.providers.management import RASD, VSSD
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    GIB,
    NETWORK,
    REPOSITORY,
    image,
)
from virtcim.hypervisor.model import DiskKind, DiskSpec
from virtcim.providers import CimError, Providers, Record, StatusCode


def test_a_system_is_defined_after_another_one(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    name = Record(VSSD, {"ElementName": "copy", "Description": "mine"})
    memory = Record(RASD, {"ResourceType": 4, "VirtualQuantity": 3 * GIB})
    disk = Record(RASD, {"ResourceType": 17, "AddressOnParent": "vda", "Address": "/elsewhere/x"})
    result = call(
        providers,
        "DefineSystem",
        SystemSettings=name,
        ResourceSettings=[memory, disk],
        ReferenceConfiguration=configuration(),
    )
    assert result.return_value == 0
    spec = endpoint.defined[-1]
    assert (spec.name_label, spec.name_description, spec.uuid) == ("copy", "mine", "")
    assert (spec.vcpus_at_startup, spec.vcpus_max) == (2, 4)
    assert (spec.memory_dynamic_max_bytes, spec.memory_static_max_bytes) == (3 * GIB, 3 * GIB)
    assert (spec.boot_order, spec.actions_after_crash) == ("cdn", "restart")
    disks = {each.id: each for each in spec.disks}
    assert disks["vda"].path == "/elsewhere/x"
    assert disks["vdb"] == DiskSpec(
        id="vdb", image_uuid=image("vm5-1.qcow2").uuid, format="qcow2", read_only=True
    )
    assert (disks["sda"].kind, disks["sda"].image_uuid) == (DiskKind.CD, "")
    (port,) = spec.network_ports
    assert (port.id, port.network_uuid, port.mac_address) == ("0", NETWORK.uuid, "")


@pytest.mark.parametrize(("number", "place"), [("0", "vda"), ("1", "vdb"), ("2", "sda")])
def test_the_number_of_a_disk_stands_for_its_place_in_the_reference(
    endpoint: SimulatedEndpoint, providers: Providers, number: str, place: str
) -> None:
    disk = {"ResourceType": 17, "AddressOnParent": number, "Address": "/elsewhere/x"}
    call(
        providers,
        "DefineSystem",
        SystemSettings=Record(VSSD, {"ElementName": "copy"}),
        ResourceSettings=[Record(RASD, disk)],
        ReferenceConfiguration=configuration(),
    )
    assert {each.id for each in endpoint.defined[-1].disks} == {"vda", "vdb", "sda", number} - {
        place
    }


def test_a_disk_without_a_place_takes_that_of_no_disk_of_the_reference(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    call(
        providers,
        "DefineSystem",
        SystemSettings=Record(VSSD, {"ElementName": "copy"}),
        ResourceSettings=[Record(RASD, {"ResourceType": 17, "Address": "/elsewhere/x"})],
        ReferenceConfiguration=configuration(THIRTEEN),
    )
    reference = endpoint.current.virtual_systems[THIRTEEN]
    assert "" in {disk.number for disk in reference.disks}
    expected = {"", *(disk.id for disk in reference.disks)}
    assert {each.id for each in endpoint.defined[-1].disks} == expected


def test_a_disk_that_is_written_is_not_shared_with_the_copy(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    call(
        providers,
        "DefineSystem",
        SystemSettings=Record(VSSD, {"ElementName": "copy"}),
        ReferenceConfiguration=configuration(),
    )
    disk = endpoint.defined[-1].disks[0]
    assert (disk.id, disk.image_uuid, disk.path) == ("vda", "", "")
    assert (disk.sr_uuid, disk.size_bytes, disk.format) == (REPOSITORY.uuid, 10 * GIB, "qcow2")


@pytest.mark.parametrize(
    ("reference", "system", "code"),
    [
        (configuration("gone"), {"ElementName": "copy"}, "ERR_VM_NOT_FOUND"),
        ("text", {"ElementName": "copy"}, "ERR_BAD_PARAMETER"),
        (setting("memory"), {"ElementName": "copy"}, "ERR_BAD_PARAMETER"),
        (configuration(), {"Description": "no name"}, "ERR_BAD_PARAMETER"),
    ],
    ids=str,
)
def test_a_reference_that_cannot_be_used_is_refused(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    reference: Any,
    system: Mapping[str, Any],
    code: str,
) -> None:
    with pytest.raises(CimError) as refused:
        call(
            providers,
            "DefineSystem",
            SystemSettings=Record(VSSD, system),
            ReferenceConfiguration=reference,
        )
    assert refused.value.description.startswith(f"{code}: ")
    assert refused.value.status_code in (StatusCode.INVALID_PARAMETER, StatusCode.NOT_FOUND)
    assert endpoint.defined == []
