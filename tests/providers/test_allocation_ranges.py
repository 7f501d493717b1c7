"""What pools offer is what can be asked of them: published and enforced from one source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import GIB, HOST, REPOSITORY, identity, image
from virtcim.hypervisor.model import Network, StorageRepository, VirtualSystem
from virtcim.providers import CimError, MethodResult, ObjectPath, Providers, Record

MIB = 2**20
VSSD = "VirtCIM_VirtualSystemSettingData"
SERVICE = ObjectPath("VirtCIM_VirtualSystemManagementService", namespace="root/virt")
POOL_SERVICE = ObjectPath("VirtCIM_ResourcePoolConfigurationService", namespace="root/virt")
PATHS = StorageRepository(
    ref="ref-paths",
    uuid=identity("paths"),
    name_label="Files of the host",
    makes_images=False,
)
STOPPED = replace(REPOSITORY, uuid=identity("stopped"), name_label="stopped", attached=False)
SMALL = replace(
    REPOSITORY,
    uuid=identity("small"),
    name_label="small",
    physical_size_bytes=GIB,
    physical_utilisation_bytes=GIB - 5 * MIB - 1000,
)
FULL = replace(SMALL, uuid=identity("full"), name_label="full", physical_utilisation_bytes=GIB)
DOWN = Network(ref="ref-down", uuid=identity("down"), name_label="down", active=False)
FOREIGN_NETWORK = Network(
    ref="ref-foreign", uuid=identity("foreign"), name_label="foreign", takes_ports=False
)


@pytest.fixture
def endpoint() -> SimulatedEndpoint:
    made = SimulatedEndpoint(systems=8)
    known = made.current
    made.current = replace(
        known,
        storage_repositories={
            **known.storage_repositories,
            **{each.uuid: each for each in (PATHS, STOPPED, SMALL, FULL)},
        },
        networks={**known.networks, DOWN.uuid: DOWN, FOREIGN_NETWORK.uuid: FOREIGN_NETWORK},
    )
    return made


def call(providers: Providers, method: str, **parameters: Any) -> MethodResult:
    return providers.invoke_method(SERVICE, method, parameters)


def refusal(providers: Providers, method: str, **parameters: Any) -> str:
    with pytest.raises(CimError) as refused:
        call(providers, method, **parameters)
    return refused.value.description


def define(providers: Providers, *resources: object, name: str = "new") -> MethodResult:
    return call(
        providers,
        "DefineSystem",
        SystemSettings=Record(VSSD, {"ElementName": name}),
        ResourceSettings=[*resources],
    )


def refused_definition(providers: Providers, *resources: object) -> str:
    return refusal(
        providers,
        "DefineSystem",
        SystemSettings=Record(VSSD, {"ElementName": "new"}),
        ResourceSettings=[*resources],
    )


def rasd(**values: Any) -> Record:
    return Record("CIM_ResourceAllocationSettingData", values)


def offers(providers: Providers, pool: ObjectPath) -> Mapping[str, Record]:
    """The settings of a pool by their role, found as a client finds them."""
    [capabilities] = providers.associator_names(
        pool, assoc_class="CIM_ElementCapabilities", result_class="CIM_AllocationCapabilities"
    )
    found = {}
    for reference in providers.references(
        capabilities, result_class="CIM_SettingsDefineCapabilities"
    ):
        part = reference.values["PartComponent"]
        assert isinstance(part, ObjectPath)
        setting = providers.get_instance(part)
        role = str(setting.values["InstanceID"]).rpartition("/")[2]
        expected = {
            "Default": (0, 0, 0), "Minimum": (0, 3, 1), "Maximum": (0, 3, 2),
            "Increment": (0, 3, 3),
        }[role]  # fmt: skip
        names = ("PropertyPolicy", "ValueRole", "ValueRange")
        assert tuple(reference.values[name] for name in names) == expected
        found[role] = setting
    return found


def pool_named(providers: Providers, name: str) -> ObjectPath:
    for record in providers.enumerate_instances("root/virt", "CIM_ResourcePool"):
        if record.values["ElementName"] == name:
            assert record.path is not None
            return record.path
    raise AssertionError(name)


def request_types(providers: Providers, name: str) -> object:
    [capabilities] = providers.associators(
        pool_named(providers, name), result_class="CIM_AllocationCapabilities"
    )
    return capabilities.values["RequestTypesSupported"]


def test_every_pool_tells_its_capabilities(providers: Providers) -> None:
    pools = list(providers.enumerate_instances("root/virt", "CIM_ResourcePool"))
    assert len(pools) >= 12
    for pool in pools:
        assert pool.path is not None
        offers(providers, pool.path)


def test_whatever_a_pool_offers_can_be_asked_for_as_it_is(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    asked = 0
    for pool in providers.enumerate_instances("root/virt", "CIM_ResourcePool"):
        assert pool.path is not None
        for role, setting in offers(providers, pool.path).items():
            if role == "Increment":
                continue
            asked += 1
            assert define(providers, setting, name=f"of-{asked}").return_value == 0
            spec = endpoint.defined[-1]
            amount = setting.values["VirtualQuantity"]
            made = {
                3: spec.vcpus_at_startup,
                4: spec.memory_dynamic_max_bytes,
                10: len(spec.network_ports),
                17: sum(disk.size_bytes for disk in spec.disks),
            }
            assert made[setting.values["ResourceType"]] == amount  # type: ignore[index]
            assert [disk.sr_uuid for disk in spec.disks if disk.sr_uuid] in (
                [],
                [str(setting.values["PoolID"]).removeprefix("VirtCIM:").partition("/")[0]],
            )
    assert asked >= 13


@pytest.mark.parametrize(
    ("name", "default"),
    [("default", 8 * GIB), ("small", 5 * MIB + 512)],
)
def test_the_default_image_is_of_a_usual_size_and_fits(
    providers: Providers, name: str, default: int
) -> None:
    found = offers(providers, pool_named(providers, name))
    assert found["Default"].values["VirtualQuantity"] == default
    assert "Maximum" not in found
    assert request_types(providers, name) == 4


@pytest.mark.parametrize("name", ["Files of the host", "stopped", "full"])
def test_a_pool_that_cannot_make_an_image_offers_none(providers: Providers, name: str) -> None:
    assert offers(providers, pool_named(providers, name)) == {}
    assert request_types(providers, name) == 2


@pytest.mark.parametrize("name", ["down", "foreign"])
def test_a_network_that_takes_no_port_offers_none(providers: Providers, name: str) -> None:
    assert offers(providers, pool_named(providers, name)) == {}


@pytest.mark.parametrize(
    ("pool", "code"), [(PATHS, "ERR_BAD_PARAMETER"), (STOPPED, "ERR_WRONG_STATE_FOR_OP")]
)
def test_an_image_that_cannot_be_made_is_refused_with_the_name_of_setting_and_pool(
    endpoint: SimulatedEndpoint, providers: Providers, pool: StorageRepository, code: str
) -> None:
    identity_of_pool = f"VirtCIM:{pool.uuid}/StoragePool"
    setting = rasd(
        ResourceType=17, PoolID=identity_of_pool, VirtualQuantity=GIB, AllocationUnits="byte"
    )
    said = [refused_definition(providers, setting)]
    system = endpoint.systems[1]
    configuration = ObjectPath(
        VSSD, {"InstanceID": f"VirtCIM:{system.uuid}"}, namespace="root/virt"
    )
    said.append(
        refusal(
            providers,
            "AddResourceSettings",
            AffectedConfiguration=configuration,
            ResourceSettings=[setting],
        )
    )
    with pytest.raises(CimError) as refused:
        providers.invoke_method(
            POOL_SERVICE,
            "CreateResourceInPool",
            {
                "Settings": rasd(ElementName="x", VirtualQuantity=GIB, AllocationUnits="byte"),
                "Pool": pool_named(providers, pool.name_label),
            },
        )
    said.append(refused.value.description)
    for text in said:
        assert text.startswith(f"{code}: ")
        assert "Settings" in text
        assert pool.name_label in text
        assert identity_of_pool in text
        assert "OpaqueRef" not in text
    assert endpoint.defined == endpoint.modified == endpoint.storage.images_made == []


def test_a_port_that_cannot_be_connected_is_refused_with_the_name_of_setting_and_pool(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    pool = f"VirtCIM:{FOREIGN_NETWORK.uuid}/NetworkPool"
    said = refused_definition(providers, rasd(ResourceType=10, PoolID=pool))
    assert said.startswith("ERR_BAD_PARAMETER: ResourceSettings[0].PoolID: ")
    assert FOREIGN_NETWORK.name_label in said
    assert pool in said
    # A network that is down takes ports: it may be up when the system starts.
    define(providers, rasd(ResourceType=10, PoolID=f"VirtCIM:{DOWN.uuid}/NetworkPool"))
    assert [len(spec.network_ports) for spec in endpoint.defined] == [1]


OUTSIDE = [
    ({"ResourceType": 3, "VirtualQuantity": 999}, "VirtualQuantity: 999", "1 to 16 (count)"),
    ({"ResourceType": 3, "VirtualQuantity": 2, "Limit": 17}, "Limit: 17", "1 to 16 (count)"),
    ({"ResourceType": 4, "VirtualQuantity": 1}, "VirtualQuantity: 1 (", "1048576 to "),
    (
        {"ResourceType": 4, "VirtualQuantity": 2**60},
        f"VirtualQuantity: {2**60}",
        f"to {64 * GIB} (byte",
    ),
    (
        {"ResourceType": 4, "VirtualQuantity": GIB, "Limit": 2**60},
        f"Limit: {2**60}",
        f"to {64 * GIB} (byte",
    ),
    (
        {"ResourceType": 4, "VirtualQuantity": 65, "AllocationUnits": "byte*2^30"},
        "65 (AllocationUnits 'byte*2^30')",
        f"{65 * GIB} byte",
    ),
    ({"ResourceType": 4, "VirtualQuantity": GIB + 1}, f"{GIB + 1} ", "in steps of 1024"),
    (
        {
            "ResourceType": 17,
            "PoolID": REPOSITORY.uuid,
            "VirtualQuantity": GIB + 1,
            "AllocationUnits": "byte",
        },
        f"{GIB + 1} (AllocationUnits 'byte')",
        "in steps of 512",
    ),
]


@pytest.mark.parametrize(("values", "named", "range_text"), OUTSIDE, ids=str)
def test_an_amount_outside_the_range_is_refused_with_value_unit_and_range(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: Mapping[str, Any],
    named: str,
    range_text: str,
) -> None:
    said = refused_definition(providers, rasd(**values))
    assert said.startswith("ERR_BAD_PARAMETER: ResourceSettings[0].")
    assert named in said
    assert "Units" in said
    assert range_text in said
    assert endpoint.defined == []


def test_the_range_is_that_of_the_pool_that_is_named(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    larger = replace(HOST, ref="ref-2", uuid=identity("larger"), name_label="hv2", cpu_count=64)
    endpoint.current = replace(endpoint.current, hosts={HOST.uuid: HOST, larger.uuid: larger})
    small, large = (f"VirtCIM:{uuid}/ProcessorPool" for uuid in (HOST.uuid, larger.uuid))
    said = refused_definition(providers, rasd(ResourceType=3, VirtualQuantity=17, PoolID=small))
    assert "1 to 16" in said
    # Where no pool is named, the hypervisor chooses a host that can.
    for number, pool in enumerate((large, None)):
        define(
            providers,
            rasd(ResourceType=3, VirtualQuantity=17, PoolID=pool),
            name=f"large-{number}",
        )
    assert [spec.vcpus_max for spec in endpoint.defined] == [17, 17]


def foreign(endpoint: SimulatedEndpoint) -> VirtualSystem:
    """A system with more than any pool offers, and memory between the steps."""
    system = replace(
        endpoint.systems[5],
        vcpus_max=64,
        vcpus_at_startup=48,
        memory_static_max_bytes=100 * GIB + 512,
        memory_dynamic_max_bytes=100 * GIB + 512,
    )
    endpoint.replace(system)
    return system


def allocation(system: VirtualSystem, part: str, providers: Providers) -> Record:
    names = {"processor": "Processor", "memory": "Memory"}
    return providers.get_instance(
        ObjectPath(
            f"VirtCIM_{names[part]}ResourceAllocationSettingData",
            {"InstanceID": f"VirtCIM:{system.uuid}/{part}"},
            namespace="root/virt",
        )
    )


def test_what_a_foreign_system_has_can_be_sent_back(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    system = foreign(endpoint)
    settings = [allocation(system, part, providers) for part in ("processor", "memory")]
    result = call(providers, "ModifyResourceSettings", ResourceSettings=settings)
    assert result.return_value == 0
    [(_, change)] = endpoint.modified
    assert change.is_empty
    # What lies between is no more than it has; more is.
    fewer = Record(settings[0].class_name, {**settings[0].values, "VirtualQuantity": 32})
    call(providers, "ModifyResourceSettings", ResourceSettings=[fewer])
    assert endpoint.modified[-1][1].vcpus_at_startup == 32
    more = Record(settings[0].class_name, {**settings[0].values, "VirtualQuantity": 65})
    said = refusal(providers, "ModifyResourceSettings", ResourceSettings=[more])
    assert "VirtualQuantity: 65" in said
    between = Record(settings[1].class_name, {**settings[1].values, "VirtualQuantity": GIB + 512})
    said = refusal(providers, "ModifyResourceSettings", ResourceSettings=[between])
    assert "in steps of 1024" in said


def test_a_system_after_a_foreign_one_has_what_that_has(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    system = foreign(endpoint)
    call(
        providers,
        "DefineSystem",
        SystemSettings=Record(VSSD, {"ElementName": "like"}),
        ReferenceConfiguration=ObjectPath(
            VSSD, {"InstanceID": f"VirtCIM:{system.uuid}"}, namespace="root/virt"
        ),
    )
    spec = endpoint.defined[-1]
    assert (spec.vcpus_max, spec.memory_static_max_bytes) == (64, 100 * GIB + 512)


def test_a_disk_after_a_foreign_one_has_its_size_also_between_the_steps(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    system = next(each for each in endpoint.systems if each.disks and each.disks[0].image)
    disk = system.disks[0]
    assert disk.image is not None
    odd = replace(disk.image, virtual_size_bytes=10 * GIB + 100)
    endpoint.replace(replace(system, disks=(replace(disk, image=odd),)))
    call(
        providers,
        "DefineSystem",
        SystemSettings=Record(VSSD, {"ElementName": "like"}),
        ReferenceConfiguration=ObjectPath(
            VSSD, {"InstanceID": f"VirtCIM:{system.uuid}"}, namespace="root/virt"
        ),
    )
    assert [each.size_bytes for each in endpoint.defined[-1].disks] == [10 * GIB + 100]


@pytest.mark.parametrize(
    ("part", "quantity", "expected"),
    [
        ("processor", 6, {"vcpus_at_startup": 6, "vcpus_max": 6}),
        ("processor", 3, {"vcpus_at_startup": 3}),
        (
            "memory",
            3 * GIB,
            {"memory_dynamic_max_bytes": 3 * GIB, "memory_static_max_bytes": 3 * GIB},
        ),
    ],
)
def test_a_limit_that_is_sent_back_goes_along_with_a_greater_quantity(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    part: str,
    quantity: int,
    expected: Mapping[str, int],
) -> None:
    read = allocation(endpoint.systems[5], part, providers)
    assert "Limit" in read.values
    changed = Record(read.class_name, {**read.values, "VirtualQuantity": quantity})
    call(providers, "ModifyResourceSettings", ResourceSettings=[changed])
    change = endpoint.modified[-1][1]
    assert {
        name: value
        for name in ("vcpus_at_startup", "vcpus_max", "memory_dynamic_max_bytes",
                     "memory_static_max_bytes")
        if (value := getattr(change, name)) is not None
    } == expected  # fmt: skip


def test_sizes_of_images_are_in_range_wherever_they_are_given(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    small = image("vm5-0.qcow2")
    system = next(each for each in endpoint.systems if any(d.image == small for d in each.disks))
    disk = next(each for each in system.disks if each.image == small)
    identity_of_disk = f"VirtCIM:{system.uuid}/disk/{disk.id}"
    odd = small.virtual_size_bytes + 1
    said = refusal(
        providers,
        "ModifyResourceSettings",
        ResourceSettings=[rasd(InstanceID=identity_of_disk, VirtualQuantity=odd,
                               VirtualQuantityUnits="byte")],
    )  # fmt: skip
    assert f"VirtualQuantity: {odd}" in said
    assert "in steps of 512" in said
    resource = ObjectPath(
        "VirtCIM_DiskImage",
        {
            "SystemCreationClassName": "VirtCIM_HostSystem",
            "SystemName": HOST.uuid,
            "CreationClassName": "VirtCIM_DiskImage",
            "DeviceID": f"VirtCIM:{small.uuid}/image",
        },
        namespace="root/virt",
    )
    with pytest.raises(CimError) as refused:
        providers.invoke_method(
            POOL_SERVICE, "ResizeResourceInPool", {"Resource": resource, "Size": odd}
        )
    assert f"Size: {odd} (in bytes)" in refused.value.description
    # An odd size that an image has is one that it may have.
    known = endpoint.current.disk_images
    endpoint.publish(disk_images={**known, small.uuid: replace(small, virtual_size_bytes=odd)})
    result = providers.invoke_method(
        POOL_SERVICE, "ResizeResourceInPool", {"Resource": resource, "Size": odd}
    )
    assert result.return_value == 0


def test_the_memory_pool_has_given_away_what_the_systems_have(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    endpoint.current = replace(endpoint.current, memory_in_use={HOST.uuid: 3 * GIB})
    [pool] = providers.enumerate_instances("root/virt", "VirtCIM_MemoryPool")
    assert pool.values["Reserved"] == pool.values["CurrentlyConsumedResource"] == 3 * GIB
    [again] = providers.enumerate_instances("root/virt", "VirtCIM_MemoryPool")
    assert again is pool
    endpoint.current = replace(endpoint.current, memory_in_use={})
    [pool] = providers.enumerate_instances("root/virt", "VirtCIM_MemoryPool")
    assert pool.values["Reserved"] == 0


@pytest.mark.parametrize(("limit", "characters"), [(245, 61), (0, 256), (5000, 256)])
def test_names_can_be_changed_and_have_a_length(
    endpoint: SimulatedEndpoint, providers: Providers, limit: int, characters: int
) -> None:
    host = replace(HOST, name_limit_bytes=limit)
    endpoint.current = replace(endpoint.current, hosts={HOST.uuid: host})
    for class_name in (
        "VirtCIM_EnabledLogicalElementCapabilities",
        "VirtCIM_VirtualSystemManagementCapabilities",
    ):
        for record in providers.enumerate_instances("root/virt", class_name):
            assert record.values["ElementNameEditSupported"] is True
            assert record.values["MaxElementNameLen"] == characters
