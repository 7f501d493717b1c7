"""Changing virtual systems and their resources, with parameters as real clients send them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    GIB,
    NETWORK,
    REPOSITORY,
    USER_NETWORK,
    identity,
    image,
)
from tests.providers.test_define_and_destroy import RASD, SERVICE, VSSD, mof, xml
from tests.providers.waiting import ended, job_of
from virtcim.errormap import ErrorCode, Fault, HypervisorError, from_xapi
from virtcim.hypervisor.change import (
    DiskChange,
    ImageSize,
    MediumChange,
    NetworkPortChange,
    RolledBackError,
    VirtualSystemChange,
)
from virtcim.hypervisor.model import DiskKind, DiskSpec, NetworkPortSpec
from virtcim.providers import CimError, MethodResult, ObjectPath, Providers, Record, StatusCode

# Of the population: halted with two disks, an empty drive and a port; halted with a disk, a
# medium in the drive, a floppy and a port; running; with a second port that is on no known network.
FIVE, THIRTEEN, EIGHT, TEN = (identity("vm", number) for number in (5, 13, 8, 10))
ISO = image("tools.iso")
PROCESSOR = "VirtCIM_ProcessorResourceAllocationSettingData"


def call(providers: Providers, method: str, **parameters: Any) -> MethodResult:
    return providers.invoke_method(SERVICE, method, parameters)


def rasd(setting: str, uuid: str = FIVE, **values: Any) -> Record:
    return Record(RASD, {"InstanceID": f"VirtCIM:{uuid}/{setting}", **values})


def modified(providers: Providers, endpoint: SimulatedEndpoint, *settings: Any) -> Any:
    result = call(providers, "ModifyResourceSettings", ResourceSettings=list(settings))
    assert result.return_value == 0
    references = result.output["ResultingResourceSettings"]
    assert isinstance(references, list)
    assert [providers.get_instance(each).path for each in references] == references  # type: ignore[arg-type]
    return endpoint.modified[-1][1]


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


OTHER = image("vm8-1.qcow2")
ON_OTHER = {"image": DiskSpec(image_uuid=OTHER.uuid)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"HostResource": [OTHER.location]}, ON_OTHER),
        (
            {"HostResource": [f"file://{OTHER.location}"], "Address": "/images/vm5-0.qcow2"},
            ON_OTHER,
        ),
        ({"Address": OTHER.uuid}, ON_OTHER),
        ({"HostResource": ["vm8-1.qcow2"], "PoolID": "DiskPool/default"}, ON_OTHER),
        ({"HostExtentName": "/elsewhere/x"}, {"image": DiskSpec(path="/elsewhere/x")}),
        (
            {"HostExtentName": "/elsewhere/x", "ResourceSubType": "raw"},
            {"image": DiskSpec(path="/elsewhere/x", format="raw")},
        ),
        ({"Access": 1}, {"read_only": True}),
        ({"BusType": "scsi"}, {"bus": "scsi"}),
        ({"ResourceSubType": "raw"}, {"format": "raw"}),
        ({"Access": 1, "BusType": "SCSI"}, {"read_only": True, "bus": "scsi"}),
        (
            {"HostResource": [OTHER.location], "Access": 1, "BusType": "usb"},
            {**ON_OTHER, "read_only": True, "bus": "usb"},
        ),
        (
            {"Address": OTHER.location, "VirtualQuantity": 10 * GIB, "AllocationUnits": "byte"},
            ON_OTHER,
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_disk_is_changed_in_place(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    change = modified(providers, endpoint, rasd("disk/vda", **values))
    assert change == VirtualSystemChange(changed_disks=(DiskChange(id="vda", **expected),))


def test_an_image_grows_to_the_size_that_is_asked_for(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    bigger = {"VirtualQuantity": 20, "AllocationUnits": "GigaBytes"}
    change = modified(providers, endpoint, rasd("disk/vda", **bigger))
    assert change == VirtualSystemChange(image_size=ImageSize(id="vda", size_bytes=20 * GIB))


@pytest.mark.parametrize(
    ("uuid", "values", "medium"),
    [
        (FIVE, {"HostResource": [ISO.location]}, ISO.uuid),
        (THIRTEEN, {"HostResource": [OTHER.location]}, OTHER.uuid),
        (THIRTEEN, {"HostResource": []}, None),
        (THIRTEEN, {"HostResource": [""]}, None),
        (THIRTEEN, {"Address": ""}, None),
        (FIVE, {"Address": ""}, "nothing"),
        (THIRTEEN, {"HostResource": None}, "nothing"),
    ],
)
def test_media_are_inserted_exchanged_and_ejected(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    uuid: str,
    values: Mapping[str, Any],
    medium: str | None,
) -> None:
    change = modified(providers, endpoint, rasd("disk/sda", uuid, **values))
    wanted = None
    if medium is not None:
        wanted = DiskSpec(kind=DiskKind.CD, image_uuid=medium, read_only=True)
    media = () if medium == "nothing" else (MediumChange(id="sda", medium=wanted),)
    assert change == VirtualSystemChange(media=media)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"PoolID": USER_NETWORK.uuid}, {"network_uuid": USER_NETWORK.uuid}),
        (
            {"NetworkType": "user", "Connection": [f"VirtCIM:{NETWORK.uuid}/NetworkPool"]},
            {"network_uuid": USER_NETWORK.uuid},
        ),
        ({"Address": "02-00-00-00-00-0A"}, {"mac_address": "02:00:00:00:00:0a"}),
        ({"ResourceSubType": "e1000"}, {"model": "e1000"}),
    ],
    ids=str,
)
def test_a_network_port_is_changed_in_place(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    change = modified(providers, endpoint, rasd("network/0", **values))
    assert change == VirtualSystemChange(
        changed_network_ports=(NetworkPortChange(id="0", **expected),)
    )


def test_a_port_on_no_network_that_is_known_is_changed_without_naming_one(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    change = modified(providers, endpoint, rasd("network/1", TEN, ResourceSubType="e1000"))
    assert change.changed_network_ports == (NetworkPortChange(id="1", model="e1000"),)


def test_the_same_network_by_another_name_is_no_change(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    change = modified(providers, endpoint, rasd("network/0", PoolID="NetworkPool/default"))
    assert change.is_empty


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


def configuration(uuid: str = FIVE) -> ObjectPath:
    return ObjectPath(VSSD, {"InstanceID": f"VirtCIM:{uuid}"}, namespace="root/virt")


def test_devices_are_added_and_referred_to_in_their_order(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    settings = [
        Record(RASD, {"ResourceType": 10, "PoolID": "default"}),
        Record(RASD, {"ResourceType": 17, "Address": OTHER.location, "BusType": "SCSI"}),
        Record(RASD, {"ResourceType": 10, "PoolID": "default", "AddressOnParent": "5"}),
        Record(RASD, {"ResourceType": 15, "AddressOnParent": "sdz"}),
    ]
    result = call(
        providers,
        "AddResourceSettings",
        AffectedConfiguration=configuration(),
        ResourceSettings=settings,
    )
    references = result.output["ResultingResourceSettings"]
    assert isinstance(references, list)
    identities = [
        str(each.key("InstanceID")) for each in references if isinstance(each, ObjectPath)
    ]
    parts = ("network/9", "disk/new0", "network/5", "disk/sdz")
    assert identities == [f"VirtCIM:{FIVE}/{part}" for part in parts]
    uuid, change = endpoint.modified[-1]
    assert uuid == FIVE
    assert change == VirtualSystemChange(
        added_disks=(
            DiskSpec(image_uuid=OTHER.uuid, bus="scsi"),
            DiskSpec(id="sdz", kind=DiskKind.CD, read_only=True),
        ),
        added_network_ports=(
            NetworkPortSpec(network_uuid=NETWORK.uuid),
            NetworkPortSpec(id="5", network_uuid=NETWORK.uuid),
        ),
    )


@pytest.mark.parametrize(
    ("affected", "settings", "code", "named"),
    [
        (None, [], "ERR_BAD_PARAMETER", "AffectedConfiguration"),
        (configuration("gone"), [], "ERR_VM_NOT_FOUND", "AffectedConfiguration"),
        (
            ObjectPath(RASD, {"InstanceID": f"VirtCIM:{FIVE}/memory"}, namespace="root/virt"),
            [],
            "ERR_BAD_PARAMETER",
            "AffectedConfiguration",
        ),
        (configuration(), [], "ERR_BAD_PARAMETER", "ResourceSettings"),
        (
            configuration(),
            [Record(RASD, {"ResourceType": 4, "VirtualQuantity": 1})],
            "ERR_ALREADY_EXIST",
            "ModifyResourceSettings",
        ),
        (
            configuration(),
            [Record(RASD, {"ResourceType": 10, "PoolID": "default", "PortVID": 1})],
            "ERR_BAD_PARAMETER",
            "ResourceSettings[0].PortVID: 1",
        ),
        (configuration(), [Record(RASD, {"ResourceType": 17})], "ERR_BAD_PARAMETER", "Host"),
    ],
    ids=str,
)  # fmt: skip
def test_devices_that_cannot_be_added_are_refused_by_name(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    affected: Any,
    settings: Any,
    code: str,
    named: str,
) -> None:
    with pytest.raises(CimError) as refused:
        call(
            providers,
            "AddResourceSettings",
            AffectedConfiguration=affected,
            ResourceSettings=settings,
        )
    assert refused.value.description.startswith(f"{code}: ")
    assert named in refused.value.description
    assert endpoint.modified == []


def setting(part: str, uuid: str = FIVE, class_name: str = RASD) -> ObjectPath:
    return ObjectPath(class_name, {"InstanceID": f"VirtCIM:{uuid}/{part}"}, namespace="root/virt")


def test_devices_are_removed(endpoint: SimulatedEndpoint, providers: Providers) -> None:
    disk = setting("disk/vdb", class_name="VirtCIM_DiskResourceAllocationSettingData")
    paths = [setting("network/0"), disk, setting("disk/sda")]
    result = call(providers, "RemoveResourceSettings", ResourceSettings=paths)
    assert result == MethodResult(return_value=0)
    change = VirtualSystemChange(removed_disks=("vdb", "sda"), removed_network_ports=("0",))
    assert endpoint.modified == [(FIVE, change)]


@pytest.mark.parametrize(
    ("paths", "code", "named"),
    [
        (None, "ERR_BAD_PARAMETER", "ResourceSettings"),
        ([], "ERR_BAD_PARAMETER", "ResourceSettings"),
        (["text"], "ERR_BAD_PARAMETER", "ResourceSettings[0]"),
        ([setting("disk/vdz")], "ERR_BAD_PARAMETER", "disk/vdz"),
        ([configuration()], "ERR_BAD_PARAMETER", "ResourceSettings[0]"),
        ([setting("memory")], "ERR_OPERATION_FAILED", "only disks, drives and network ports"),
        ([setting("console/rfb-0", EIGHT)], "ERR_OPERATION_FAILED", "only disks"),
        ([setting("disk/vda"), setting("disk/vda", EIGHT)], "ERR_BAD_PARAMETER", "another"),
        ([setting("disk/vda"), setting("disk/vda")], "ERR_BAD_PARAMETER", "twice"),
    ],
    ids=str,
)
def test_what_cannot_be_removed_is_refused_by_name(
    endpoint: SimulatedEndpoint, providers: Providers, paths: Any, code: str, named: str
) -> None:
    with pytest.raises(CimError) as refused:
        call(providers, "RemoveResourceSettings", ResourceSettings=paths)
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
