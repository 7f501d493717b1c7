"""The operations as pywbem, a client that is not ours, sees them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
import pywbem

from tests.cim.everything import system
from tests.cimserver.interposed import Interposed
from tests.cimserver.population import SYSTEM, system_uuid
from tests.cimserver.serving import NAMESPACE_PATH, Served, intrinsic, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import CimError, ObjectPath, Record, StatusCode
from virtcim.cimserver import CimServer
from virtcim.mof import Schema

_SYSTEM = SYSTEM


def _path(number: int = 1, class_name: str = _SYSTEM) -> pywbem.CIMInstanceName:
    keys = {"CreationClassName": _SYSTEM, "Name": system_uuid(number)}
    return pywbem.CIMInstanceName(class_name, keys, namespace="root/virt")


def test_instances_are_enumerated_with_paths_and_typed_values(server: Served) -> None:
    found = server.pywbem().EnumerateInstances(_SYSTEM)
    assert [one.path for one in found] == [_path(1), _path(2), _path(3)]
    assert found[0]["EnabledState"] == pywbem.Uint16(2)
    assert isinstance(found[0]["EnabledState"], pywbem.Uint16)
    assert found[0]["OtherIdentifyingInfo"][0] == "vm-1"
    assert found[0]["StopReason"] is None


def test_enumerating_a_superclass_gives_the_instances_of_its_subclasses(server: Served) -> None:
    found = server.pywbem().EnumerateInstances("cim_system")
    assert sorted({one.classname for one in found}) == [_SYSTEM, "VirtCIM_HostSystem"]


def test_shallow_enumeration_leaves_out_what_subclasses_add(server: Served) -> None:
    connection = server.pywbem()
    deep = connection.EnumerateInstances("CIM_System")[-1]
    shallow = connection.EnumerateInstances("CIM_System", DeepInheritance=False)[-1]
    assert "StopReason" in deep
    assert "Dedicated" in deep
    assert "StopReason" not in shallow
    assert "Dedicated" not in shallow
    assert "Roles" in shallow


def test_a_property_list_selects_in_any_case_and_ignores_unknown_names(server: Served) -> None:
    connection = server.pywbem()
    wanted = ["elementname", "NoSuchProperty", "ENABLEDSTATE"]
    found = connection.EnumerateInstances(_SYSTEM, PropertyList=wanted)[0]
    assert sorted(found.keys()) == ["ElementName", "EnabledState"]
    got = connection.GetInstance(_path(), PropertyList=wanted)
    assert sorted(got.keys()) == ["ElementName", "EnabledState"]
    assert not connection.GetInstance(_path(), PropertyList=[]).keys()


def test_names_are_enumerated(server: Served) -> None:
    found = server.pywbem().EnumerateInstanceNames("CIM_ComputerSystem")
    assert len(found) == 4
    assert _path(2) in found


def test_no_instances_is_an_empty_list(server: Served) -> None:
    assert server.pywbem().EnumerateInstances("CIM_Job") == []


def test_an_instance_is_got_by_its_path_in_any_case(server: Served) -> None:
    path = _path(2, class_name=_SYSTEM.upper())
    assert server.pywbem().GetInstance(path)["ElementName"] == "vm-2"


def test_class_origin_is_given_on_request(server: Served) -> None:
    got = server.pywbem().GetInstance(_path(), IncludeClassOrigin=True)
    assert got.properties["StopReason"].class_origin == _SYSTEM


def test_associations_are_followed_with_their_filters(server: Served) -> None:
    connection = server.pywbem()
    host = connection.EnumerateInstances("VirtCIM_HostSystem")[0].path
    hosted = {"AssocClass": "VirtCIM_HostedDependency"}
    systems = [system_uuid(number) for number in (1, 2, 3)]
    assert [one["Name"] for one in connection.Associators(host, **hosted)] == systems
    assert [one["Name"] for one in connection.AssociatorNames(_path(2), **hosted)] == [host["Name"]]
    everything = connection.Associators(host)
    assert [one["Name"] for one in everything if one.classname == _SYSTEM] == systems
    assert [one.path for one in everything] == connection.AssociatorNames(host)
    link = connection.References(_path(2), ResultClass="CIM_HostedDependency")[0]
    assert link["Dependent"] == _path(2)
    dependency = {"ResultClass": "CIM_HostedDependency"}
    assert connection.ReferenceNames(_path(2), Role="antecedent", **dependency) == []
    hosts = connection.ReferenceNames(host, Role="Antecedent", **dependency)
    assert [
        one["Dependent"]["Name"] for one in hosts if one["Dependent"].classname == _SYSTEM
    ] == systems
    assert connection.Associators(_path(2), ResultClass="CIM_ResourcePool") == []
    assert connection.Associators(_path(2), AssocClass="CIM_HostedService") == []
    only_names = connection.Associators(host, **hosted, PropertyList=["ElementName"])
    assert [list(one.keys()) for one in only_names] == [["ElementName"]] * 3


def test_an_association_instance_is_got_by_the_path_that_was_given(server: Served) -> None:
    connection = server.pywbem()
    for reference in connection.References(_path(1)):
        got = connection.GetInstance(reference.path)
        assert (got.classname, got.path) == (reference.classname, _without_host(reference.path))
        assert dict(got.items()) == dict(reference.items())
    gone = connection.ReferenceNames(_path(1), ResultClass="CIM_HostedDependency")[0]
    gone["Dependent"] = _path(99)
    assert _code(connection.GetInstance, gone) == StatusCode.NOT_FOUND


def _without_host(path: pywbem.CIMInstanceName) -> pywbem.CIMInstanceName:
    local = path.copy()
    local.host = None
    return local


def test_associations_of_a_class_come_from_the_schema(server: Served) -> None:
    connection = server.pywbem()
    names = connection.AssociatorNames(_SYSTEM, AssocClass="VirtCIM_HostedDependency")
    assert [one.classname for one in names] == ["VirtCIM_HostSystem"]
    references = connection.References(_SYSTEM, ResultClass="VirtCIM_HostedDependency")
    assert [path.classname for path, _ in references] == ["VirtCIM_HostedDependency"]
    assert references[0][1].properties["Dependent"].reference_class == _SYSTEM
    by_role = connection.ReferenceNames(_SYSTEM, Role="Dependent")
    assert "VirtCIM_HostedDependency" in {one.classname for one in by_role}
    assert connection.AssociatorNames(_SYSTEM, ResultRole="NoSuchRole") == []


def test_classes_are_read_as_they_are_compiled(server: Served, schema: Schema) -> None:
    connection = server.pywbem()
    declared = schema.classes[_SYSTEM.lower()]
    got = connection.GetClass(_SYSTEM, LocalOnly=False, IncludeClassOrigin=True)
    assert got.superclass == declared.superclass
    assert list(got.properties) == list(declared.properties)
    assert list(got.methods) == list(declared.methods)
    assert got.properties["StopErrorCode"].qualifiers["ValueMap"].value[:2] == ["0", "1"]
    assert got.properties["ElementName"].class_origin == "CIM_ManagedElement"


def test_a_class_is_read_with_what_is_asked_for_only(server: Served) -> None:
    connection = server.pywbem()
    local = connection.GetClass(_SYSTEM, LocalOnly=True, IncludeQualifiers=False)
    assert sorted(local.properties) == ["StopDescription", "StopErrorCode", "StopReason"]
    assert not local.qualifiers
    assert not local.properties["StopReason"].qualifiers
    some = connection.GetClass(_SYSTEM, LocalOnly=False, PropertyList=["elementname"])
    assert list(some.properties) == ["ElementName"]
    bare = connection.GetClass(_SYSTEM, LocalOnly=False, IncludeQualifiers=False)
    parameters = bare.methods["RequestStateChange"].parameters
    assert not parameters["RequestedState"].qualifiers


def test_classes_are_enumerated_on_one_level_or_all(server: Served, schema: Schema) -> None:
    connection = server.pywbem()
    direct = connection.EnumerateClassNames(ClassName="CIM_ComputerSystem")
    assert sorted(direct) == [_SYSTEM, "VirtCIM_HostSystem"]
    everything = connection.EnumerateClassNames(DeepInheritance=True)
    assert len(everything) == len(schema.classes)
    roots = connection.EnumerateClasses(IncludeQualifiers=False)
    assert {one.superclass for one in roots} == {None}
    deep = connection.EnumerateClasses(
        ClassName="CIM_System", DeepInheritance=True, LocalOnly=False
    )
    assert _SYSTEM in {one.classname for one in deep}


def test_qualifiers_are_read(server: Served, schema: Schema) -> None:
    connection = server.pywbem()
    assert connection.GetQualifier("key").type == "boolean"
    assert len(connection.EnumerateQualifiers()) == len(schema.qualifiers)


def test_an_instance_is_deleted(server_with_jobs: Served) -> None:
    connection = server_with_jobs.pywbem()
    [first, second] = connection.EnumerateInstanceNames("CIM_Job")
    connection.DeleteInstance(first)
    assert connection.EnumerateInstanceNames("CIM_Job") == [second]
    assert _code(connection.DeleteInstance, first) == StatusCode.NOT_FOUND
    assert _code(connection.DeleteInstance, _path(1)) == StatusCode.NOT_SUPPORTED


def test_one_property_is_read(server: Served) -> None:
    name = (
        f'<INSTANCENAME CLASSNAME="{_SYSTEM}"><KEYBINDING NAME="Name"><KEYVALUE>'
        "00000000-0000-0000-0000-000000000001</KEYVALUE></KEYBINDING><KEYBINDING "
        f'NAME="CreationClassName"><KEYVALUE>{_SYSTEM}</KEYVALUE></KEYBINDING></INSTANCENAME>'
    )

    def ask(property_name: str) -> Any:
        value = f"<VALUE>{property_name}</VALUE>"
        return server.ask(intrinsic("GetProperty", InstanceName=name, PropertyName=value))

    assert "<IRETURNVALUE><VALUE>vm-1</VALUE></IRETURNVALUE>" in ask("elementname").text
    assert "<VALUE.ARRAY><VALUE>2</VALUE></VALUE.ARRAY>" in ask("OperationalStatus").text
    assert "<IRETURNVALUE></IRETURNVALUE>" in ask("StopReason").text
    assert ask("NoSuch").status == StatusCode.NO_SUCH_PROPERTY


def _code(call: Any, *arguments: Any, **named: Any) -> int:
    with pytest.raises(pywbem.CIMError) as caught:
        call(*arguments, **named)
    return int(caught.value.status_code)


def test_what_is_not_there_has_its_own_status(server: Served) -> None:
    connection = server.pywbem()
    assert _code(connection.GetInstance, _path(99)) == StatusCode.NOT_FOUND
    assert _code(connection.GetClass, "No_Such") == StatusCode.NOT_FOUND
    assert _code(connection.GetQualifier, "NoSuch") == StatusCode.NOT_FOUND
    assert _code(connection.EnumerateInstances, "No_Such") == StatusCode.INVALID_CLASS
    assert _code(connection.EnumerateInstanceNames, "No_Such") == StatusCode.INVALID_CLASS
    no_such = {"ClassName": "No_Such"}
    assert _code(connection.EnumerateClassNames, **no_such) == StatusCode.INVALID_CLASS
    wrong = StatusCode.INVALID_PARAMETER
    assert _code(connection.Associators, _path(), AssocClass="No") == wrong
    assert _code(connection.References, _path(), ResultClass="No") == wrong
    unknown = pywbem.CIMInstanceName("No_Such", {"K": "1"})
    assert _code(connection.GetInstance, unknown) == StatusCode.INVALID_CLASS
    namespace = {"namespace": "root/nowhere"}
    assert _code(connection.GetClass, _SYSTEM, **namespace) == StatusCode.INVALID_NAMESPACE
    assert _code(connection.InvokeMethod, "No", _path()) == StatusCode.METHOD_NOT_FOUND


def test_a_refusal_of_the_operation_itself_has_no_error_code(server: Served) -> None:
    connection = server.pywbem()
    for call, arguments, named in (
        (connection.GetClass, (_SYSTEM,), {"namespace": "root/nowhere"}),
        (connection.EnumerateInstances, ("No_Such",), {}),
        (connection.InvokeMethod, ("No", _path()), {}),
        (connection.ExecQuery, ("WQL", "SELECT *"), {}),
    ):
        with pytest.raises(pywbem.CIMError) as caught:
            call(*arguments, **named)
        assert not caught.value.instances
        assert not caught.value.status_description.startswith("ERR_")


def test_what_is_not_supported_says_so(server: Served) -> None:
    connection = server.pywbem()
    instance = pywbem.CIMInstance(_SYSTEM, {"ElementName": "x"}, path=_path())
    assert _code(connection.CreateInstance, instance) == StatusCode.NOT_SUPPORTED
    assert _code(connection.ModifyInstance, instance) == StatusCode.NOT_SUPPORTED
    assert _code(connection.DeleteClass, _SYSTEM) == StatusCode.NOT_SUPPORTED
    assert server.ask(intrinsic("NoSuchOperation")).status == StatusCode.NOT_SUPPORTED


_NAME = f'<INSTANCENAME CLASSNAME="{_SYSTEM}">%s</INSTANCENAME>'
_KEY = '<KEYBINDING NAME="%s"><KEYVALUE VALUETYPE="string">x</KEYVALUE></KEYBINDING>'


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "GetInstance needs InstanceName"),
        ({"InstanceName": ""}, "GetInstance needs InstanceName"),
        ({"NoSuch": "<VALUE>1</VALUE>"}, "has no parameter 'NoSuch'"),
        ({"InstanceName": f'<CLASSNAME NAME="{_SYSTEM}"/>'}, "InstanceName must be the name"),
        ({"InstanceName": "<VALUE>x</VALUE>"}, "InstanceName holds no object path"),
        (
            {"InstanceName": f"<LOCALINSTANCEPATH>{NAMESPACE_PATH}<X/></LOCALINSTANCEPATH>"},
            "InstanceName holds no object path",
        ),
        ({"InstanceName": _NAME % ""}, "must give the key CreationClassName, Name"),
        ({"InstanceName": _NAME % (_KEY % "Name")}, "must give the key CreationClassName"),
        ({"InstanceName": _NAME % (_KEY % "NoKey")}, "has no key 'NoKey'"),
        (
            {"InstanceName": _NAME % (_KEY % "Name").replace("KEYVALUE", "VALUE.REFERENCE")},
            "the key Name must be a string",
        ),
        ({"InstanceName": _NAME % (_KEY % "Name" * 2)}, "gives the key Name twice"),
        ({"InstanceName": '<INSTANCENAME CLASSNAME="CIM_ManagedElement"/>'}, "any key"),
        (
            {
                "InstanceName": _NAME % (_KEY % "Name" + _KEY % "CreationClassName"),
                "LocalOnly": "<VALUE>maybe</VALUE>",
            },
            "LocalOnly cannot be 'maybe'",
        ),
        (
            {
                "InstanceName": _NAME % (_KEY % "Name" + _KEY % "CreationClassName"),
                "PropertyList": "<VALUE.REFERENCE/>",
            },
            "PropertyList is an array of string",
        ),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    server: Served, parameters: Mapping[str, str], named: str
) -> None:
    answer = server.ask(intrinsic("GetInstance", **parameters))
    assert answer.status == StatusCode.INVALID_PARAMETER
    assert named in answer.description


def test_a_class_name_must_be_one(server: Served) -> None:
    answer = server.ask(intrinsic("EnumerateInstances", ClassName=f"<VALUE>{_SYSTEM}</VALUE>"))
    assert "ClassName must be a CLASSNAME" in answer.description


def test_an_end_of_an_association_must_be_a_reference(server: Served) -> None:
    binding = '<KEYBINDING NAME="Dependent"><KEYVALUE>x</KEYVALUE></KEYBINDING>'
    name = f'<INSTANCENAME CLASSNAME="VirtCIM_HostedDependency">{binding}</INSTANCENAME>'
    answer = server.ask(intrinsic("GetInstance", InstanceName=name))
    assert "the key Dependent must be one reference" in answer.description


def test_a_parameter_given_twice_is_refused(server: Served) -> None:
    once = f'<IPARAMVALUE NAME="ClassName"><CLASSNAME NAME="{_SYSTEM}"/></IPARAMVALUE>'
    good = intrinsic("GetClass", ClassName=f'<CLASSNAME NAME="{_SYSTEM}"/>')
    answer = server.ask(good.replace(once, once + once.replace("ClassName", "classname")))
    assert answer.status == StatusCode.INVALID_PARAMETER
    assert "ClassName is given twice" in answer.description


def test_an_error_carries_its_instances_to_clients_that_read_them(
    server: Served, providers: Interposed
) -> None:
    """Whatever is in them; the real ones of real failures are in test_language.py."""
    record = Record("VirtCIM_Error", {"MessageID": "ERR_FILE_IN_USE", "Message": "a<b>&\x01"})
    providers.failure = CimError(1, "ERR_FILE_IN_USE: locked <by> another", errors=(record,))
    with pytest.raises(pywbem.CIMError) as caught:
        server.pywbem().EnumerateInstances(_SYSTEM)
    assert caught.value.status_description == "ERR_FILE_IN_USE: locked <by> another"
    assert caught.value.instances[0]["MessageID"] == "ERR_FILE_IN_USE"
    assert caught.value.instances[0]["Message"] == "a<b>&\u2401"


def test_a_failure_nobody_foresaw_has_an_incident_that_the_log_explains(
    server: Served, endpoint: SimulatedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.reads_fail_with = ZeroDivisionError("the secret detail")
    with caplog.at_level(logging.ERROR), pytest.raises(pywbem.CIMError) as caught:
        server.pywbem().EnumerateInstances(_SYSTEM)
    description = caught.value.status_description
    assert caught.value.status_code == StatusCode.FAILED
    assert description.startswith("ERR_UNKNOWN: ")
    assert "secret detail" not in description
    number = description.rsplit(" ", 1)[1]
    assert f"incident {number}: EnumerateInstances failed unexpectedly" in caplog.text
    assert "the secret detail" in caplog.text
    assert caught.value.instances[0]["MessageID"] == "ERR_UNKNOWN"


def test_a_failure_is_logged_on_one_line(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        server.ask(intrinsic("GetInstance&#10;forged line"))
    [record] = [one for one in caplog.records if "forged" in one.getMessage()]
    assert "\n" not in record.getMessage()


def test_the_traceback_goes_to_the_client_only_on_demand(
    endpoint: SimulatedEndpoint, providers: Interposed, schema: Schema
) -> None:
    endpoint.reads_fail_with = ZeroDivisionError("detail")
    application = CimServer(providers, schema, authenticate=None, debug_errors=True)
    with served(application) as server, pytest.raises(pywbem.CIMError) as caught:
        server.pywbem().EnumerateInstances(_SYSTEM)
    assert "ZeroDivisionError: detail" in caught.value.status_description


@pytest.mark.parametrize(
    "record",
    [
        system(9, EnabledState="running"),
        system(9, NoSuchProperty=1),
        Record("No_Such", {}, ObjectPath("No_Such", {"K": "1"}, namespace="root/virt")),
        Record(_SYSTEM, {"Name": "pathless"}),
    ],
)
def test_a_record_that_does_not_fit_its_class_is_an_incident(
    server: Served, providers: Interposed, record: Record
) -> None:
    providers.also.append(record)
    with pytest.raises(pywbem.CIMError, match="ERR_UNKNOWN"):
        server.pywbem().EnumerateInstances(_SYSTEM)


def test_an_instance_without_a_path_has_no_name_to_enumerate(
    server: Served, providers: Interposed
) -> None:
    providers.also.append(Record(_SYSTEM, {"Name": "pathless"}))
    with pytest.raises(pywbem.CIMError, match="ERR_UNKNOWN"):
        server.pywbem().EnumerateInstanceNames(_SYSTEM)


def test_errors_that_cannot_be_written_are_an_incident_too(
    server: Served, providers: Interposed
) -> None:
    providers.failure = CimError(1, "ERR_X: x", errors=(Record("VirtCIM_Error", {"No": 1}),))
    with pytest.raises(pywbem.CIMError, match="ERR_UNKNOWN"):
        server.pywbem().EnumerateInstances(_SYSTEM)


def test_another_namespace_has_its_own_instances(server: Served) -> None:
    connection = server.pywbem()
    assert connection.EnumerateInstances(_SYSTEM, namespace="root/VIRT/other") == []
