"""Instances as CIM-XML: what is written is what pywbem, an independent reader, reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import pywbem
from hypothesis import given
from hypothesis import strategies as st

from tests.cim.everything import extended_schema, system
from virtcim.cim.cimxml.instances import Encoder, Form, Selection
from virtcim.cim.cimxml.paths import instance_name, reference
from virtcim.cim.data_types import INTEGER_RANGES
from virtcim.cim.declarations import Declared
from virtcim.cim.errors import EncodingError, OutOfRange
from virtcim.cim.records import (
    AssociationKind,
    AssociationRecord,
    FormedPath,
    KeyValue,
    NameForm,
    ObjectPath,
    Record,
    RecordList,
    Value,
)
from virtcim.cimserver.declarations import Declarations
from virtcim.mof.pywbem_reading import read_element

_SCHEMA = extended_schema()
_DECLARATIONS = Declarations(_SCHEMA)
_ENCODER = Encoder(_DECLARATIONS, "a<host>")

_XML_TEXT = st.text(
    alphabet=st.characters(
        exclude_categories=("Cs", "Cc"),
        exclude_characters="\ufffe\uffff",
        include_characters="\t\n",
    ),
    max_size=20,
)
_NAMESPACES = ("", "root/virt", "root/virt/a&b")
_PLAIN_PATHS = st.builds(
    lambda name, namespace: ObjectPath(
        "VirtCIM_ComputerSystem",
        {"CreationClassName": "VirtCIM_ComputerSystem", "Name": name},
        namespace=namespace,
    ),
    _XML_TEXT,
    st.sampled_from(_NAMESPACES),
)
_NAME_FORMS = [
    NameForm(
        "VirtCIM_LogicalDisk",
        {"SystemName": (0,), "Fixed": ('a%s&"<',), "DeviceID": ("A%:", 0, "/<disk>/", 1)},
        namespace=namespace,
    )
    for namespace in _NAMESPACES
]
_FORMED_PATHS = st.builds(FormedPath, st.sampled_from(_NAME_FORMS), st.tuples(_XML_TEXT, _XML_TEXT))
_PATHS = _PLAIN_PATHS | _FORMED_PATHS
_RECORDS = st.builds(
    lambda name, states: Record(
        "VirtCIM_ComputerSystem", {"ElementName": name, "OperationalStatus": states}
    ),
    _XML_TEXT,
    st.lists(st.integers(0, 2**16 - 1), max_size=3),
)
_TIMES: st.SearchStrategy[Any] = st.one_of(
    st.datetimes(
        min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
        timezones=st.sampled_from([pywbem.MinutesFromUTC(minutes) for minutes in (0, -300, 330)]),
    ),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9_999_999)),
)
_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "string": _XML_TEXT,
    "char16": st.characters(max_codepoint=0xFFFD, exclude_categories=("Cs", "Cc")),
    "datetime": _TIMES,
    "real32": st.floats(allow_nan=False, width=32),
    "real64": st.floats(allow_nan=False),
    "reference": _PATHS,
    **{name: st.integers(*bounds) for name, bounds in INTEGER_RANGES.items()},
}


def _values(declared: Declared) -> st.SearchStrategy[Any]:
    one = _RECORDS if declared.is_embedded else _STRATEGIES[declared.type_name]
    return st.none() | (st.lists(one, max_size=3) if declared.is_array else one)


_EVERYTHING = st.fixed_dictionaries(
    {
        one.name: _values(one)
        for one in _DECLARATIONS.properties("Test_Everything").values()
        if one.name != "Id"
    }
)


def _parsed(xml: bytes) -> Any:
    return read_element(xml)


def _same(written: Any, read: Any) -> bool:
    if isinstance(written, list):
        return (
            isinstance(read, list) and len(written) == len(read) and all(map(_same, written, read))
        )
    if isinstance(written, ObjectPath):
        return dict(written.keys) == dict(read.keybindings) and written.namespace == (
            read.namespace or ""
        )
    if isinstance(written, Record):
        return all(_same(value, read[name]) for name, value in written.values.items())
    if isinstance(read, pywbem.CIMDateTime):
        return bool(written == (read.timedelta if read.is_interval else read.datetime))
    if isinstance(written, float):
        return math.isclose(written, float(read), rel_tol=1e-15)
    return bool(written == read)


@given(_EVERYTHING)
def test_every_record_is_read_back_with_equal_values(values: Mapping[str, Value]) -> None:
    record = Record("Test_Everything", {"Id": "1", **values})
    read = _parsed(_ENCODER.instance(record, Selection()))
    assert read.classname == "Test_Everything"
    for name, value in record.values.items():
        assert _same(value, read[name]), name
    declared = {one.name for one in _DECLARATIONS.properties("Test_Everything").values()}
    assert set(read.properties) == declared


@given(st.text(max_size=30))
def test_text_that_xml_cannot_carry_never_breaks_the_document(text: str) -> None:
    record = system(1, ElementName=text, StatusDescriptions=[text])
    assert record.path is not None
    record.path = ObjectPath(
        "VirtCIM_ComputerSystem", {"Name": text, "CreationClassName": text}, namespace="root/virt"
    )
    for form in ("VALUE.NAMEDINSTANCE", "VALUE.OBJECTWITHPATH"):
        assert _parsed(_ENCODER.writer(form, Selection())(record)) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoSuchProperty", "x"),
        ("elementname", "the names of a record are spelled as declared"),
        ("ElementName", 1),
        ("ElementName", ["x"]),
        ("EnabledState", "2"),
        ("EnabledState", 70_000),
        ("OperationalStatus", 2),
        ("OperationalStatus", [2, None]),
        ("OperationalStatus", "22"),
        ("TimeOfLastStateChange", "now"),
        ("AllocationState", "<INSTANCE/>"),
    ],
)
def test_a_value_that_does_not_fit_its_declaration_is_never_written(name: str, value: Any) -> None:
    with pytest.raises(EncodingError, match=name):
        _ENCODER.instance(system(1, **{name: value}), Selection())


def _named_instance(record: Record, selection: Selection) -> bytes:
    return _ENCODER.writer("VALUE.NAMEDINSTANCE", selection)(record)


def test_a_record_of_an_unknown_class_is_never_written() -> None:
    with pytest.raises(EncodingError, match="No_Such"):
        _ENCODER.instance(Record("No_Such", {}), Selection())


def test_a_record_without_a_path_cannot_stand_where_paths_are_needed() -> None:
    with pytest.raises(EncodingError, match="no path"):
        _named_instance(Record("VirtCIM_ComputerSystem", {}), Selection())


_FORMS: tuple[Form, ...] = (
    "INSTANCE",
    "VALUE.NAMEDINSTANCE",
    "VALUE.OBJECTWITHPATH",
    "VALUE.INSTANCEWITHPATH",
)
_SELECTIONS = (
    Selection(),
    Selection(class_origin=True),
    Selection(property_list=frozenset({"managedelement", "isdefault"})),
    Selection(property_list=frozenset()),
    Selection(as_class="CIM_ElementSettingData"),
)


_KIND = AssociationKind(
    class_name="VirtCIM_ElementSettingData",
    roles=("ManagedElement", "SettingData"),
    namespace="root/virt/a%s",
)
_END = FormedPath(_NAME_FORMS[2], ("x", "y"))


def _association(
    ends: tuple[FormedPath, FormedPath], further: Mapping[str, Value]
) -> AssociationRecord:
    first, second = ends
    form = _KIND.form(first.form, second.form)
    return AssociationRecord(form, first.parts, second.parts, further)


@given(
    st.tuples(_FORMED_PATHS, _FORMED_PATHS),
    st.dictionaries(st.sampled_from(["IsDefault", "IsCurrent"]), st.integers(0, 2)),
    st.sampled_from(_FORMS),
    st.sampled_from(_SELECTIONS),
)
def test_an_association_is_written_like_any_other_instance(
    ends: tuple[FormedPath, FormedPath],
    further: Mapping[str, Value],
    form: Form,
    selection: Selection,
) -> None:
    one = _association(ends, further)
    any_other = Record(one.class_name, one.values, one.path)
    writer = _ENCODER.writer(form, selection)
    assert writer.in_list(one) == writer(any_other)


@given(_FORMED_PATHS)
def test_a_name_of_a_form_is_the_name_with_its_keys(path: FormedPath) -> None:
    same = ObjectPath(path.class_name, dict(path.keys), namespace=path.namespace)
    assert reference(FormedPath(path.form, path.parts)) == reference(same)
    assert instance_name(FormedPath(path.form, path.parts)) == instance_name(same)
    assert (path, hash(path), repr(path)) == (same, hash(same), repr(same))


def test_many_in_few_pieces_are_the_same_as_one_after_another() -> None:
    writer = Encoder(_DECLARATIONS, "h").writer("VALUE.NAMEDINSTANCE", Selection())
    kinds = [
        _association((FormedPath(_NAME_FORMS[1], (f"{number}", text)), _END), further)
        for number in range(40)
        for text in ("a", "<markup>", "")
        for further in ({"IsDefault": 1}, {"IsDefault": 2, "IsCurrent": 1}, {})
    ]
    odd = _association((_END, _END), {"IsDefault": 70_000})
    records: list[Record] = [*kinds, system(1), system(2), *kinds, odd, *kinds]
    pieces = [*writer.of_many(records)]
    assert b"".join(pieces) == b"".join(map(writer.in_list, records))
    assert len(pieces) < len(records) / 15
    assert max(map(len, pieces)) < 128 * 1024
    assert [*writer.of_many([])] == []


def test_a_piece_of_associations_is_no_smaller_than_one_of_a_message() -> None:
    """What is smaller is gathered and copied."""
    writer = _ENCODER.writer("VALUE.NAMEDINSTANCE", Selection())
    one = _association((_END, _END), {})
    *pieces, _ = writer.of_many([one] * 300)
    assert len(pieces) > 3
    assert min(map(len, pieces)) >= 96 * 1024


def test_an_odd_value_costs_only_the_association_that_has_it() -> None:
    missing: list[str] = []
    writer = Encoder(_DECLARATIONS, "h", left_out=missing.append).writer(
        "VALUE.NAMEDINSTANCE", Selection()
    )
    good, odd = ({"IsDefault": value} for value in (1, 70_000))
    assert [bool(writer.in_list(_association((_END, _END), one))) for one in (good, odd, good)] == [
        True,
        False,
        True,
    ]
    assert [text for text in missing if "VirtCIM_ElementSettingData.IsDefault" in text] == missing
    assert missing


def test_an_association_has_no_properties_that_its_class_does_not_declare() -> None:
    with pytest.raises(EncodingError, match="NoSuch"):
        _ENCODER.writer("INSTANCE", Selection()).in_list(_association((_END, _END), {"NoSuch": 1}))


def test_the_text_of_a_record_is_kept_per_form_and_selection() -> None:
    record = system(1)
    some = Selection(property_list=frozenset({"elementname"}))
    first = _named_instance(record, Selection())
    assert _named_instance(record, Selection()) is first
    assert _named_instance(record, some) is _named_instance(record, some)
    assert _named_instance(record, some) is not first


def test_a_record_keeps_a_bounded_number_of_texts() -> None:
    record = system(1)
    for name in _DECLARATIONS.properties("VirtCIM_ComputerSystem"):
        _ENCODER.instance(record, Selection(property_list=frozenset({name})))
    assert isinstance(record.encoded, dict)
    assert len(record.encoded) <= 8


def _systems(count: int) -> RecordList:
    return RecordList(system(number) for number in range(count))


def _text_of(records: RecordList, encoder: Encoder = _ENCODER) -> tuple[bytes, int]:
    """The text of a whole list, and in how many pieces it came."""
    pieces = [*encoder.writer("VALUE.NAMEDINSTANCE", Selection()).all_of(records)]
    return b"".join(pieces), len(pieces)


def test_a_list_that_is_asked_for_again_comes_in_fewer_pieces_of_the_same_text() -> None:
    records = _systems(30)
    expected = b"".join(_named_instance(one, Selection()) for one in records)
    assert [_text_of(records) for _ in range(4)] == [(expected, 30), *[(expected, 1)] * 3]
    other = RecordList([*records, system(99)])
    assert _text_of(other) == (expected + _named_instance(system(99), Selection()), 31)


def test_no_more_lists_keep_their_text_than_fit() -> None:
    encoder = Encoder(_DECLARATIONS, "host")
    lists = [_systems(number) for number in range(1, 9)]
    for records in lists:
        for _ in range(3):
            _text_of(records, encoder)
    assert [any(one.encoded.values()) for one in lists] == [False] * 4 + [True] * 4
    long = RecordList([system(number, Description="x" * 100_000) for number in range(50)])
    texts = {_text_of(long, encoder) for _ in range(4)}
    assert [pieces for _, pieces in texts] == [50]
    assert not any(long.encoded.values())


def test_a_list_remembers_few_of_those_who_asked_for_it() -> None:
    encoder = Encoder(_DECLARATIONS, "host")
    records = _systems(2)
    for name in _DECLARATIONS.properties("VirtCIM_ComputerSystem"):
        wanted = Selection(property_list=frozenset({name}))
        assert [*encoder.writer("INSTANCE", wanted).all_of(records)]
    assert len(records.encoded) <= 8


def test_an_empty_list_has_no_text() -> None:
    assert [_text_of(RecordList([]))[0] for _ in range(3)] == [b""] * 3


def test_a_property_list_selects_and_unknown_names_are_ignored() -> None:
    wanted = Selection(property_list=frozenset({"elementname", "nosuch", "name"}))
    read = _parsed(_ENCODER.instance(system(1), wanted))
    assert sorted(read.properties) == ["ElementName", "Name"]


def test_an_empty_property_list_selects_nothing() -> None:
    read = _parsed(_ENCODER.instance(system(1), Selection(property_list=frozenset())))
    assert not read.properties


def test_seen_as_a_superclass_an_instance_lacks_what_subclasses_add() -> None:
    read = _parsed(_ENCODER.instance(system(1), Selection(as_class="CIM_ComputerSystem")))
    assert read.classname == "VirtCIM_ComputerSystem"
    assert "EnabledState" in read.properties
    assert "StopReason" not in read.properties


def test_the_class_origin_is_written_when_it_is_wanted() -> None:
    read = _parsed(_ENCODER.instance(system(1), Selection(class_origin=True)))
    assert read.properties["StopReason"].class_origin == "VirtCIM_ComputerSystem"
    assert read.properties["ElementName"].class_origin == "CIM_ManagedElement"
    plain = _parsed(_ENCODER.instance(system(1), Selection()))
    assert plain.properties["StopReason"].class_origin is None


def test_no_element_ends_in_its_start_tag_as_wbemcli_cannot_read_that() -> None:
    text = _ENCODER.instance(Record("VirtCIM_ComputerSystem", {"Roles": []}), Selection()).decode()
    assert "/>" not in text


def test_keys_of_every_kind_are_written_with_their_kind() -> None:
    keys: dict[str, KeyValue] = {"B": True, "N": 7, "S": "<", "R": ObjectPath("C", {"N": 1})}
    name = instance_name(ObjectPath("Test_Everything", keys))
    read = _parsed(name.encode())
    assert read.keybindings["B"] is True
    assert read.keybindings["N"] == 7
    assert read.keybindings["S"] == "<"
    assert read.keybindings["R"] == pywbem.CIMInstanceName("C", {"N": 1})


@pytest.mark.parametrize(
    "keys",
    [
        {"Name": "100 %s", "Id": "a%%b"},
        {"Name": "a", "Id": "<&>"},
        {"Name": "a", "Number": 7},
        {"Number": 7, "Name": "a"},
        {"R": ObjectPath("C", {"N": "%"}, namespace="a/b"), "Name": "a"},
        {"R": ObjectPath("C", {"N": "a"}), "Q": ObjectPath("D", {"N": True}, namespace="c")},
        {"Name": ""},
        {"Name": "\u00e4\u4e2d\U0001f600"},
    ],
)
def test_a_path_is_read_back_as_it_was_written(keys: dict[str, KeyValue]) -> None:
    path = ObjectPath("Test_Class", keys, namespace="root/virt")
    first = instance_name(path)
    assert instance_name(path) is first
    read = _parsed(first.encode())
    assert read.classname == "Test_Class"
    for name, value in keys.items():
        if isinstance(value, ObjectPath):
            assert read.keybindings[name].keybindings == dict(value.keys)
            assert read.keybindings[name].namespace == (value.namespace or None)
        else:
            assert read.keybindings[name] == value


def test_names_with_percent_signs_are_names_like_others() -> None:
    """The texts of paths and instances are made with places for the values."""
    read = _parsed(instance_name(ObjectPath("C%s", {"N%d": "%"}, namespace="x")).encode())
    assert (read.classname, dict(read.keybindings)) == ("C%s", {"N%d": "%"})
    shown = _parsed(_ENCODER.instance(system(1, ElementName="50 % of %s"), Selection()))
    assert shown["ElementName"] == "50 % of %s"


def test_null_is_written_where_others_of_the_same_properties_have_values() -> None:
    values = [("a", "b"), (None, "b"), ("a", None), (None, None), ("a", "b")]
    for name, caption in values:
        record = system(1, ElementName=name, Caption=caption)
        read = _parsed(_ENCODER.instance(record, Selection()))
        assert (read["ElementName"], read["Caption"]) == (name, caption)


def test_a_value_that_does_not_fit_is_named_also_where_others_fitted() -> None:
    _ENCODER.instance(system(1), Selection())
    with pytest.raises(EncodingError, match=r"VirtCIM_ComputerSystem\.HealthState: 'x'"):
        _ENCODER.instance(system(1, HealthState="x"), Selection())
    with pytest.raises(OutOfRange, match=r"VirtCIM_ComputerSystem\.HealthState: "):
        _ENCODER.instance(system(1, HealthState=2**16), Selection())


def test_a_reference_to_a_class_keeps_its_namespace() -> None:
    record = Record("Test_Everything", {"S_reference": ObjectPath("CIM_System", namespace="a/b")})
    read = _parsed(_ENCODER.instance(record, Selection()))["S_reference"]
    assert (read.classname, read.namespace) == ("CIM_System", "a/b")


def test_the_number_of_compiled_layouts_is_bounded() -> None:
    encoder = Encoder(_DECLARATIONS, "host")
    names = list(_DECLARATIONS.properties("VirtCIM_ComputerSystem"))
    selections = [
        Selection(property_list=frozenset({first, second})) for first in names for second in names
    ]
    record = system(1)
    texts = [encoder.instance(record, one) for one in selections]
    assert len(set(selections)) > 512
    assert texts == [encoder.instance(record, one) for one in selections]
