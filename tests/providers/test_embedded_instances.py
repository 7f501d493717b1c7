"""Embedded instances and units: what is written is read back, and no input breaks the reader."""

from __future__ import annotations

from fractions import Fraction
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.providers import CimError, Record
from virtcim.providers.parameters.cim_text import convert
from virtcim.providers.parameters.embedded import MAX_TEXT_LENGTH, read_instance
from virtcim.providers.parameters.mof_text import parse_mof_instance
from virtcim.providers.parameters.units import UnitError, parse_unit

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


def refusal(text: str, parameter: str) -> str:
    """Why a text is refused; empty where it is read."""
    try:
        read_instance(text, parameter)
    except CimError as refused:
        return refused.description
    return ""


@given(NAMES, properties(XML_TEXT))
def test_an_instance_in_xml_is_read_as_it_was_written(
    class_name: str, values: dict[str, object]
) -> None:
    record = read_instance(to_xml(class_name, values), "SystemSettings")
    assert record.class_name == class_name
    assert record.values == values


@given(NAMES, properties(ANY_TEXT))
def test_an_instance_in_mof_is_read_as_it_was_written(
    class_name: str, values: dict[str, object]
) -> None:
    record = read_instance(to_mof(class_name, values), "SystemSettings")
    assert record.class_name == class_name
    assert record.values == values


@given(ANY_TEXT)
def test_any_text_is_an_instance_or_refused_by_the_name_of_the_parameter(text: str) -> None:
    refused = refusal(text, "SystemSettings")
    assert not refused or refused.startswith("ERR_BAD_PARAMETER: SystemSettings")


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
    refused = refusal(text, "SystemSettings")
    assert not refused or refused.startswith("ERR_BAD_PARAMETER: SystemSettings: ")


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
        refused = refusal(text or "<", "ResourceSettings[0]")
        assert not refused or refused.startswith("ERR_BAD_PARAMETER: ResourceSettings[0]")


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


def test_an_instance_within_a_wrapping_element_is_found() -> None:
    text = "<VALUE.NAMEDINSTANCE><INSTANCE CLASSNAME='C'></INSTANCE></VALUE.NAMEDINSTANCE>"
    assert read_instance(f"<?xml version='1.0' encoding='utf-8'?>{text}", "x").class_name == "C"


def test_a_record_is_taken_as_it_is() -> None:
    record = Record("C", {})
    assert read_instance(record, "x") is record


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
    class_name, values = parse_mof_instance(f"Instance Of C {{ p = {literal}; }}")
    assert class_name == "C"
    assert values == {"p": value}


@pytest.mark.parametrize(
    ("text", "cim_type_name", "value"),
    [
        ("255", "uint8", 255),
        (" 0x10 ", "uint16", 16),
        ("-128", "sint8", -128),
        ("TRUE", "boolean", True),
        ("1.25", "real32", 1.25),
        ("20261120000000.000000+000", "datetime", "20261120000000.000000+000"),
        (" text ", "string", " text "),
    ],
)
def test_values_in_xml_are_read_by_their_type(text: str, cim_type_name: str, value: object) -> None:
    assert convert(text, cim_type_name, "x") == value


@pytest.mark.parametrize(
    ("text", "cim_type_name"),
    [("256", "uint8"), ("-1", "uint64"), ("1e3", "uint64"), ("", "uint8"), ("x", "real64")],
)
def test_values_beyond_their_type_are_refused(text: str, cim_type_name: str) -> None:
    with pytest.raises(CimError, match=cim_type_name):
        convert(text, cim_type_name, "SystemSettings.X")


@given(st.integers(0, 60), st.sampled_from(["byte*2^{}", "byte * 2 ^ {}", " BYTE*2^+{} "]))
def test_binary_multiples_are_read_however_they_are_written(exponent: int, form: str) -> None:
    assert parse_unit(form.format(exponent)) == ("byte", Fraction(2) ** exponent)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_factors_and_divisors_multiply(factor: int, divisor: int) -> None:
    unit = parse_unit(f"count*{factor}/{divisor}")
    assert unit == ("count", Fraction(factor, divisor))


@given(st.text(max_size=200))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    try:
        multiple = parse_unit(text).multiple
    except UnitError:
        return
    assert multiple > 0


@pytest.mark.parametrize(
    "text", ["", "2^20", "byte*", "byte^2", "byte*2^999", "byte*0", "byte*1000^9", "bit", "byte 5"]
)
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_unit(text)
