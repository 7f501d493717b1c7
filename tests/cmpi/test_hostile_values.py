"""Values at the edges of CIM's types, and beyond, in both directions: right, or a clean failure."""

from __future__ import annotations

import math

import pytest

from tests.cim.everything import EVERYTHING
from tests.cmpi.hosts import TEN_MB
from tests.cmpi.paths import one, system
from tests.cmpi.server import Answer, Server
from tests.cmpi.words import Instance, Path, Typed, value_of
from virtcim.cim.instance_text import read_instance_text


def given(server: Server, what: str) -> Answer:
    """What a server is given of an odd instance (hosts.py)."""
    return server.read(server.interface("instance"), "getInstance", one(f"odd {what}"))


def good(server: Server, what: str) -> Instance:
    answer = given(server, what)
    assert answer.status == 0, answer.message
    [found] = answer.instances
    return found


def echoed(server: Server, **parameters: Typed) -> Answer:
    return server.invoke(server.interface("method"), one("id 1"), "Echo", parameters)


def test_what_c_cannot_carry_in_a_text_is_replaced(server: Server) -> None:
    found = good(server, "nul")
    assert found.value("S_string") == "a\ufffdb"
    assert found.value("A_string") == ["\ufffd", "b"]
    assert good(server, "surrogate").value("S_string") == "a?b"


def test_ten_megabytes_arrive(server: Server) -> None:
    assert good(server, "long").value("S_string") == "x" * TEN_MB


def test_ten_megabytes_go_there_and_back(pegasus: Server) -> None:
    text: Typed = ("string", "y" * TEN_MB)
    answer = echoed(pegasus, S_string=text)
    assert answer.status == 0, answer.message
    assert answer.arguments == {"S_string": text}


def same(found: float, wanted: float) -> bool:
    """Also of what equals nothing, and of zero its sign."""
    if math.isnan(wanted):
        return math.isnan(found)
    return found == wanted and math.copysign(1, found) == math.copysign(1, wanted)


REALS = (math.nan, math.inf, -math.inf, -0.0)
LARGEST = {"real32": 3.4028234663852886e38, "real64": 1.7976931348623157e308}


@pytest.mark.parametrize("name", ["real32", "real64"])
def test_reals_without_a_number_arrive(server: Server, name: str) -> None:
    found = good(server, "reals")
    assert math.isnan(found.value(f"S_{name}"))
    values = found.value(f"A_{name}")
    wanted = (math.inf, -math.inf, math.nan, -0.0)
    assert len(values) == len(wanted)
    assert all(map(same, values, wanted))


@pytest.mark.parametrize("value", [*REALS, *LARGEST.values(), 5e-324])
@pytest.mark.parametrize("name", ["real32", "real64"])
def test_reals_go_there_and_back(server: Server, name: str, value: float) -> None:
    if name == "real32" and value in (LARGEST["real64"], 5e-324):
        pytest.skip("no real32")
    answer = echoed(server, **{f"S_{name}": (name, value)})
    assert answer.status == 0, answer.message
    kind, found = answer.arguments[f"S_{name}"]
    assert kind == name
    # The broker writes nine digits of a real32.
    assert same(found, value) or (name == "real32" and math.isclose(found, value, rel_tol=1e-8))


def test_a_number_that_is_too_large_for_its_type_is_a_failure(server: Server) -> None:
    answer = given(server, "too large for real32")
    assert (answer.status, answer.instances) == (1, [])
    assert (answer.message or "").startswith("ERR_")
    refused = echoed(server, S_real32=("real64", 1e39))
    assert refused.status == 4
    assert (refused.message or "").startswith("ERR_BAD_PARAMETER: ")


def test_a_thousand_elements_arrive_in_their_order(server: Server) -> None:
    found = good(server, "many")
    assert found.value("A_uint64") == [2**64 - 1 - number for number in range(1000)]
    assert found.value("A_string") == [str(number) for number in range(1000)]


@pytest.mark.parametrize("name", ["string", "uint64"])
def test_a_thousand_elements_go_there_and_back(server: Server, name: str) -> None:
    items: list[Typed] = [
        (name, str(number) if name == "string" else 2**64 - 1 - number) for number in range(1000)
    ]
    array: Typed = (f"array {name}", items)
    answer = echoed(server, **{f"A_{name}": array})
    assert answer.arguments == {f"A_{name}": array}


@pytest.mark.parametrize("name", ["string", "uint8", "datetime"])
def test_an_array_without_elements_is_no_null(server: Server, name: str) -> None:
    assert good(server, "empty").properties[f"A_{name}"] == (f"array {name}", [])
    array: Typed = (f"array {name}", [])
    assert echoed(server, **{f"A_{name}": array}).arguments == {f"A_{name}": array}


def test_an_array_without_embedded_instances_is_no_null(server: Server) -> None:
    kind, found = good(server, "empty").properties["A_embedded"]
    assert (kind in ("array string", "array instance"), found) == (True, [])


@pytest.mark.parametrize("what", ["nulls", "no array", "undeclared"])
def test_a_value_that_is_none_of_its_type_is_an_incident(server: Server, what: str) -> None:
    answer = given(server, what)
    assert (answer.status, answer.instances) == (1, [])
    assert (answer.message or "").startswith("ERR_UNKNOWN: ")
    assert "incident" in (answer.message or "")


@pytest.mark.parametrize("name", ["string", "uint64", "datetime", "real64", "boolean", "reference"])
def test_an_array_with_null_in_it_is_refused(server: Server, name: str) -> None:
    null: Typed = (f"null {name}", None)
    answer = echoed(server, **{f"A_{name}": (f"array {name}", [null])})
    assert answer.status == 4, answer.message
    assert answer.message == "ERR_BAD_PARAMETER: an array: an element of an array is NULL"


