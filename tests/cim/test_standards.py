"""Every clause of a DMTF document that the sources cite is in the one table, and no other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtcim.cim.standards import STANDARDS

_ROOT = Path(__file__).parents[2]
_TABLES = ("cim/standards.py", "tests/cim/test_standards.py")
_BUILT = ("build", "dist")
_SUFFIXES = (".py", ".md", ".mof", ".toml")
# Between titles a citation may go over the end of a line, also of a comment.
_GAP = r"(?:\s|#|\*|//)+"
_TITLE = r'"[^"\n]+"'
_CITATION = re.compile(
    rf"(?P<document>DSP[0-9]{{4}}) (?P<titles>{_TITLE}(?:(?:,| and|, and){_GAP}{_TITLE})*)"
)
# What nobody has checked, and what is wrong in the next version. Two numbers are a version.
_NUMBERED = re.compile(
    rf"DSP[0-9]{{4}}(?:{_GAP}|,\s+)"
    r"(?:(?:sub)?clauses?|sections?|annex|tables?|chapter|§|(?=[0-9]+\.[0-9]+\.))"
    r"\s*(?:[0-9]+(?:\.[0-9]+)*|[A-Z]\b)",
    re.IGNORECASE,
)


def citations(text: str) -> Iterator[tuple[str, str]]:
    """The documents and the titles of their clauses that a text cites."""
    for found in _CITATION.finditer(text):
        for title in re.findall(_TITLE, found["titles"]):
            yield found["document"], title.strip('"')


def _sources() -> Iterator[Path]:
    tops = [one for one in _ROOT.iterdir() if not one.name.startswith(".")]
    for top in (one for one in tops if one.name not in _BUILT):
        for path in (top, *top.rglob("*")):
            relative = path.relative_to(_ROOT)
            if relative.as_posix() not in _TABLES and path.suffix in _SUFFIXES and path.is_file():
                yield path


def test_the_clauses_that_are_cited_are_those_of_the_table() -> None:
    cited: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for path in _sources():
        for document, title in citations(path.read_text()):
            cited[document][title] = path.relative_to(_ROOT).as_posix()
    assert sorted(cited) == sorted(STANDARDS)
    for document, standard in STANDARDS.items():
        unknown = {
            title: place
            for title, place in cited[document].items()
            if title not in standard.clauses
        }
        assert not unknown, f"{document} {standard.version} {standard.title}"
        assert sorted(standard.clauses) == sorted(cited[document]), document


def test_no_clause_is_cited_by_a_number() -> None:
    numbered = {
        path.relative_to(_ROOT).as_posix(): found[0]
        for path in _sources()
        if (found := _NUMBERED.search(path.read_text()))
    }
    assert not numbered


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('(DSP0200 "GetInstance")', [("DSP0200", "GetInstance")]),
        (
            'DSP0200 "GetInstance", "DeleteInstance" and "References".',
            [("DSP0200", title) for title in ("GetInstance", "DeleteInstance", "References")],
        ),
        (
            '# DSP0201 "VALUE",\n# "INSTANCE"',
            [("DSP0201", "VALUE"), ("DSP0201", "INSTANCE")],
        ),
        ('("CIM_A",  # DSP1057\n "CIM_B")', []),
        ("DSP0200 over HTTP, DSP0004 2.7 and DSP0201 2.4, in others", []),
    ],
)
def test_citations_are_found_however_they_are_written(
    text: str, found: list[tuple[str, str]]
) -> None:
    assert list(citations(text)) == found


@pytest.mark.parametrize(
    ("text", "is_numbered"),
    [
        ("(DSP0200 clause 5.4.2.2)", True),
        ("DSP0200 clauses 5.4.2.2 and 7.5.", True),
        ("DSP0200\n    # section 7", True),
        ("DSP0004 annex A", True),
        ("DSP0004, Annex C", True),
        ("DSP0200 table 2", True),
        ("DSP0200 5.4.2", True),
        ("DSP0004 2.7 and DSP0201 2.4", False),
        ('DSP0004 "Units"', False),
        ("RFC 2616 clause 14.4, which DSP0200 takes", False),
    ],
)
def test_numbers_of_clauses_are_found_however_they_are_written(
    text: str, is_numbered: bool
) -> None:
    assert bool(_NUMBERED.search(text)) == is_numbered


def test_a_document_is_cited_in_one_version() -> None:
    for standard in STANDARDS.values():
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", standard.version)
        assert standard.title
        assert all(standard.clauses)
