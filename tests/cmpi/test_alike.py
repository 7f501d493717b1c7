"""Associations and names that are alike come to the server as if each were by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as File

import pytest

from tests.cmpi.conftest import FLAVOURS, Serve
from tests.cmpi.linked_hosts import CLASS
from tests.cmpi.server import Answer
from tests.cmpi.words import Path

WHERE = Path(namespace="root/virt", class_name=CLASS)
SOME = Path(namespace="root/virt", class_name="VirtCIM_ComputerSystem", keys={})
# More than the bytes of the blocks that are damaged.
PLACES = 2000

Ask = Callable[[str], Answer]


@pytest.fixture
def both(serve: Serve, another_library: Callable[..., File]) -> Callable[[str], tuple[Ask, Ask]]:
    """What asks a server to which those that are alike are given together, and one by one."""

    def ask_of(host: str, flavour: str) -> Ask:
        server = serve(flavour)
        server.load(another_library(host=f"tests.cmpi.linked_hosts:{host}"))
        kinds = {"enumerateInstances": "instance", "enumerateInstanceNames": "instance"}

        def ask(operation: str, *properties: str) -> Answer:
            provider = server.interface(kinds.get(operation, "association"))
            texts = [None] * (0 if operation in kinds else 2 if operation == "references" else 4)
            where = WHERE if operation in kinds else SOME
            return server.read(provider, operation, where, *texts, properties=properties or None)

        return ask

    return lambda flavour: (ask_of("linked", flavour), ask_of("plainly", flavour))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_is_alike_comes_as_if_by_itself(
    both: Callable[[str], tuple[Ask, Ask]], flavour: str
) -> None:
    alike, one_by_one = both(flavour)
    for operation in ("enumerateInstances", "references"):
        found, expected = alike(operation), one_by_one(operation)
        assert (found.status, found.is_done) == (0, True), found.message
        assert len(found.instances) > 9000
        assert found.instances == expected.instances
    for operation in ("enumerateInstanceNames", "associatorNames"):
        found, expected = alike(operation), one_by_one(operation)
        assert (found.status, found.is_done) == (0, True), found.message
        assert len(found.paths) > 9000
        assert found.paths == expected.paths
    for properties in (("IsDefault",), ("SettingData", "IsNext"), ("managedelement",)):
        found = alike("enumerateInstances", *properties)
        assert found.instances == one_by_one("enumerateInstances", *properties).instances


@pytest.mark.parametrize("damage", ["cut", "change"])
def test_a_damaged_block_ends_one_request_and_no_more(
    serve: Serve, another_library: Callable[..., File], damage: str
) -> None:
    server = serve("Pegasus", VIRTCIM_DAMAGE=damage)
    server.load(another_library(host="tests.cmpi.linked_hosts:damaged"))
    server.command("count 1")
    provider = server.interface("instance")
    operations = ("enumerateInstances", "enumerateInstanceNames")
    answers = [server.read(provider, operations[at % 2], WHERE) for at in range(PLACES)]
    assert {one.status for one in answers} <= {0, 1}
    assert any("a block is damaged" in (one.message or "") for one in answers)
