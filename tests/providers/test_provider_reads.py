"""Reading through the provider boundary: names, filters, identity of records, lost connections."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import NoReturn

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, NETWORK, REPOSITORY, STARTED, identity
from virtcim.errormap import (
    ErrorCode,
    Fault,
    StandardError,
    from_libvirt_event,
    from_qemu,
    translate,
)
from virtcim.hypervisor.model import PowerOperation, PowerState, StopReason, VirtualSystem
from virtcim.providers import CimError, ObjectPath, Providers, Record, StatusCode

VM = "VirtCIM_ComputerSystem"
DISCONNECTED = "ERR_COMMUNICATION_NOT_ESTABLISHED"


def system_path(number: int, class_name: str = VM, namespace: str = "root/virt") -> ObjectPath:
    keys = {"CreationClassName": VM, "Name": identity("vm", number)}
    return ObjectPath(class_name, keys, namespace=namespace)


def instance_path(class_name: str, instance_id: str) -> ObjectPath:
    return ObjectPath(class_name, {"InstanceID": instance_id}, namespace="root/virt")


def value(record: Record, name: str) -> object:
    return record.values.get(name)


@pytest.mark.parametrize(
    ("number", "enabled", "operational", "available"),
    [
        (0, 2, [2], [3, 4, 6, 9, 10, 11]),
        (1, 3, [10], [2]),
        (2, 9, [15], [2, 3, 11]),
        (3, 6, [15], [2, 3]),
    ],
    ids=["running", "halted", "paused", "suspended"],
)
def test_a_power_state_is_shown_as_the_virtual_system_profile_says(
    providers: Providers, number: int, enabled: int, operational: list[int], available: list[int]
) -> None:
    system = providers.get_instance(system_path(number))
    assert value(system, "EnabledState") == enabled
    assert value(system, "OperationalStatus") == operational
    assert value(system, "AvailableRequestedStates") == available
    assert value(system, "HealthState") == 5
    assert value(system, "StopReason") is None


def test_a_running_system_tells_when_it_started(providers: Providers) -> None:
    assert value(providers.get_instance(system_path(0)), "TimeOfLastStateChange") == STARTED
    assert value(providers.get_instance(system_path(1)), "TimeOfLastStateChange") is None


def test_a_system_that_stopped_by_itself_says_why_for_as_long_as_it_is_stopped(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    since = datetime(2026, 11, 3, tzinfo=UTC)
    event = {"event": "BLOCK_IO_ERROR", "data": {"nospace": True, "reason": "enospc"}}
    stop = StopReason(reason="io-error", error=translate(from_qemu(event)), since=since)
    system = endpoint.systems[0]
    paused = replace(system, power_state=PowerState.PAUSED, state_since=since, stop=stop)
    endpoint.replace(paused)
    shown = providers.get_instance(system_path(0))
    assert value(shown, "StopReason") == "io-error"
    assert value(shown, "StopErrorCode") == ErrorCode.ERR_OUT_OF_DISK_SPACE
    assert str(value(shown, "StopDescription")).startswith("ERR_OUT_OF_DISK_SPACE: ")
    assert value(shown, "OperationalStatus") == [6, 15]
    assert value(shown, "HealthState") == 20
    assert value(shown, "TimeOfLastStateChange") == since
    endpoint.replace(system)
    assert value(providers.get_instance(system_path(0)), "StopErrorCode") is None


def test_a_system_that_was_paused_for_an_unknown_reason_is_not_said_to_have_failed(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    told = {"state": "VIR_DOMAIN_PAUSED", "reason": "VIR_DOMAIN_PAUSED_UNKNOWN"}
    stop = StopReason(reason="paused-unknown", error=translate(from_libvirt_event(told)))
    system = replace(endpoint.systems[0], power_state=PowerState.PAUSED, state_since=None)
    endpoint.replace(replace(system, stop=stop))
    shown = providers.get_instance(system_path(0))
    assert value(shown, "StopReason") == "paused-unknown"
    assert value(shown, "StopErrorCode") is None
    description = str(value(shown, "StopDescription"))
    assert description.startswith("The virtual machine is paused for an unknown reason.")
    assert value(shown, "OperationalStatus") == [15]
    assert value(shown, "StatusDescriptions") == ["Paused (paused-unknown)"]
    assert value(shown, "HealthState") == 5
    assert value(shown, "TimeOfLastStateChange") is None


def test_what_a_running_guest_has_survived_is_told(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    incident = "its guest panicked at 2026-11-03T00:00:00+00:00"
    endpoint.replace(replace(endpoint.systems[0], incident=incident))
    shown = providers.get_instance(system_path(0))
    assert value(shown, "StatusDescriptions") == [f"Running; {incident}"]
    assert value(shown, "HealthState") == 5
    assert value(shown, "StopReason") is None


def test_a_crashed_system_is_in_critical_failure(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    error = StandardError(
        code=ErrorCode.ERR_VM_STUCK,
        message="It crashed.",
        rule="test",
        table_version="0",
        fault=Fault(source="qemu"),
    )
    stopped = replace(
        endpoint.systems[1], stop=StopReason(reason="crashed", error=error, since=None)
    )
    endpoint.replace(stopped)
    assert value(providers.get_instance(system_path(1)), "HealthState") == 25


def test_a_transition_in_progress_is_shown(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    endpoint.replace(replace(endpoint.systems[0], transition=PowerOperation.CLEAN_SHUTDOWN))
    assert value(providers.get_instance(system_path(0)), "TransitioningToState") == 4
    assert value(providers.get_instance(system_path(1)), "TransitioningToState") == 5


def test_class_and_key_names_are_read_in_any_case(providers: Providers) -> None:
    path = ObjectPath(
        "virtcim_COMPUTERsystem",
        {"CREATIONCLASSNAME": VM.upper(), "name": identity("vm", 0).upper()},
        namespace="ROOT/Virt",
    )
    assert providers.get_instance(path) is providers.get_instance(system_path(0))


def test_an_instance_can_be_named_by_a_superclass(providers: Providers) -> None:
    wanted = providers.get_instance(system_path(0))
    assert providers.get_instance(system_path(0, "CIM_ComputerSystem")) is wanted
    assert providers.get_instance(system_path(0, "CIM_System")) is wanted
    names = providers.associator_names(system_path(0, "CIM_ComputerSystem"))
    assert names == providers.associator_names(system_path(0))


def test_a_system_that_is_not_there_is_not_found_by_its_error_code(providers: Providers) -> None:
    with pytest.raises(CimError) as refused:
        providers.get_instance(system_path(999))
    assert refused.value.status_code == StatusCode.NOT_FOUND
    assert refused.value.description.startswith("ERR_VM_NOT_FOUND: ")


@pytest.mark.parametrize(
    ("path", "status_code"),
    [
        (instance_path("VirtCIM_MemoryPool", "VirtCIM:nothing/MemoryPool"), 6),
        (instance_path("VirtCIM_MemoryPool", f"VirtCIM:{HOST.uuid}/ProcessorPool"), 6),
        (instance_path("VirtCIM_MemoryPool", ""), 6),
        (
            instance_path(
                "VirtCIM_DiskResourceAllocationSettingData",
                f"VirtCIM:{identity('vm', 1)}/disk/nothing",
            ),
            6,
        ),
        (instance_path("VirtCIM_ConcreteJob", "VirtCIM:nothing"), 6),
        (instance_path("CIM_Error", "VirtCIM:nothing"), 6),
        (ObjectPath(VM, {"Name": identity("vm", 0)}, namespace="root/virt"), 4),
        (ObjectPath(VM, {}, namespace="root/virt"), 4),
        (ObjectPath(VM, {"CreationClassName": VM, "Name": 7}, namespace="root/virt"), 4),
        (
            ObjectPath(
                VM, {"CreationClassName": "CIM_Other", "Name": HOST.uuid}, namespace="root/virt"
            ),
            6,
        ),
        (ObjectPath("CIM_Nothing", {"Name": "x"}, namespace="root/virt"), 5),
        (system_path(0, namespace="root/nothing"), 3),
        (system_path(0, namespace=""), 3),
        (system_path(0, namespace="root/interop"), 6),
        (ObjectPath("VirtCIM_HostedDependency", {}, namespace="root/virt"), 4),
        (
            ObjectPath(
                "VirtCIM_HostedDependency",
                {"Antecedent": system_path(0), "Dependent": system_path(1)},
                namespace="root/virt",
            ),
            6,
        ),
        (
            ObjectPath(
                "VirtCIM_SettingsDefineState",
                {
                    "ManagedElement": system_path(0),
                    "SettingData": instance_path(
                        "VirtCIM_VirtualSystemSettingData", f"VirtCIM:{identity('vm', 1)}"
                    ),
                },
                namespace="root/virt",
            ),
            6,
        ),
    ],
    ids=lambda each: repr(each)[-60:] if isinstance(each, ObjectPath) else str(each),
)
def test_what_does_not_exist_or_is_no_name_is_refused_with_the_right_status(
    providers: Providers, path: ObjectPath, status_code: int
) -> None:
    for ask in (providers.get_instance, providers.delete_instance, providers.associators):
        with pytest.raises(CimError) as refused:
            ask(path)
        if ask is providers.get_instance or status_code in (3, 5):
            assert refused.value.status_code == status_code


def test_unknown_namespaces_and_classes_are_refused(providers: Providers) -> None:
    for namespace, class_name, status_code in (
        ("root/nothing", VM, StatusCode.INVALID_NAMESPACE),
        ("root/virt", "CIM_Nothing", StatusCode.INVALID_CLASS),
    ):
        with pytest.raises(CimError) as refused:
            providers.enumerate_instances(namespace, class_name)
        assert refused.value.status_code == status_code


_NO_SETTINGS = ObjectPath("CIM_SettingData", {"InstanceID": "virtcim:none"}, namespace="root/virt")


@pytest.mark.parametrize(
    ("ask", "status_code"),
    [
        (lambda it: it.enumerate_instances("root/nothing", VM), StatusCode.INVALID_NAMESPACE),
        (lambda it: it.enumerate_instances("root/virt", "No"), StatusCode.INVALID_CLASS),
        (lambda it: it.get_instance(_NO_SETTINGS), StatusCode.NOT_FOUND),
        (lambda it: it.associators(_NO_SETTINGS), StatusCode.NOT_FOUND),
        (
            lambda it: it.associators(system_path(0), assoc_class="No"),
            StatusCode.INVALID_PARAMETER,
        ),
        (lambda it: it.delete_instance(system_path(0)), StatusCode.NOT_SUPPORTED),
        (
            lambda it: it.invoke_method(system_path(0), "SetPowerState", {}),
            StatusCode.METHOD_NOT_AVAILABLE,
        ),
    ],
)
def test_refusals_of_the_operation_itself_have_a_status_and_no_error_code(
    providers: Providers, ask: Callable[[Providers], object], status_code: StatusCode
) -> None:
    with pytest.raises(CimError) as refused:
        ask(providers)
    assert refused.value.status_code == status_code
    assert refused.value.errors == ()
    assert "ERR_" not in refused.value.description


def test_unknown_classes_in_the_filters_are_refused(providers: Providers) -> None:
    for filters in ({"assoc_class": "CIM_Nothing"}, {"result_class": "CIM_Nothing"}):
        with pytest.raises(CimError) as refused:
            providers.associators(system_path(0), **filters)
        assert refused.value.status_code == StatusCode.INVALID_PARAMETER


def test_a_class_without_instances_of_ours_is_empty(providers: Providers) -> None:
    assert list(providers.enumerate_instances("root/virt", "CIM_Error")) == []
    assert list(providers.enumerate_instances("root/interop", VM)) == []


def test_the_interop_namespace_tells_the_namespaces(make_providers: MakeProviders) -> None:
    providers = make_providers(SimulatedEndpoint(1), SimulatedEndpoint(1, name="lab"))
    assert providers.namespaces == ("root/virt", "root/virt/lab", "root/interop")
    names = providers.enumerate_instances("root/interop", "CIM_Namespace")
    assert [value(each, "Name") for each in names] == list(providers.namespaces)


def test_two_hypervisors_of_one_name_are_refused(make_providers: MakeProviders) -> None:
    with pytest.raises(ValueError, match="same name"):
        make_providers(SimulatedEndpoint(1), SimulatedEndpoint(1))


def test_result_class_and_role_choose_among_the_associators(providers: Providers) -> None:
    host = ObjectPath(
        "VirtCIM_HostSystem",
        {"CreationClassName": "VirtCIM_HostSystem", "Name": HOST.uuid},
        namespace="root/virt",
    )
    pools = providers.associator_names(host, result_class="CIM_ResourcePool")
    assert {path.class_name for path in pools} == {
        "VirtCIM_ProcessorPool",
        "VirtCIM_MemoryPool",
        "VirtCIM_PrimordialStoragePool",
        "VirtCIM_StoragePool",
        "VirtCIM_PrimordialNetworkPool",
        "VirtCIM_NetworkPool",
    }
    # The systems, and three services.
    assert len(providers.associator_names(host, assoc_class="CIM_HostedDependency")) == 23
    assert len(providers.associator_names(host, assoc_class="VirtCIM_HostedDependency")) == 20
    components = providers.associator_names(host, role="GroupComponent")
    assert [path for path in components if path not in pools] == providers.associator_names(
        host, result_class="CIM_LogicalDevice"
    )
    assert providers.associator_names(host, result_role="PartComponent") == components
    assert providers.associator_names(host, role="PartComponent") == []


def test_a_pool_leads_to_what_was_allocated_from_it(providers: Providers) -> None:
    storage = instance_path("VirtCIM_StoragePool", f"VirtCIM:{REPOSITORY.uuid}/StoragePool")
    disks = providers.associators(storage, assoc_class="CIM_ResourceAllocationFromPool")
    assert disks
    assert all(value(disk, "PoolID") == storage.key("InstanceID") for disk in disks)
    network = instance_path("VirtCIM_NetworkPool", f"VirtCIM:{NETWORK.uuid}/NetworkPool")
    ports = providers.associators(network, assoc_class="CIM_ResourceAllocationFromPool")
    assert ports
    assert all(value(port, "PoolID") == network.key("InstanceID") for port in ports)


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


def test_without_a_connection_everything_fails_and_nothing_is_empty(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    endpoint.lose_connection()
    for ask in (
        lambda: list(providers.enumerate_instances("root/virt", VM)),
        lambda: list(providers.enumerate_instances("root/virt", "CIM_ManagedElement")),
        lambda: list(providers.enumerate_instances("root/virt", "VirtCIM_HostedDependency")),
        lambda: providers.get_instance(system_path(0)),
        lambda: providers.associators(system_path(0)),
        lambda: providers.associator_names(system_path(0)),
        lambda: providers.references(system_path(0)),
        lambda: providers.reference_names(system_path(0)),
        lambda: providers.invoke_method(
            system_path(0), "RequestStateChange", {"RequestedState": 3}
        ),
    ):
        with pytest.raises(CimError) as refused:
            ask()
        assert refused.value.status_code == StatusCode.FAILED
        assert refused.value.description.startswith(DISCONNECTED)
        assert refused.value.errors[0].values["MessageID"] == DISCONNECTED


def test_a_lost_hypervisor_fails_in_its_own_namespace_only(make_providers: MakeProviders) -> None:
    lost = SimulatedEndpoint(3, name="lost")
    lost.lose_connection()
    providers = make_providers(SimulatedEndpoint(2), lost)
    assert len(list(providers.enumerate_instances("root/virt", VM))) == 2
    with pytest.raises(CimError, match=DISCONNECTED):
        providers.enumerate_instances("root/virt/lost", VM)


def test_a_pool_of_hosts_shows_each_system_at_the_host_it_runs_on(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    other = replace(HOST, uuid="ffffffff-0000-0000-0000-000000000000", name_label="hv2")
    endpoint.current = replace(endpoint.current, hosts={other.uuid: other, HOST.uuid: HOST})
    endpoint.replace(replace(endpoint.systems[0], resident_on=other.uuid))
    hosts = providers.associators(system_path(0), assoc_class="VirtCIM_HostedDependency")
    assert [value(host, "ElementName") for host in hosts] == ["hv2"]
    # One that runs nowhere belongs to the host that stands for the pool.
    hosts = providers.associators(system_path(1), assoc_class="VirtCIM_HostedDependency")
    assert [value(host, "ElementName") for host in hosts] == ["hv1"]
    shared = providers.associators(
        instance_path("VirtCIM_StoragePool", f"VirtCIM:{REPOSITORY.uuid}/StoragePool"),
        assoc_class="VirtCIM_HostedResourcePool",
    )
    assert [value(host, "ElementName") for host in shared] == ["hv1"]


def test_a_disk_whose_size_is_not_known_has_none(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    system = endpoint.systems[1]
    disk = system.disks[0]
    assert disk.image is not None
    unknown = replace(disk, image=replace(disk.image, virtual_size_bytes=0))
    endpoint.replace(replace(system, disks=(unknown,)))
    path = instance_path(
        "VirtCIM_DiskResourceAllocationSettingData", f"VirtCIM:{system.uuid}/disk/vda"
    )
    shown = providers.get_instance(path)
    assert value(shown, "VirtualQuantity") is None
    assert value(shown, "HostResource") == ["file:///images/vm1-0.qcow2"]


def test_a_host_out_of_reach_or_in_maintenance_says_so(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    for host, enabled, operational in (
        (replace(HOST, live=False), 0, [12]),
        (replace(HOST, enabled=False), 6, [11]),
        (HOST, 2, [2]),
    ):
        endpoint.current = replace(endpoint.current, hosts={HOST.uuid: host})
        (shown,) = providers.enumerate_instances("root/virt", "VirtCIM_HostSystem")
        assert value(shown, "EnabledState") == enabled
        assert value(shown, "OperationalStatus") == operational


def test_only_jobs_can_be_deleted(providers: Providers) -> None:
    with pytest.raises(CimError) as refused:
        providers.delete_instance(system_path(0))
    assert refused.value.status_code == StatusCode.NOT_SUPPORTED


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
