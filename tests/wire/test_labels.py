"""Labels: which characters must not be in one, and how those are shown that are."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.wire.labels import cut_to_bytes, image_label, label_fault, shown_label

# Every character that Unicode says moves the direction of what stands beside it.
BIDI = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
MARKS = "\u061c\u200e\u200f"


def test_exactly_what_hides_reorders_or_breaks_text_is_found() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        bad = (
            unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
            or unicodedata.bidirectional(character) in BIDI
            or character in MARKS
            or character in "\ufffe\uffff"
        )
        fault = label_fault(f"a{character}b")
        assert bool(fault) == bad, hex(number)
        assert not bad or fault.endswith(f", U+{number:04X}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \\ text", "plain \\ text"),
        ("two\nlines\r\x00\x7f", "two\\nlines\\r\\x00\\x7f"),
        ("c1 \x85", "c1 \\u0085"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_what_is_found_is_shown_escaped(text: str, shown: str) -> None:
    assert shown_label(text) == shown


@given(st.text(st.characters()))
def test_what_is_shown_has_no_fault(text: str) -> None:
    assert label_fault(shown_label(text)) == ""
    assert (shown_label(text) == text) == (label_fault(text) == "")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-5, 300))
def test_a_text_is_cut_between_characters(text: str, limit: int) -> None:
    cut = cut_to_bytes(text, limit)
    assert text.startswith(cut)
    assert len(cut.encode()) <= max(limit, 0)
    assert cut == text or len(text[: len(cut) + 1].encode()) > limit


@given(st.text(st.characters()))
def test_the_label_of_an_image_is_a_file_name_whatever_its_machine_is_called(name: str) -> None:
    label = image_label(name, "vda", "0123abcd")
    assert len(label.encode()) <= 255
    assert label.endswith("-vda-0123abcd")
    assert label_fault(label) == ""
