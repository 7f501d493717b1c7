"""Versions, their differences, and the exports."""

from __future__ import annotations

import copy
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from virtcim.errormap import TABLE_VERSION, ErrorCode, rules
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.exports import export
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES
from virtcim.errormap.versions import VersionError, current, differences, read_version


def _table() -> dict[str, Any]:
    return copy.deepcopy(current())


def test_a_version_does_not_differ_from_itself() -> None:
    assert differences(current(), current()) == []
    assert differences(read_version(TABLE_VERSION), read_version("current")) == []


def test_an_exported_file_is_a_version(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(export("json"), encoding="utf-8")
    assert differences(read_version(str(path)), current()) == []


@pytest.mark.parametrize(
    ("content", "slip"),
    [
        ("root:x:0:0\n", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "parts of one are missing"),
        ('{"rules": [1]}', "parts of one are missing"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str, slip: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(VersionError, match=slip) as caught:
        read_version(str(path))
    assert str(caught.value).startswith(f"{path} is no error table")


def test_an_unknown_version_is_refused_by_name() -> None:
    with pytest.raises(VersionError, match=r"'9\.9\.9'"):
        read_version("9.9.9")


def test_a_changed_outcome_is_a_major_change() -> None:
    other = _table()
    rule = other["rules"][3]
    before, rule["err"] = (
        rule["err"],
        "ERR_SUCCESS" if rule["err"] != "ERR_SUCCESS" else "ERR_UNKNOWN",
    )
    (change,) = differences(current(), other)
    assert (change.kind, change.level, change.before, change.after) == (
        "outcome", "major", before, rule["err"],
    )  # fmt: skip


def test_a_new_rule_is_minor_and_a_lost_one_major() -> None:
    other = _table()
    removed = other["rules"].pop(3)
    (gone,) = differences(current(), other)
    (new,) = differences(other, current())
    assert (gone.rule, gone.kind, gone.level) == (removed["id"], "removed", "major")
    assert (new.rule, new.kind, new.level) == (removed["id"], "added", "minor")


def test_wording_is_a_patch_and_a_condition_major() -> None:
    other = _table()
    other["rules"][0]["note"] = "otherwise"
    other["rules"][1]["text"] = "otherwise"
    levels = {change.rule: (change.kind, change.level) for change in differences(current(), other)}
    assert levels == {
        other["rules"][0]["id"]: ("wording", "patch"),
        other["rules"][1]["id"]: ("condition", "major"),
    }


def test_another_sentence_of_a_code_is_wording() -> None:
    other = _table()
    entry = other["codes"][0]
    entry["sentence"] = "Otherwise."
    (change,) = differences(current(), other)
    assert (change.rule, change.kind, change.level, change.after) == (
        f"code {entry['id']}", "wording", "patch", "Otherwise.",
    )  # fmt: skip
    del other["codes"]
    assert {(each.kind, each.level) for each in differences(other, current())} == {
        ("wording", "patch")
    }


def test_the_gravest_change_comes_first_and_says_why() -> None:
    other = _table()
    other["rules"][0]["say"] = "Otherwise."
    other["rules"][1] |= {"text": "otherwise", "note": "It was too wide."}
    changes = differences(current(), other)
    assert [change.level for change in changes] == ["major", "patch", "patch"]
    assert changes[0].why == "It was too wide."


def test_other_weights_of_likeness_are_a_major_change() -> None:
    other = _table()
    other["likeness"] = "another hash"
    (change,) = differences(current(), other)
    assert (change.rule, change.kind, change.level) == ("likeness", "condition", "major")
    assert change.after == "hash: another hash"


def test_changed_priorities_are_a_major_change() -> None:
    other = _table()
    other["rules"][0], other["rules"][1] = other["rules"][1], other["rules"][0]
    (change,) = differences(current(), other)
    assert (change.kind, change.level) == ("order", "major")


def test_the_json_export_holds_every_rule_and_code() -> None:
    table = json.loads(export("json"))
    assert table["version"] == TABLE_VERSION
    assert [entry["err"] for entry in table["vocabulary"]] == [code.name for code in ErrorCode]
    assert {rule.id for rule in rules()} <= {entry["id"] for entry in table["rules"]}


def test_the_csv_export_has_a_row_for_every_rule() -> None:
    rows = list(csv.DictReader(io.StringIO(export("csv"))))
    assert len(rows) == len(rules()) + len(LIKENESS_RULES) + len(DEFAULTS)
    assert {row["err"] for row in rows} <= set(ErrorCode.__members__)


def test_the_markdown_export_has_a_section_for_every_code() -> None:
    text = export("markdown")
    for code in ErrorCode:
        assert f"\n## {code.name} ({int(code)})\n" in text
    table_rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(table_rows) == len(rules()) + len(LIKENESS_RULES) + len(DEFAULTS)
