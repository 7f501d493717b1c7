"""The instance interface, through both servers' tables of functions."""

from __future__ import annotations

import math
from pathlib import Path as File

import pytest

from tests.cim.everything import EVERYTHING
from tests.cmpi.conftest import Serve
from tests.cmpi.paths import of_class, one, system
from tests.cmpi.server import Server
from tests.cmpi.words import Instance, Path, Typed, value_of
from virtcim.cim.instance_text import read_instance_text

SCALARS: dict[str, Typed] = {
    **{f"uint{bits}": (f"uint{bits}", 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"sint{bits}": (f"sint{bits}", -(2 ** (bits - 1))) for bits in (8, 16, 32, 64)},
    "boolean": ("boolean", True),
    "string": ("string", 'grün "日本" \U0001f600 & <x>'),
    "char16": ("char16", ord("ü")),
    "datetime": ("datetime", "20261130120001.000025+060"),
    "real32": ("real32", 1.5),
    "real64": ("real64", -1e300),
}
ARRAYS = {
    "boolean": [True, False],
    "string": ["", "zwei", "drei"],
    "datetime": ["00000003010000.000000:000", "20260101000000.000000+000"],
    "real64": [0.0, math.inf],
    "real32": [],
    "char16": [ord("a"), ord("z")],
    **{f"uint{bits}": [0, 2**bits - 1] for bits in (8, 16, 32, 64)},
    **{f"sint{bits}": [-1, 2 ** (bits - 1) - 1] for bits in (8, 16, 32, 64)},
}


@pytest.fixture
def whole(server: Server) -> Instance:
    answer = server.read(server.interface("instance"), "getInstance", one("id 1"))
    assert (answer.status, answer.message, answer.is_done) == (0, None, True)
    (found,) = answer.instances
    return found


@pytest.mark.parametrize("name", SCALARS)
def test_a_value_of_each_type_arrives_as_it_is(whole: Instance, name: str) -> None:
    assert whole.properties[f"S_{name}"] == SCALARS[name]


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_each_type_arrives_as_it_is(whole: Instance, name: str) -> None:
    found = whole.properties[f"A_{name}"]
    assert found[0] == f"array {name}"
    assert value_of(found) == ARRAYS[name]


def test_a_reference_is_a_path_with_its_namespace(whole: Instance) -> None:
    assert whole.properties["S_reference"] == ("reference", system(1))


def test_an_instance_knows_its_own_path(whole: Instance) -> None:
    assert whole.path == one("id 1")


def test_embedded_instances_are_objects_where_the_server_takes_them(pegasus: Server) -> None:
    (whole,) = pegasus.read(pegasus.interface("instance"), "getInstance", one("id 1")).instances
    for inner in (whole.value("S_embedded"), *whole.value("A_embedded")):
        assert inner.path == system(1)
        assert inner.properties["EnabledState"] == ("uint16", 2)
        assert inner.properties["Name"] == ("string", "inner <1>")


def test_embedded_instances_are_their_text_where_it_does_not(sfcb: Server) -> None:
    (whole,) = sfcb.read(sfcb.interface("instance"), "getInstance", one("id 1")).instances
    for inner in (whole.value("S_embedded"), *whole.value("A_embedded")):
        record = read_instance_text(inner)
        assert record.class_name == "VirtCIM_ComputerSystem"
        assert record.values["Name"] == "inner <1>"


def test_what_the_class_fills_in_is_null_where_the_instance_has_nothing(pegasus: Server) -> None:
    (whole,) = pegasus.read(pegasus.interface("instance"), "getInstance", one("id 1")).instances
    found = whole.value("S_embedded")
    # It has a value in its class, and InstallDate has none.
    assert found.properties["TransitioningToState"] == ("null uint16", None)
    assert "InstallDate" not in found.properties


def test_keys_alone(server: Server) -> None:
    provider = server.interface("instance")
    answer = server.read(provider, "enumerateInstanceNames", of_class(EVERYTHING))
    assert answer.paths == [one(f"id {number}") for number in range(3)]
    assert (answer.status, answer.instances, answer.is_done) == (0, [], True)


def test_all_instances(server: Server) -> None:
    provider = server.interface("instance")
    answer = server.read(provider, "enumerateInstances", of_class(EVERYTHING))
    assert [each.path for each in answer.instances] == [one(f"id {number}") for number in range(3)]
    assert all(each.properties["S_uint8"] == ("uint8", 255) for each in answer.instances)


def test_more_instances_than_go_in_one_piece(server: Server) -> None:
    provider = server.interface("instance")
    answer = server.read(provider, "enumerateInstances", of_class(EVERYTHING, "root/many"))
    assert (answer.status, len(answer.instances)) == (0, 503)


@pytest.mark.parametrize("operation", ["getInstance", "enumerateInstances"])
def test_a_property_list_is_kept_to(server: Server, operation: str) -> None:
    path = one("id 1") if operation == "getInstance" else of_class(EVERYTHING)
    provider = server.interface("instance")
    wanted = ["s_UINT8", "S_string", "NoSuchProperty"]
    answer = server.read(provider, operation, path, properties=wanted)
    assert answer.status == 0
    for each in answer.instances:
        # The keys are in its path, and so the server knows them.
        assert sorted(each.properties) == ["Id", "S_string", "S_uint8"]


def test_an_empty_property_list_wants_nothing(server: Server) -> None:
    provider = server.interface("instance")
    (found,) = server.read(provider, "getInstance", one("id 1"), properties=[]).instances
    assert sorted(found.properties) == ["Id"]


def test_an_instance_with_an_odd_value_costs_only_itself(server: Server) -> None:
    provider = server.interface("instance")
    answer = server.read(provider, "enumerateInstances", of_class(EVERYTHING, "root/odd"))
    assert answer.status == 0
    assert [value_of(each.path.keys["Id"]) for each in answer.instances][-2:] == ["id 2", "last"]
    assert answer.instances[-1].path.namespace == "root/odd"
    assert "256 is out of the range of uint8" in server.log


def test_what_fails_in_the_middle_fails_as_a_whole(server: Server) -> None:
    provider = server.interface("instance")
    answer = server.read(provider, "enumerateInstances", of_class(EVERYTHING, "root/broken"))
    assert answer.status == 1
    assert answer.message is not None
    assert answer.message.startswith("ERR_UNKNOWN: enumerate_instances failed unexpectedly")
    assert not answer.is_done


@pytest.mark.parametrize(
    "key",
    [("string", "TRUE"), ("boolean", True), ("sint64", 5), ("chars", "x"), ("uint64", 2**64 - 1)],
)
def test_a_key_of_any_form_becomes_what_is_declared(server: Server, key: Typed) -> None:
    path = Path(namespace="root/virt", class_name=EVERYTHING, keys={"ID": key})
    answer = server.read(server.interface("instance"), "getInstance", path)
    # It is a string, and there is none of that name.
    assert answer.status in (1, 4), answer.message


@pytest.mark.parametrize(
    "identity",
    [
        "path " + odd
        for odd in ('"', "\\", "ü\U0001f600", "a,b=c.d:e", "%s%n%s", "x" * 100_000, "\t\n")
    ],
)
def test_hostile_names_come_back_as_they_were(server: Server, identity: str) -> None:
    answer = server.read(server.interface("instance"), "getInstance", one(identity))
    assert answer.status == 0, answer.message
    assert answer.instances[0].path.keys["Id"] == ("string", identity)


def test_bytes_that_are_no_text_are_replaced(server: Server) -> None:
    path = Path(namespace="root/virt", class_name=EVERYTHING, keys={"Id": ("string", b"path \xff")})
    answer = server.read(server.interface("instance"), "getInstance", path)
    assert answer.instances[0].path.keys["Id"] == ("string", "path �")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (of_class("No_Such_Class"), 5),
        (of_class(EVERYTHING, "root/nothing/here"), 0),
        (of_class("VirtCIM_ComputerSystem", "root/nothing"), 3),
        (of_class("x" * 70_000), 5),
        (Path(namespace=None, class_name=None), 3),
        (Path(namespace="/root/virt/", class_name="virtcim_computersystem"), 0),
    ],
)
def test_any_class_and_namespace_is_answered(server: Server, path: Path, status: int) -> None:
    answer = server.read(server.interface("instance"), "enumerateInstances", path)
    assert answer.status == status, answer.message


