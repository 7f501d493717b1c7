"""Requests that are well-formed but wrong in places that nobody thought of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cimserver.interposed import Interposed
from tests.cimserver.serving import Served, intrinsic, method
from virtcim.cim.records import MethodResult, StatusCode

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
_REQUESTS = [
    ElementTree.fromstring(text)
    for text in (
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
]
_NAMES = sorted({one.tag for request in _REQUESTS for one in request.iter()})
_ATTRIBUTES = sorted(
    {name for request in _REQUESTS for one in request.iter() for name in one.attrib}
)
_KNOWN = {
    code for name, code in vars(StatusCode).items() if name.isupper() and isinstance(code, int)
}


def _rename(one: Element, data: st.DataObject) -> None:
    one.tag = data.draw(st.sampled_from(_NAMES))


def _drop_child(one: Element, data: st.DataObject) -> None:
    if len(one):
        del one[data.draw(st.integers(0, len(one) - 1))]


def _double_child(one: Element, data: st.DataObject) -> None:
    if len(one):
        one.append(copy.deepcopy(one[data.draw(st.integers(0, len(one) - 1))]))


def _nest(one: Element, _data: st.DataObject) -> None:
    one.append(copy.deepcopy(one))


def _drop_attribute(one: Element, data: st.DataObject) -> None:
    if one.keys():
        del one.attrib[data.draw(st.sampled_from(sorted(one.keys())))]


def _set_attribute(one: Element, data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(["", "x", "CIM_System", "Name", "numeric", "0", "\t"]))
    one.set(data.draw(st.sampled_from(_ATTRIBUTES)), value)


def _set_text(one: Element, data: st.DataObject) -> None:
    one.text = data.draw(st.sampled_from(["", " ", "x", "99999999999999999999", "-1", "TRUE"]))


_MUTATIONS: list[Callable[[Element, st.DataObject], None]] = [
    _rename,
    _drop_child,
    _double_child,
    _nest,
    _drop_attribute,
    _set_attribute,
    _set_text,
]


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_every_mutated_request_is_answered_with_a_reason_of_its_own(
    server: Served, providers: Interposed, data: st.DataObject
) -> None:
    providers.methods["Echo"] = lambda _path, _given: MethodResult(return_value=0)
    request = copy.deepcopy(data.draw(st.sampled_from(_REQUESTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        element = data.draw(st.sampled_from(list(request.iter())))
        data.draw(st.sampled_from(_MUTATIONS))(element, data)
    body = ElementTree.tostring(request)
    response = server.post(body)
    assert response.status_code in (200, 400, 501)
    assert "ERR_UNKNOWN" not in response.text, body
    assert (response.status_code == 200) == ("CIMError" not in response.headers)
    if response.status_code == 200:
        answer = ElementTree.fromstring(response.content)
        assert {int(error.get("CODE", "0")) for error in answer.iter("ERROR")} <= _KNOWN
