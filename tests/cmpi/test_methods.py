"""The method interface: parameters and results of every type, by their declarations."""

from __future__ import annotations

from pathlib import Path as File

import pytest

from tests.cim.everything import EVERYTHING
from tests.cmpi.conftest import Serve
from tests.cmpi.paths import of_class, one, system
from tests.cmpi.server import Answer, Server
from tests.cmpi.test_instances import ARRAYS, SCALARS
from tests.cmpi.words import Instance, Path, Typed, value_of

INNER = Instance(
    path=system(1), properties={"Name": ("string", "in <&>"), "EnabledState": ("uint16", 2)}
)


def echoed(server: Server, **parameters: Typed) -> Answer:
    return server.invoke(server.interface("method"), one("id 1"), "Echo", parameters)


def test_a_method_answers_with_what_it_returns(server: Server) -> None:
    answer = echoed(server)
    assert (answer.status, answer.message, answer.is_done) == (0, None, True)
    assert answer.data == [("uint32", 7)]
    assert answer.arguments == {}


@pytest.mark.parametrize("name", SCALARS)
def test_a_parameter_of_each_type_goes_there_and_back(server: Server, name: str) -> None:
    answer = echoed(server, **{f"S_{name}": SCALARS[name]})
    assert (answer.status, answer.arguments) == (0, {f"S_{name}": SCALARS[name]})


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_each_type_goes_there_and_back(server: Server, name: str) -> None:
    given: Typed = (f"array {name}", [(name, value) for value in ARRAYS[name]])
    answer = echoed(server, **{f"a_{name.upper()}": given})
    assert (answer.status, answer.arguments) == (0, {f"A_{name}": given})


def test_references_go_there_and_back(server: Server) -> None:
    references: Typed = ("array reference", [("reference", system(1)), ("reference", system(2))])
    answer = echoed(server, S_reference=("reference", system(1)), A_reference=references)
    assert answer.arguments == {"S_reference": ("reference", system(1)), "A_reference": references}


def test_a_reference_may_be_a_text(server: Server) -> None:
    text = 'VirtCIM_ComputerSystem.CreationClassName="VirtCIM_ComputerSystem",Name="x"'
    answer = echoed(server, S_reference=("string", text))
    found = value_of(answer.arguments["S_reference"])
    # One without a namespace is of that of the request.
    assert (found.namespace, found.class_name) == ("root/virt", "VirtCIM_ComputerSystem")
    assert found.keys["Name"] == ("string", "x")


def test_embedded_instances_go_there_and_back(pegasus: Server) -> None:
    given: Typed = ("instance", INNER)
    answer = echoed(pegasus, S_embedded=given, A_embedded=("array instance", [given, given]))
    assert answer.status == 0, answer.message
    for found in (answer.arguments["S_embedded"][1], *value_of(answer.arguments["A_embedded"])):
        assert found.path == INNER.path
        assert {name: found.properties[name] for name in INNER.properties} == INNER.properties


@pytest.mark.parametrize("text", ["instance of X {};", "<INSTANCE CLASSNAME='X'/>"])
def test_embedded_instances_may_be_texts(server: Server, text: str) -> None:
    answer = echoed(server, S_embedded=("string", text))
    assert answer.arguments == {"S_embedded": ("string", text)}


def test_null_parameters_are_not_there(server: Server) -> None:
    answer = echoed(server, S_uint8=("null uint8", None), A_string=("array string", None))
    assert (answer.status, answer.arguments) == (0, {})


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("S_uint8", ("uint32", 5), ("uint8", 5)),
        ("S_uint8", ("string", "0x10"), ("uint8", 16)),
        ("S_uint64", ("sint64", 5), ("uint64", 5)),
        ("S_boolean", ("string", "true"), ("boolean", True)),
        (
            "S_datetime",
            ("string", "20260101000000.000000+000"),
            ("datetime", "20260101000000.000000+000"),
        ),
        ("S_real64", ("sint32", 2), ("real64", 2.0)),
        ("A_uint8", ("uint8", 5), ("array uint8", [("uint8", 5)])),
        ("S_uint8", ("array uint8", [("uint8", 5)]), ("uint8", 5)),
    ],
)
def test_what_is_declared_counts(server: Server, name: str, given: Typed, expected: Typed) -> None:
    answer = echoed(server, **{name: given})
    assert answer.status == 0, answer.message
    assert answer.arguments == {name: expected}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("S_uint8", ("sint32", 256)),
        ("S_uint8", ("sint32", -1)),
        ("S_uint8", ("string", "five")),
        ("S_uint8", ("reference", system(1))),
        ("S_uint8", ("array uint8", [("uint8", 1), ("uint8", 2)])),
        ("A_uint8", ("array uint8", [("uint8", 1), ("null uint8", None)])),
        ("S_datetime", ("string", "tomorrow")),
        ("S_reference", ("string", "what is this")),
        ("S_reference", ("uint8", 1)),
        ("S_string", ("uint8", 1)),
        ("S_boolean", ("string", "yes")),
    ],
)
def test_what_does_not_fit_is_refused_by_name(server: Server, name: str, given: Typed) -> None:
    answer = echoed(server, **{name: given})
    assert answer.status == 4
    assert answer.message is not None
    assert answer.message.startswith("ERR_BAD_PARAMETER: ")


def test_a_parameter_that_is_not_declared_is_refused(server: Server) -> None:
    answer = echoed(server, NoSuchParameter=("uint8", 1))
    assert answer.status == 4
    assert answer.message == "ERR_INVALID_PARM_NUM: Echo has no parameter 'NoSuchParameter'"


@pytest.mark.parametrize("method", ["NoSuchMethod", "", "x" * 5000])
def test_a_method_that_is_not_there(server: Server, method: str) -> None:
    answer = server.invoke(server.interface("method"), one("id 1"), method, {})
    assert answer.status == 17


def test_a_class_that_is_not_there(server: Server) -> None:
    answer = server.invoke(server.interface("method"), of_class("No_Such_Class"), "Echo", {})
    assert answer.status in (5, 17)


def test_a_method_of_a_class_and_its_case(server: Server) -> None:
    path = Path(namespace="root/virt", class_name=EVERYTHING.upper())
    answer = server.invoke(server.interface("method"), path, "eCHO", {})
    assert (answer.status, answer.data) == (0, [("uint32", 7)])


def test_a_method_of_the_real_providers(serve: Serve, library: File) -> None:
    server = serve("Pegasus")
    server.load(library)
    instances, methods = server.open(), server.open("method")
    pause: dict[str, Typed] = {"RequestedState": ("uint16", 9)}
    answer = server.invoke(methods, system(1), "RequestStateChange", pause)
    assert (answer.status, answer.data) == (0, [("uint32", 0)]), answer.message
    (found,) = server.read(instances, "getInstance", system(1)).instances
    assert found.properties["EnabledState"] == ("uint16", 9)
    again = server.invoke(methods, system(1), "RequestStateChange", pause)
    assert again.status or again.data != [("uint32", 0)]
