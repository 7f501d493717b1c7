"""What clients see of a kind of resource that was added as `watchdog.py` and `watchdog.mof`.

No test of the suite: `test_new_kind_of_resource.py` runs it where the kind was added.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, identity
from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.providers import CimError, ObjectPath, Providers, Record
from virtcim.registration import registrations

RASD = "CIM_ResourceAllocationSettingData"
WATCHDOG = "VirtCIM_WatchdogResourceAllocationSettingData"
SERVICE = ObjectPath("VirtCIM_VirtualSystemManagementService", namespace="root/virt")
SYSTEM, OTHER = identity("vm", 1), identity("vm", 2)


def path(class_name: str, instance_id: str) -> ObjectPath:
    return ObjectPath(class_name, {"InstanceID": instance_id}, namespace="root/virt")


SETTING = path(WATCHDOG, f"VirtCIM:{SYSTEM}/watchdog/0")
SETTINGS = path("VirtCIM_VirtualSystemSettingData", f"VirtCIM:{SYSTEM}")
POOL = path("VirtCIM_WatchdogPool", f"VirtCIM:{HOST.uuid}/WatchdogPool")


@pytest.fixture(autouse=True)
def without_watchdog(endpoint: SimulatedEndpoint) -> None:
    system = endpoint.current.virtual_systems[OTHER]
    endpoint.replace(replace(system, other_config={"watchdog": ""}))


def call(providers: Providers, method: str, **parameters: Any) -> list[ObjectPath]:
    result = providers.invoke_method(SERVICE, method, parameters)
    assert result.return_value == 0
    return result.output.get("ResultingResourceSettings", [])  # type: ignore[return-value]


def system_path(uuid: str) -> ObjectPath:
    keys = {"CreationClassName": "VirtCIM_ComputerSystem", "Name": uuid}
    return ObjectPath("VirtCIM_ComputerSystem", keys, namespace="root/virt")


def host_path() -> ObjectPath:
    keys = {"CreationClassName": "VirtCIM_HostSystem", "Name": HOST.uuid}
    return ObjectPath("VirtCIM_HostSystem", keys, namespace="root/virt")


def test_there_is_a_setting_and_a_device_for_each(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    for class_name in (WATCHDOG, "VirtCIM_Watchdog"):
        found = list(providers.enumerate_instances("root/virt", class_name))
        assert len(found) == len(endpoint.systems) - 1
    assert providers.get_instance(SETTING).values["ResourceSubType"] == "reset"


def test_it_is_reached_from_everything_that_it_belongs_to_and_back(providers: Providers) -> None:
    [device] = providers.associator_names(SETTING, assoc_class="VirtCIM_SettingsDefineState")
    assert device.class_name == "VirtCIM_Watchdog"
    for association, one, other in (
        ("VirtCIM_VirtualSystemSettingDataComponent", SETTINGS, SETTING),
        ("VirtCIM_SettingsDefineState", device, SETTING),
        ("VirtCIM_SystemDevice", system_path(SYSTEM), device),
        ("VirtCIM_ResourceAllocationFromPool", POOL, SETTING),
        ("VirtCIM_ElementAllocatedFromPool", POOL, device),
        ("VirtCIM_HostedResourcePool", host_path(), POOL),
    ):
        for source, target in ((one, other), (other, one)):
            found = providers.associator_names(source, assoc_class=association)
            assert target in found, f"{association}: {source.class_name}"


def test_what_can_be_had_of_it_is_told(providers: Providers) -> None:
    [capabilities] = providers.associators(POOL, assoc_class="CIM_ElementCapabilities")
    assert capabilities.values["ResourceType"] == 1
    assert capabilities.path is not None
    amounts = providers.associators(capabilities.path, assoc_class="CIM_SettingsDefineCapabilities")
    assert [each.values["VirtualQuantity"] for each in amounts] == [1, 1, 1, 1]
    [profile] = [
        each
        for each in providers.associators(POOL, assoc_class="CIM_ElementConformsToProfile")
        if each.values["RegisteredName"] == "Watchdog Virtualization"
    ]
    assert profile.values["RegisteredVersion"] == "1.0.0"


def test_it_is_registered() -> None:
    registered = {row.class_name for row in registrations(("root/virt", "root/interop"))}
    assert {WATCHDOG, "VirtCIM_Watchdog", "VirtCIM_WatchdogPool"} <= registered


@pytest.mark.parametrize(
    "setting", [Record(RASD, {"ResourceType": 1}), Record("XYZ_" + WATCHDOG[8:], {})], ids=str
)
def test_it_is_asked_for_in_a_new_system(
    endpoint: SimulatedEndpoint, providers: Providers, setting: Record
) -> None:
    wanted = Record(setting.class_name, {**setting.values, "ResourceSubType": "poweroff"})
    name = Record("CIM_VirtualSystemSettingData", {"ElementName": "new"})
    call(providers, "DefineSystem", SystemSettings=name, ResourceSettings=[wanted])
    assert endpoint.defined[-1].other_config == {"watchdog": "poweroff"}


def test_what_it_does_not_know_is_refused_by_name(providers: Providers) -> None:
    name = Record("CIM_VirtualSystemSettingData", {"ElementName": "new"})
    for values, refused in (
        ({"ResourceSubType": "bark"}, r"ResourceSettings\[0\].ResourceSubType: 'bark' is neither"),
        ({"ResourceSubType": "reset", "Limit": 2}, r"ResourceSettings\[0\].Limit: 2 is not known"),
        ({"ResourceType": 2}, "possible are 1, 3, 4, 10,"),
    ):
        setting = Record(RASD, {"ResourceType": 1, **values})
        with pytest.raises(CimError, match=refused):
            call(providers, "DefineSystem", SystemSettings=name, ResourceSettings=[setting])


def test_it_is_taken_over_from_a_reference(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    name = Record("CIM_VirtualSystemSettingData", {"ElementName": "new"})
    call(providers, "DefineSystem", SystemSettings=name, ReferenceConfiguration=SETTINGS)
    assert endpoint.defined[-1].other_config == {"watchdog": "reset"}
    other = Record("CIM_VirtualSystemSettingData", {"ElementName": "other"})
    own = Record(RASD, {"ResourceType": 1, "AddressOnParent": "0", "ResourceSubType": "poweroff"})
    call(
        providers,
        "DefineSystem",
        SystemSettings=other,
        ResourceSettings=[own],
        ReferenceConfiguration=SETTINGS,
    )
    assert endpoint.defined[-1].other_config == {"watchdog": "poweroff"}


def test_it_is_changed_added_and_removed(endpoint: SimulatedEndpoint, providers: Providers) -> None:
    present = providers.get_instance(SETTING)
    assert call(providers, "ModifyResourceSettings", ResourceSettings=[present]) == [SETTING]
    assert endpoint.modified[-1] == (SYSTEM, VirtualSystemChange())
    wanted = Record(present.class_name, {**present.values, "ResourceSubType": "poweroff"})
    assert call(providers, "ModifyResourceSettings", ResourceSettings=[wanted]) == [SETTING]
    assert endpoint.modified[-1] == (SYSTEM, VirtualSystemChange(actions_after_crash="poweroff"))
    new = Record(RASD, {"ResourceType": 1, "ResourceSubType": "reset"})
    added = call(
        providers, "AddResourceSettings", AffectedConfiguration=SETTINGS, ResourceSettings=[new]
    )
    assert added == [SETTING]
    assert endpoint.modified[-1] == (SYSTEM, VirtualSystemChange(actions_after_crash="reset"))
    call(providers, "RemoveResourceSettings", ResourceSettings=[SETTING])
    assert endpoint.modified[-1] == (SYSTEM, VirtualSystemChange(actions_after_crash=""))


def test_the_rest_is_refused_in_words_that_name_it(providers: Providers) -> None:
    memory = path("VirtCIM_MemoryResourceAllocationSettingData", f"VirtCIM:{SYSTEM}/memory")
    with pytest.raises(CimError, match="only disks, drives, network ports and watchdogs can be"):
        call(providers, "RemoveResourceSettings", ResourceSettings=[memory])
