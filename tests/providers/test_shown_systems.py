"""What virtual systems show of their state, and where they are found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, NETWORK, REPOSITORY, STARTED
from tests.providers.systems import instance_path, system_path, value
from virtcim.errormap import (
    ErrorCode,
    Fault,
    StandardError,
    from_libvirt_event,
    from_qemu,
    translate,
)
from virtcim.hypervisor.model import PowerOperation, PowerState, StopReason
from virtcim.providers import ObjectPath, Providers


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
