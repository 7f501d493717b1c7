"""Changing, adding and removing disks, media and network ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.providers.changing import (
    EIGHT,
    FIVE,
    ISO,
    OTHER,
    TEN,
    THIRTEEN,
    call,
    configuration,
    modified,
    rasd,
    setting,
)
from tests.providers.management import RASD
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    GIB,
    NETWORK,
    USER_NETWORK,
)
from virtcim.hypervisor.change import (
    DiskChange,
    ImageSize,
    MediumChange,
    NetworkPortChange,
    VirtualSystemChange,
)
from virtcim.hypervisor.model import DiskKind, DiskSpec, NetworkPortSpec
from virtcim.providers import CimError, MethodResult, ObjectPath, Providers, Record

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
