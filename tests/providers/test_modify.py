"""Changing virtual systems and their resources through the management service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.providers.changing import (
    EIGHT,
    FIVE,
    ISO,
    OTHER,
    call,
    modified,
    rasd,
    setting,
)
from tests.providers.conftest import MakeProviders
from tests.providers.management import RASD, VSSD, mof, xml
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    GIB,
    identity,
)
from tests.providers.waiting import ended, job_of
from virtcim.errormap import ErrorCode, Fault, HypervisorError, from_xapi
from virtcim.hypervisor.change import (
    DiskChange,
    NetworkPortChange,
    RolledBackError,
    VirtualSystemChange,
)
from virtcim.providers import CimError, MethodResult, Providers, Record

PROCESSOR = "VirtCIM_ProcessorResourceAllocationSettingData"


@pytest.mark.parametrize("form", [lambda record: record, xml, mof], ids=["typed", "xml", "mof"])
def test_sending_back_what_was_read_changes_nothing(
    endpoint: SimulatedEndpoint, providers: Providers, form: Callable[[Record], object]
) -> None:
    for record in providers.enumerate_instances("root/virt", VSSD):
        result = call(providers, "ModifySystemSettings", SystemSettings=form(record))
        assert result == MethodResult(return_value=0)
    count = 0
    for uuid in endpoint.current.virtual_systems:
        settings = [
            record
            for record in providers.enumerate_instances("root/virt", RASD)
            if str(record.values["InstanceID"]).startswith(f"VirtCIM:{uuid}/")
        ]
        forms = [form(record) for record in settings]
        result = call(providers, "ModifyResourceSettings", ResourceSettings=forms)
        references = result.output["ResultingResourceSettings"]
        assert references == [record.path for record in settings]
        count += len(settings)
    assert count > 60
    assert all(change.is_empty for _, change in endpoint.modified)
    assert len(endpoint.modified) == 40


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"ElementName": "renamed"}, {"name_label": "renamed"}),
        ({"Description": "new"}, {"name_description": "new"}),
        ({"Notes": ["two", "words"]}, {"name_description": "two words"}),
        ({"BootDevices": ["network", "HD"]}, {"boot_order": "nc"}),
        ({"AutomaticStartupAction": 4}, {"auto_start": True}),
        ({"AutoStart": True}, {"auto_start": True}),
        ({"AutomaticRecoveryAction": 2}, {"actions_after_crash": "destroy"}),
        ({"ElementName": None, "Caption": None, "Unheard": None}, {}),
        (
            {"ElementName": "renamed", "VirtualSystemIdentifier": "renamed"},
            {"name_label": "renamed"},
        ),
    ],
    ids=str,
)
def test_settings_of_a_system_are_changed(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    settings = Record(VSSD, {"InstanceID": f"VirtCIM:{FIVE}", **values})
    assert call(providers, "ModifySystemSettings", SystemSettings=settings).return_value == 0
    assert endpoint.modified == [(FIVE, VirtualSystemChange(**expected))]


def test_a_description_is_removed_by_an_empty_text(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    settings = Record(VSSD, {"InstanceID": f"VirtCIM:{identity('vm', 0)}", "Description": ""})
    call(providers, "ModifySystemSettings", SystemSettings=settings)
    assert endpoint.modified[-1][1] == VirtualSystemChange(name_description="")


@pytest.mark.parametrize(
    "name", [{"VirtualSystemIdentifier": FIVE}, {"VirtualSystemIdentifier": "vm5"}, {"UUID": FIVE}]
)
def test_a_system_is_found_by_what_the_peers_clients_send(
    endpoint: SimulatedEndpoint, providers: Providers, name: Mapping[str, Any]
) -> None:
    settings = Record("KVM_VirtualSystemSettingData", {**name, "Notes": ["seen"]})
    call(providers, "ModifySystemSettings", SystemSettings=settings)
    assert endpoint.modified == [(FIVE, VirtualSystemChange(name_description="seen"))]


@pytest.mark.parametrize(
    ("values", "code", "named"),
    [
        ({}, "ERR_BAD_PARAMETER", "SystemSettings.InstanceID"),
        ({"InstanceID": "VirtCIM:x"}, "ERR_VM_NOT_FOUND", "VirtCIM:x"),
        ({"InstanceID": f"VirtCIM:{FIVE}/memory"}, "ERR_BAD_PARAMETER", "InstanceID"),
        ({"InstanceID": "vm5"}, "ERR_BAD_PARAMETER", "InstanceID: 'vm5'"),
        ({"VirtualSystemIdentifier": "nobody"}, "ERR_VM_NOT_FOUND", "'nobody'"),
        ({"ElementName": ""}, "ERR_BAD_PARAMETER", "ElementName"),
        ({"ElementName": "a\u2067b"}, "ERR_BAD_PARAMETER", "ElementName: 'a\\u2067b' contains"),
        ({"VirtualSystemIdentifier": "vm6"}, "ERR_BAD_PARAMETER", "VirtualSystemIdentifier: 'vm6'"),
        ({"UUID": EIGHT}, "ERR_BAD_PARAMETER", f"UUID: '{EIGHT}'"),
        ({"VirtualSystemType": "virtcim:pv"}, "ERR_BAD_PARAMETER", "VirtualSystemType"),
        ({"Caption": "mine"}, "ERR_BAD_PARAMETER", "Caption: 'mine'"),
        ({"BootDevices": ["tape"]}, "ERR_BAD_PARAMETER", "BootDevices: 'tape'"),
        ({"AutomaticShutdownAction": 3}, "ERR_BAD_PARAMETER", "AutomaticShutdownAction: 3"),
        ({"Unheard": 1}, "ERR_BAD_PARAMETER", "Unheard: 1"),
    ],
    ids=str,
)
def test_settings_of_a_system_that_cannot_be_changed_are_refused_by_name(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, Any],
    code: str,
    named: str,
) -> None:
    given = dict(values)
    if (
        given
        and not {"InstanceID"} & given.keys()
        and given != {"VirtualSystemIdentifier": "nobody"}
    ):
        given["InstanceID"] = f"VirtCIM:{FIVE}"
    with pytest.raises(CimError) as refused:
        call(providers, "ModifySystemSettings", SystemSettings=Record(VSSD, given))
    assert refused.value.description.startswith(f"{code}: SystemSettings")
    assert named in refused.value.description
    assert endpoint.modified == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"VirtualQuantity": 3}, {"vcpus_at_startup": 3}),
        ({"VirtualQuantity": 6}, {"vcpus_at_startup": 6, "vcpus_max": 6}),
        ({"Limit": 8}, {"vcpus_max": 8}),
        ({"VirtualQuantity": 1, "Limit": 1}, {"vcpus_at_startup": 1, "vcpus_max": 1}),
        ({"VirtualQuantity": 2, "Limit": 4, "Weight": 0}, {}),
        ({"VirtualQuantity": "3", "VirtualQuantityUnits": "count"}, {"vcpus_at_startup": 3}),
    ],
    ids=str,
)
def test_processors_are_changed(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    change = modified(providers, endpoint, rasd("processor", ResourceType=3, **values))
    assert change == VirtualSystemChange(**expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"VirtualQuantity": GIB // 2}, {"memory_dynamic_max_bytes": GIB // 2}),
        (
            {"VirtualQuantity": 512, "AllocationUnits": "MegaBytes"},
            {"memory_dynamic_max_bytes": GIB // 2},
        ),
        # The number is the present one, its unit is not.
        (
            {"VirtualQuantity": GIB, "VirtualQuantityUnits": "byte*2"},
            {"memory_dynamic_max_bytes": 2 * GIB},
        ),
        (
            {"VirtualQuantity": 3, "AllocationUnits": "byte*2^30"},
            {"memory_dynamic_max_bytes": 3 * GIB, "memory_static_max_bytes": 3 * GIB},
        ),
        (
            {"Limit": 4, "VirtualQuantity": 1, "AllocationUnits": "byte*2^30"},
            {"memory_static_max_bytes": 4 * GIB},
        ),
        ({"VirtualQuantity": 1024, "AllocationUnits": "MegaBytes"}, {}),
    ],
    ids=str,
)
def test_memory_is_changed_in_the_units_that_clients_send(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    change = modified(providers, endpoint, rasd("memory", **values))
    assert change == VirtualSystemChange(**expected)


def test_one_call_changes_all_kinds_of_resources(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    change = modified(
        providers,
        endpoint,
        rasd("network/0", ResourceSubType="e1000"),
        rasd("disk/sda", Address=ISO.location),
        rasd("memory", VirtualQuantity=GIB // 4),
        rasd("processor", VirtualQuantity=4),
        rasd("disk/vdb", Access=3),
    )
    assert (change.vcpus_at_startup, change.memory_dynamic_max_bytes) == (4, GIB // 4)
    assert change.changed_disks == (DiskChange(id="vdb", read_only=False),)
    assert change.changed_network_ports == (NetworkPortChange(id="0", model="e1000"),)
    assert [medium.id for medium in change.media] == ["sda"]


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("processor", {"VirtualQuantity": 0}, "ERR_BAD_PARAMETER", "VirtualQuantity: 0"),
    ("processor", {"VirtualQuantity": 9, "Limit": 8}, "ERR_BAD_PARAMETER", "Limit: 8"),
    ("processor", {"Limit": 1}, "ERR_BAD_PARAMETER", "Limit: 1"),
    ("processor", {"Weight": 7}, "ERR_BAD_PARAMETER", "Weight: 7"),
    ("processor", {"ResourceType": 4}, "ERR_BAD_PARAMETER", "ResourceType: 4"),
    ("memory", {"Limit": 1, "AllocationUnits": "percent"}, "ERR_BAD_PARAMETER", "percent"),
    ("memory", {"ElementName": "mine"}, "ERR_BAD_PARAMETER", "ElementName: 'mine'"),
    ("memory", {"Reservation": 1}, "ERR_BAD_PARAMETER", "Reservation: 1"),
    ("memory", {"PoolID": "VirtCIM:x/ProcessorPool"}, "ERR_BAD_PARAMETER", "PoolID"),
    ("disk/vda", {"HostResource": []}, "ERR_BAD_PARAMETER", "RemoveResourceSettings"),
    ("disk/vda", {"HostResource": ["nowhere/x"]}, "ERR_BAD_PARAMETER", "HostResource: 'nowhere/x'"),
    ("disk/vda", {"PoolID": "nothing"}, "ERR_BAD_PARAMETER", "PoolID: 'nothing'"),
    ("disk/vda", {"AddressOnParent": "vdz"}, "ERR_BAD_PARAMETER", "AddressOnParent: 'vdz'"),
    ("disk/sda", {"ResourceSubType": "raw"}, "ERR_BAD_PARAMETER", "ResourceSubType: 'raw'"),
    ("disk/vda", {"EmulatedType": 1}, "ERR_BAD_PARAMETER", "EmulatedType: 1"),
    ("disk/vda", {"Access": 2}, "ERR_BAD_PARAMETER", "Access: 2"),
    (
        "disk/vda",
        {"VirtualQuantity": GIB, "AllocationUnits": "byte"},
        "ERR_BAD_PARAMETER",
        "VirtualQuantity: 1073741824",
    ),
    (
        "disk/vda",
        {"Address": OTHER.location, "VirtualQuantity": 5, "AllocationUnits": "GB"},
        "ERR_BAD_PARAMETER",
        "VirtualQuantity: 5368709120",
    ),
    ("disk/sda", {"Access": 3}, "ERR_BAD_PARAMETER", "Access: 3"),
    ("disk/sda", {"VirtualQuantity": 5, "AllocationUnits": "GB"}, "ERR_BAD_PARAMETER", "536870"),
    (
        "disk/sda",
        {"Address": OTHER.location, "ResourceSubType": "qcow2"},
        "ERR_BAD_PARAMETER",
        "ResourceSubType: 'qcow2'",
    ),
    ("disk/sda", {"Address": OTHER.location, "BusType": "ide"}, "ERR_BAD_PARAMETER", "BusType"),
    ("disk/vdz", {}, "ERR_BAD_PARAMETER", "disk/vdz"),
    ("network/0", {"Address": "12:34"}, "ERR_BAD_PARAMETER", "Address: '12:34'"),
    ("network/0", {"PoolID": "nothing"}, "ERR_BAD_PARAMETER", "PoolID: 'nothing'"),
    ("network/0", {"AddressOnParent": "4"}, "ERR_BAD_PARAMETER", "AddressOnParent: '4'"),
    ("network/0", {"VirtualQuantity": 2}, "ERR_BAD_PARAMETER", "VirtualQuantity: 2"),
    ("network/0", {"PortVID": 7}, "ERR_BAD_PARAMETER", "PortVID: 7"),
    ("nothing", {}, "ERR_BAD_PARAMETER", "InstanceID"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "values", "code", "named"), REFUSED, ids=lambda x: str(x)[:40])
def test_changes_of_resources_that_cannot_be_made_are_refused_by_name(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    setting: str,
    values: Mapping[str, Any],
    code: str,
    named: str,
) -> None:
    settings = [rasd("processor", VirtualQuantity=4), rasd(setting, **values)]
    wanted = settings[1:] if setting == "processor" else settings
    with pytest.raises(CimError) as refused:
        call(providers, "ModifyResourceSettings", ResourceSettings=wanted)
    assert refused.value.description.startswith(f"{code}: ResourceSettings[{len(wanted) - 1}]")
    assert named in refused.value.description
    assert endpoint.modified == []


@pytest.mark.parametrize(
    ("settings", "code", "named"),
    [
        (None, "ERR_BAD_PARAMETER", "ResourceSettings"),
        ([], "ERR_BAD_PARAMETER", "ResourceSettings"),
        ([Record(RASD, {"VirtualQuantity": 1})], "ERR_BAD_PARAMETER", "InstanceID"),
        ([Record("CIM_ComputerSystem", {})], "ERR_BAD_PARAMETER", "CIM_ComputerSystem"),
        (["instance of"], "ERR_BAD_PARAMETER", "ResourceSettings[0]"),
        ([rasd("memory", "gone")], "ERR_VM_NOT_FOUND", "gone"),
        ([rasd("memory"), rasd("memory", EIGHT)], "ERR_BAD_PARAMETER", "ResourceSettings[1]"),
        ([rasd("memory"), rasd("memory")], "ERR_BAD_PARAMETER", "given twice"),
    ],
    ids=str,
)
def test_settings_that_name_nothing_to_change_are_refused(
    endpoint: SimulatedEndpoint, providers: Providers, settings: Any, code: str, named: str
) -> None:
    with pytest.raises(CimError) as refused:
        call(providers, "ModifyResourceSettings", ResourceSettings=settings)
    assert refused.value.description.startswith(f"{code}: ")
    assert named in refused.value.description
    assert endpoint.modified == []


def test_a_change_that_was_taken_back_says_that_nothing_remains(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    cause = from_xapi(["DEVICE_DETACH_TIMEOUT", "VBD", "ref"], operation="VBD.unplug")
    endpoint.refusal = RolledBackError(cause)
    with pytest.raises(CimError) as refused:
        call(providers, "RemoveResourceSettings", ResourceSettings=[setting("disk/vda")])
    assert refused.value.description.startswith("ERR_VM_STUCK: ")
    assert refused.value.description.endswith("; nothing of what was asked for remains")
    endpoint.refusal = HypervisorError(
        Fault(source="xapi", code="ROLLBACK_FAILED", arguments=("VBD.plug", "ref"), cause=cause)
    )
    with pytest.raises(CimError) as refused:
        call(providers, "RemoveResourceSettings", ResourceSettings=[setting("disk/vda")])
    assert refused.value.description.startswith("ERR_UNABLE_TO_VERIFY_STATE: ")
    assert "ROLLBACK_FAILED" in refused.value.description
    assert "remains" not in refused.value.description


def test_a_change_that_takes_long_ends_in_its_job(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders
) -> None:
    slow = make_providers(endpoint, job_after_s=0.05)
    endpoint.gate.clear()
    endpoint.refusal = RolledBackError(
        from_xapi(["SR_BACKEND_FAILURE_44", "", "no space", ""], operation="VDI.create")
    )
    settings = [rasd("processor", VirtualQuantity=4)]
    job = job_of(call(slow, "ModifyResourceSettings", ResourceSettings=settings))
    affected = slow.associator_names(job, assoc_class="CIM_AffectedJobElement")
    assert setting("processor", class_name=PROCESSOR) in affected
    endpoint.gate.set()
    failed = ended(slow, job)
    assert failed.values["ErrorCode"] == ErrorCode.ERR_OUT_OF_DISK_SPACE
    description = str(failed.values["ErrorDescription"])
    assert description.endswith("; nothing of what was asked for remains")
