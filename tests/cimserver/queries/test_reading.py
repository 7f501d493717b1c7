"""Queries are read as they are written, and what is wrong is named with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cimserver.queries.reading import MOST_CHARACTERS, read_query
from virtcim.cimserver.queries.syntax import (
    All,
    AnyOf,
    Chain,
    Comparison,
    Element,
    InvalidQuery,
    IsA,
    IsNull,
    Like,
    Literal,
    Not,
    Step,
    Symbol,
)


def _chain(name: str, place: int) -> Chain:
    return Chain((Step(name, "", None, place),))


def test_everything_of_a_class_is_selected() -> None:
    query = read_query("select * from CIM_System")
    assert (query.properties, query.class_name, query.alias, query.where) == (
        (),
        "CIM_System",
        "",
        None,
    )


@pytest.mark.parametrize("query", ["SELECT a.* FROM CIM_A a", "SELECT a.* FROM CIM_A AS a"])
def test_a_class_has_an_alias(query: str) -> None:
    assert (read_query(query).properties, read_query(query).alias) == ((), "a")


def test_properties_are_selected() -> None:
    query = read_query("SELECT Name, a.Status FROM CIM_A a")
    assert [[step.name for step in one.steps] for one in query.properties] == [
        ["Name"],
        ["a", "Status"],
    ]


def test_and_binds_more_than_or_and_not_more_than_and() -> None:
    where = read_query("SELECT * FROM A WHERE a OR b AND NOT c").where
    assert where == AnyOf((_chain("a", 23), All((_chain("b", 28), Not(_chain("c", 38))))))
    where = read_query("SELECT * FROM A WHERE (a OR b) AND NOT c").where
    assert where == All((AnyOf((_chain("a", 24), _chain("b", 29))), Not(_chain("c", 40))))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("5", 5), ("-5", -5), ("+5", 5), ("0x1F", 31), ("-0X0a", -10), ("101B", 5), ("10b", 2)),
        *(("1.5", 1.5), (".5", 0.5), ("-1.5E+3", -1500.0), ("TRUE", True), ("false", False)),
        *(("'a'", "a"), ("''", ""), ('"a\'b"', "a'b"), (r"'a\'b\\'", "a'b\\"), ("'\\u00e9'", "é")),
        (r"'a\nb'", "a\nb"),
    ],
)
def test_values_are_read(text: str, value: object) -> None:
    where = read_query(f"SELECT * FROM A WHERE a = {text}").where
    assert isinstance(where, Comparison)
    assert isinstance(where.right, Literal)
    assert (type(where.right.value), where.right.value) == (type(value), value)


@pytest.mark.parametrize("operator", ["=", "<>", "<", "<=", ">", ">="])
def test_comparisons_are_read(operator: str) -> None:
    where = read_query(f"SELECT * FROM A WHERE a{operator}5").where
    assert isinstance(where, Comparison)
    assert where.operator == operator


def test_what_is_compared_with_null_is_asked_for_null() -> None:
    for text, negated in (
        *(("a = NULL", False), ("NULL <> a", True), ("a != NULL", True)),
        *(("a IS NULL", False), ("a is not null", True)),
    ):
        where = read_query(f"SELECT * FROM A WHERE {text}").where
        assert isinstance(where, IsNull)
        assert where.negated is negated


def test_embedded_instances_elements_and_words_are_read() -> None:
    where = read_query(
        "SELECT * FROM A WHERE SourceInstance.CIM_B::Status[*] = B::Status#'OK' AND l[2] = 1"
    ).where
    assert isinstance(where, All)
    first, second = where.of
    assert isinstance(first, Comparison)
    assert isinstance(second, Comparison)
    assert first.left == Chain(
        (Step("SourceInstance", "", None, 23), Step("Status", "CIM_B", Element.ANY, 38))
    )
    assert first.right == Symbol(Chain((Step("Status", "B", None, 57),)), "OK", 67)
    assert second.left == Chain((Step("l", "", 2, 76),))


def test_classes_and_patterns_are_asked_for() -> None:
    where = read_query("SELECT * FROM A WHERE a ISA CIM_B AND a ISA 'CIM_B'").where
    assert isinstance(where, All)
    assert all(isinstance(one, IsA) and one.class_name == "CIM_B" for one in where.of)
    where = read_query(r"SELECT * FROM A WHERE a NOT LIKE 'b\.%'").where
    assert where == Like(_chain("a", 23), r"b\.%", negated=True, place=34)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "character 1: the query ends where SELECT may stand"),
        ("SELECT", "character 7: the query ends"),
        ("DELETE FROM A", "character 1: 'DELETE' stands where SELECT may stand"),
        ("SELECT * FROM A, B", "character 16: ',' stands"),
        ("SELECT DISTINCT a FROM A", "character 17: 'a' stands"),
        ("SELECT * FROM A ORDER BY a", "character 23: 'BY' stands where WHERE or the end"),
        ("SELECT COUNT(*) FROM A", "character 13: '(' stands"),
        ("SELECT * FROM A WHERE", "character 22: the query ends"),
        ("SELECT * FROM A WHERE a =", "character 26: the query ends"),
        ("SELECT * FROM A WHERE (a", "character 25: the query ends"),
        ("SELECT * FROM A WHERE a = 'b", 'character 27: "\'" cannot be read'),
        ("SELECT * FROM A WHERE a ~ 1", "character 25: '~' cannot be read"),
        ("SELECT * FROM A WHERE a[-1] = 1", "character 25: elements are numbered from 0"),
        ("SELECT * FROM A WHERE 5 IS NULL", "character 23: IS NULL needs a property"),
        ("SELECT * FROM A WHERE 'a' LIKE 'b'", "character 23: LIKE needs a property"),
        ("SELECT * FROM A WHERE a < NULL", "character 27: NULL is neither less nor more"),
        ("SELECT * FROM A WHERE " + "(" * 100 + "a", "nested too deeply"),
        ("SELECT * FROM A WHERE " + "NOT " * 100 + "a", "nested too deeply"),
        ("SELECT * FROM A WHERE a = '" + "x" * MOST_CHARACTERS + "'", "at most 8192 characters"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(query: str, said: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        read_query(query)
    assert said in str(refused.value)


def test_brackets_in_texts_are_no_nesting() -> None:
    assert read_query("SELECT * FROM A WHERE a = '" + "(" * 200 + "'").where


_WORDS = st.sampled_from(
    [
        *("SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IS", "NULL", "ISA", "LIKE", "AS", "TRUE"),
        *(
            "a",
            "CIM_A",
            "(",
            ")",
            "[",
            "]",
            "*",
            ".",
            "::",
            "#",
            ",",
            "=",
            "<>",
            "<",
            "'x'",
            '"',
            "'",
        ),
        *("5", "-5", "0x", "1.", "101B", "é", "\0", "\n", "a.b", "[*]", "[1]"),
    ]
)


def refusal(query: str) -> str:
    """What a query is refused with; empty where it is read."""
    try:
        read_query(query)
    except InvalidQuery as refused:
        return str(refused)
    return ""


@given(st.lists(_WORDS, max_size=30).map(" ".join) | st.text(max_size=60))
def test_whatever_is_written_is_read_or_refused_with_a_place(text: str) -> None:
    for query in (text, f"SELECT * FROM A WHERE {text}"):
        assert (refusal(query) or "character ").startswith("character ")
