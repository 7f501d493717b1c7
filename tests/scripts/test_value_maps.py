"""The named values are those of the schema: the module is made from it, and nobody edits it."""

from __future__ import annotations

import pytest
import value_maps
from pywbem import CIMClass, CIMProperty, CIMQualifier
from value_maps import TARGET, ValueMapError, module_text

from virtcim.mof import Schema, load_schema


def test_the_module_is_what_the_schema_says() -> None:
    assert module_text(load_schema()) == TARGET.read_text(encoding="utf-8")


def schema_with(names: list[str], numbers: list[str]) -> Schema:
    qualifiers = [
        CIMQualifier("ValueMap", numbers, type="string"),
        CIMQualifier("Values", names, type="string"),
    ]
    state = CIMProperty("State", None, type="uint16", qualifiers=qualifiers)
    return Schema([CIMClass("CIM_Thing", properties=[state])], [])


def row(declared: str = "CIM_Thing.State", only: tuple[str, ...] = ()) -> value_maps._Row:
    return value_maps._Row("ThingState", declared, only)


def test_single_numbers_have_names_and_ranges_have_none() -> None:
    schema = schema_with(
        ["Enabled but Offline", "DegradedMode", "Degraded/Warning", "Reserved", "Vendor"],
        ["6", "0x10", "11", "..", "32768..65535"],
    )
    assert list(value_maps._members(schema, row())) == [
        ("ENABLED_BUT_OFFLINE", 6),
        ("DEGRADED_MODE", 16),
        ("DEGRADED_WARNING", 11),
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (row("CIM_Thing.Other"), "is not declared"),
        (row("CIM_Other.State"), "there is no such class"),
        (row("CIM_Thing.State()"), "is not declared"),
        (row(only=("One", "Three")), "not all of"),
        (row(), "is no name of its own"),
    ],
)
def test_what_the_schema_does_not_say_is_an_error(asked: value_maps._Row, said: str) -> None:
    schema = schema_with(["One", "One", "10BaseT"], ["1", "2", "3"])
    if asked.only:
        schema = schema_with(["One", "Two"], ["1", "2"])
    with pytest.raises(ValueMapError, match=said):
        list(value_maps._members(schema, asked))
