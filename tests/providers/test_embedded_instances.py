"""Embedded instances: whatever a client sends is read, or refused by the name of its parameter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cim.instance_text import MAX_TEXT_LENGTH
from virtcim.providers import CimError, Record
from virtcim.providers.parameters.embedded import read_instance

ANY_TEXT = st.text(st.characters(codec="utf-8"))


def refusal(text: str, parameter: str) -> str:
    """Why a text is refused; empty where it is read."""
    try:
        read_instance(text, parameter)
    except CimError as refused:
        return refused.description
    return ""


@given(ANY_TEXT)
def test_any_text_is_an_instance_or_refused_by_the_name_of_the_parameter(text: str) -> None:
    refused = refusal(text, "SystemSettings")
    assert not refused or refused.startswith("ERR_BAD_PARAMETER: SystemSettings")


BOMB = (
    '<!DOCTYPE lol [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<INSTANCE CLASSNAME="C"><PROPERTY NAME="p" TYPE="string"><VALUE>&b;</VALUE></PROPERTY>'
    "</INSTANCE>"
)
EXTERNAL = (
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    '<INSTANCE CLASSNAME="C"><PROPERTY NAME="p" TYPE="string"><VALUE>&e;</VALUE></PROPERTY>'
    "</INSTANCE>"
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        EXTERNAL,
        "<a>" * 50_000,
        "<INSTANCE CLASSNAME='C'>" + "<b>" * 10_000 + "</b>" * 10_000 + "</INSTANCE>",
        "x" * (MAX_TEXT_LENGTH + 1),
        "<INSTANCE/>",
        "<INSTANCE CLASSNAME='C'/><INSTANCE CLASSNAME='D'/>",
        "<X><INSTANCE CLASSNAME='C'/><INSTANCE CLASSNAME='D'/></X>",
        "<INSTANCE CLASSNAME='C'><PROPERTY TYPE='string'/></INSTANCE>",
        "<INSTANCE CLASSNAME='C'><PROPERTY NAME='a'/><PROPERTY NAME='A'/></INSTANCE>",
        "<INSTANCE CLASSNAME='C'><PROPERTY NAME='a'><VALUE><b/></VALUE></PROPERTY></INSTANCE>",
        (
            "<INSTANCE CLASSNAME='C'><PROPERTY.REFERENCE NAME='a'><VALUE.REFERENCE/>"
            "</PROPERTY.REFERENCE></INSTANCE>"
        ),
        (
            "<INSTANCE CLASSNAME='C'><PROPERTY NAME='a' TYPE='uint8'><VALUE>256</VALUE></PROPERTY>"
            "</INSTANCE>"
        ),
        (
            "<INSTANCE CLASSNAME='C'><PROPERTY NAME='a' TYPE='boolean'><VALUE>maybe</VALUE>"
            "</PROPERTY></INSTANCE>"
        ),
        "<?xml version='1.0' encoding='utf-16'?><INSTANCE CLASSNAME='C",
        "instance of C { a = 1; a = 2; };",
        "instance of C { a = $alias; };",
        "instance of C { a = instance of D {}; };",
        "instance of C { a = {1, NULL}; };",
        "instance of C { a = 089; };",
        'instance of C { a = "\\xD800"; };',
        'instance of C { a = "unterminated; };',
        "instance of C { a = " + "9" * 100 + "; };",
        "instance of C { }; instance of D { };",
        "instance of C { a = 1 }",
        "/* never ended " + "*" * 10_000,
        "class C { };",
    ],
    ids=lambda text: text[:45],
)
def test_hostile_and_malformed_text_is_refused_by_the_name_of_the_parameter(text: str) -> None:
    with pytest.raises(CimError) as refused:
        read_instance(text, "ResourceSettings[3]")
    assert refused.value.description.startswith("ERR_BAD_PARAMETER: ResourceSettings[3]")
    assert len(refused.value.description) < 500


def test_a_property_that_cannot_be_read_is_named() -> None:
    text = "<INSTANCE CLASSNAME='C'><PROPERTY NAME='Weight' TYPE='uint32'><VALUE>heavy</VALUE>"
    with pytest.raises(CimError, match=r"SystemSettings\.Weight: 'heavy' is no uint32"):
        read_instance(text + "</PROPERTY></INSTANCE>", "SystemSettings")


def test_a_record_is_taken_as_it_is() -> None:
    record = Record("C", {})
    assert read_instance(record, "x") is record
