"""Every clause of a DMTF document that the sources cite is in the one table, and no other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtcim.cim.standards import STANDARDS

_ROOT = Path(__file__).parents[2]
_TABLE = "cim/standards.py"
_BUILT = ("build", "dist")
_SUFFIXES = (".py", ".md", ".mof", ".toml")
_DOCUMENTS = "|".join(STANDARDS)
_NUMBER = r"(?:[0-9]+(?:\.[0-9]+)*|[A-Z]\b)"
# A citation may go over the end of a line. A bare number is one with its word forgotten, unless it
# is the document's version.
_CITATION = re.compile(
    rf"(?P<document>{_DOCUMENTS})(?:\s|#|\*)+(?P<kind>clauses?|annex|tables?|sections?|(?=[0-9]+\.[0-9]+\.))"
    rf"\s*(?P<numbers>{_NUMBER}(?:(?:,| and|, and)\s+{_NUMBER})*)"
)


def citations(text: str) -> Iterator[tuple[str, str]]:
    """The documents and clauses that a text cites; what is not written as agreed, as it stands."""
    for found in _CITATION.finditer(text):
        for number in re.findall(_NUMBER, found["numbers"]):
            kind = found["kind"].rstrip("s")
            clause = number if kind == "clause" else f"{kind} {number}".strip()
            yield found["document"], clause if kind else f"(no word) {number}"


def _sources() -> Iterator[Path]:
    tops = [one for one in _ROOT.iterdir() if not one.name.startswith(".")]
    for top in (one for one in tops if one.name not in _BUILT):
        for path in (top, *top.rglob("*")):
            relative = path.relative_to(_ROOT)
            is_citing = relative.as_posix() != _TABLE and relative.parts[:2] != ("tests", "cim")
            if is_citing and path.suffix in _SUFFIXES and path.is_file():
                yield path


def test_the_clauses_that_are_cited_are_those_of_the_table() -> None:
    cited: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for path in _sources():
        for document, clause in citations(path.read_text()):
            cited[document][clause] = path.relative_to(_ROOT).as_posix()
    for document, standard in STANDARDS.items():
        unknown = {
            clause: place
            for clause, place in cited[document].items()
            if clause not in standard.clauses
        }
        assert not unknown, f"{document} {standard.version} {standard.title}"
        assert sorted(standard.clauses) == sorted(cited[document]), document


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(DSP0200 clause 5.4.2.2)", [("DSP0200", "5.4.2.2")]),
        (
            "DSP0200 clauses 5.4.2.2, 5.4.2.4 and 7.5.",
            [("DSP0200", "5.4.2.2"), ("DSP0200", "5.4.2.4"), ("DSP0200", "7.5")],
        ),
        ("DSP0200\n    clause 7", [("DSP0200", "7")]),
        ("DSP0004 annex A", [("DSP0004", "annex A")]),
        ("DSP0200 table 2", [("DSP0200", "table 2")]),
        ("DSP0200 5.4.2", [("DSP0200", "(no word) 5.4.2")]),
        ("DSP0200 over HTTP, DSP0004 2.7 and DSP0201 2.4, in others", []),
    ],
)
def test_citations_are_found_however_they_are_written(
    text: str, found: list[tuple[str, str]]
) -> None:
    assert list(citations(text)) == found


def test_a_clause_stands_below_one_of_its_document() -> None:
    for standard in STANDARDS.values():
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", standard.version)
        for clause, title in standard.clauses.items():
            assert re.fullmatch(r"[5-8](\.[0-9]+)*|annex [A-Z]", clause)
            assert title
