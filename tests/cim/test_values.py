"""Values and object paths in CIM-XML: what is written is what is read again."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cim.everything import extended_schema
from virtcim.cim.cimxml.elements import Element, MessageLimits, read_element
from virtcim.cim.cimxml.instances import Encoder, Selection
from virtcim.cim.cimxml.paths import instance_name, instance_path
from virtcim.cim.cimxml.values import ValueReader
from virtcim.cim.data_types import INTEGER_RANGES
from virtcim.cim.declarations import Declared
from virtcim.cim.errors import CimXmlError, InvalidValue
from virtcim.cim.instance_text import read_instance_text
from virtcim.cim.records import CimError, ObjectPath, Record
from virtcim.cimserver.declarations import Declarations

_DECLARATIONS = Declarations(extended_schema())
_ENCODER = Encoder(_DECLARATIONS, "host")
_READER = ValueReader(_DECLARATIONS, "root/virt")
_LIMITS = MessageLimits()

_TEXTS = st.text(
    alphabet=st.characters(
        exclude_categories=("Cs", "Cc"),
        exclude_characters="\ufffe\uffff",
        include_characters="\t\n\r",
    ),
    max_size=12,
)
_PATHS = st.builds(
    lambda name, namespace: ObjectPath(
        "VirtCIM_ComputerSystem",
        {"CreationClassName": "VirtCIM_ComputerSystem", "Name": name},
        namespace=namespace,
    ),
    _TEXTS,
    st.sampled_from(["root/virt", "root/virt/a&b"]),
)
_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "string": _TEXTS,
    "char16": st.characters(max_codepoint=0xFFFD, exclude_categories=("Cs", "Cc")),
    "datetime": st.datetimes(min_value=datetime(1, 1, 3), timezones=st.just(UTC))  # noqa: DTZ001
    | st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=99_999_999)),
    "real32": st.floats(allow_nan=False, width=32),
    "real64": st.floats(allow_nan=False),
    "reference": _PATHS,
    **{name: st.integers(*bounds) for name, bounds in INTEGER_RANGES.items()},
}


def _values(declared: Declared) -> st.SearchStrategy[Any]:
    one = _STRATEGIES[declared.type_name]
    return st.none() | (st.lists(one, max_size=3) if declared.is_array else one)


_EVERYTHING = {
    one.name: one
    for one in _DECLARATIONS.properties("Test_Everything").values()
    if not one.is_embedded
}
_RECORDS = st.fixed_dictionaries(
    {name: _values(declared) for name, declared in _EVERYTHING.items() if name != "Id"}
).map(lambda values: Record("Test_Everything", {"Id": "1", **values}))


def _read(text: str | bytes) -> Element:
    return read_element(text if isinstance(text, bytes) else text.encode(), _LIMITS)


@given(_RECORDS)
def test_every_value_of_every_type_is_read_as_it_was_written(record: Record) -> None:
    written = _read(_ENCODER.instance(record, Selection()))
    assert written.name == "INSTANCE"
    for one in written.children:
        name = one.attribute("NAME")
        if name not in _EVERYTHING:
            continue
        element = one.children[0] if one.children else None
        assert _READER.value(element, _EVERYTHING[name], name) == record.values[name], name


@given(_RECORDS)
def test_an_embedded_instance_is_read_as_it_was_written(record: Record) -> None:
    values = {
        name: value for name, value in record.values.items() if "reference" not in name.lower()
    }
    text = _ENCODER.instance(Record(record.class_name, values), Selection()).decode()
    read = read_instance_text(text)
    assert read.class_name == "Test_Everything"
    assert {name: read.values[name] for name in values} == values


@given(_PATHS)
def test_a_path_is_read_as_it_was_written_in_each_of_its_forms(path: ObjectPath) -> None:
    assert _READER.path(_read(instance_path(path, "host")), "x") == path
    named = _READER.path(_read(instance_name(path)), "x")
    assert (named.class_name, named.keys) == (path.class_name, path.keys)
    assert named.namespace == "root/virt"


_ELEMENTS = st.recursive(
    st.builds(
        Element,
        st.sampled_from(
            ["VALUE", "VALUE.ARRAY", "VALUE.REFERENCE", "VALUE.REFARRAY", "VALUE.NULL", "CLASSNAME"]
        ),
        st.dictionaries(st.sampled_from(["NAME", "CLASSNAME"]), st.just("CIM_System")),
        st.just([]),
        st.sampled_from(["", "1", "TRUE", "x"]),
    ),
    lambda inner: st.builds(
        Element,
        st.sampled_from(
            [
                *("VALUE", "VALUE.ARRAY", "VALUE.REFERENCE", "INSTANCENAME", "INSTANCEPATH"),
                *("LOCALINSTANCEPATH", "KEYBINDING", "KEYVALUE", "NAMESPACEPATH", "NAMESPACE"),
            ]
        ),
        st.dictionaries(
            st.sampled_from(["NAME", "CLASSNAME"]), st.sampled_from(["CIM_System", "Name", "x"])
        ),
        st.lists(inner, max_size=3),
        st.just(""),
    ),
    max_leaves=8,
)


@given(_ELEMENTS, st.sampled_from(sorted(_EVERYTHING)))
def test_any_elements_are_a_value_or_refused_in_a_documented_way(
    element: Element, name: str
) -> None:
    with suppress(InvalidValue, CimXmlError, CimError):
        _READER.value(element, _EVERYTHING[name], name)


def test_a_value_that_does_not_fit_is_named_with_what_was_expected() -> None:
    with pytest.raises(InvalidValue, match=r"^Weight cannot be 'heavy': a uint8 is expected$"):
        _READER.value(
            Element("VALUE", {}, [], "heavy"), Declared(name="Weight", type_name="uint8"), "Weight"
        )
