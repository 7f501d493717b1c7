"""Text inside XML: it never breaks a document, and comes back as it was where XML can carry it."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from virtcim.cim.cimxml.escape import escape, escape_attribute


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_any_text_becomes_well_formed_xml_that_keeps_what_xml_can_carry(text: str) -> None:
    read = ElementTree.fromstring(f'<V A="{escape(text)}">{escape(text)}</V>').text or ""
    assert len(read) == len(text)
    for came, went in zip(read, text, strict=True):
        impossible = (went < " " and went not in "\t\n") or went in "\ufffe\uffff"
        assert came != went if impossible else came == went


def test_control_characters_become_visible() -> None:
    assert escape("a\x00b\x1bc\ud800d\uffff") == "a\u2400b\u241bc\ufffdd\ufffd"


def test_a_carriage_return_survives_the_reader() -> None:
    written = escape("a\r\nb")
    assert ElementTree.fromstring(f"<V>{written}</V>").text == "a\r\nb"


@given(st.text(alphabet="\t\n\r <>&'\"aü"))
def test_an_attribute_keeps_its_line_ends_and_tabs(text: str) -> None:
    assert ElementTree.fromstring(f'<V A="{escape_attribute(text)}"/>').get("A") == text
