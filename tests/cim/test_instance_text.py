"""Instances as text: what is written is read back, and no input breaks the reader."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cim.instance_text import InstanceTextError, read_instance_text
from virtcim.cim.mof_text import MofError, parse_mof_instance

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))).filter(
    lambda text: not set(text) & {"\ufffe", "\uffff", "\r"}
)
ANY_TEXT = st.text(st.characters(codec="utf-8"))
NUMBERS = st.integers(0, 2**64 - 1)


def properties(texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, object]]:
    scalars = st.one_of(texts, NUMBERS, st.booleans())
    arrays = st.one_of(
        st.lists(texts, min_size=1, max_size=4), st.lists(NUMBERS, min_size=1, max_size=4)
    )
    return st.dictionaries(NAMES, st.one_of(st.none(), scalars, arrays), max_size=6).filter(
        lambda values: len({name.lower() for name in values}) == len(values)
    )


def cim_type(value: object) -> str:
    return {bool: "boolean", int: "uint64"}.get(type(value), "string")


def to_xml(class_name: str, values: dict[str, object]) -> str:
    parts = []
    for name, value in values.items():
        items = value if isinstance(value, list) else [value]
        texts = "".join(f"<VALUE>{escape(str(item))}</VALUE>" for item in items)
        kind = cim_type(items[0])
        if value is None:
            parts.append(f'<PROPERTY NAME="{name}" TYPE="string"></PROPERTY>')
        elif isinstance(value, list):
            parts.append(
                f'<PROPERTY.ARRAY NAME="{name}" TYPE="{kind}">'
                f"<VALUE.ARRAY>{texts}</VALUE.ARRAY></PROPERTY.ARRAY>"
            )
        else:
            parts.append(f'<PROPERTY NAME="{name}" TYPE="{kind}">{texts}</PROPERTY>')
    return f"<INSTANCE CLASSNAME={quoteattr(class_name)}>{''.join(parts)}</INSTANCE>"


def to_mof(class_name: str, values: dict[str, object]) -> str:
    def literal(value: object) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, list):
            return "{ " + ", ".join(map(literal, value)) + " }"
        if isinstance(value, (bool, int)):
            return str(value).lower()
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'

    lines = "".join(f"{name} = {literal(value)};\n" for name, value in values.items())
    return f"// made by a test\ninstance of {class_name} {{ /* * */\n{lines}}};"


def refusal(text: str) -> str:
    """Why a text is refused; empty where it is read."""
    try:
        read_instance_text(text)
    except InstanceTextError as refused:
        return str(refused)
    return ""


@given(NAMES, properties(XML_TEXT))
def test_an_instance_in_xml_is_read_as_it_was_written(
    class_name: str, values: dict[str, object]
) -> None:
    record = read_instance_text(to_xml(class_name, values))
    assert record.class_name == class_name
    assert record.values == values


@given(NAMES, properties(ANY_TEXT))
def test_an_instance_in_mof_is_read_as_it_was_written(
    class_name: str, values: dict[str, object]
) -> None:
    record = read_instance_text(to_mof(class_name, values))
    assert record.class_name == class_name
    assert record.values == values


@given(
    st.lists(
        st.sampled_from(
            [
                "instance",
                "of",
                "C",
                "{",
                "}",
                "=",
                ";",
                ",",
                '"a"',
                "'",
                '"',
                "\\",
                "1",
                "0x",
                "-",
                "null",
                "true",
                "/*",
                "*/",
                "//",
                "\n",
                "$a",
                "1.5",
                "08",
                "<",
                "A",
            ]
        ),
        max_size=30,
    ).map(" ".join)
)
def test_mof_like_text_is_an_instance_or_refused(text: str) -> None:
    refusal(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "<INSTANCE CLASSNAME='C'>",
                "</INSTANCE>",
                "<PROPERTY NAME='a'>",
                "</PROPERTY>",
                "<VALUE>",
                "</VALUE>",
                "<VALUE.NULL/>",
                "<PROPERTY.ARRAY NAME='a'>",
                "x",
                "</PROPERTY.ARRAY>",
                "<VALUE.ARRAY>",
                "</VALUE.ARRAY>",
                "<QUALIFIER/>",
            ]
        ),
        max_size=20,
    )
)
def test_xml_like_text_is_an_instance_or_refused(parts: list[str]) -> None:
    for text in ("".join(parts), f"<INSTANCE CLASSNAME='C'>{''.join(parts)}</INSTANCE>"):
        refusal(text or "<")


def test_an_instance_within_a_wrapping_element_is_found() -> None:
    text = "<VALUE.NAMEDINSTANCE><INSTANCE CLASSNAME='C'></INSTANCE></VALUE.NAMEDINSTANCE>"
    assert read_instance_text(f"<?xml version='1.0' encoding='utf-8'?>{text}").class_name == "C"


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("10", 10),
        ("-5", -5),
        ("0x1F", 31),
        ("017", 15),
        ("0", 0),
        ("101b", 5),
        ("1.5", 1.5),
        ("+1.5E3", 1500.0),
        (".5", 0.5),
        ("0X1f", 31),
        ("-101B", -5),
        ("0" * 40 + "17", 15),
        ("true", True),
        ("NULL", None),
        ("'x'", "x"),
        ('"a" "b"', "ab"),
        (r'"tab\tquote\"\x41\\"', 'tab\tquote"A\\'),
        ("{}", []),
        ('{"a", "b"}', ["a", "b"]),
    ],
)
def test_mof_literals_are_read_as_the_standard_says(literal: str, value: object) -> None:
    record = parse_mof_instance(f"Instance Of C {{ p = {literal}; }}")
    assert record.class_name == "C"
    assert record.values == {"p": value}


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("1.", "is not understood"),
        ("1e3", "';' is expected"),
        ("1.0E400", "beyond a real64"),
        ("INF", "is no value"),
        ("089", "begins with 0 is octal"),
        ("18446744073709551616", "an integer is between"),
        ("-9223372036854775809", "an integer is between"),
        ("0x" + "1" * 80, "too long"),
        ("'\U0001f600'", "a char16 is one character"),
        ("'ab'", "is not understood"),
        ("'\\xD800'", "is no character"),
    ],
)
def test_mof_literals_that_no_type_can_hold_are_refused(literal: str, reason: str) -> None:
    with pytest.raises(MofError, match=reason):
        parse_mof_instance(f"instance of C {{ p = {literal}; }}")
