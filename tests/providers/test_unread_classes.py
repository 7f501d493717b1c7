"""What the hypervisor cannot tell is an error for whoever asks for it, and for nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import identity
from virtcim.errormap import from_transport
from virtcim.hypervisor.unread import UnreadObjects, UnreadParts
from virtcim.providers import CimError, ObjectPath, Providers

NAMESPACE = "root/virt"
FAULT = from_transport(
    phase="after_send",
    exception="NotXml",
    message="the objects of class X cannot be read",
    operation="X.get_all_records",
)
DEVICES = {
    "disks": ("VirtCIM_DiskResourceAllocationSettingData", "VirtCIM_LogicalDisk"),
    "network_ports": ("VirtCIM_NetworkPortResourceAllocationSettingData", "VirtCIM_NetworkPort"),
    "consoles": ("VirtCIM_ConsoleResourceAllocationSettingData",),
}
KINDS = {
    "virtual_systems": ("VirtCIM_ComputerSystem", "VirtCIM_VirtualSystemSettingData"),
    "storage_repositories": ("VirtCIM_StoragePool",),
    "disk_images": ("VirtCIM_DiskImage",),
    "networks": ("VirtCIM_NetworkPool",),
}


def shown(providers: Providers, class_name: str) -> int:
    return len(list(providers.enumerate_instances(NAMESPACE, class_name)))


def assert_only_these_fail(providers: Providers, failing: tuple[str, ...]) -> None:
    for class_name in failing:
        with pytest.raises(CimError) as caught:
            shown(providers, class_name)
        assert "cannot be read" in caught.value.description
    everything = [name for names in (*KINDS.values(), *DEVICES.values()) for name in names]
    for class_name in {*everything, "VirtCIM_MemoryPool", "VirtCIM_HostSystem"} - {*failing}:
        assert shown(providers, class_name) > 0, class_name


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"virtual_systems"}))
def test_objects_that_could_not_be_read_are_no_empty_list(
    endpoint: SimulatedEndpoint, providers: Providers, kind: str
) -> None:
    endpoint.publish(**{kind: UnreadObjects(FAULT)})
    assert_only_these_fail(providers, KINDS[kind])


@pytest.mark.parametrize("class_name", ["VirtCIM_BasedOn", "VirtCIM_MediaPresent"])
def test_what_is_in_disks_is_not_nothing_where_images_could_not_be_read(
    endpoint: SimulatedEndpoint, providers: Providers, class_name: str
) -> None:
    for system in endpoint.systems:
        without = tuple(replace(disk, image=None) for disk in system.disks)
        endpoint.replace(replace(system, disks=without))
    assert shown(providers, class_name) == 0
    [disk, *_] = providers.enumerate_instances(NAMESPACE, "VirtCIM_LogicalDisk")
    assert disk.path is not None
    assert providers.associators(disk.path, assoc_class="VirtCIM_BasedOn") == []
    endpoint.publish(disk_images=UnreadObjects(FAULT))
    for asked in (
        lambda: shown(providers, class_name),
        lambda: providers.associators(disk.path, assoc_class="VirtCIM_BasedOn"),
    ):
        with pytest.raises(CimError, match="cannot be read"):
            asked()


@pytest.mark.parametrize("field", DEVICES)
def test_devices_that_could_not_be_read_are_no_empty_list(
    endpoint: SimulatedEndpoint, providers: Providers, field: str
) -> None:
    for system in endpoint.systems:
        endpoint.replace(replace(system, **{field: UnreadParts.because(FAULT)}))
    assert_only_these_fail(providers, DEVICES[field])
    path = ObjectPath(
        "VirtCIM_ComputerSystem",
        {"CreationClassName": "VirtCIM_ComputerSystem", "Name": identity("vm", 1)},
        namespace=NAMESPACE,
    )
    assert providers.get_instance(path).values["ElementName"] == "vm1"


def test_systems_that_could_not_be_read_are_no_empty_list(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    endpoint.publish(virtual_systems=UnreadObjects(FAULT))
    for class_name in (*KINDS["virtual_systems"], *DEVICES["disks"]):
        with pytest.raises(CimError):
            shown(providers, class_name)
    for class_name in ("VirtCIM_StoragePool", "VirtCIM_NetworkPool", "VirtCIM_HostSystem"):
        assert shown(providers, class_name) > 0
