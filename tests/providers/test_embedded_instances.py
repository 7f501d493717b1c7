"""Embedded instances: whatever a client sends is read, or refused by the name of its parameter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.unknown_classes import UNKNOWN
from virtcim.cim.instance_text import MAX_TEXT_LENGTH
from virtcim.mof import Schema
from virtcim.providers import CimError, Record
from virtcim.providers.parameters.embedded import read_instance

ANY_TEXT = st.text(st.characters(codec="utf-8"))


def refusal(text: str, parameter: str) -> str:
    """Why a text is refused; empty where it is read."""
    try:
        read_instance(UNKNOWN, text, parameter)
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
        read_instance(UNKNOWN, text, "ResourceSettings[3]")
    assert refused.value.description.startswith("ERR_BAD_PARAMETER: ResourceSettings[3]")
    assert len(refused.value.description) < 500


def test_a_property_that_cannot_be_read_is_named() -> None:
    text = "<INSTANCE CLASSNAME='C'><PROPERTY NAME='Weight' TYPE='uint32'><VALUE>heavy</VALUE>"
    with pytest.raises(CimError, match=r"SystemSettings\.Weight: 'heavy' is no uint32"):
        read_instance(UNKNOWN, text + "</PROPERTY></INSTANCE>", "SystemSettings")


def test_a_record_is_taken_as_it_is() -> None:
    record = Record("C", {})
    assert read_instance(UNKNOWN, record, "x") is record


@pytest.mark.parametrize(
    ("name", "type_name", "literal", "refusal"),
    [
        (
            "ResourceType",
            "uint32",
            "70000",
            "ResourceType: .?70000.? is no uint16: a uint16 is between",
        ),
        (
            "virtualquantity",
            "sint64",
            "-1",
            "VirtualQuantity: .?-1.? is no uint64: a uint64 is between",
        ),
        (
            "HostResource",
            "uint8",
            "5",
            r"HostResource\[0\]: .?5.? is no string: a text in quotes is",
        ),
        ("Weight", "string", "heavy", "Weight: 'heavy' is no uint32: a uint32 is expected"),
    ],
)
def test_a_value_that_the_class_does_not_declare_is_refused_by_name_in_mof_and_in_xml(
    schema: Schema, name: str, type_name: str, literal: str, refusal: str
) -> None:
    class_name = "VirtCIM_MemoryResourceAllocationSettingData"
    in_mof = f'"{literal}"' if type_name == "string" else literal
    in_xml = f"<PROPERTY NAME='{name}' TYPE='{type_name}'><VALUE>{literal}</VALUE></PROPERTY>"
    for text in (
        f"instance of {class_name} {{ {name} = {in_mof}; }};",
        f"<INSTANCE CLASSNAME='{class_name}'>{in_xml}</INSTANCE>",
    ):
        with pytest.raises(CimError, match=rf"ERR_BAD_PARAMETER: Settings\.{refusal}"):
            read_instance(schema, text, "Settings")


def test_values_are_of_the_types_that_the_class_declares(schema: Schema) -> None:
    text = """instance of VirtCIM_VirtualSystemSettingData {
        elementname = "a"; CreationTime = "20261120104557.000000+000"; Notes = "one";
        ChangeableType = "0"; };"""
    assert read_instance(schema, text, "SystemSettings").values == {
        "ElementName": "a",
        "CreationTime": datetime(2026, 11, 20, 10, 45, 57, tzinfo=UTC),
        "Notes": ["one"],
        "ChangeableType": 0,
    }
