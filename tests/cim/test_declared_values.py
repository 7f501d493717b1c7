"""Instances whose class is known: what is read is of the declared types, or refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
import pywbem
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cim.data_types import DATA_TYPES, INTEGER_RANGES
from virtcim.cim.declarations import Declared
from virtcim.cim.instance_text import InstanceTextError, read_instance_text
from virtcim.cim.records import ObjectPath, Record

_SIMPLE = tuple(DATA_TYPES)
_PATH = 'root/virt:C_A.Name="a \\"b\\"",Number=5,Flag=TRUE'


class Classes:
    """A class with a property of each type, and an array of each; it refers to itself."""

    def __init__(self) -> None:
        declared = [
            Declared(name=f"{form}_{name}", type_name=name, is_array=form == "Array")
            for name in (*_SIMPLE, "reference")
            for form in ("One", "Array")
        ]
        declared += [
            Declared(name="One_inner", type_name="string", is_embedded=True),
            Declared(name="Array_inner", type_name="string", is_array=True, is_embedded=True),
        ]
        self._properties = MappingProxyType({one.name.lower(): one for one in declared})

    def canonical(self, class_name: str) -> str | None:
        return "C_Known" if class_name.lower() == "c_known" else None

    def properties(self, class_name: str) -> Mapping[str, Declared]:
        assert class_name.lower() == "c_known"
        return self._properties


CLASSES = Classes()

# What XML and MOF both carry; how they escape is looked at elsewhere.
_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Co", "Cn"))
_TEXTS = st.text(_CHARACTERS.filter(lambda one: one not in "\ufffe\uffff"), max_size=8)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{
        name: st.integers(*ends).map(getattr(pywbem, name.capitalize()))
        for name, ends in INTEGER_RANGES.items()
    },
    "real32": st.floats(width=32, allow_nan=False, allow_infinity=False).map(pywbem.Real32),
    "real64": st.floats(allow_nan=False, allow_infinity=False).map(pywbem.Real64),
    "boolean": st.booleans(),
    "string": _TEXTS,
    "datetime": st.one_of(
        st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        st.timedeltas(timedelta(0), timedelta(days=99_999_999)),
    ).map(pywbem.CIMDateTime),
}


@st.composite
def properties(draw: st.DrawFn) -> dict[str, pywbem.CIMProperty]:
    """Some properties of the known class, as pywbem has them; names in any case."""
    chosen = draw(st.lists(st.sampled_from(sorted(_VALUES)), unique=True, max_size=4))
    made = {}
    for type_name in chosen:
        one = draw(_VALUES[type_name])
        many = draw(st.lists(_VALUES[type_name], min_size=1, max_size=3))
        name = draw(st.sampled_from([str.lower, str.upper, str]))
        for value, form in ((one, "One"), (many, "Array")):
            made[f"{form}_{type_name}"] = pywbem.CIMProperty(
                name(f"{form}_{type_name}"), value, type=type_name
            )
    return made


def _plain(value: Any) -> Any:
    """What pywbem has, as a record has it."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, pywbem.CIMDateTime):
        return value.timedelta if value.is_interval else value.datetime
    if isinstance(value, pywbem.CIMFloat):
        return float(value)
    return int(value) if isinstance(value, pywbem.CIMInt) else value


def _is_like(read: object, expected: object) -> bool:
    """Equal and of one type; of reals only so many digits are written."""
    if isinstance(read, list) and isinstance(expected, list):
        return len(read) == len(expected) and all(map(_is_like, read, expected))
    if isinstance(read, float) and isinstance(expected, float):
        return math.isclose(read, expected, rel_tol=1e-6, abs_tol=1e-37)
    return type(read) is type(expected) and read == expected


@given(properties())
def test_what_pywbem_writes_in_mof_and_in_xml_is_one_record_of_the_declared_types(
    made: dict[str, pywbem.CIMProperty],
) -> None:
    instance = pywbem.CIMInstance("C_Known", [])
    for one in made.values():
        instance.properties[one.name] = one
    for text in (instance.tomof(), instance.tocimxmlstr()):
        record = read_instance_text(text, CLASSES)
        assert set(record.values) == set(made), "the names are those of the declaration"
        for name, one in made.items():
            assert _is_like(record.values[name], _plain(one.value)), (name, text)


