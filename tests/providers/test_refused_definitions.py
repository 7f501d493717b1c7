"""Definitions that cannot be, refused by name."""

from __future__ import annotations

import pytest

from tests.providers.management import NAMED, RASD, VSSD, define, rasd
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    GIB,
    NETWORK,
    USER_NETWORK,
    identity,
)
from virtcim.providers import CimError, Providers, Record, StatusCode

REFUSED_SYSTEMS: list[tuple[object, str]] = [
    (None, "SystemSettings"),
    ("", "SystemSettings"),
    (7, "SystemSettings"),
    ("<INSTANCE", "SystemSettings"),
    ("instance of X", "SystemSettings"),
    ("nothing", "SystemSettings"),
    (Record("CIM_ComputerSystem", NAMED), "CIM_ComputerSystem"),
    (Record(RASD, NAMED), "CIM_ResourceAllocationSettingData"),
    (Record("Foreign_Thing", NAMED), "Foreign_Thing"),
    (Record(VSSD, {}), "SystemSettings.ElementName"),
    (Record(VSSD, {"ElementName": ""}), "SystemSettings.ElementName"),
    (Record(VSSD, {"ElementName": 5}), "SystemSettings.ElementName: 5"),
    (Record(VSSD, {"ElementName": "a\0b"}), "SystemSettings.ElementName"),
    (
        Record(VSSD, {"ElementName": "a\nb"}),
        "SystemSettings.ElementName: 'a\\nb' contains a control",
    ),
    (Record(VSSD, {"ElementName": "a\x85"}), "SystemSettings.ElementName: 'a\\x85' contains"),
    (
        Record(VSSD, {"ElementName": ["a\u202eb"]}),
        "SystemSettings.ElementName: 'a\\u202eb'",
    ),
    (
        Record(VSSD, {"VirtualSystemIdentifier": "a\u2028b"}),
        "SystemSettings.VirtualSystemIdentifier: 'a\\u2028b' contains a line separator, U+2028",
    ),
    (Record(VSSD, {**NAMED, "Unheard": "of"}), "SystemSettings.Unheard: 'of'"),
    (Record(VSSD, {**NAMED, "SwapFileDataRoot": "/x"}), "SystemSettings.SwapFileDataRoot: '/x'"),
    (Record(VSSD, {**NAMED, "AutomaticShutdownAction": 3}), "AutomaticShutdownAction: 3"),
    (Record(VSSD, {**NAMED, "AutomaticStartupAction": 3}), "AutomaticStartupAction: 3"),
    (Record(VSSD, {**NAMED, "AutomaticRecoveryAction": 4}), "AutomaticRecoveryAction: 4"),
    (Record(VSSD, {**NAMED, "VirtualSystemType": "VMware"}), "VirtualSystemType: 'VMware'"),
    (Record(VSSD, {**NAMED, "VirtualSystemIdentifier": "x"}), "VirtualSystemIdentifier: 'x'"),
    (Record(VSSD, {**NAMED, "UUID": "x"}), "UUID: 'x'"),
    (
        Record(
            VSSD,
            {**NAMED, "UUID": identity(1), "VirtualSystemIdentifier": identity(2)},
        ),
        "UUID",
    ),
    (Record(VSSD, {**NAMED, "BootDevices": ["tape"]}), "BootDevices: 'tape'"),
    (Record(VSSD, {**NAMED, "BootDevices": ["hd", "hd"]}), "BootDevices: 'hd'"),
    (Record(VSSD, {**NAMED, "BootDevices": [1]}), "BootDevices"),
]


@pytest.mark.parametrize(("system", "named"), REFUSED_SYSTEMS, ids=lambda each: str(each)[:40])
def test_system_settings_that_cannot_be_used_are_refused_by_name(
    endpoint: SimulatedEndpoint, providers: Providers, system: object, named: str
) -> None:
    with pytest.raises(CimError) as refused:
        define(providers, system)
    assert refused.value.status_code == StatusCode.INVALID_PARAMETER
    assert refused.value.description.startswith("ERR_BAD_PARAMETER: ")
    assert named in refused.value.description
    assert endpoint.defined == []


POOL = {"PoolID": "default"}


