"""Instances of providers of other people: read, made, changed, removed."""

from __future__ import annotations

from tests.cmpi.provider2.conftest import Load
from tests.cmpi.provider2.shapes import DISKS, NAMESPACE, disk
from tests.cmpi.server import Server
from tests.cmpi.words import Instance, Path, Typed
from virtcim.cim.records import StatusCode


def _instance(path: Path, **properties: Typed) -> str:
    return Instance(path=path, properties=properties).words()


def test_enumerating_gives_each_of_a_model_that_is_yielded_again(shelf: Server) -> None:
    answer = shelf.read(shelf.open(), "enumerateInstances", DISKS)
    assert answer.status == 0, answer.message
    assert [one.properties for one in answer.instances] == [
        {
            "Number": ("uint32", number),
            "Size": ("uint64", 10 * number),
            "Label": ("string", f"disk {number}"),
        }
        for number in (1, 2)
    ]
    assert [one.path for one in answer.instances] == [disk(1), disk(2)]
    assert answer.is_done


def test_names_are_those_of_the_keys(shelf: Server) -> None:
    answer = shelf.read(shelf.open(), "enumerateInstanceNames", DISKS)
    assert (answer.status, answer.paths) == (0, [disk(1), disk(2)])


def test_one_instance_is_found_in_any_case_of_its_class(shelf: Server) -> None:
    answer = shelf.read(shelf.open(), "getInstance", disk(2, "TEST_disk"))
    assert answer.status == 0, answer.message
    assert answer.instances[0].value("Size") == 20


def test_only_the_properties_that_are_asked_for_are_given(shelf: Server) -> None:
    provider = shelf.open()
    one = shelf.read(provider, "getInstance", disk(1), properties=["SIZE", "Unknown"])
    # The server itself adds the keys of the path to a new instance.
    assert set(one.instances[0].properties) == {"Number", "Size"}
    all_ = shelf.read(provider, "enumerateInstances", DISKS, properties=["label"])
    assert [set(each.properties) for each in all_.instances] == [{"Number", "Label"}] * 2


def test_values_keep_their_types(shelf: Server) -> None:
    path = Path(namespace=NAMESPACE, class_name="Test_Note", keys={"Id": ("string", "x")})
    answer = shelf.read(shelf.open(), "getInstance", path)
    assert answer.status == 0, answer.message
    found = dict(answer.instances[0].properties)
    inside, both = found.pop("Inside"), found.pop("Both")
    assert found == {
        "Id": ("string", "x"),
        "Text": ("string", 'grün "日本" \U0001f600 & <x>'),
        "Small": ("uint8", 255),
        "Low": ("sint64", -(2**63)),
        "High": ("uint64", 2**64 - 1),
        "Real": ("real32", 1.5),
        "Yes": ("boolean", True),
        "Letter": ("char16", ord("ü")),
        "Made": ("datetime", "20261130120001.000025+060"),
        "Roughly": ("datetime", "20261130******.******+060"),
        "Texts": ("array string", [("string", ""), ("string", "zwei")]),
        "Numbers": ("array uint16", [("uint16", 1), ("null uint16", None), ("uint16", 3)]),
        "Empty": ("array uint32", []),
        "Nothing": ("null datetime", None),
        "NoTexts": ("array string", None),
    }
    if inside[0] == "string":  # sfcb takes no instances as values
        assert inside[1].startswith('<INSTANCE CLASSNAME="Test_Note">')
        assert [text for _, text in both[1]] == [
            f'<INSTANCE CLASSNAME="Test_Note"><PROPERTY NAME="Text" TYPE="string">'
            f"<VALUE>{one}</VALUE></PROPERTY></INSTANCE>"
            for one in (1, 2)
        ]
    else:
        assert inside[1].properties == {"Text": ("string", "inside"), "Small": ("uint8", 1)}
        assert [one.value("Text") for _, one in both[1]] == ["1", "2"]


def test_an_instance_that_is_not_there_is_not_found(shelf: Server) -> None:
    answer = shelf.read(shelf.open(), "getInstance", disk(9))
    assert answer.status == StatusCode.NOT_FOUND
    assert "Test_Disk" in (answer.message or "")
    assert not answer.instances


