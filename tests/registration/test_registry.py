"""The registry follows from the tables of the providers."""

from __future__ import annotations

from virtcim.providers import ASSOCIATIONS, IMPLEMENTATION_CLASSES
from virtcim.registration import registrations

NAMESPACES = ("root/virt", "root/virt/lab", "root/interop")


def test_every_served_class_is_registered_once() -> None:
    names = [row.class_name for row in registrations(NAMESPACES)]
    assert len(set(names)) == len(names)
    assert {each.name for each in (*IMPLEMENTATION_CLASSES, *ASSOCIATIONS)} <= set(names)
    assert "VirtCIM_Namespace" in names


def test_classes_are_registered_where_they_are_served() -> None:
    rows = {row.class_name: row for row in registrations(NAMESPACES)}
    assert rows["VirtCIM_ComputerSystem"].namespaces == ("root/virt", "root/virt/lab")
    assert rows["VirtCIM_HostedService"].namespaces == ("root/virt", "root/virt/lab")
    assert rows["VirtCIM_Namespace"].namespaces == ("root/interop",)
    assert rows["VirtCIM_ReferencedProfile"].namespaces == ("root/interop",)
    assert rows["VirtCIM_ElementConformsToProfile"].namespaces == NAMESPACES


def test_the_kinds_say_what_a_class_needs_of_the_server() -> None:
    rows = {row.class_name: row for row in registrations(NAMESPACES)}
    assert rows["VirtCIM_ComputerSystem"].kinds == ("instance", "association", "method")
    assert rows["VirtCIM_ComputerSystem"].methods == ("RequestStateChange",)
    assert rows["VirtCIM_MemoryPool"].kinds == ("instance", "association")
    assert rows["VirtCIM_ConcreteJob"].kinds == ("instance", "association", "method")
    assert rows["VirtCIM_HostedService"].kinds == ("instance", "association")
    assert set(rows["VirtCIM_VirtualSystemManagementService"].methods) == {
        "DefineSystem",
        "DestroySystem",
        "ModifySystemSettings",
        "AddResourceSettings",
        "ModifyResourceSettings",
        "RemoveResourceSettings",
    }