_LITERALS = st.one_of(
    st.integers(-(2**63), 2**64 - 1).map(str),
    st.sampled_from(["TRUE", "false", "0", "1", "1.5", "-2.0E+38", "1.0E+39", "'x'", "0x1F"]),
    st.sampled_from(['"5"', '"0x1F"', '"TRUE"', '"1.5"', '"x"', '""', '"INF"', '" 7 "']),
    st.sampled_from(
        ['"20261120104557.000000-300"', '"00000001020304.000005:000"', '"C_A.Name=5"', '"a b"']
    ),
    st.just('"instance of C_Known { One_uint8 = 5; };"'),
    st.lists(st.sampled_from(["1", "2", '"3"', "TRUE", "300"]), max_size=3).map(
        lambda items: "{" + ", ".join(items) + "}"
    ),
)
_NAMES = st.sampled_from(sorted(one.name for one in CLASSES.properties("C_Known").values()))


def _fits(value: object, declared: Declared) -> bool:
    if declared.is_embedded:
        return isinstance(value, Record)
    if declared.type_name == "reference":
        return isinstance(value, ObjectPath)
    # The one table of types writes what is of the type, and raises for everything else.
    return isinstance(DATA_TYPES[declared.type_name].write(value), str)


@given(_NAMES, _LITERALS)
def test_any_literal_is_a_value_of_the_declared_type_or_refused_by_the_name_of_the_property(
    name: str, literal: str
) -> None:
    declared = CLASSES.properties("C_Known")[name.lower()]
    refused = ""
    record = Record("", {})
    try:
        record = read_instance_text(f"instance of C_KNOWN {{ {name} = {literal}; }};", CLASSES)
    except InstanceTextError as error:
        refused = error.place
    if refused or not record.values:
        assert re.match(r"\w+", refused)[0] == name  # type: ignore[index]
        return
    value = record.values[name]
    assert isinstance(value, list) == declared.is_array
    assert all(_fits(item, declared) for item in (value if isinstance(value, list) else [value]))


