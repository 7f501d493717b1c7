"""The registry follows from the tables of the providers."""

from __future__ import annotations

from virtcim.mof import PROFILE_CLASSES, Schema, load_schema
from virtcim.providers import (
    ASSOCIATIONS,
    CREATED_CLASSES,
    HOST_CLASSES,
    IMPLEMENTATION_CLASSES,
    INDICATION_CLASSES,
)
from virtcim.registration import all_registrations, model, registrations

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


# What tells of a CIM server itself: one of somebody else's has its own, in its interop namespace.
_OF_THE_SERVER = {
    *("CIM_AbstractIndicationSubscription", "CIM_FilterCollection", "CIM_IndicationFilter"),
    *("CIM_FilterCollectionSubscription", "CIM_FormattedIndicationSubscription"),
    *("CIM_IndicationHandler", "CIM_IndicationHandlerCIMXML", "CIM_IndicationSubscription"),
    *("CIM_IndicationService", "CIM_IndicationServiceCapabilities"),
    *("CIM_IndicationServiceSettingData", "CIM_ListenerDestination"),
    *("CIM_ListenerDestinationCIMXML", "CIM_ListenerDestinationWSManagement"),
    *("CIM_MemberOfCollection", "CIM_OwningCollectionElement"),
    *("CIM_ObjectManager", "CIM_Namespace", "CIM_NamespaceInManager", "CIM_WBEMService"),
    *("CIM_CIMXMLCommunicationMechanism", "CIM_CommMechanismForManager"),
    "CIM_ObjectManagerCommunicationMechanism",
    *("VirtCIM_IndicationService", "VirtCIM_IndicationServiceCapabilities"),
    *("VirtCIM_ObjectManager", "VirtCIM_Namespace", "VirtCIM_NamespaceInManager"),
}


def test_another_server_knows_every_class_of_the_embedded_one_but_those_of_a_server() -> None:
    schema = load_schema()
    classes = model(schema, ("root/virt",), "root/interop").classes
    known = {declared.classname for namespace in classes.values() for declared in namespace}
    assert {each.name for each in schema.outlines.values()} - known == _OF_THE_SERVER


def test_what_the_profiles_leave_open_is_known_where_the_systems_are_and_nowhere_else() -> None:
    namespaces = ("root/virt", "root/virt/lab")
    classes = model(load_schema(), namespaces, "root/interop").classes
    for name in namespaces:
        assert {*PROFILE_CLASSES, "VirtCIM_Error"} <= {one.classname for one in classes[name]}
    assert not {*PROFILE_CLASSES} & {one.classname for one in classes["root/interop"]}


def test_who_asks_for_what_the_profiles_leave_open_asks_the_providers() -> None:
    namespaces = ("root/virt", "root/virt/lab")
    rows = {row.class_name: row for row in model(load_schema(), namespaces, "root/x").registrations}
    for name in PROFILE_CLASSES:
        assert (rows[name].namespaces, rows[name].kinds) == (namespaces, ("instance",))


def test_a_schema_without_an_optional_class_is_registered_without_it() -> None:
    lacking = {"CIM_RecordLog", "CIM_LogManagesRecord", "CIM_UseOfLog"}
    classes = [one for one in load_schema().classes.values() if one.classname not in lacking]
    schema = Schema(classes, [])
    found = model(schema, ("root/virt",), "root/x")
    for known in (
        {one.classname for one in found.classes["root/virt"]},
        {row.class_name for row in found.registrations},
    ):
        assert "CIM_LogEntry" in known
        assert not lacking & known
