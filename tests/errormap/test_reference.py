"""The reference in docs/errors is that of the tables, and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from virtcim.errormap import ErrorCode, rules
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES
from virtcim.errormap.reference import pages
from virtcim.errormap.rules import SHARED, SOURCES

_DOCS = Path(__file__).parents[2] / "docs" / "errors"
_PAGES = pages()


def test_the_pages_in_docs_are_those_of_the_tables() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in _DOCS.iterdir()}
    differing = [name for name in _PAGES | found if _PAGES.get(name) != found.get(name)]
    assert differing == [], "run: virtcim errormap docs docs/errors"


def test_there_is_a_page_for_each_code_and_each_source() -> None:
    wanted = {"index.md", *(f"{code.name}.md" for code in ErrorCode)}
    assert set(_PAGES) == wanted | {f"{source}.md" for source in (*SOURCES, SHARED)}


@pytest.mark.parametrize("code", list(ErrorCode))
def test_a_page_names_every_rule_and_raw_code_that_leads_to_it(code: ErrorCode) -> None:
    page = _PAGES[f"{code.name}.md"]
    for rule in (*rules(), *LIKENESS_RULES.values(), *DEFAULTS):
        assert (f"`{rule.id}`" in page.partition("## What leads here")[2]) == (rule.err is code)
        if rule.err is code:
            assert all(f"`{raw}`" in page for raw in rule.code), rule.id


@pytest.mark.parametrize("source", [*SOURCES, SHARED])
def test_a_source_page_names_every_code_and_rule_of_the_source(source: str) -> None:
    page = _PAGES[f"{source}.md"]
    for rule in rules():
        if rule.source == source:
            assert f"`{rule.id}`" in page
            assert all(f"`{raw}`" in page for raw in rule.code), rule.id


def test_every_link_leads_to_a_page_and_every_row_has_its_cells() -> None:
    for name, text in _PAGES.items():
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target in _PAGES or (_DOCS / target).resolve().is_file(), (name, target)
        width = 0
        for line in text.splitlines():
            if not line.startswith("|"):
                width = 0
                continue
            cells = len(re.findall(r"(?<!\\)\|", line))
            width = width or cells
            assert cells == width, (name, line)
