"""The message registry, held against the structure that DSP0228 describes."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from virtcim.errormap import TABLE_VERSION, ErrorCode
from virtcim.errormap.exports import export
from virtcim.errormap.message_registry import (
    IDENTIFIER,
    NAMESPACE,
    OWNER,
    STATUS_NAMES,
    message_registry,
)

# Element: its attributes with their forms, and its children in order: ? optional, * any, + some.
_STRUCTURE: dict[str, tuple[dict[str, str], str]] = {
    "REGISTRY": ({}, "REGISTRY_DECLARATION REGISTRY_ENTRIES"),
    "REGISTRY_DECLARATION": ({}, "IDENTIFICATION OWNING_ENTITY"),
    "IDENTIFICATION": (
        {
            "ID": r"[A-Za-z_][A-Za-z0-9_]*",
            "NAME": r".*Message Registry",
            "VERSION": r"\d+\.\d+\.\d+(?:-[a-z]+)?",
            "LANGUAGE": r"[A-Za-z]{2}(?:-[A-Za-z]{2})?",
        },
        "",
    ),
    "OWNING_ENTITY": ({}, ""),
    "REGISTRY_ENTRIES": ({}, "MESSAGE+"),
    "MESSAGE": (
        {"NAME": r"\S+"},
        "MESSAGE_ID MESSAGE_DESCRIPTION MESSAGE_COMPONENTS FIXED_MESSAGE_INSTANCE_VALUES",
    ),
    "MESSAGE_ID": ({"PREFIX": r"[A-Z]+", "SEQUENCE_NUMBER": r"\d{4,}"}, ""),
    "MESSAGE_DESCRIPTION": ({}, ""),
    "MESSAGE_COMPONENTS": ({}, "STATIC_ELEMENT DYNAMIC_ELEMENT"),
    "STATIC_ELEMENT": ({}, ""),
    "DYNAMIC_ELEMENT": ({"NAME": r".+", "SOURCE_PROPERTY": r"CIM_Error\.\w+"}, ""),
    "FIXED_MESSAGE_INSTANCE_VALUES": ({"TYPE": r"ERROR"}, "CIMSTATUSCODE RECOMMENDED_ACTION*"),
    "CIMSTATUSCODE": ({"VALUE": r"\d+", "DESCRIPTION": r"CIM_ERR_\w+"}, ""),
    "RECOMMENDED_ACTION": ({"DESCRIPTION": r".+\."}, ""),
}
_WITH_TEXT = {"OWNING_ENTITY", "MESSAGE_DESCRIPTION", "STATIC_ELEMENT"}


def _check(element: ET.Element) -> None:
    name = _name(element)
    assert element.tag == f"{{{NAMESPACE}}}{name}"
    attributes, children = _STRUCTURE[name]
    assert set(element.attrib) == set(attributes), name
    for attribute, form in attributes.items():
        assert re.fullmatch(form, element.attrib[attribute]), (name, element.attrib)
    expected = "".join(
        rf"(?:{child.rstrip('*+')} ){child[-1] if child[-1] in '*+' else ''}"
        for child in children.split()
    )
    assert re.fullmatch(expected, "".join(f"{_name(child)} " for child in element)), name
    assert bool((element.text or "").strip()) == (name in _WITH_TEXT), name
    for child in element:
        _check(child)


def _name(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


@pytest.fixture(scope="module")
def registry() -> ET.Element:
    return ET.fromstring(message_registry())


def _messages(registry: ET.Element) -> list[ET.Element]:
    return registry.findall(f"{{{NAMESPACE}}}REGISTRY_ENTRIES/{{{NAMESPACE}}}MESSAGE")


def test_every_element_has_its_attributes_and_children_and_nothing_else(
    registry: ET.Element,
) -> None:
    _check(registry)


def test_the_registry_names_itself_its_owner_and_its_version(registry: ET.Element) -> None:
    declaration = registry[0]
    assert declaration[0].get("ID") == IDENTIFIER
    assert declaration[0].get("VERSION") == TABLE_VERSION
    assert declaration[1].text == OWNER


def test_there_is_a_message_for_every_error_with_its_number_and_status(
    registry: ET.Element,
) -> None:
    messages = _messages(registry)
    assert [message.get("NAME") for message in messages] == [code.name for code in ErrorCode][1:]
    for message, code in zip(messages, list(ErrorCode)[1:], strict=True):
        identifier, description, components, fixed = message
        assert int(identifier.get("SEQUENCE_NUMBER", "")) == code
        assert description.text
        assert components[0].text == f"{code.name}: "
        assert fixed[0].get("VALUE") == str(code.cim_status)
        assert fixed[0].get("DESCRIPTION") == STATUS_NAMES[code.cim_status]
        assert len(fixed) > 1


def test_identifiers_are_unique(registry: ET.Element) -> None:
    found = [tuple(message[0].attrib.values()) for message in _messages(registry)]
    assert len(set(found)) == len(found)


def test_the_export_is_the_registry() -> None:
    assert export("dsp0228") == message_registry()
    assert export("dsp0228").startswith("<?xml version='1.0' encoding=")
