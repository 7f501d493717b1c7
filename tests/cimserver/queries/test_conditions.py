"""What conditions are true of: types, NULL, embedded instances, elements, words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cim.everything import extended_schema
from virtcim.cim.records import ObjectPath, Record
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.queries import InvalidQuery, UnknownLanguage, compile_query

CLASSES = Declarations(extended_schema())
_EVERYTHING = "Test_Everything"
_SYSTEM = Record(
    "VirtCIM_ComputerSystem",
    {"Name": "uuid", "EnabledState": 2, "OperationalStatus": [2, 3], "ElementName": "mail"},
)
_RECORD = Record(
    _EVERYTHING,
    {
        "Id": "one",
        "S_uint8": 7,
        "S_sint64": -5,
        "S_real64": 1.5,
        "S_boolean": True,
        "S_string": "Größe",
        "S_datetime": datetime(2026, 11, 30, 12, tzinfo=UTC),
        "S_reference": ObjectPath("CIM_ComputerSystem", {"Name": "a"}, namespace="root/virt"),
        "S_embedded": _SYSTEM,
        "A_uint8": [1, 2, 3],
        "A_string": ["a", "b"],
        "A_embedded": [_SYSTEM],
    },
)


def truth(condition: str, record: Record = _RECORD, language: str = "DMTF:CQL") -> bool | None:
    query = compile_query(
        language, f"SELECT * FROM {record.class_name} t WHERE {condition}", CLASSES
    )
    return query.where(record)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        *(("S_uint8 = 7", True), ("s_UINT8 = 7.0", True), ("7 < S_uint8", False)),
        *(("S_uint8 >= 7", True), ("-5 = S_sint64", True), ("S_real64 > 1", True)),
        *(("S_string = 'Größe'", True), ("S_string = 'größe'", False), ("S_string < 'H'", True)),
        *(("S_boolean", True), ("NOT S_boolean", False), ("S_boolean = FALSE", False)),
        *((f"__CLASS = '{_EVERYTHING}'", True), ("__class LIKE 'Other.*'", False)),
        ("S_embedded.__Class = 'VirtCIM_ComputerSystem'", True),
        ("S_datetime > '20261130115959.000000+000'", True),
        ("S_datetime = '20261130130000.000000+060'", True),
        ("S_datetime > '00000001000000.000000:000'", None),
        ("S_reference = 'CIM_ComputerSystem.Name=\"a\"'", True),
        ("S_reference = 'root/virt:CIM_ComputerSystem.Name=\"a\"'", True),
        ("S_reference = 'root/other:CIM_ComputerSystem.Name=\"a\"'", False),
        *(("S_uint16 = 1", None), ("NOT S_uint16 = 1", None), ("S_uint16 IS NULL", True)),
        *(("S_uint16 IS NOT NULL", False), ("A_uint8 IS NOT NULL", True), ("S_uint16 <> 1", None)),
        *(("S_uint16 = 1 OR S_boolean", True), ("S_uint16 = 1 AND NOT S_boolean", False)),
        *(("A_uint8[0] = 1", True), ("A_uint8[9] = 1", None), ("A_uint8[*] = 3", True)),
        *(("A_uint8[*] = 4", False), ("A_uint16[*] = 4", None), ("A_string[*] LIKE '[b-c]'", True)),
        *(("S_string LIKE 'Gr.*'", True), ("S_string NOT LIKE 'Gr.*'", False)),
        *(
            ("S_uint8 = S_uint16", None),
            ("S_uint8 > S_sint64", True),
            ("A_uint8[*] > S_uint8", False),
        ),
        *(("t.S_uint8 = 7", True), ("Test_Everything.S_uint8 = 7", True), ("TRUE", True)),
        *(("S_embedded ISA CIM_System", True), ("S_embedded ISA CIM_Memory", False)),
        *(("t ISA CIM_ManagedElement", True), ("t ISA CIM_System", False)),
        ("S_embedded.CIM_ComputerSystem::EnabledState = 2", True),
        ("S_embedded.EnabledState = 2", True),
        ("S_embedded.CIM_Memory::BlockSize = 2", None),
        (
            (
                "S_embedded.CIM_ComputerSystem::EnabledState = "
                "CIM_EnabledLogicalElement::EnabledState#'Enabled'"
            ),
            True,
        ),
        ("S_embedded.CIM_ManagedSystemElement::OperationalStatus[*] = 3", True),
        ("A_embedded[0].ElementName LIKE 'm.*'", True),
        ("S_embedded.NoSuchProperty = 2", None),
        ("S_reference ISA CIM_ComputerSystem", True),
    ],
)
def test_conditions(condition: str, expected: bool | None) -> None:
    assert truth(condition) is expected


def test_wql_has_its_own_patterns() -> None:
    assert truth("S_string LIKE 'Gr%'", language="WQL") is True
    assert truth('S_string LIKE "Gr.*"', language="WQL") is False


@pytest.mark.parametrize("language", ["DMTF:CQL", "dmtf:cql", "CIM:CQL", "WQL", "wql"])
def test_languages_are_known_by_their_names(language: str) -> None:
    assert truth("S_uint8 = 7", language=language) is True


@pytest.mark.parametrize("language", ["", "SQL", "DMTF:FQL", "CQL2"])
def test_other_languages_are_unknown(language: str) -> None:
    with pytest.raises(UnknownLanguage):
        compile_query(language, "SELECT * FROM CIM_System", CLASSES)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("NoSuchProperty = 1", "character 39: Test_Everything has no property NoSuchProperty"),
        ("S_uint8 = 'a'", "character 49: S_uint8 is no such value: it is a number"),
        ("S_string = 5", "S_string is no such value: it is a string"),
        ("S_uint8 = TRUE", "S_uint8 is no such value"),
        ("S_boolean > TRUE", "S_boolean can only be compared with = and <>"),
        ("S_datetime > 'yesterday'", "S_datetime: "),
        ("S_reference = '='", "S_reference: "),
        ("S_string = S_uint8", "S_string and S_uint8 are of different types"),
        ("A_uint8 = 1", "A_uint8 is an array: [*] means any of its elements"),
        ("S_uint8[0] = 1", "S_uint8 is no array"),
        ("S_uint8 = A_uint8[*]", "[*] stands on the left of a comparison"),
        ("A_embedded[*].ElementName = 'a'", "[*] stands at the end of a property"),
        ("S_uint8.Name = 1", "S_uint8 is no embedded instance"),
        ("S_uint8 LIKE 'a'", "S_uint8 is no text"),
        ("S_string LIKE '[a'", "a [ has no ]"),
        ("S_string", "S_string is no condition: it is no boolean"),
        ("S_string ISA CIM_System", "S_string is no instance"),
        ("S_embedded ISA CIM_NoSuchClass", "there is no class CIM_NoSuchClass"),
        ("S_embedded.CIM_NoSuchClass::A = 1", "there is no class CIM_NoSuchClass"),
        ("S_embedded.CIM_System::A = 1", "CIM_System has no property A"),
        ("1 = 1", "a comparison needs a property"),
        ("5", "a condition is expected"),
        ("S_uint8 = S_uint8#'Enabled'", "S_uint8 has no value 'Enabled'"),
        ("S_embedded.EnabledState = EnabledState#'Enabled'", "has no property EnabledState"),
    ],
)
def test_what_cannot_be_true_of_anything_is_refused_with_its_place(
    condition: str, said: str
) -> None:
    with pytest.raises(InvalidQuery) as refused:
        truth(condition)
    assert said in str(refused.value)
    assert str(refused.value).startswith("character ")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM CIM_NoSuchClass", "character 15: there is no class CIM_NoSuchClass"),
        ("SELECT A FROM CIM_System", "character 8: CIM_System has no property A"),
        ("SELECT A_uint8[0] FROM Test_Everything", "only whole properties"),
        ("SELECT S_embedded.Name FROM Test_Everything", "only whole properties"),
    ],
)
def test_what_cannot_be_selected_is_refused(query: str, said: str) -> None:
    with pytest.raises(InvalidQuery, match=said.replace("[", "\\[")):
        compile_query("WQL", query, CLASSES)


def test_selected_properties_are_named_without_their_class() -> None:
    query = compile_query("WQL", "SELECT Name, s.EnabledState FROM CIM_System s", CLASSES)
    assert query.properties == {"name", "enabledstate"}
    assert compile_query("WQL", "SELECT s.* FROM CIM_System s", CLASSES).properties is None


def test_intervals_are_compared_with_intervals() -> None:
    record = Record(_EVERYTHING, {"S_datetime": timedelta(days=2)})
    assert truth("S_datetime > '00000001000000.000000:000'", record) is True


# Conditions of any depth, against what their parts say.

_VALUES = {"S_uint8": 1, "S_string": "b", "S_boolean": True, "S_uint16": None}
_LEAVES: dict[str, bool | None] = {
    "S_uint8 = 1": True,
    "S_uint8 <> 1": False,
    "S_string < 'a'": False,
    "S_boolean": True,
    "S_uint16 = 1": None,
    "S_uint16 IS NULL": True,
}
_Tree = Any


def _trees() -> st.SearchStrategy[_Tree]:
    return st.recursive(
        st.sampled_from(sorted(_LEAVES)),
        lambda inner: (
            st.tuples(st.just("NOT"), inner)
            | st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=4))
        ),
        max_leaves=12,
    )


def _written(tree: _Tree) -> str:
    if isinstance(tree, str):
        return tree
    word, inner = tree
    if word == "NOT":
        return f"NOT ({_written(inner)})"
    return "(" + f" {word} ".join(map(_written, inner)) + ")"


def _expected(tree: _Tree) -> bool | None:
    if isinstance(tree, str):
        return _LEAVES[tree]
    word, inner = tree
    if word == "NOT":
        found = _expected(inner)
        return None if found is None else not found
    values = {_expected(one) for one in inner}
    deciding = word == "OR"
    return deciding if deciding in values else None if None in values else not deciding


@given(_trees())
def test_conditions_are_joined_as_three_valued_logic_says(tree: _Tree) -> None:
    assert truth(_written(tree), Record(_EVERYTHING, _VALUES)) is _expected(tree)
