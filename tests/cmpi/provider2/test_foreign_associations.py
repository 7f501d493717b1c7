"""The four operations on associations, by what one provider's method gives."""

from __future__ import annotations

import pytest

from tests.cmpi.provider2.shapes import NAMESPACE, SHELF, disk
from tests.cmpi.server import Server
from tests.cmpi.words import Path

LINK = "Test_DiskOnShelf"


def test_associators_are_read_from_their_providers_and_those_that_are_gone_left_out(
    shelf: Server,
) -> None:
    provider = shelf.open("association")
    answer = shelf.read(provider, "associators", disk(1), LINK, None, None, None)
    assert answer.status == 0, answer.message
    assert [one.path for one in answer.instances] == [SHELF]
    answer = shelf.read(provider, "associators", SHELF, None, None, None, None, properties=["size"])
    assert [one.path for one in answer.instances] == [disk(1), disk(2)]
    assert [set(one.properties) for one in answer.instances] == [{"Number", "Size"}] * 2


def test_names_of_associators_are_not_looked_at(shelf: Server) -> None:
    provider = shelf.open("association")
    answer = shelf.read(provider, "associatorNames", disk(2), None, None, None, None)
    assert answer.status == 0, answer.message
    assert [one.keys["Name"][1] for one in answer.paths] == ["shelf ä", "gone"]
    # The association did not say where it is.
    assert {one.namespace for one in answer.paths} == {NAMESPACE}


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ((LINK, None, None, None), 2),
        ((LINK.upper(), None, None, None), 2),
        (("CIM_DiskOnShelf", None, None, None), 2),
        (("CIM_Other", None, None, None), 0),
        ((None, "Test_Shelf", None, None), 2),
        ((None, "CIM_Shelf", None, None), 2),
        ((None, "Test_Disk", None, None), 0),
        ((None, None, "DISK", None), 2),
        ((None, None, "Shelf", None), 0),
        ((None, None, None, "shelf"), 2),
        ((None, None, None, "Disk"), 0),
        ((LINK, "CIM_Shelf", "disk", "SHELF"), 2),
    ],
)
def test_filters_count(pegasus_shelf: Server, filters: tuple[str | None, ...], count: int) -> None:
    provider = pegasus_shelf.open("association")
    answer = pegasus_shelf.read(provider, "associatorNames", disk(1), *filters)
    assert (answer.status, len(answer.paths)) == (0, count), answer.message


def test_references_are_the_associations_themselves(shelf: Server) -> None:
    provider = shelf.open("association")
    answer = shelf.read(provider, "references", disk(1), None, "disk", properties=["Since"])
    assert answer.status == 0, answer.message
    assert len(answer.instances) == 2
    for one in answer.instances:
        assert one.value("Since") == "20260101000000.000000+000"
        assert one.path.class_name == LINK
        assert one.path.keys["Disk"] == ("reference", disk(1))
    answer = shelf.read(provider, "references", disk(1), LINK, "shelf")
    assert (answer.status, answer.instances) == (0, [])


def test_names_of_references_have_both_ends(shelf: Server) -> None:
    provider = shelf.open("association")
    answer = shelf.read(provider, "referenceNames", SHELF, "CIM_DiskOnShelf", None)
    assert answer.status == 0, answer.message
    assert [one.keys["Disk"] for one in answer.paths] == [
        ("reference", disk(1)),
        ("reference", disk(2)),
    ]


def test_a_server_that_cannot_tell_subclasses_has_names_compared(pegasus_shelf: Server) -> None:
    provider = pegasus_shelf.open("association")
    pegasus_shelf.command("without classPathIsA")
    answer = pegasus_shelf.read(provider, "referenceNames", disk(1), "CIM_DiskOnShelf", None)
    assert (answer.status, answer.paths) == (0, [])


def test_an_association_of_nobody_is_empty(shelf: Server) -> None:
    other = Path(namespace=NAMESPACE, class_name="Test_Other", keys={"Id": ("string", "x")})
    answer = shelf.read(shelf.open("association"), "referenceNames", other, None, None)
    assert (answer.status, answer.paths) == (0, [])
