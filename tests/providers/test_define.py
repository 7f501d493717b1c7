"""Defining virtual systems in all the words that clients use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.providers.management import NAMED, VSSD, define, mof, rasd, xml
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    GIB,
    NETWORK,
    REPOSITORY,
    USER_NETWORK,
    identity,
    image,
)
from virtcim.hypervisor.model import (
    DiskKind,
    DiskSpec,
    NetworkPortSpec,
    VirtualSystemSpec,
)
from virtcim.providers import ObjectPath, Providers, Record

MIB = 2**20


def defined(
    providers: Providers, endpoint: SimulatedEndpoint, system: object, resources: object = None
) -> VirtualSystemSpec:
    assert define(providers, system, resources).return_value == 0
    return endpoint.defined[-1]


def test_a_system_with_nothing_but_a_name_gets_the_defaults(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    result = define(providers, Record(VSSD, NAMED))
    assert result.return_value == 0
    system = result.output["ResultingSystem"]
    assert isinstance(system, ObjectPath)
    assert providers.get_instance(system).values["ElementName"] == "new"
    assert endpoint.defined == [
        VirtualSystemSpec(
            name_label="new",
            memory_static_max_bytes=512 * MIB,
            memory_dynamic_max_bytes=512 * MIB,
            vcpus_max=1,
            vcpus_at_startup=1,
        )
    ]


WHOLE_SYSTEM = Record(
    VSSD,
    {
        "ElementName": 'na"me\\ <&>',
        "Description": "what it is for",
        "VirtualSystemIdentifier": identity("wanted").upper(),
        "VirtualSystemType": "DMTF:xen:PV",
        "AutomaticStartupAction": 4,
        "AutomaticRecoveryAction": 3,
        "BootDevices": ["network", "hd"],
        "InstanceID": None,
        "Notes": None,
    },
)


WHOLE_RESOURCES = [
    rasd(ResourceType=3, VirtualQuantity=2, Limit=8),
    rasd(ResourceType=4, VirtualQuantity=2048, AllocationUnits="byte*2^20", Limit=4096),
    rasd(ResourceType=17, HostResource=["/images/disk one.raw"], AddressOnParent="vda"),
    rasd(
        ResourceType=31,
        PoolID=f"VirtCIM:{REPOSITORY.uuid}/StoragePool",
        VirtualQuantity=10,
        AllocationUnits="GigaBytes",
        ResourceSubType="qcow2",
        Access=3,
    ),
    rasd(ResourceType=15, HostResource=["file:///iso/a%20b.iso"], AddressOnParent="sda"),
    rasd(ResourceType=16, AddressOnParent="sdb"),
    rasd(
        ResourceType=10,
        PoolID=f"VirtCIM:{NETWORK.uuid}/NetworkPool",
        Address="52-54-00-AB-CD-EF",
        ResourceSubType="e1000",
    ),
]


WHOLE_SPEC = VirtualSystemSpec(
    name_label='na"me\\ <&>',
    name_description="what it is for",
    uuid=identity("wanted"),
    memory_static_max_bytes=4096 * MIB,
    memory_dynamic_max_bytes=2048 * MIB,
    vcpus_max=8,
    vcpus_at_startup=2,
    os_type="pv",
    boot_order="nc",
    auto_start=True,
    actions_after_crash="restart",
    disks=(
        DiskSpec(id="vda", path="/images/disk one.raw"),
        DiskSpec(sr_uuid=REPOSITORY.uuid, size_bytes=10 * GIB, format="qcow2"),
        DiskSpec(id="sda", kind=DiskKind.CD, path="/iso/a b.iso", read_only=True),
        DiskSpec(id="sdb", kind=DiskKind.CD, read_only=True),
    ),
    network_ports=(
        NetworkPortSpec(network_uuid=NETWORK.uuid, mac_address="52:54:00:ab:cd:ef", model="e1000"),
    ),
)


@pytest.mark.parametrize("form", [lambda record: record, xml, mof], ids=["record", "xml", "mof"])
def test_settings_mean_the_same_as_records_xml_and_mof(
    endpoint: SimulatedEndpoint, providers: Providers, form: object
) -> None:
    assert callable(form)
    resources = [form(each) for each in WHOLE_RESOURCES]
    assert defined(providers, endpoint, form(WHOLE_SYSTEM), resources) == WHOLE_SPEC


def test_the_service_can_be_named_by_its_instance_and_parameters_in_any_case(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    (service,) = providers.enumerate_instances("root/virt", "CIM_VirtualSystemManagementService")
    assert service.path is not None
    result = providers.invoke_method(
        service.path, "definesystem", {"systemsettings": Record(VSSD, {"elementname": "new"})}
    )
    assert result.return_value == 0
    assert endpoint.defined[0].name_label == "new"


def test_a_system_that_was_read_can_be_defined_again(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    number = 5
    original = endpoint.systems[number]
    path = ObjectPath(VSSD, {"InstanceID": f"VirtCIM:{original.uuid}"}, namespace="root/virt")
    settings = providers.get_instance(path)
    resources = providers.associators(path, assoc_class="CIM_VirtualSystemSettingDataComponent")
    assert len(resources) == 2 + len(original.disks) + len(original.network_ports)
    copy = {
        **settings.values,
        "ElementName": "copy",
        "VirtualSystemIdentifier": None,
    }
    spec = defined(providers, endpoint, Record(VSSD, copy), resources)
    assert spec.memory_dynamic_max_bytes == original.memory_dynamic_max_bytes
    assert spec.memory_static_max_bytes == original.memory_static_max_bytes
    assert spec.vcpus_max == original.vcpus_max
    assert spec.vcpus_at_startup == original.vcpus_at_startup
    assert spec.boot_order == original.boot_order
    assert [disk.id for disk in spec.disks] == [disk.id for disk in original.disks]
    assert [disk.image_uuid for disk in spec.disks] == [
        disk.image.uuid if disk.image else "" for disk in original.disks
    ]
    assert [port.mac_address for port in spec.network_ports] == [
        port.mac_address for port in original.network_ports
    ]


@pytest.mark.parametrize(
    ("values", "memory_bytes"),
    [
        ({"VirtualQuantity": 2 * GIB}, 2 * GIB),
        ({"VirtualQuantity": "2147483648", "AllocationUnits": "byte"}, 2 * GIB),
        ({"VirtualQuantity": 2048, "AllocationUnits": "MegaBytes"}, 2 * GIB),
        ({"VirtualQuantity": 2048, "AllocationUnits": "byte * 2^20"}, 2 * GIB),
        ({"VirtualQuantity": 2048, "AllocationUnits": "BYTE*2^20"}, 2 * GIB),
        ({"VirtualQuantity": 2097152, "AllocationUnits": "KiloBytes"}, 2 * GIB),
        ({"VirtualQuantity": 2, "AllocationUnits": "byte*10^9"}, 2 * 10**9),
        ({"VirtualQuantity": 2, "VirtualQuantityUnits": "byte*2^30"}, 2 * GIB),
        (
            {
                "VirtualQuantity": 2048,
                "VirtualQuantityUnits": "count",
                "AllocationUnits": "byte*1024*1024",
            },
            2 * GIB,
        ),
        ({"VirtualQuantity": 4 * GIB, "VirtualQuantityUnits": "byte / 2"}, 2 * GIB),
    ],
)
def test_memory_is_understood_in_the_units_that_clients_send(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, object],
    memory_bytes: int,
) -> None:
    spec = defined(providers, endpoint, Record(VSSD, NAMED), [rasd(ResourceType=4, **values)])
    assert spec.memory_static_max_bytes == memory_bytes
    assert spec.memory_dynamic_max_bytes == memory_bytes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"HostResource": [image("vm1-0.qcow2").uuid]}, "image"),
        ({"HostResource": ["/images/vm1-0.qcow2"]}, "image"),
        ({"HostResource": ["file:///images/vm1-0.qcow2"]}, "image"),
        ({"HostResource": ["default/vm1-0.qcow2"]}, "image"),
        ({"PoolID": "default", "HostResource": ["vm1-0.qcow2"]}, "image"),
        ({"PoolID": "DiskPool/default", "Address": "/images/vm1-0.qcow2"}, "image"),
        ({"Address": "/elsewhere/a.raw"}, "path"),
        ({"HostResource": ["file://localhost/elsewhere/a.raw"]}, "path"),
        ({"HostExtentName": "/elsewhere/a.raw", "HostExtentNameFormat": 12}, "path"),
        ({"Address": "/elsewhere/a.raw", "EmulatedType": 0, "VirtualDevice": "vdz"}, "path"),
        ({"PoolID": REPOSITORY.uuid, "VirtualQuantity": GIB, "AllocationUnits": "byte"}, "new"),
        (
            {
                "PoolID": f'VirtCIM_StoragePool.InstanceID="VirtCIM:{REPOSITORY.uuid}/StoragePool"',
                "VirtualQuantity": GIB // 512,
                "VirtualResourceBlockSize": 512,
                "VirtualQuantityUnits": "count(fixed size block)",
            },
            "new",
        ),
    ],
)
def test_a_disk_is_found_by_every_name_that_clients_use(
    endpoint: SimulatedEndpoint, providers: Providers, values: Mapping[str, object], expected: str
) -> None:
    spec = defined(providers, endpoint, Record(VSSD, NAMED), [rasd(ResourceType=17, **values)])
    (disk,) = spec.disks
    found = {"image": disk.image_uuid, "path": disk.path, "new": disk.sr_uuid}
    wanted = {
        "image": image("vm1-0.qcow2").uuid,
        "path": "/elsewhere/a.raw",
        "new": REPOSITORY.uuid,
    }
    assert found == {kind: wanted[kind] if kind == expected else "" for kind in found}
    assert disk.size_bytes == (GIB if expected == "new" else 0)


def test_an_image_in_no_pool_is_named_by_its_path_too_as_it_may_be_forgotten(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    paths = replace(
        REPOSITORY, ref="ref-paths", uuid=identity("paths"), location="", takes_paths=True
    )
    outside = replace(
        image("vm1-0.qcow2"), uuid=identity("outside"), sr_uuid=paths.uuid, location="/outside.img"
    )
    endpoint.publish(
        storage_repositories={**endpoint.current.storage_repositories, paths.uuid: paths},
        disk_images={**endpoint.current.disk_images, outside.uuid: outside},
    )
    resources = [rasd(ResourceType=17, HostResource=["/outside.img"])]
    spec = defined(providers, endpoint, Record(VSSD, NAMED), resources)
    [disk] = spec.disks
    assert (disk.image_uuid, disk.path) == (outside.uuid, "/outside.img")


def test_an_image_on_the_network_is_named_by_its_url(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    """Whether it may be, the hypervisor knows."""
    url = "https://images.example:8443/a%20b.iso"
    settings = [rasd(ResourceType=15, HostResource=[url])]
    (disk,) = defined(providers, endpoint, Record(VSSD, NAMED), settings).disks
    assert disk.path == url


@pytest.mark.parametrize(
    ("values", "network"),
    [
        ({"PoolID": NETWORK.uuid}, NETWORK),
        ({"PoolID": "NetworkPool/default", "NetworkType": "network"}, NETWORK),
        ({"Connection": ["default"]}, NETWORK),
        ({"Connection": [f"VirtCIM:{NETWORK.uuid}/NetworkPool"], "PoolID": "default"}, NETWORK),
        ({"NetworkName": "default"}, NETWORK),
        ({"NetworkType": "user"}, USER_NETWORK),
        ({"HostResource": [USER_NETWORK.name_label], "VirtualQuantity": 1}, USER_NETWORK),
    ],
)
def test_a_network_is_found_by_every_name_that_clients_use(
    endpoint: SimulatedEndpoint, providers: Providers, values: Mapping[str, object], network: object
) -> None:
    spec = defined(providers, endpoint, Record(VSSD, NAMED), [rasd(ResourceType=10, **values)])
    assert [port.network_uuid for port in spec.network_ports] == [network.uuid]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("class_name", "values"),
    [
        ("VirtCIM_MemoryResourceAllocationSettingData", {}),
        ("KVM_MemResourceAllocationSettingData", {"ResourceType": 4}),
        ("Xen_MemorySettingData", {}),
        ("CIM_ResourceAllocationSettingData", {"ResourceType": 4}),
    ],
)
def test_settings_may_be_of_our_classes_their_superclasses_or_the_peers(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    class_name: str,
    values: Mapping[str, object],
) -> None:
    record = Record(class_name, {**values, "VirtualQuantity": GIB})  # type: ignore[dict-item]
    spec = defined(providers, endpoint, Record("KVM_VirtualSystemSettingData", NAMED), [record])
    assert spec.memory_static_max_bytes == GIB


@pytest.mark.parametrize(
    ("values", "name", "uuid"),
    [
        ({"VirtualSystemIdentifier": "guest"}, "guest", ""),
        ({"VirtualSystemIdentifier": "guest", "ElementName": "guest"}, "guest", ""),
        ({"ElementName": "guest", "UUID": identity("u")}, "guest", identity("u")),
        # On a XenServer labels are free text.
        ({"ElementName": "../a/b: ä"}, "../a/b: ä", ""),
        ({"ElementName": "guest", "AutoStart": 0}, "guest", ""),
    ],
)
def test_names_and_identities_are_taken_as_the_peers_clients_send_them(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, object],
    name: str,
    uuid: str,
) -> None:
    spec = defined(providers, endpoint, Record(VSSD, values))  # type: ignore[arg-type]
    assert (spec.name_label, spec.uuid) == (name, uuid)
