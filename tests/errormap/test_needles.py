"""The quick look before a pattern never misses what the pattern would find."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.errormap import Rule, rules
from virtcim.errormap.needles import needles

_WITH_TEXT = [rule for rule in rules() if rule.text is not None]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("disk full", ("disk full",)),
        ("disk full|no space", ("disk full", "no space")),
        ("disks? full", (" full",)),
        (r"\bkvm\b .{0,60}not (?:available|supported)", ("not ",)),
        (r"(?:already|still) (?:in use|locked)", ("in use", "locked")),
        (r"(?P<file>[a-z]+)(?:busy)?", ()),
        (r"image (?!lock)", ("image ",)),
        (r"\(vif\) could", ("(vif) could",)),
        (r"[][]x|[^]\]]yy", ()),
        ("ab|cdef", ()),
        ("a{2,3}bcd", ("bcd",)),
        ("^$", ()),
    ],
)
def test_a_needle_is_what_every_match_contains(pattern: str, expected: tuple[str, ...]) -> None:
    assert needles(pattern) == expected


def test_most_patterns_need_something() -> None:
    without = [rule.id for rule in _WITH_TEXT if not rule.needles]
    assert len(without) < len(_WITH_TEXT) / 10


@pytest.mark.parametrize("rule", _WITH_TEXT, ids=lambda rule: rule.id)
def test_every_text_that_a_pattern_matches_contains_a_needle(rule: Rule) -> None:
    assert rule.text is not None

    @settings(max_examples=25, deadline=None)
    @given(st.from_regex(re.compile(rule.text.pattern)))
    def holds(text: str) -> None:
        assert not rule.needles or any(needle in text for needle in rule.needles)

    holds()
