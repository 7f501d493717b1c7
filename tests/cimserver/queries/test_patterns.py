"""The patterns of LIKE, against Python's regular expressions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cimserver.queries.patterns import PatternError, matcher


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        *(("vm%", "vm-1", True), ("vm%", "a vm", False), ("%", "", True), ("", "", True)),
        *(("v_", "vm", True), ("v_", "v", False), ("[a-c]x", "bx", True), ("[^a-c]x", "bx", False)),
        *(("a.b", "a.b", True), ("a.b", "axb", False), ("[]]", "]", True), ("a\\b", "a\\b", True)),
    ],
)
def test_patterns_of_wql(pattern: str, text: str, matches: bool) -> None:
    assert matcher(pattern, cql=False)(text) is matches


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        *(
            ("vm.*", "vm-1", True),
            ("vm.*", "a vm", False),
            ("v.", "vm", True),
            ("a*b", "aab", True),
        ),
        *(
            ("a*b", "b", True),
            ("a\\*b", "a*b", True),
            ("a\\*b", "aab", False),
            ("100%", "100%", True),
        ),
        *(("[0-9]*", "2026", True), ("[0-9]*", "20x6", False), ("[^0-9]", "x", True)),
    ],
)
def test_patterns_of_cql(pattern: str, text: str, matches: bool) -> None:
    assert matcher(pattern, cql=True)(text) is matches


@pytest.mark.parametrize("pattern", ["*", "a**", "[a", "[", "a\\"])
def test_a_pattern_that_cannot_be_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        matcher(pattern, cql=True)


@given(
    st.lists(st.sampled_from(["a", "b", ".", "a*", ".*", "[ab]", "[^a]*"]), max_size=8),
    st.text("abc", max_size=8),
)
def test_cql_is_a_small_part_of_regular_expressions(places: list[str], text: str) -> None:
    pattern = "".join(places)
    assert matcher(pattern, cql=True)(text) is bool(re.fullmatch(pattern, text))


def test_no_pattern_takes_longer_than_text_and_pattern_are_long() -> None:
    # As a regular expression this would take longer than anybody lives.
    assert not matcher("a*" * 200 + "b", cql=True)("a" * 200)