REFUSED_RESOURCES: list[tuple[dict[str, object], str]] = [
    ({}, "ResourceType"),
    ({"ResourceType": 24}, "ResourceType: 24"),
    ({"ResourceType": "many"}, "ResourceType: 'many'"),
    ({"ResourceType": 3, "VirtualQuantity": 0}, "VirtualQuantity: 0"),
    ({"ResourceType": 3, "VirtualQuantity": -1}, "VirtualQuantity: -1"),
    ({"ResourceType": 3, "VirtualQuantity": True}, "VirtualQuantity: True"),
    ({"ResourceType": 3, "VirtualQuantity": 1, "AllocationUnits": "percent"}, "percent"),
    ({"ResourceType": 3, "VirtualQuantity": 4, "Limit": 2}, "Limit: 2"),
    ({"ResourceType": 3, "Weight": 200}, "Weight: 200"),
    ({"ResourceType": 3, "PoolID": "VirtCIM:x/MemoryPool"}, "PoolID"),
    ({"ResourceType": 3, "HostResource": ["cpu0"]}, "HostResource"),
    ({"ResourceType": 4, "VirtualQuantity": 1, "AllocationUnits": "furlongs"}, "furlongs"),
    ({"ResourceType": 4, "VirtualQuantity": 1, "AllocationUnits": "byte*0"}, "AllocationUnits"),
    ({"ResourceType": 4, "VirtualQuantity": 1, "AllocationUnits": "byte / 3"}, "VirtualQuantity"),
    (
        {"ResourceType": 4, "VirtualQuantity": 2**63, "AllocationUnits": "byte*2^40"},
        "VirtualQuantity",
    ),
    ({"ResourceType": 4, "Reservation": 5}, "Reservation: 5"),
    ({"ResourceType": 4, "AutomaticAllocation": False}, "AutomaticAllocation: False"),
    ({"ResourceType": 4, "ConsumerVisibility": 2}, "ConsumerVisibility: 2"),
    ({"ResourceType": 4, "MappingBehavior": 5}, "MappingBehavior: 5"),
    ({"ResourceType": 4, "Unheard": 1}, "Unheard: 1"),
    ({"ResourceType": 17}, "HostResource"),
    ({"ResourceType": 17, "HostResource": ["/a", "/b"]}, "HostResource"),
    ({"ResourceType": 17, "HostResource": ["/a"], "Address": "/b"}, "Address: '/b'"),
    ({"ResourceType": 17, "HostResource": ["nowhere/image"]}, "HostResource: 'nowhere/image'"),
    ({"ResourceType": 17, "HostResource": ["file://other/a"]}, "HostResource: 'file://other/a'"),
    ({"ResourceType": 17, "HostResource": ["/a"], "Access": 2}, "Access: 2"),
    ({"ResourceType": 17, "HostResource": ["/a"], "EmulatedType": 9}, "EmulatedType: 9"),
    ({"ResourceType": 15, "EmulatedType": 2}, "EmulatedType: 2"),
    ({"ResourceType": 17, **POOL}, "HostResource"),
    ({"ResourceType": 17, "PoolID": "nothing", "VirtualQuantity": 1}, "PoolID: 'nothing'"),
    ({"ResourceType": 17, **POOL, "VirtualQuantity": 10}, "VirtualQuantity"),
    (
        {"ResourceType": 17, **POOL, "VirtualQuantity": 0, "AllocationUnits": "byte"},
        "VirtualQuantity: 0",
    ),
    (
        {
            "ResourceType": 17,
            "HostResource": ["/a"],
            "VirtualQuantity": 5,
            "AllocationUnits": "byte",
        },
        "VirtualQuantity: 5",
    ),
    ({"ResourceType": 10}, "PoolID"),
    ({"ResourceType": 10, "PoolID": "nothing"}, "PoolID: 'nothing'"),
    (
        {"ResourceType": 10, "PoolID": "default", "Connection": [USER_NETWORK.name_label]},
        "Connection: 'each for itself'",
    ),
    ({"ResourceType": 10, "PoolID": f"VirtCIM:{NETWORK.uuid}/StoragePool"}, "PoolID"),
    ({"ResourceType": 10, "PoolID": "default", "Address": "12:34"}, "Address: '12:34'"),
    ({"ResourceType": 10, "PoolID": "default", "VirtualQuantity": 2}, "VirtualQuantity: 2"),
    ({"ResourceType": 10, "PoolID": "default", "PortVID": 7}, "PortVID: 7"),
    ({"ResourceType": 10, "NetworkType": "ipx"}, "NetworkType: 'ipx'"),
]


@pytest.mark.parametrize(("values", "named"), REFUSED_RESOURCES, ids=lambda each: str(each)[:50])
def test_resource_settings_that_cannot_be_used_are_refused_by_name(
    endpoint: SimulatedEndpoint, providers: Providers, values: dict[str, object], named: str
) -> None:
    good = rasd(ResourceType=3, VirtualQuantity=1)
    memory = values.get("ResourceType") == 4
    resources = [good if memory else rasd(ResourceType=4, VirtualQuantity=GIB), rasd(**values)]
    with pytest.raises(CimError) as refused:
        define(providers, Record(VSSD, NAMED), resources)
    assert refused.value.status_code == StatusCode.INVALID_PARAMETER
    assert refused.value.description.startswith("ERR_BAD_PARAMETER: ResourceSettings[1]")
    assert named in refused.value.description
    assert endpoint.defined == []


def test_two_settings_of_one_kind_are_refused(providers: Providers) -> None:
    for resource_type in (3, 4):
        twice = [rasd(ResourceType=resource_type, VirtualQuantity=GIB)] * 2
        with pytest.raises(CimError, match=r"ResourceSettings\[1\]: there is already"):
            define(providers, Record(VSSD, NAMED), twice)


def test_a_class_that_contradicts_its_resource_type_is_refused(providers: Providers) -> None:
    wrong = Record("VirtCIM_MemoryResourceAllocationSettingData", {"ResourceType": 17})
    with pytest.raises(CimError, match=r"ResourceSettings\[0\]\.ResourceType: 17"):
        define(providers, Record(VSSD, NAMED), [wrong])


def test_a_taken_name_is_refused_by_the_hypervisor_with_its_code(providers: Providers) -> None:
    define(providers, Record(VSSD, NAMED))
    with pytest.raises(CimError) as refused:
        define(providers, Record(VSSD, NAMED))
    assert refused.value.status_code == StatusCode.ALREADY_EXISTS
    assert refused.value.description.startswith("ERR_ALREADY_EXIST: ")
