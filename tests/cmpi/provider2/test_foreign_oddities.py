"""What providers of other people may do does no harm."""

from __future__ import annotations

from tests.cmpi.provider2.conftest import Load
from tests.cmpi.provider2.shapes import NAMESPACE, disk
from tests.cmpi.words import Path


def test_what_is_told_of_twice_is_associated_once(flavour: str, load: Load) -> None:
    server = load(flavour, "odd.py")
    answer = server.read(
        server.open("association"), "associatorNames", disk(1), None, None, None, None
    )
    assert answer.status == 0, answer.message
    assert [one.class_name for one in answer.paths] == ["Test_Far"]


def test_an_environment_that_is_kept_asks_nothing_of_a_request_that_is_over(
    flavour: str, load: Load
) -> None:
    server = load(flavour, "odd.py")
    provider = server.open("method")
    keeper = Path(namespace=NAMESPACE, class_name="Test_Keeper")
    answers = [
        server.invoke(provider, keeper, "Ask", {"Of": ("string", "Test_Disk")}).data
        for _ in range(2)
    ]
    assert answers == [[("boolean", True)], [("boolean", False)]]
