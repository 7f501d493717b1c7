"""Each claim of docs/security.md names a test that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"\| (?P<against>[^|]*) ?\| (?P<claim>[^|]+) \| `(?P<test>[^`|]+)` \|")


def _rows() -> list[tuple[str, str]]:
    text = (_ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    section = text.partition("\n## Threats, claim by claim\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    found = [_ROW.fullmatch(line) for line in lines]
    unread = [line for line, row in zip(lines, found, strict=True) if row is None]
    assert unread == []
    return [(row["claim"], row["test"]) for row in found if row is not None]


def _names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_claim_names_a_test_that_there_is() -> None:
    rows = _rows()
    assert len(rows) > 40
    unknown = []
    for claim, test in rows:
        file, _, name = test.partition("::")
        path = _ROOT / file
        if not path.is_file() or name not in _names(path):
            unknown.append((claim, test))
    assert unknown == []


def test_no_test_stands_for_two_claims() -> None:
    tests = [test for _, test in _rows()]
    assert sorted(set(tests)) == sorted(tests)