@pytest.mark.parametrize(
    ("name", "literal", "value"),
    [
        ("One_uint8", "255", 255),
        ("One_uint8", '"255"', 255),
        ("One_sint16", "-0x80", -128),
        ("One_real32", "1", 1.0),
        ("One_real64", "1.5E+3", 1500.0),
        ("One_boolean", '"true"', True),
        ("One_boolean", "1", True),
        ("One_boolean", "0", False),
        ("One_char16", "'x'", "x"),
        ("One_string", '"5"', "5"),
        ("One_string", '{"a"}', "a"),
        ("Array_string", '"a"', ["a"]),
        ("Array_uint16", "{}", []),
        ("Array_uint16", "NULL", None),
        (
            "One_datetime",
            '"20261120104557.000000-300"',
            datetime(2026, 11, 20, 15, 45, 57, tzinfo=UTC),
        ),
        ("One_datetime", '"00000001020304.000005:000"', timedelta(1, 7384, 5)),
        (
            "Array_reference",
            '{"' + _PATH.replace("\\", "\\\\").replace('"', '\\"') + '"}',
            [
                ObjectPath(
                    "C_A", {"Name": 'a "b"', "Number": 5, "Flag": True}, namespace="root/virt"
                )
            ],
        ),
    ],
)
def test_literals_become_what_the_declaration_says(name: str, literal: str, value: object) -> None:
    record = read_instance_text(f"instance of C_Known {{ {name} = {literal}; }};", CLASSES)
    assert record.values == {name: value}
    assert type(record.values[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "literal", "refusal"),
    [
        ("One_uint8", "256", "One_uint8: 256 is no uint8: a uint8 is between 0 and 255"),
        ("One_uint32", "-1", "One_uint32: -1 is no uint32: a uint32 is between"),
        ("One_uint8", "TRUE", "One_uint8: True is no uint8: a uint8 is expected"),
        ("One_uint8", "1.5", "One_uint8: 1.5 is no uint8: a uint8 is expected"),
        ("Array_uint8", "{1, 256}", r"Array_uint8\[1\]: 256 is no uint8"),
        ("One_real32", "1.0E+39", "One_real32: 1e.39 is no real32: the number is beyond a real32"),
        ("One_boolean", "2", "One_boolean: 2 is no boolean: a boolean is TRUE or FALSE"),
        ("One_string", "5", "One_string: 5 is no string: a text in quotes is expected"),
        ("One_string", '{"a", "b"}', r"One_string: \['a', 'b'\] is no single value"),
        ("One_string", "{}", r"One_string: \[\] is no single value"),
        ("One_char16", '"ab"', "One_char16: 'ab' is no char16: a char16 is one character"),
        ("One_datetime", '"yesterday"', "One_datetime: 'yesterday' is no datetime: "),
        ("One_datetime", "5", "One_datetime: 5 is no datetime: "),
        ("One_reference", "5", "One_reference: 5 is no reference: an object path in quotes"),
        ("One_reference", '"a b"', "One_reference: 'a b' is no reference: an object path is"),
        ("One_inner", "5", "One_inner: 5 is no embedded instance: the text of an instance is"),
        ("One_inner", '"x"', "One_inner: the text is no MOF instance"),
    ],
)
def test_what_the_declaration_does_not_allow_is_refused_by_name(
    name: str, literal: str, refusal: str
) -> None:
    with pytest.raises(InstanceTextError, match=f"^{refusal}"):
        read_instance_text(f"instance of C_Known {{ {name} = {literal}; }};", CLASSES)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_embedded_instances_are_records_of_declared_types_too() -> None:
    value = "<PROPERTY NAME='one_uint8'><VALUE>5</VALUE></PROPERTY>"
    inner = f"<INSTANCE CLASSNAME='C_Known'>{value}</INSTANCE>"
    text = (
        f"instance of C_Known {{ One_inner = {_quoted(inner)}; "
        f"Array_inner = {{ {_quoted('instance of C_Other { p = 300; };')} }}; }};"
    )
    record = read_instance_text(text, CLASSES)
    one, many = record.values["One_inner"], record.values["Array_inner"]
    assert isinstance(one, Record)
    assert one.values == {"One_uint8": 5}
    assert isinstance(many, list)
    assert [(each.class_name, each.values) for each in many] == [("C_Other", {"p": 300})]


def test_what_is_wrong_within_an_embedded_instance_is_named_from_outside() -> None:
    inner = "instance of C_Known { Array_uint8 = { 1, 256 }; };"
    with pytest.raises(InstanceTextError) as refused:
        read_instance_text(
            f"instance of C_Known {{ Array_inner = {{ {_quoted(inner)} }}; }};", CLASSES
        )
    assert refused.value.place == "Array_inner[0].Array_uint8[1]"


def test_instances_within_instances_have_an_end() -> None:
    text = "instance of C_Known { };"
    for _ in range(8):
        text = f"instance of C_Known {{ One_inner = {_quoted(text)}; }};"
    read_instance_text(text, CLASSES)
    with pytest.raises(InstanceTextError, match="nested too deeply"):
        read_instance_text(f"instance of C_Known {{ One_inner = {_quoted(text)}; }};", CLASSES)


def test_what_the_class_does_not_have_and_classes_that_are_not_known_stay_as_they_are_written() -> (
    None
):
    text = 'instance of {} {{ One_uint8X = 300; ONE_STRING = "a"; }};'
    known = read_instance_text(text.format("C_Known"), CLASSES)
    assert known.values == {"One_uint8X": 300, "One_string": "a"}
    unknown = read_instance_text(text.format("C_Unknown"), CLASSES)
    assert unknown.values == {"One_uint8X": 300, "ONE_STRING": "a"}
