"""A released version never changes, and a changed table has another version."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from virtcim.errormap import TABLE_VERSION, versions
from virtcim.errormap.versions import (
    RELEASES,
    Change,
    VersionError,
    canonical,
    current,
    differences,
    known_versions,
    newest_release,
    next_version,
    read_version,
    release,
    unversioned,
)


def _table() -> dict[str, Any]:
    return copy.deepcopy(current())


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for releases of our own, with the present table as the only one."""
    monkeypatch.setattr(versions, "RELEASES", tmp_path)
    release()
    return tmp_path


def test_the_present_table_differs_from_the_newest_release_only_as_its_version_says() -> None:
    assert unversioned(current()) == []


def test_a_release_is_canonical_and_named_after_its_version() -> None:
    for path in RELEASES.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        table = json.loads(text)
        assert table["version"] == path.stem
        assert text == canonical(table)
        assert differences(read_version(path.stem), table) == []


def _other_outcome(table: dict[str, Any]) -> None:
    table["rules"][5]["err"] = "ERR_SUCCESS"


def _other_condition(table: dict[str, Any]) -> None:
    table["rules"][5]["text"] = "something else"


def _other_order(table: dict[str, Any]) -> None:
    table["rules"][0], table["rules"][1] = table["rules"][1], table["rules"][0]


def _rule_gone(table: dict[str, Any]) -> None:
    del table["rules"][5]


def _other_group(table: dict[str, Any]) -> None:
    table["operations"]["boot"] = "nothing"


def _other_status(table: dict[str, Any]) -> None:
    table["vocabulary"][2]["cim_status"] = 8


def _new_rule(table: dict[str, Any]) -> None:
    table["rules"].append({**table["rules"][0], "id": "xapi.new", "since": "9.0.0"})


def _other_note(table: dict[str, Any]) -> None:
    table["rules"][5]["note"] = "otherwise"


def _other_sentence(table: dict[str, Any]) -> None:
    table["vocabulary"][2]["sentence"] = "Otherwise."


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        (_other_outcome, "2.0.0"),
        (_other_condition, "2.0.0"),
        (_other_order, "2.0.0"),
        (_rule_gone, "2.0.0"),
        (_other_group, "2.0.0"),
        (_other_status, "2.0.0"),
        (_new_rule, "1.1.0"),
        (_other_note, "1.0.1"),
        (_other_sentence, "1.0.1"),
    ],
)
def test_a_change_without_its_version_is_found(
    released: Path, change: Callable[[dict[str, Any]], None], needed: str
) -> None:
    table = _table()
    table["version"] = "1.0.0"
    (released / f"{TABLE_VERSION}.json").write_text(canonical(table))
    (released / f"{TABLE_VERSION}.json").rename(released / "1.0.0.json")
    change(table)
    (slip,) = unversioned(table)
    assert f"need version {needed}" in slip
    table["version"] = needed
    assert unversioned(table) == []
    assert all(changed.expect for changed in differences(read_version("1.0.0"), table))


def test_a_new_rule_must_not_say_that_it_was_there_before(released: Path) -> None:
    table = _table()
    table["rules"].append({**table["rules"][0], "id": "xapi.new"})
    table["version"] = "99.0.0"
    (slip,) = unversioned(table)
    assert "xapi.new" in slip
    assert "since" in slip


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([], "1.2.3"),
        (["patch"], "1.2.4"),
        (["patch", "minor"], "1.3.0"),
        (["minor", "major", "patch"], "2.0.0"),
    ],
)
def test_the_greatest_change_moves_the_version(levels: list[str], expected: str) -> None:
    changes = [Change(rule="xapi.a", kind="wording", level=level) for level in levels]
    assert next_version("1.2.3", changes) == expected


def test_the_newest_release_is_that_with_the_greatest_version(released: Path) -> None:
    for version in ("1.0.9", "1.0.10", "0.20.0"):
        (released / f"{version}.json").write_text("{}")
    assert newest_release() == max(TABLE_VERSION, "1.0.10", key=_numbers)
    assert known_versions()[0] == "current"
    assert sorted(known_versions()[1:], key=_numbers) == known_versions()[1:]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_a_version_is_released_once(released: Path) -> None:
    frozen = released / f"{TABLE_VERSION}.json"
    assert frozen.read_text(encoding="utf-8") == canonical(current())
    with pytest.raises(VersionError, match="released already"):
        release()


def test_a_released_version_is_read_as_it_was_frozen(released: Path) -> None:
    table = _table()
    table["rules"][0]["note"] = "as it was"
    (released / f"{TABLE_VERSION}.json").write_text(canonical(table))
    (change,) = differences(read_version(TABLE_VERSION), read_version("current"))
    assert change.kind == "wording"


def test_the_first_version_is_released() -> None:
    assert "1.0.0" in known_versions()
