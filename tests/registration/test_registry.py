"""The registry follows from the tables of the providers."""

from __future__ import annotations

from virtcim.providers import (
    ASSOCIATIONS,
    CREATED_CLASSES,
    HOST_CLASSES,
    IMPLEMENTATION_CLASSES,
    INDICATION_CLASSES,
)
from virtcim.registration import all_registrations, registrations

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


def test_another_server_is_told_of_indications_and_keeps_what_tells_of_itself() -> None:
    rows = {row.class_name: row for row in all_registrations(("root/virt",), "root/PG_InterOp")}
    assert rows["VirtCIM_AlertIndication"].kinds == ("indication",)
    assert rows["VirtCIM_AlertIndication"].namespaces == ("root/virt",)
    assert rows["VirtCIM_RegisteredProfile"].namespaces == ("root/PG_InterOp",)
    assert rows["VirtCIM_ElementConformsToProfile"].namespaces == ("root/virt", "root/PG_InterOp")
    own = {"VirtCIM_ObjectManager", "VirtCIM_Namespace", "VirtCIM_NamespaceInManager"}
    created = {each.name for each in (*CREATED_CLASSES, *HOST_CLASSES)}
    assert not (own | created) & set(rows)


def test_another_server_is_told_of_every_other_class_that_the_embedded_one_serves() -> None:
    embedded = {row.class_name for row in registrations(("root/virt", "root/interop"))}
    others = {row.class_name for row in all_registrations(("root/virt",))}
    assert embedded - others == {
        "VirtCIM_ObjectManager",
        "VirtCIM_Namespace",
        "VirtCIM_NamespaceInManager",
    }
    assert others - embedded == set(INDICATION_CLASSES)