def test_an_instance_that_is_not_there(server: Server) -> None:
    answer = server.read(server.interface("instance"), "getInstance", system(999))
    assert answer.status == 6
    assert answer.message is not None
    assert answer.message.startswith("ERR_VM_NOT_FOUND: ")


def test_an_instance_can_be_deleted_where_the_provider_allows_it(server: Server) -> None:
    provider = server.interface("instance")
    assert server.read(provider, "deleteInstance", one("id 1")).status == 0
    assert server.read(provider, "deleteInstance", system(1)).status == 7


@pytest.mark.parametrize("operation", ["createInstance", "modifyInstance"])
def test_what_methods_do_is_not_done_by_writing_instances(server: Server, operation: str) -> None:
    given = Instance(path=one("id 1"), properties={**{f"S_{n}": v for n, v in SCALARS.items()}})
    provider = server.interface("instance")
    answer = server.run(provider, operation, one("id 1").words(), "-", given.words())
    assert answer.status == 7
    assert answer.message is not None
    assert "cannot be" in answer.message


def test_queries_are_the_servers(server: Server) -> None:
    provider = server.interface("instance")
    path = of_class(EVERYTHING)
    answer = server.read(provider, "execQuery", path, "SELECT * FROM Test_Everything", "WQL")
    assert answer.status == 7


@pytest.mark.parametrize("status", [12, 13, 61])
def test_a_property_that_the_server_refuses_is_left_out(
    serve: Serve, library: File, status: int
) -> None:
    server = serve("Pegasus")
    server.load(library)
    server.command(f"refuse S_uint8 {status}")
    (found,) = server.read(server.open(), "getInstance", one("id 1")).instances
    assert "S_uint8" not in found.properties
    assert found.properties["S_uint16"] == ("uint16", 65535)
    assert f"does not take the value of S_uint8 (status {status}); it is left out" in server.log


def test_a_server_that_refuses_for_another_reason_is_quoted(serve: Serve, library: File) -> None:
    server = serve("Pegasus")
    server.load(library)
    server.command("refuse S_uint8 100")
    answer = server.read(server.open(), "getInstance", one("id 1"))
    assert (answer.status, answer.message) == (
        1,
        "ERR_OPERATION_FAILED: the CIM server refuses the value of S_uint8 with status 100",
    )
