"""Reads of what there is not, by names that are none, and without a connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, identity
from tests.providers.systems import VM, instance_path, system_path, value
from virtcim.providers import CimError, ObjectPath, Providers, StatusCode

DISCONNECTED = "ERR_COMMUNICATION_NOT_ESTABLISHED"


def test_class_and_key_names_are_read_in_any_case(providers: Providers) -> None:
    path = ObjectPath(
        "virtcim_COMPUTERsystem",
        {"CREATIONCLASSNAME": VM.upper(), "name": identity("vm", 0).upper()},
        namespace="ROOT/Virt",
    )
    found, wanted = providers.get_instance(path), providers.get_instance(system_path(0))
    assert (found.path, found.values) == (wanted.path, wanted.values)


def test_an_instance_can_be_named_by_a_superclass(providers: Providers) -> None:
    wanted = providers.get_instance(system_path(0))
    for superclass in ("CIM_ComputerSystem", "CIM_System"):
        found = providers.get_instance(system_path(0, superclass))
        assert (found.path, found.values) == (wanted.path, wanted.values)
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


def test_two_hypervisors_of_one_name_are_refused_and_hold_no_state(
    make_providers: MakeProviders, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="same name"):
        make_providers(SimulatedEndpoint(1), SimulatedEndpoint(1), state=str(tmp_path))
    make_providers(SimulatedEndpoint(1), state=str(tmp_path))


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
        assert refused.value.description.startswith(f"{DISCONNECTED}: ")


def test_a_lost_hypervisor_fails_in_its_own_namespace_only(make_providers: MakeProviders) -> None:
    lost = SimulatedEndpoint(3, name="lost")
    lost.lose_connection()
    providers = make_providers(SimulatedEndpoint(2), lost)
    assert len(list(providers.enumerate_instances("root/virt", VM))) == 2
    with pytest.raises(CimError, match=DISCONNECTED):
        providers.enumerate_instances("root/virt/lost", VM)


def test_only_jobs_can_be_deleted(providers: Providers) -> None:
    with pytest.raises(CimError) as refused:
        providers.delete_instance(system_path(0))
    assert refused.value.status_code == StatusCode.NOT_SUPPORTED