def test_an_instance_is_made_changed_and_removed(shelf: Server) -> None:
    provider = shelf.open()
    new = _instance(disk(5), Number=("uint32", 5), Size=("uint64", 50), Label=("string", "fünf"))
    made = shelf.run(provider, "createInstance", DISKS.words(), "-", new)
    assert (made.status, made.paths) == (0, [disk(5)]), made.message
    changed = _instance(disk(5), Size=("uint64", 55), Label=("string", "not this"))
    answer = shelf.run(provider, "modifyInstance", disk(5).words(), "1 %53ize", changed)
    assert answer.status == 0, answer.message
    now = shelf.read(provider, "getInstance", disk(5)).instances[0]
    assert (now.value("Size"), now.value("Label")) == (55, "fünf")
    assert shelf.read(provider, "deleteInstance", disk(5)).status == 0
    assert shelf.read(provider, "getInstance", disk(5)).status == StatusCode.NOT_FOUND


def test_what_a_provider_refuses_keeps_its_status_and_text(shelf: Server) -> None:
    provider = shelf.open()
    answer = shelf.run(
        provider, "modifyInstance", disk(8).words(), "-", _instance(disk(8), Number=("uint32", 8))
    )
    assert (answer.status, answer.message) == (StatusCode.NOT_FOUND, "no disk 8: nö")
    again = _instance(disk(1), Number=("uint32", 1))
    answer = shelf.run(provider, "createInstance", DISKS.words(), "-", again)
    assert answer.status == StatusCode.ALREADY_EXISTS
    assert answer.message
    # Shelves implement neither.
    shelf_path = Path(namespace=NAMESPACE, class_name="Test_Shelf")
    words = _instance(shelf_path, Name=("string", "x"))
    answer = shelf.run(provider, "createInstance", shelf_path.words(), "-", words)
    assert answer.status == StatusCode.NOT_SUPPORTED
    answer = shelf.read(provider, "deleteInstance", shelf_path)
    assert answer.status == StatusCode.NOT_SUPPORTED
    answer = shelf.read(provider, "execQuery", shelf_path, "select * from Test_Shelf", "WQL")
    assert answer.status == StatusCode.NOT_SUPPORTED


def test_a_bug_of_a_provider_is_an_incident_and_the_next_request_is_answered(
    shelf: Server,
) -> None:
    provider = shelf.open()
    new = _instance(disk(7), Number=("uint32", 7))
    assert shelf.run(provider, "createInstance", DISKS.words(), "-", new).status == 0
    answer = shelf.read(provider, "getInstance", disk(7))
    assert answer.status == StatusCode.FAILED
    assert "incident" in (answer.message or "")
    assert "RuntimeError: a bug" in shelf.log
    assert shelf.read(provider, "getInstance", disk(1)).status == 0


def test_a_class_of_nobody_is_not_supported(shelf: Server) -> None:
    nobody = Path(namespace=NAMESPACE, class_name="Test_Nobody")
    for operation in ("enumerateInstances", "enumerateInstanceNames", "getInstance"):
        answer = shelf.read(shelf.open(), operation, nobody)
        assert answer.status == StatusCode.NOT_SUPPORTED
        assert "Test_Nobody" in (answer.message or "")


def test_sixteen_threads_are_answered_alike(shelf: Server) -> None:
    provider = shelf.open()
    how = "parallel 16 10"
    answer = shelf.command(shelf.reading(provider, "enumerateInstances", DISKS, how=how))
    assert (answer.status, answer.different) == (0, 0)


def test_an_import_that_fails_is_told_and_takes_no_others_along(flavour: str, load: Load) -> None:
    server = load(flavour, "broken.py", "shelf.py")
    provider = server.open()
    assert server.read(provider, "getInstance", disk(1)).status == 0
    elsewhere = Path(namespace=NAMESPACE, class_name="Test_Nobody")
    answer = server.read(provider, "enumerateInstances", elsewhere)
    assert answer.status == StatusCode.FAILED
    assert "broken.py cannot be loaded" in (answer.message or "")
    assert (answer.message or "").endswith("LookupError: there is no hardware: öfter")


def test_a_module_that_refuses_to_give_providers_says_why(flavour: str, load: Load) -> None:
    server = load(flavour, "unwilling.py")
    answer = server.read(server.open(), "enumerateInstances", DISKS)
    assert (answer.status, answer.message) == (StatusCode.ACCESS_DENIED, "not on this machine")


def test_a_file_that_is_not_there_is_named(flavour: str, load: Load) -> None:
    server = load(flavour, "nowhere.py")
    answer = server.read(server.open(), "enumerateInstances", DISKS)
    assert answer.status == StatusCode.FAILED
    assert "nowhere.py" in (answer.message or "")
