"""Reading takes what the answer takes: records are kept, and others are not looked at."""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import NoReturn

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, identity
from tests.providers.systems import VM, instance_path, system_path, value
from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers import ObjectPath, Providers, Record


def test_unchanged_objects_keep_their_records(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    def read() -> dict[object, Record]:
        found = providers.enumerate_instances("root/virt", "CIM_ManagedElement")
        return {record.path: record for record in found}

    before = read()
    changed = endpoint.systems[3]
    endpoint.replace(replace(changed, name_label="renamed"))
    after = read()
    assert after.keys() == before.keys()
    different = {path for path in before if before[path] is not after[path]}
    assert different
    assert all(changed.uuid in repr(path) for path in different)
    assert value(after[system_path(3)], "ElementName") == "renamed"


def test_the_records_of_a_removed_system_are_dropped(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    record = providers.get_instance(system_path(2))
    list(providers.enumerate_instances("root/virt", VM))
    endpoint.destroy(identity("vm", 2))
    assert len(list(providers.enumerate_instances("root/virt", VM))) == 19
    gc.collect()
    # The variable and the argument of getrefcount.
    assert sys.getrefcount(record) == 2


def test_records_do_not_pile_up_where_only_single_instances_are_read(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    first = providers.get_instance(system_path(0))
    references: list[Record] = providers.references(system_path(0))
    for number in range(3000):
        system = replace(endpoint.systems[0], uuid=identity("passing", number))
        endpoint.current = replace(endpoint.current, virtual_systems={system.uuid: system})
        path = ObjectPath(VM, {"CreationClassName": VM, "Name": system.uuid}, namespace="root/virt")
        providers.get_instance(path)
        providers.references(path)
    gc.collect()
    assert sys.getrefcount(first) == 2
    assert all(sys.getrefcount(each) <= 4 for each in references)


def test_one_operation_reads_the_inventory_once(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    list(providers.enumerate_instances("root/virt", "CIM_ManagedElement"))
    assert endpoint.inventories_read == 1
    providers.associators(system_path(0))
    assert endpoint.inventories_read == 2


class NotIterable(dict[str, VirtualSystem]):
    """A population that can be asked for one system, but not gone through."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("every virtual system was looked at")

    keys = values = items = __iter__  # type: ignore[assignment]


def test_what_belongs_to_one_system_is_found_without_looking_at_the_others(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    number = 5
    system = endpoint.systems[number]
    endpoint.current = replace(
        endpoint.current, virtual_systems=NotIterable(endpoint.current.virtual_systems)
    )
    found = providers.associators(system_path(number))
    devices = [each for each in found if "DeviceID" in each.values]
    assert len(devices) == (
        system.vcpus_at_startup + 1 + len(system.disks) + len(system.network_ports)
    )
    assert {each.class_name for each in found if each not in devices} == {
        "VirtCIM_EnabledLogicalElementCapabilities",
        "VirtCIM_HostSystem",
        "VirtCIM_RegisteredProfile",
        "VirtCIM_VirtualSystemManagementService",
        "VirtCIM_VirtualSystemSettingData",
    }
    settings = instance_path("VirtCIM_VirtualSystemSettingData", f"VirtCIM:{system.uuid}")
    resources = providers.associator_names(
        settings, assoc_class="CIM_VirtualSystemSettingDataComponent"
    )
    assert len(resources) == 2 + len(system.disks) + len(system.network_ports)
    for resource in resources:
        for reference in providers.reference_names(resource):
            assert providers.get_instance(reference).path == reference


def test_what_is_associated_is_named_by_the_name_of_its_record(providers: Providers) -> None:
    """The texts of a name are kept with it, so there shall be one of each."""
    system = providers.get_instance(system_path(0))
    for record in providers.associators(system_path(0)):
        assert record.path is not None
        if record.path.namespace != "root/virt":
            continue
        names = providers.associator_names(record.path)
        assert [path for path in names if path is system.path] == (
            [path for path in names if path == system.path]
        )


def test_a_list_of_one_class_is_the_same_one_until_something_changes(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    first = providers.enumerate_instances("root/virt", VM)
    assert providers.enumerate_instances("ROOT/virt", "virtcim_computersystem") is first
    system = endpoint.systems[3]
    endpoint.replace(replace(system, name_label="renamed"))
    second = providers.enumerate_instances("root/virt", VM)
    assert second is not first
    labels = [value(one, "ElementName") for one in second]
    assert labels.count("renamed") == 1
    # What belongs to several classes, or is an association, is made as it is taken.
    for name in ("CIM_ComputerSystem", "VirtCIM_SystemDevice"):
        found = providers.enumerate_instances("root/virt", name)
        assert iter(found) is found


@pytest.mark.parametrize(
    "class_name",
    [VM, "VirtCIM_VirtualSystemSettingData", "VirtCIM_LogicalDisk", "VirtCIM_Processor"],
)
def test_what_belongs_to_one_system_is_read_at_once(providers: Providers, class_name: str) -> None:
    for record in providers.enumerate_instances("root/virt", class_name):
        assert record.path is not None
        assert providers.reads_at_once(record.path)


@pytest.mark.parametrize(
    "path",
    [
        system_path(0, namespace="root/elsewhere"),
        ObjectPath(VM, namespace="root/virt"),
        ObjectPath("VirtCIM_Unknown", {"Name": "x"}, namespace="root/virt"),
        # Around these there is as much as there are systems.
        ObjectPath("VirtCIM_HostSystem", {"Name": HOST.uuid}, namespace="root/virt"),
        ObjectPath("VirtCIM_MemoryPool", {"InstanceID": "x"}, namespace="root/virt"),
        ObjectPath("VirtCIM_SystemDevice", {"GroupComponent": "x"}, namespace="root/virt"),
        # Reading a job may write into the database.
        ObjectPath("VirtCIM_ConcreteJob", {"InstanceID": "x"}, namespace="root/virt"),
        ObjectPath("VirtCIM_Namespace", {"Name": "x"}, namespace="root/interop"),
    ],
)
def test_what_may_wait_or_be_much_is_not_read_at_once(
    providers: Providers, path: ObjectPath
) -> None:
    assert not providers.reads_at_once(path)


def test_many_readers_see_whole_inventories_while_it_changes(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    done = Event()

    def read(class_name: str) -> int:
        rounds = 0
        while not done.is_set() or rounds == 0:
            found = list(providers.enumerate_instances("root/virt", class_name))
            assert len(found) == 20
            for record in found[:3]:
                assert record.path is not None
                assert providers.get_instance(record.path).path == record.path
                assert providers.associators(record.path)
            rounds += 1
        return rounds

    classes = (
        VM,
        "VirtCIM_VirtualSystemSettingData",
        VM,
        "VirtCIM_MemoryResourceAllocationSettingData",
    )
    with ThreadPoolExecutor(len(classes)) as pool:
        readers = [pool.submit(read, name) for name in classes]
        try:
            for number in range(300):
                system = endpoint.systems[number % 20]
                endpoint.replace(replace(system, name_label=f"label {number}"))
        finally:
            done.set()
        assert all(reader.result(timeout=60) for reader in readers)
