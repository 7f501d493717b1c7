"""A server may call its interop namespace by another name than we do."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtcim.cim.records import ObjectPath
from virtcim.cimserver.declarations import Declarations
from virtcim.cmpi.host import read_settings
from virtcim.cmpi.reading import BlockReader
from virtcim.cmpi.writing import BlockWriter
from virtcim.mof import load_schema

_OF_SERVER = "root/PG_InterOp"
_PROFILE = ObjectPath(
    "VirtCIM_RegisteredProfile", {"InstanceID": "VirtCIM:1"}, namespace="root/interop"
)


@pytest.fixture(scope="module")
def declarations() -> Declarations:
    return Declarations(load_schema())


def test_a_path_leaves_with_the_name_of_the_server_and_comes_with_ours(
    declarations: Declarations,
) -> None:
    block = BlockWriter(declarations, embeds=True, interop=_OF_SERVER).path(_PROFILE)
    assert BlockReader(block).path().namespace == _OF_SERVER
    assert BlockReader(block, _OF_SERVER.lower()).path() == _PROFILE


def test_a_reference_within_an_instance_has_the_name_of_the_server(
    declarations: Declarations,
) -> None:
    link = ObjectPath(
        "VirtCIM_ReferencedProfile",
        {"Antecedent": _PROFILE, "Dependent": _PROFILE},
        namespace="root/interop",
    )
    block = BlockWriter(declarations, embeds=True, interop=_OF_SERVER).path(link)
    assert block.count(_OF_SERVER.encode()) == 3
    assert b"root/interop" not in block


def test_other_namespaces_keep_their_names(declarations: Declarations) -> None:
    path = ObjectPath("VirtCIM_MemoryPool", {"InstanceID": "1"}, namespace="root/virt")
    block = BlockWriter(declarations, embeds=True, interop=_OF_SERVER).path(path)
    assert BlockReader(block, _OF_SERVER).path() == path


def test_where_nothing_is_said_the_names_are_the_same(
    declarations: Declarations, tmp_path: Path
) -> None:
    settings = tmp_path / "library.conf"
    settings.write_text("executable=/usr/bin/python3\n")
    assert read_settings(settings).interop == ""
    block = BlockWriter(declarations, embeds=True).path(_PROFILE)
    assert BlockReader(block).path() == _PROFILE
    settings.write_text(f"executable=/usr/bin/python3\ninterop={_OF_SERVER}\n")
    assert read_settings(settings).interop == _OF_SERVER
