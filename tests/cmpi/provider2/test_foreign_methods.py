"""Methods of providers of other people, in both forms that there are."""

from __future__ import annotations

from tests.cmpi.provider2.shapes import DISKS, NAMESPACE, SHELF, disk
from tests.cmpi.server import Server
from tests.cmpi.words import Instance, Path, Typed
from virtcim.cim.records import StatusCode


def test_a_method_gives_its_value_and_its_parameters(shelf: Server) -> None:
    provider = shelf.open("method")
    given: dict[str, Typed] = {"Size": ("uint64", 2**63), "unit": ("string", "Bücher")}
    answer = shelf.invoke(provider, disk(1), "ReSize", given, principal="wer")
    assert answer.status == 0, answer.message
    assert answer.data == [("uint32", 0)]
    assert answer.arguments == {
        "before": ("uint64", 10),
        "unit": ("string", "Bücher"),
        "who": ("string", "wer"),
    }
    # What is NULL is not given.
    answer = shelf.invoke(provider, disk(1), "resize", {"Size": ("uint64", 1)})
    assert answer.arguments["before"] == ("uint64", 2**63)
    assert set(answer.arguments) == {"before", "who"}


def test_parameters_come_with_their_types_and_go_back(shelf: Server) -> None:
    inside = Instance(
        path=Path(namespace=NAMESPACE, class_name="Test_Note"),
        properties={"Text": ("string", "ä"), "N": ("uint8", 3)},
    )
    given: dict[str, Typed] = {
        "a": ("uint8", 255),
        "b": ("sint16", -3),
        "c": ("boolean", True),
        "d": ("datetime", "00000003010000.000000:000"),
        "e": ("array uint32", [("uint32", 1), ("uint32", 2)]),
        "f": ("reference", disk(1)),
        "g": ("real64", -1e300),
        "h": ("array string", [("string", "ü"), ("null string", None)]),
        "i": ("instance", inside),
    }
    answer = shelf.invoke(shelf.open("method"), DISKS, "Echo", given)
    assert answer.status == 0, answer.message
    assert answer.data == [("string", "Echo")]
    back = dict(answer.arguments)
    assert back.pop("on") == ("string", "CIMClassName")
    assert [text for _, text in back.pop("types")[1]] == [
        *("a: Uint8", "b: Sint16", "c: bool", "d: CIMDateTime", "e: list", "f: CIMInstanceName"),
        *("g: Real64", "h: list", "i: CIMInstance"),
    ]
    kind, value = back.pop("i")
    if kind == "string":
        assert '<PROPERTY NAME="N" TYPE="uint8"><VALUE>3</VALUE></PROPERTY>' in value
    else:
        assert value.properties == inside.properties
    del given["i"]
    assert back == given


def test_a_provider_asks_others_and_gives_instances_within_instances(shelf: Server) -> None:
    provider = shelf.open("method")
    answer = shelf.invoke(provider, DISKS, "describe", {"Disk": ("reference", disk(2))})
    assert answer.status == 0, answer.message
    kind, note = answer.arguments["note"]
    if kind == "instance":
        assert note.properties["Disk"] == ("reference", disk(2))
        assert note.value("Inside").value("Size") == 20
        assert [one.value("Text") for _, one in answer.arguments["notes"][1]] == ["inside"] * 2
    else:
        assert "Size" in note
        assert len(answer.arguments["notes"][1]) == 2


def test_what_nobody_serves_here_cannot_be_asked_for(shelf: Server) -> None:
    provider = shelf.open("method")
    answer = shelf.invoke(provider, DISKS, "upcall", {"Class": ("string", "Test_Disk")})
    assert (answer.status, answer.data) == (0, [("uint32", 2)])
    answer = shelf.invoke(provider, DISKS, "upcall", {"Class": ("string", "CIM_Nobody")})
    assert answer.status == StatusCode.NOT_SUPPORTED


def test_the_server_is_asked_for_subclasses(shelf: Server) -> None:
    provider = shelf.open("method")
    answer = shelf.invoke(provider, DISKS, "ancestors", {"Of": ("string", "Test_Disk")})
    assert answer.data == [("boolean", True)]
    answer = shelf.invoke(provider, DISKS, "ancestors", {"Of": ("string", "Test_Shelf")})
    assert answer.data == [("boolean", False)]


def test_methods_fail_by_name(shelf: Server) -> None:
    provider = shelf.open("method")
    answer = shelf.invoke(provider, SHELF, "Resize", {})
    assert answer.status == StatusCode.METHOD_NOT_FOUND
    answer = shelf.invoke(provider, disk(1), "Resize", {})
    assert answer.status == StatusCode.INVALID_PARAMETER
    assert "param_size" in (answer.message or "")
    answer = shelf.invoke(provider, disk(1), "Resize", {"Sighs": ("uint64", 1)})
    assert answer.status == StatusCode.INVALID_PARAMETER
    answer = shelf.invoke(provider, DISKS, "Resize", {"Size": ("uint64", 1)})
    assert (answer.status, answer.message) == (StatusCode.INVALID_PARAMETER, "which disk?")
    answer = shelf.invoke(provider, disk(99), "Resize", {"Size": ("uint64", 1)})
    assert answer.status == StatusCode.FAILED
    assert "KeyError" in (answer.message or "")
