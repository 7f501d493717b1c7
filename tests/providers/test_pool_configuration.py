"""Storage pools and disk images, made, resized and deleted by the pool configuration service."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import GIB, HOST, REPOSITORY, identity
from virtcim.mof import Schema
from virtcim.providers import CimError, MethodResult, ObjectPath, Providers, Record, StatusCode

SERVICE = "VirtCIM_ResourcePoolConfigurationService"
SETTING = "VirtCIM_DiskResourceAllocationSettingData"
NAMESPACE = "root/virt"
CLASS_PATH = ObjectPath(SERVICE, namespace=NAMESPACE)
MIB = 2**20


def pool_path(uuid: str = REPOSITORY.uuid, kind: str = "StoragePool") -> ObjectPath:
    keys = {"InstanceID": f"VirtCIM:{uuid}/{kind}"}
    return ObjectPath(f"VirtCIM_{kind}", keys, namespace=NAMESPACE)


PRIMORDIAL = pool_path(HOST.uuid, "PrimordialStoragePool")


def image_path(name: str) -> ObjectPath:
    keys = {
        "SystemCreationClassName": "VirtCIM_HostSystem",
        "SystemName": HOST.uuid,
        "CreationClassName": "VirtCIM_DiskImage",
        "DeviceID": f"VirtCIM:{identity('image', name)}/image",
    }
    return ObjectPath("VirtCIM_DiskImage", keys, namespace=NAMESPACE)


def invoke(
    providers: Providers, method: str, target: ObjectPath = CLASS_PATH, **parameters: Any
) -> MethodResult:
    return providers.invoke_method(target, method, parameters)


def refused(providers: Providers, method: str, **parameters: Any) -> CimError:
    with pytest.raises(CimError) as caught:
        invoke(providers, method, **parameters)
    return caught.value


def setting(**values: Any) -> Record:
    return Record(SETTING, values)


def image_setting(**values: Any) -> Record:
    usual = {"ElementName": "data", "VirtualQuantity": 64, "AllocationUnits": "byte*2^20"}
    return setting(**{**usual, **values})


def directory(path: str = "/more", **values: Any) -> list[Record]:
    return [setting(HostResource=[path], **values)]


def make_image(providers: Providers, name: str = "data") -> ObjectPath:
    result = invoke(
        providers, "CreateResourceInPool", Settings=image_setting(ElementName=name),
        Pool=pool_path(),
    )  # fmt: skip
    assert result.return_value == 0
    made = result.output["Resource"]
    assert isinstance(made, ObjectPath)
    return made


@pytest.mark.parametrize("parent", [None, PRIMORDIAL, [PRIMORDIAL]])
def test_a_child_pool_is_made_of_a_directory(providers: Providers, parent: Any) -> None:
    result = invoke(
        providers, "CreateChildResourcePool", ElementName="more", ParentPool=parent,
        Settings=directory(ResourceType=17, Description="mine"),
    )  # fmt: skip
    assert result.return_value == 0
    pool = result.output["Pool"]
    assert isinstance(pool, ObjectPath)
    record = providers.get_instance(pool)
    assert record.values["ElementName"] == "more"
    assert record.values["Description"] == "mine"
    assert pool in providers.associator_names(PRIMORDIAL, assoc_class="VirtCIM_ConcreteComponent")


@pytest.mark.parametrize(
    "values",
    [
        {"HostResource": ["/srv/more"]},
        {"HostResource": ["file:///srv/more"]},
        {"Address": "/srv/more"},
        {"HostExtentName": "/srv/more", "HostExtentNameFormat": 12},
        {"Path": "/srv/more", "Type": 1},
        {"HostResource": ["/srv/more"], "Address": "file:///srv/more", "ResourceSubType": "dir"},
    ],
)
def test_the_directory_is_named_as_clients_name_it_and_names_the_pool(
    endpoint: SimulatedEndpoint, providers: Providers, values: Mapping[str, Any]
) -> None:
    result = invoke(providers, "CreateChildResourcePool", Settings=[setting(**values)])
    assert result.return_value == 0
    made = endpoint.current.storage_repositories[identity("sr", "more")]
    assert (made.name_label, made.location) == ("more", "/srv/more")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "Settings"),
        ({"Settings": []}, "Settings"),
        ({"Settings": [*directory(), *directory("/b")]}, "Settings"),
        ({"Settings": directory("more")}, "Settings[0].HostResource: 'more'"),
        ({"Settings": directory("file://other/srv")}, "Settings[0].HostResource: 'file://other"),
        ({"Settings": directory("/")}, "Settings[0].HostResource: '/'"),
        ({"Settings": [setting()]}, "Settings[0].HostResource"),
        ({"Settings": directory("/a", Address="/b")}, "Settings[0].HostResource"),
        ({"Settings": directory(ResourceType=4)}, "Settings[0].ResourceType: 4"),
        ({"Settings": directory(ResourceSubType="nfs")}, "Settings[0].ResourceSubType: 'nfs'"),
        ({"Settings": directory(Type=3)}, "Settings[0].Type: 3"),
        ({"Settings": directory(VirtualQuantity=5)}, "Settings[0].VirtualQuantity: 5"),
        ({"Settings": directory(Weight=5)}, "Settings[0].Weight: 5"),
        ({"Settings": directory(), "ElementName": ""}, "ElementName"),
        ({"Settings": directory(), "ElementName": "a\nb"}, "ElementName: 'a\\nb' contains"),
        ({"Settings": directory(ElementName="a\x1fb")}, "Settings[0].ElementName: 'a\\x1fb'"),
        ({"Settings": directory(ElementName="a"), "ElementName": "b"}, "Settings[0].ElementName"),
        ({"Settings": [Record("CIM_ComputerSystem", {})]}, "Settings[0]"),
        ({"Settings": ["no MOF"]}, "Settings[0]"),
        ({"Settings": directory(), "ParentPool": [pool_path()]}, "ParentPool"),
        (
            {"Settings": directory(), "ParentPool": [pool_path(HOST.uuid, "MemoryPool")]},
            "ParentPool",
        ),
        ({"Settings": directory(), "ParentPool": ["x"]}, "ParentPool"),
        ({"Settings": directory(), "ParentPool": [pool_path(identity("no"))]}, "ParentPool"),
    ],
)
def test_what_is_no_pool_is_refused_by_name(
    endpoint: SimulatedEndpoint, providers: Providers, parameters: dict[str, Any], named: str
) -> None:
    error = refused(providers, "CreateChildResourcePool", **parameters)
    assert error.status_code == StatusCode.INVALID_PARAMETER
    assert error.description.startswith(f"ERR_BAD_PARAMETER: {named}")
    assert list(endpoint.current.storage_repositories) == [REPOSITORY.uuid]


def test_a_taken_name_already_exists(providers: Providers) -> None:
    error = refused(
        providers, "CreateChildResourcePool", ElementName="default", Settings=directory()
    )
    assert error.description.startswith("ERR_ALREADY_EXIST: ")
    assert error.status_code == StatusCode.ALREADY_EXISTS


def test_a_pool_that_nothing_is_allocated_from_is_deleted(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    pool = invoke(providers, "CreateChildResourcePool", Settings=directory()).output["Pool"]
    assert invoke(providers, "DeleteResourcePool", Pool=pool).return_value == 0
    assert list(endpoint.current.storage_repositories) == [REPOSITORY.uuid]
    error = refused(providers, "DeleteResourcePool", Pool=pool)
    assert error.description.startswith("ERR_BAD_PARAMETER: Pool: there is no ")


def test_a_pool_in_use_is_not_deleted_and_its_users_are_named(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    error = refused(providers, "DeleteResourcePool", Pool=pool_path())
    assert error.description.startswith("ERR_FILE_IN_USE: the storage pool default is in use by vm")
    assert "more" in error.description
    assert error.description.startswith("ERR_FILE_IN_USE: ")
    assert REPOSITORY.uuid in endpoint.current.storage_repositories


@pytest.mark.parametrize(
    "pool",
    [None, "x", PRIMORDIAL, pool_path(HOST.uuid, "ProcessorPool"), image_path("vm1-0.qcow2")],
)
def test_only_storage_pools_are_deleted(providers: Providers, pool: Any) -> None:
    error = refused(providers, "DeleteResourcePool", Pool=pool)
    assert error.description.startswith("ERR_BAD_PARAMETER: Pool: ")


def test_an_image_is_made_resized_and_deleted(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    made = make_image(providers)
    assert providers.get_instance(made).values["NumberOfBlocks"] == 64 * MIB
    assert [path.class_name for path in providers.associator_names(
        made, result_class="VirtCIM_StoragePool"
    )] == ["VirtCIM_StoragePool"]  # fmt: skip
    resized = invoke(providers, "ResizeResourceInPool", Resource=made, Size=GIB, Pool=pool_path())
    assert resized.return_value == 0
    assert providers.get_instance(made).values["NumberOfBlocks"] == GIB
    assert invoke(providers, "DeleteResourceInPool", Resource=made).return_value == 0
    with pytest.raises(CimError) as gone:
        providers.get_instance(made)
    assert gone.value.status_code == StatusCode.NOT_FOUND
    assert identity("image", "data") not in endpoint.current.disk_images


@pytest.mark.parametrize(
    ("values", "size_bytes", "fully", "image_format"),
    [
        ({}, 64 * MIB, False, ""),
        ({"ResourceSubType": "raw", "Reservation": 64}, 64 * MIB, True, "raw"),
        ({"Reservation": 0, "PoolID": "default"}, 64 * MIB, False, ""),
        ({"AllocationUnits": None, "VirtualQuantityUnits": "KiB", "Reservation": 64},
         64 * 1024, True, ""),
        ({"AllocationUnits": "byte", "VirtualQuantityUnits": "MiB", "Reservation": 64 * MIB},
         64 * MIB, True, ""),
        ({"VirtualResourceBlockSize": 512, "AllocationUnits": None,
          "VirtualQuantityUnits": "count(fixed size block)"}, 64 * 512, False, ""),
        ({"ResourceType": 31, "AutomaticAllocation": True, "InstanceID": "x"},
         64 * MIB, False, ""),
    ],
)  # fmt: skip
def test_an_image_is_as_its_setting_says(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    values: dict[str, Any],
    size_bytes: int,
    fully: bool,
    image_format: str,
) -> None:
    invoke(providers, "CreateResourceInPool", Settings=image_setting(**values), Pool=pool_path())
    [spec] = endpoint.storage.images_made
    assert (spec.name_label, spec.sr_uuid) == ("data", REPOSITORY.uuid)
    assert (spec.size_bytes, spec.fully_allocated, spec.format) == (size_bytes, fully, image_format)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"ElementName": None}, "ElementName"),
        ({"ElementName": "a\u202eb"}, "ElementName"),
        ({"VirtualQuantity": None}, "VirtualQuantity"),
        ({"VirtualQuantity": 0}, "VirtualQuantity"),
        ({"VirtualQuantity": 2**60}, "VirtualQuantity"),
        ({"AllocationUnits": None}, "VirtualQuantity"),
        ({"AllocationUnits": "furlongs"}, "AllocationUnits"),
        ({"Reservation": 5}, "Reservation"),
        ({"PoolID": "elsewhere"}, "PoolID"),
        ({"HostResource": ["/x"]}, "HostResource"),
        ({"ResourceType": 3}, "ResourceType"),
    ],
)
def test_what_is_no_image_is_refused_by_name(
    endpoint: SimulatedEndpoint, providers: Providers, values: dict[str, Any], named: str
) -> None:
    error = refused(
        providers, "CreateResourceInPool", Settings=image_setting(**values), Pool=pool_path()
    )
    assert error.description.startswith(f"ERR_BAD_PARAMETER: Settings.{named}: ")
    assert endpoint.storage.images_made == []


def test_an_image_that_a_system_has_is_not_deleted_also_while_that_is_halted(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    error = refused(providers, "DeleteResourceInPool", Resource=image_path("vm1-0.qcow2"))
    assert error.description == ("ERR_FILE_IN_USE: the disk image vm1-0.qcow2 is in use by vm1")
    assert identity("image", "vm1-0.qcow2") in endpoint.current.disk_images


def test_an_image_is_sought_in_the_pool_that_is_named(providers: Providers) -> None:
    made = make_image(providers)
    pool = invoke(providers, "CreateChildResourcePool", Settings=directory()).output["Pool"]
    for method, more in (("DeleteResourceInPool", {}), ("ResizeResourceInPool", {"Size": GIB})):
        error = refused(providers, method, Resource=made, Pool=pool, **more)
        assert error.description == (
            "ERR_BAD_PARAMETER: Pool: the disk image data is not in the pool more"
        )


@pytest.mark.parametrize("size", [None, 0, -1, True, "big"])
def test_a_size_that_is_none_is_refused_by_its_value(providers: Providers, size: Any) -> None:
    error = refused(providers, "ResizeResourceInPool", Resource=make_image(providers), Size=size)
    assert error.description.startswith("ERR_BAD_PARAMETER: Size: ")


@pytest.mark.parametrize(
    "method",
    [
        "CreateResourcePool",
        "AddResourcesToResourcePool",
        "RemoveResourcesFromResourcePool",
        "ChangeParentResourcePool",
    ],
)
def test_what_nothing_below_can_do_is_not_supported(providers: Providers, method: str) -> None:
    assert invoke(providers, method).return_value == 1


def test_the_methods_may_be_asked_of_the_class_of_its_superclass_and_of_an_instance(
    providers: Providers,
) -> None:
    [instance] = [each.path for each in providers.enumerate_instances(NAMESPACE, SERVICE)]
    superclass = "CIM_ResourcePoolConfigurationService"
    assert instance is not None
    targets = [
        CLASS_PATH,
        ObjectPath(superclass, namespace=NAMESPACE),
        instance,
        ObjectPath(superclass, dict(instance.keys), namespace=NAMESPACE),
    ]
    for number, target in enumerate(targets):
        made = invoke(
            providers, "CreateResourceInPool", target,
            Settings=image_setting(ElementName=f"n{number}"), Pool=pool_path(),
        )  # fmt: skip
        assert made.return_value == 0


def test_the_capabilities_list_what_is_served(providers: Providers, schema: Schema) -> None:
    [service] = [each.path for each in providers.enumerate_instances(NAMESPACE, SERVICE)]
    assert service is not None
    [record] = providers.associators(service, assoc_class="CIM_ElementCapabilities")
    assert record.class_name == "VirtCIM_ResourcePoolConfigurationCapabilities"
    assert record.values["AsynchronousMethodsSupported"] == [3, 4]
    [host] = providers.associators(service, assoc_class="CIM_HostedService")
    assert host.class_name == "VirtCIM_HostSystem"
    affected = providers.associator_names(service, assoc_class="CIM_ServiceAffectsElement")
    assert pool_path() in affected
    declared = schema.find(SERVICE)
    assert declared is not None
    assert {"CreateResourceInPool", "DeleteResourceInPool"} <= set(declared.methods)


def test_what_takes_long_becomes_a_job(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders
) -> None:
    providers = make_providers(endpoint, job_after_s=0.0)
    endpoint.gate.clear()
    result = invoke(providers, "CreateResourceInPool", Settings=image_setting(), Pool=pool_path())
    assert result.return_value == 4096
    job = result.output["Job"]
    assert isinstance(job, ObjectPath)
    assert providers.get_instance(job).values["Name"] == "CreateResourceInPool"
    endpoint.gate.set()


def test_many_images_are_made_at_once(endpoint: SimulatedEndpoint, providers: Providers) -> None:
    lock, errors = threading.Lock(), []
    original = endpoint.storage.create_image

    def alone(spec: Any, monitor: Any = None) -> str:
        with lock:  # the double's inventory is replaced without one
            return original(spec, monitor)

    endpoint.storage.create_image = alone  # type: ignore[method-assign]

    def work(number: int) -> None:
        try:
            make_image(providers, f"n{number}")
        except CimError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number % 8,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(endpoint.storage.images_made) == 8
    assert [error.description.partition(":")[0] for error in errors] == ["ERR_ALREADY_EXIST"] * 8


@given(
    name=st.sampled_from(("VirtualQuantity", "Reservation", "ElementName", "HostResource", "x")),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.text(max_size=20),
        st.floats(),
        st.lists(st.text(max_size=5), max_size=3),
    ),
)
def test_whatever_is_sent_is_applied_or_refused_by_name(
    providers_once: Providers, name: str, value: Any
) -> None:
    outcome = "done"
    try:
        invoke(
            providers_once, "CreateResourceInPool", Settings=image_setting(**{name: value}),
            Pool=pool_path(),
        )  # fmt: skip
    except CimError as error:
        outcome = error.description
    assert outcome.startswith(("done", "ERR_BAD_PARAMETER: Settings.", "ERR_ALREADY_EXIST: "))


@pytest.fixture(scope="module")
def providers_once(schema: Schema) -> Iterator[Providers]:
    made = Providers([SimulatedEndpoint(systems=2)], schema, job_after_s=30.0)
    yield made
    made.close()
