"""The compiled copies of the tables say what the tables say, or are not used."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from virtcim.errormap import compiled
from virtcim.errormap.compiled import SUFFIX, checked, compile_tables, content, tables
from virtcim.errormap.operations import PATTERNS, groups_of
from virtcim.errormap.patterns import later
from virtcim.errormap.rules import SHARED, SOURCES, _made, parse

_PACKAGE = Path(compiled.__file__).parent


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The tables of the package in a folder of their own, compiled there."""
    for path in tables():
        target = tmp_path / path.relative_to(_PACKAGE)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    assert len(compile_tables(tmp_path)) == len(list(tables())) > 20
    return tmp_path


def test_the_rules_of_a_copy_are_those_of_its_table(copied: Path) -> None:
    for source in (*SOURCES, SHARED):
        path = copied / "tables" / f"{source}.toml"
        copy = checked(path)
        assert copy is not None
        made = tuple(_made(entry, source, entry["needles"]) for entry in copy["rule"])
        assert made == parse(path.read_text(encoding="utf-8"), source)


def test_needles_of_evidence_are_in_whatever_its_patterns_find(copied: Path) -> None:
    copy = checked(copied / "reading" / "evidence.toml")
    assert copy is not None
    assert any(row["needles"].get("words") for row in copy["evidence"])
    cases = (Path(__file__).parent / "cases").glob("*.jsonl")
    text = "\n".join(path.read_text(encoding="utf-8").lower() for path in cases)
    for row in copy["evidence"]:
        for kind, needed in row["needles"].items():
            for found in re.finditer(row[kind], text) if needed else ():
                assert any(needle in found[0] for needle in needed), (row["object"], found[0])


def test_what_has_no_operation_is_in_the_group_that_no_pattern_gives() -> None:
    assert not [name for name, pattern in PATTERNS.items() if re.fullmatch(pattern, "")]
    assert groups_of("") == frozenset(("@change",))


def test_what_is_compiled_already_is_left_alone(copied: Path) -> None:
    assert compile_tables(copied) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table, copy: copy.unlink(),
        lambda table, copy: copy.write_text("[", encoding="utf-8"),
        lambda table, copy: copy.write_text("[]", encoding="utf-8"),
        lambda table, copy: copy.write_text('{"of": "other", "content": {}}', encoding="utf-8"),
        lambda table, copy: copy.write_bytes(b"\xff\xfe"),
        lambda table, copy: table.write_text(
            table.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8"
        ),
    ],
)
def test_a_copy_that_is_not_of_the_table_is_passed_over(copied: Path, spoil: object) -> None:
    table = copied / "codes" / "xend.toml"
    before = content(table)
    assert callable(spoil)
    spoil(table, Path(f"{table}{SUFFIX}"))
    assert checked(table) is None
    assert content(table) == before


def test_a_copy_made_with_other_needles_is_passed_over(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_program", lambda: b"another program")
    assert checked(copied / "tables" / "xapi.toml") is None


def test_a_copy_is_json_that_says_what_it_is_of(copied: Path) -> None:
    table = copied / "tables" / "text.toml"
    copy = json.loads(Path(f"{table}{SUFFIX}").read_bytes())
    assert set(copy) == {"of", "content"}
    assert copy["of"] == compiled.mark(table.read_bytes())


def test_a_pattern_that_is_compiled_later_is_the_same_pattern() -> None:
    one = later(r"(?P<file>a+)b", re.IGNORECASE)
    match = one.search("xAAb")
    assert match is not None
    assert match["file"] == "AA"
    assert one.fullmatch("aab") is not None
    assert one.sub("-", "aabx") == "-x"
    assert one.pattern == r"(?P<file>a+)b"
    assert dict(one.groupindex) == {"file": 1}
    assert one == later(r"(?P<file>a+)b", re.IGNORECASE)
    assert one != later(r"(?P<file>a+)b")
    assert hash(one) == hash(later(r"(?P<file>a+)b", re.IGNORECASE))
    with pytest.raises(re.error):
        later("(").search("x")
