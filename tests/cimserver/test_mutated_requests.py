"""Requests that are well-formed but wrong in places that nobody thought of."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cimserver.interposed import Interposed
from tests.cimserver.mutations import Mutations, check_reason
from tests.cimserver.serving import Served, intrinsic, method
from virtcim.cim.records import MethodResult

_KEYS = (
    '<KEYBINDING NAME="CreationClassName"><KEYVALUE VALUETYPE="string">VirtCIM_ComputerSystem'
    '</KEYVALUE></KEYBINDING><KEYBINDING NAME="Name"><KEYVALUE VALUETYPE="string">'
    "00000000-0000-0000-0000-000000000001</KEYVALUE></KEYBINDING>"
)
_NAME = f'<INSTANCENAME CLASSNAME="VirtCIM_ComputerSystem">{_KEYS}</INSTANCENAME>'
_CLASS = '<CLASSNAME NAME="CIM_System"/>'
_LIST = "<VALUE.ARRAY><VALUE>Name</VALUE><VALUE>ElementName</VALUE></VALUE.ARRAY>"
_EVERYTHING = (
    '<INSTANCENAME CLASSNAME="Test_Everything"><KEYBINDING NAME="Id"><KEYVALUE>1</KEYVALUE>'
    "</KEYBINDING></INSTANCENAME>"
)
_REQUESTS = Mutations(
    (
        intrinsic("GetInstance", InstanceName=_NAME, PropertyList=_LIST),
        intrinsic("EnumerateInstances", ClassName=_CLASS, DeepInheritance="<VALUE>false</VALUE>"),
        intrinsic("Associators", ObjectName=_NAME, AssocClass=_CLASS, Role="<VALUE>x</VALUE>"),
        intrinsic("OpenEnumerateInstances", ClassName=_CLASS, MaxObjectCount="<VALUE>2</VALUE>"),
        intrinsic("GetClass", ClassName=_CLASS, PropertyList=_LIST),
        intrinsic("GetProperty", InstanceName=_NAME, PropertyName="<VALUE>Name</VALUE>"),
        method(
            "Echo",
            _EVERYTHING,
            S_uint8="<VALUE>1</VALUE>",
            A_sint64="<VALUE.ARRAY><VALUE>1</VALUE><VALUE>-1</VALUE></VALUE.ARRAY>",
            S_reference=f"<VALUE.REFERENCE>{_NAME}</VALUE.REFERENCE>",
            S_datetime="<VALUE>20261120104557.000000+000</VALUE>",
        ),
    )
)


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_every_mutated_request_is_answered_with_a_reason_of_its_own(
    server: Served, providers: Interposed, data: st.DataObject
) -> None:
    providers.methods["Echo"] = lambda _path, _given: MethodResult(return_value=0)
    body = _REQUESTS.request(data)
    check_reason(server.post(body), body)
