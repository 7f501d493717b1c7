"""The association interface over the real providers, with all of its filters."""

from __future__ import annotations

import pytest

from tests.cmpi.paths import system
from tests.cmpi.server import Server
from tests.cmpi.words import Path, value_of

SETTINGS = "VirtCIM_VirtualSystemSettingData"
DEFINES = "VirtCIM_SettingsDefineState"


def names(paths: list[Path]) -> set[str | None]:
    return {one.class_name for one in paths}


def test_what_is_around_an_instance(server: Server) -> None:
    provider = server.interface("association")
    answer = server.read(provider, "associators", system(1), None, None, None, None)
    paths = server.read(provider, "associatorNames", system(1), None, None, None, None)
    assert (answer.status, paths.status) == (0, 0)
    assert SETTINGS in names(paths.paths)
    key = str
    assert sorted(map(key, paths.paths)) == sorted(str(one.path) for one in answer.instances)


@pytest.mark.parametrize(
    "filters",
    [
        (DEFINES, None, None, None),
        (None, SETTINGS, "ManagedElement", None),
        (DEFINES, "CIM_SettingData", None, "SettingData"),
        ("CIM_SettingsDefineState", SETTINGS, "ManagedElement", "SettingData"),
    ],
)
def test_each_filter_of_associators(server: Server, filters: tuple[str | None, ...]) -> None:
    provider = server.interface("association")
    answer = server.read(provider, "associators", system(1), *filters)
    assert names([one.path for one in answer.instances]) == {SETTINGS}
    assert all("ElementName" in one.properties for one in answer.instances)


@pytest.mark.parametrize(
    "filters",
    [
        (DEFINES, "CIM_ComputerSystem", None, None),
        (DEFINES, None, "SettingData", None),
        (DEFINES, None, None, "ManagedElement"),
        ("VirtCIM_HostedService", SETTINGS, None, None),
    ],
)
def test_filters_that_let_nothing_through(server: Server, filters: tuple[str | None, ...]) -> None:
    provider = server.interface("association")
    answer = server.read(provider, "associatorNames", system(1), *filters)
    assert (answer.status, answer.paths, answer.is_done) == (0, [], True)


def test_references(server: Server) -> None:
    provider = server.interface("association")
    answer = server.read(provider, "references", system(1), DEFINES, "ManagedElement")
    (found,) = answer.instances
    assert found.path.class_name == DEFINES
    assert found.properties["ManagedElement"] == ("reference", system(1))
    assert value_of(found.path.keys["SettingData"]).class_name == SETTINGS
    paths = server.read(provider, "referenceNames", system(1), DEFINES, "ManagedElement").paths
    assert paths == [found.path]
    other = server.read(provider, "referenceNames", system(1), DEFINES, "SettingData")
    assert other.paths == []


def test_an_association_is_read_by_its_path(server: Server) -> None:
    provider = server.interface("association")
    (path,) = server.read(provider, "referenceNames", system(1), DEFINES, None).paths
    answer = server.read(server.interface("instance"), "getInstance", path)
    assert answer.status == 0, answer.message
    assert answer.instances[0].path == path


def test_properties_of_associators(server: Server) -> None:
    provider = server.interface("association")
    filters = (DEFINES, SETTINGS, None, None)
    answer = server.read(provider, "associators", system(1), *filters, properties=["ElementName"])
    assert sorted(answer.instances[0].properties) == ["ElementName", "InstanceID"]


@pytest.mark.parametrize("operation", ["associators", "associatorNames"])
def test_a_class_that_is_not_there(server: Server, operation: str) -> None:
    provider = server.interface("association")
    answer = server.read(provider, operation, system(1), "No_Such", None, None, None)
    assert answer.status == 4
    assert server.read(provider, operation, system(999), None, None, None, None).status == 6