DATETIMES = {
    "99991231235959.999999+000": "99991231235959.999999+000",
    "00010101000000.000000+000": "00010101000000.000000+000",
    "20261130120001.000025-720": "20261130120001.000025-720",
    "99999999235959.999999:000": "99999999235959.999999:000",
    "00000000000000.000000:000": "00000000000000.000000:000",
    # Of a less precise value the first moment counts.
    "20261130******.******+060": "20261130000000.000000+060",
    "2026**********.******+000": "20260101000000.000000+000",
    "00000003******.******:000": "00000003000000.000000:000",
    "20261130120001.0000**+060": "20261130120001.000000+060",
}


@pytest.mark.parametrize("text", DATETIMES)
def test_datetimes_go_there_and_back(server: Server, text: str) -> None:
    answer = echoed(server, S_datetime=("datetime", text))
    assert answer.status == 0, answer.message
    assert answer.arguments == {"S_datetime": ("datetime", DATETIMES[text])}


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "20261301000000.000000+000", "20260230000000.000000+000"),
        *("2026113012****.000000+000", "00000003250000.000000:000", "20261130120001.000025:001"),
        *(
            "20261130120001.000025+0600",
            "\u0662\u0660\u0662\u06661130120001.000025+000",
            "x" * 100_000,
        ),
    ],
)
def test_what_is_no_datetime_is_refused(server: Server, text: str) -> None:
    answer = echoed(server, S_datetime=("string", text))
    assert answer.status == 4
    assert (answer.message or "").startswith("ERR_BAD_PARAMETER: S_datetime: ")


def test_a_reference_into_another_namespace_arrives(server: Server) -> None:
    kind, found = good(server, "foreign").properties["S_reference"]
    assert kind == "reference"
    assert (found.namespace, found.class_name) == ("root/other/deep", "X_Foreign")
    keys = {name: value_of(value) for name, value in found.keys.items()}
    assert keys["Flag"] is True
    assert keys["Text"] == 'a"b'
    assert keys["Where"] == system(1)


def test_a_reference_into_another_namespace_goes_there_and_back(server: Server) -> None:
    foreign = Path(
        namespace="root/other/deep",
        class_name="X_Foreign",
        keys={"Id": ("string", "a\\b"), "Where": ("reference", system(2))},
    )
    answer = echoed(server, S_reference=("reference", foreign))
    assert answer.status == 0, answer.message
    assert answer.arguments == {"S_reference": ("reference", foreign)}


EVENT = "VirtCIM_InstModification"


def test_an_instance_within_an_embedded_one_is_an_object(pegasus: Server) -> None:
    found = good(pegasus, "nested")
    for event in (found.value("S_embedded"), *found.value("A_embedded")):
        assert event.path.class_name == EVENT
        for name in ("SourceInstance", "PreviousInstance"):
            assert event.value(name).value("Name") == "innermost"


def test_an_instance_within_an_embedded_one_is_a_text_within_a_text(sfcb: Server) -> None:
    found = good(sfcb, "nested")
    for text in (found.value("S_embedded"), *found.value("A_embedded")):
        event = read_instance_text(text)
        assert event.class_name == EVENT
        inner = event.values["SourceInstance"]
        assert isinstance(inner, str)
        assert read_instance_text(inner).values["Name"] == "innermost"


def test_an_instance_within_an_embedded_one_goes_there_and_back(pegasus: Server) -> None:
    inner = Instance(path=system(1), properties={"Name": ("string", "innermost")})
    event = Instance(
        path=Path(namespace="root/virt", class_name=EVENT),
        properties={"SourceInstance": ("instance", inner)},
    )
    answer = echoed(pegasus, S_embedded=("instance", event))
    assert answer.status == 0, answer.message
    found = answer.arguments["S_embedded"][1]
    assert found.path.class_name == EVENT
    assert found.value("SourceInstance").properties["Name"] == ("string", "innermost")


def test_instances_within_each_other_without_end_are_refused(pegasus: Server) -> None:
    inner = Instance(path=system(1))
    for _ in range(40):
        inner = Instance(
            path=Path(namespace="root/virt", class_name=EVENT),
            properties={"SourceInstance": ("instance", inner)},
        )
    answer = echoed(pegasus, S_embedded=("instance", inner))
    assert answer.status == 1
    assert answer.message == "the request holds more instances within instances than can be read"


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
def test_bytes_that_are_no_text_are_replaced(server: Server, text: bytes) -> None:
    answer = echoed(server, S_string=("string", text))
    assert answer.status == 0, answer.message
    assert "\ufffd" in answer.arguments["S_string"][1]


@pytest.mark.parametrize("character", [0, 0xD800, 0xFFFF, 0x20AC])
def test_characters_go_there_and_back_or_are_refused(server: Server, character: int) -> None:
    answer = echoed(server, S_char16=("char16", character))
    if answer.status:
        assert answer.status == 4, answer.message
        assert (answer.message or "").startswith("ERR_BAD_PARAMETER: S_char16: ")
    else:
        assert answer.arguments == {"S_char16": ("char16", character)}


def test_a_key_of_each_type_names_nothing_that_is_not_there(server: Server) -> None:
    for key in (("real64", math.nan), ("datetime", "20261130120001.000025+060"), ("boolean", True)):
        path = Path(namespace="root/virt", class_name=EVERYTHING, keys={"Id": key})
        answer = server.read(server.interface("instance"), "getInstance", path)
        assert answer.status in (1, 4), answer.message
        assert (answer.message or "").startswith("ERR_")
