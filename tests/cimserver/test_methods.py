"""Calling methods: parameters are typed by the schema, results are checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pywbem

from tests.cim.everything import system
from tests.cimserver.interposed import Interposed
from tests.cimserver.serving import Served, method
from virtcim.cim.records import MethodResult, ObjectPath, Record, StatusCode, Value

_TARGET = (
    '<INSTANCENAME CLASSNAME="Test_Everything"><KEYBINDING NAME="Id"><KEYVALUE>1</KEYVALUE>'
    "</KEYBINDING></INSTANCENAME>"
)
_PATH = ObjectPath("Test_Everything", {"Id": "1"}, namespace="root/virt")
_NAME = pywbem.CIMInstanceName("Test_Everything", {"Id": "1"}, namespace="root/virt")
_SYSTEM_NAME = (
    '<INSTANCENAME CLASSNAME="virtcim_computersystem"><KEYBINDING NAME="name"><KEYVALUE>a'
    '</KEYVALUE></KEYBINDING><KEYBINDING NAME="CreationClassName"><KEYVALUE>c</KEYVALUE>'
    "</KEYBINDING></INSTANCENAME>"
)
_SYSTEM = ObjectPath(
    "VirtCIM_ComputerSystem", {"Name": "a", "CreationClassName": "c"}, namespace="root/virt"
)


def _value(text: str) -> str:
    return f"<VALUE>{text}</VALUE>"


def _array(*texts: str) -> str:
    return f"<VALUE.ARRAY>{''.join(map(_value, texts))}</VALUE.ARRAY>"


def _reference(path: str = _SYSTEM_NAME) -> str:
    return f"<VALUE.REFERENCE>{path}</VALUE.REFERENCE>"


@pytest.fixture(autouse=True)
def _echo(providers: Interposed) -> None:
    def echo(_path: ObjectPath, _parameters: Mapping[str, Value]) -> MethodResult:
        return MethodResult(return_value=0)

    providers.methods["Echo"] = echo


@pytest.mark.parametrize(
    ("name", "sent", "received"),
    [
        ("S_uint8", _value("255"), 255),
        ("s_UINT8", _value(" 0x1F\n"), 31),
        ("S_sint64", _value("-9223372036854775808"), -(2**63)),
        ("S_uint64", _value("18446744073709551615"), 2**64 - 1),
        ("S_boolean", _value("TRUE"), True),
        ("S_boolean", _value("false"), False),
        ("S_real64", _value("1.5E3"), 1500.0),
        ("S_char16", _value("é"), "é"),
        ("S_string", _value("a &lt;b&gt; \n é"), "a <b> \n é"),
        ("S_string", _value("<![CDATA[<b>]]>"), "<b>"),
        ("S_string", "<VALUE/>", ""),
        ("S_string", "", None),
        ("S_datetime", _value("20261120104557.000001+060"), "2026-11-20T09:45:57.000001"),
        ("S_datetime", _value("00000001000200.000000:000"), timedelta(days=1, minutes=2)),
        ("S_reference", _reference(), _SYSTEM),
        (
            "S_embedded",
            _value("&lt;INSTANCE CLASSNAME=&quot;X&quot;/&gt;"),
            '<INSTANCE CLASSNAME="X"/>',
        ),
        ("A_uint16", _array("1", "2"), [1, 2]),
        ("A_uint16", "<VALUE.ARRAY/>", []),
        ("A_string", _array("a", ""), ["a", ""]),
        ("A_string", _value("only"), ["only"]),
        ("A_reference", f"<VALUE.REFARRAY>{_reference() * 2}</VALUE.REFARRAY>", [_SYSTEM] * 2),
        ("A_reference", _reference(), [_SYSTEM]),
        ("A_embedded", _array("instance of X {};"), ["instance of X {};"]),
    ],
)
def test_values_get_the_types_that_the_schema_declares(
    server: Served, providers: Interposed, name: str, sent: str, received: Any
) -> None:
    answer = server.ask(method("echo", _TARGET, **{name: sent}))
    assert answer.status == 0, answer.text
    [(path, called, parameters)] = providers.calls
    assert (path, called) == (_PATH, "Echo")
    [value] = parameters.values()
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    assert value == received
    assert type(value) is type(received)


@pytest.mark.parametrize(
    ("name", "sent", "said"),
    [
        ("S_uint8", _value("256"), "S_uint8 cannot be '256': a uint8 is between 0 and 255"),
        ("S_uint8", _value("x"), "S_uint8 cannot be 'x': a uint8 is expected"),
        ("S_uint8", "<VALUE/>", "S_uint8 cannot be ''"),
        ("S_uint8", _array("1"), "S_uint8 must be a single uint8 value"),
        ("S_boolean", _value("yes"), "S_boolean cannot be 'yes'"),
        ("S_datetime", _value("now"), "S_datetime cannot be 'now'"),
        ("S_string", _value("<INSTANCE CLASSNAME='X'/>"), "must be escaped"),
        ("S_embedded", _value("<INSTANCE CLASSNAME='X'/>"), "must be escaped"),
        ("S_string", _reference(), "S_string must be a single string value"),
        ("S_string", _value("a" * 3000), None),
        ("S_uint8", _value("9" * 3000), "'" + "9" * 80 + "...'"),
        ("S_reference", _value("X.Id=1"), "S_reference must be one reference"),
        ("S_reference", "<VALUE.REFERENCE><X/></VALUE.REFERENCE>", "S_reference holds no object"),
        ("A_uint8", _array("1", "2", "x"), "A_uint8[2] cannot be 'x'"),
        ("A_uint8", "<VALUE.ARRAY><VALUE.NULL/></VALUE.ARRAY>", "A_uint8[0] must be"),
        ("A_uint8", _reference(), "A_uint8 is an array of uint8"),
        ("A_reference", _value("x"), "A_reference is an array of references"),
        ("NoSuch", _value("1"), "ERR_INVALID_PARM_NUM: Echo has no parameter 'NoSuch'"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_parameter_and_value(
    server: Served, providers: Interposed, name: str, sent: str, said: str | None
) -> None:
    answer = server.ask(method("Echo", _TARGET, **{name: sent}))
    if said is None:
        assert answer.status == 0
        return
    assert answer.status == StatusCode.INVALID_PARAMETER
    assert said in answer.description
    assert answer.description.startswith("ERR_")
    assert providers.calls == []


def test_a_reference_to_an_unknown_class_is_an_invalid_class(server: Served) -> None:
    unknown = _reference('<INSTANCENAME CLASSNAME="No_Such"/>')
    answer = server.ask(method("Echo", _TARGET, S_reference=unknown))
    assert answer.status == StatusCode.INVALID_CLASS


def test_a_parameter_given_twice_is_refused(server: Served) -> None:
    once = f'<PARAMVALUE NAME="S_uint8">{_value("1")}</PARAMVALUE>'
    request = method("Echo", _TARGET, S_uint8=_value("1"))
    answer = server.ask(request.replace(once, once + once.replace("S_u", "s_U")))
    assert "S_uint8 is given twice" in answer.description


def test_references_keep_the_namespace_that_they_name(
    server: Served, providers: Interposed
) -> None:
    place = '<LOCALNAMESPACEPATH><NAMESPACE NAME="a"/><NAMESPACE NAME="b"/></LOCALNAMESPACEPATH>'
    local = f"<LOCALINSTANCEPATH>{place}{_SYSTEM_NAME}</LOCALINSTANCEPATH>"
    whole = (
        f"<INSTANCEPATH><NAMESPACEPATH><HOST>h</HOST>{place}</NAMESPACEPATH>{_SYSTEM_NAME}"
        "</INSTANCEPATH>"
    )
    for written in (local, whole):
        server.ask(method("Echo", _TARGET, S_reference=_reference(written)))
        reference = providers.calls[-1][2]["S_reference"]
        assert isinstance(reference, ObjectPath)
        assert reference.namespace == "a/b"


def test_a_method_of_a_class_is_called_on_the_class(server: Served, providers: Interposed) -> None:
    server.pywbem().InvokeMethod("Echo", "Test_Everything", S_uint8=pywbem.Uint8(1))
    path = providers.calls[0][0]
    assert (path.class_name, path.keys) == ("Test_Everything", ())


def test_what_pywbem_sends_for_every_type_arrives(server: Served, providers: Interposed) -> None:
    embedded = pywbem.CIMInstance("CIM_ComputerSystem", {"ElementName": "a<b"})
    server.pywbem().InvokeMethod(
        "Echo",
        _NAME,
        S_embedded=embedded,
        A_embedded=[embedded, embedded],
        S_reference=_NAME,
        S_datetime=pywbem.CIMDateTime("20261120104557.000000+000"),
        A_sint32=[pywbem.Sint32(-1), pywbem.Sint32(2)],
        S_string=None,
    )
    received = providers.calls[0][2]
    assert "<VALUE>a&lt;b</VALUE>" in str(received["S_embedded"])
    assert received["S_reference"] == _PATH
    assert received["S_datetime"] == datetime(2026, 11, 20, 10, 45, 57, tzinfo=UTC)
    assert received["A_sint32"] == [-1, 2]
    assert received["S_string"] is None
    assert isinstance(received["A_embedded"], list)
    assert len(received["A_embedded"]) == 2


def test_results_are_read_back_by_pywbem(server: Served, providers: Interposed) -> None:
    output: dict[str, Value] = {
        "S_uint64": 2**64 - 1,
        "A_string": ["a<", "\x00"],
        "S_boolean": True,
        "S_datetime": timedelta(seconds=1),
        "S_reference": system(1).path,
        "A_reference": [_PATH, _PATH],
        "S_embedded": Record("VirtCIM_ComputerSystem", {"ElementName": "<&>"}),
        "A_uint8": [],
        "S_string": None,
    }
    providers.methods["Echo"] = lambda _path, _given: MethodResult(return_value=4096, output=output)
    value, returned = server.pywbem().InvokeMethod("Echo", _NAME)
    assert value == pywbem.Uint32(4096)
    assert returned["S_uint64"] == 2**64 - 1
    assert returned["A_string"] == ["a<", "\u2400"]
    assert returned["S_boolean"] is True
    assert returned["S_datetime"].timedelta == timedelta(seconds=1)
    assert returned["S_reference"]["CreationClassName"] == "VirtCIM_ComputerSystem"
    assert returned["A_reference"] == [_NAME, _NAME]
    assert returned["S_embedded"]["ElementName"] == "<&>"
    assert returned["A_uint8"] == []
    assert "S_string" not in returned  # wbemcli dies of an output parameter without a value


@pytest.mark.parametrize(
    "target",
    [
        '<INSTANCENAME CLASSNAME="test_everything"><KEYVALUE>1</KEYVALUE></INSTANCENAME>',
        _TARGET.replace("<KEYVALUE>", '<KEYVALUE VALUETYPE="numeric">'),
        _TARGET.replace("<KEYVALUE>", '<KEYVALUE VALUETYPE="string" TYPE="string">'),
        _TARGET.replace('NAME="Id"', 'NAME="ID"'),
    ],
)
def test_keys_have_the_type_that_their_class_declares(
    server: Served, providers: Interposed, target: str
) -> None:
    assert server.ask(method("Echo", target)).status == 0
    assert providers.calls[0][0] == _PATH


def test_a_method_may_return_nothing(server: Served, providers: Interposed) -> None:
    providers.methods["Numbered"] = lambda _path, _given: MethodResult(return_value=None)
    assert server.pywbem().InvokeMethod("Numbered", _NAME)[0] is None


@pytest.mark.parametrize(
    "result",
    [
        MethodResult(return_value="zero"),
        MethodResult(return_value=0, output={"NoSuch": 1}),
        MethodResult(return_value=0, output={"S_uint8": "1"}),
        MethodResult(return_value=0, output={"A_uint8": 1}),
    ],
)
def test_a_result_that_does_not_fit_its_declaration_is_an_incident(
    server: Served, providers: Interposed, result: MethodResult
) -> None:
    providers.methods["Echo"] = lambda _path, _given: result
    with pytest.raises(pywbem.CIMError, match="ERR_UNKNOWN"):
        server.pywbem().InvokeMethod("Echo", _NAME)


def test_an_output_parameter_cannot_be_given(server: Served) -> None:
    path = system(1).path
    assert path is not None
    name = pywbem.CIMInstanceName(path.class_name, dict(path.keys), namespace="root/virt")
    with pytest.raises(pywbem.CIMError, match="Job of RequestStateChange is only an output"):
        server.pywbem().InvokeMethod("RequestStateChange", name, Job=name)


def test_a_method_that_is_declared_but_not_served_says_so(
    server: Served, providers: Interposed
) -> None:
    providers.unknown.add("Numbered")
    with pytest.raises(pywbem.CIMError) as caught:
        server.pywbem().InvokeMethod("Numbered", _NAME)
    assert caught.value.status_code == StatusCode.METHOD_NOT_AVAILABLE
