"""Texts that are kept as differences are the texts, whatever the instances have in common."""

from __future__ import annotations

import tracemalloc
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from tests.cim.everything import extended_schema
from virtcim.cim.cimxml.instances import Encoder, Form, Selection
from virtcim.cim.records import Keeping, ObjectPath, Record, RecordList
from virtcim.cimserver.declarations import Declarations

_DECLARATIONS = Declarations(extended_schema())
_CLASS = "VirtCIM_ComputerSystem"
_FORMS: tuple[Form, ...] = (
    "INSTANCE",
    "VALUE.NAMEDINSTANCE",
    "VALUE.OBJECTWITHPATH",
    "VALUE.INSTANCEWITHPATH",
)
# Few of them, so that instances have something in common; with what stands for a place in a text.
_TEXTS = st.sampled_from(["", "a", "b", "%", "%s", "100 %", "%%", "<&>", "long " * 30])
_VALUES = st.fixed_dictionaries(
    {"Name": _TEXTS},
    optional={
        "ElementName": st.none() | _TEXTS,
        "EnabledState": st.sampled_from([2, 3]),
        "StatusDescriptions": st.lists(_TEXTS, max_size=2),
    },
)


class _Kept(Record):
    """One whose text is kept as what makes it differ."""

    keeping: ClassVar[Keeping] = "differences"
    released = 0

    def release(self) -> None:
        self.released += 1


def _record(values: dict[str, object], *, kept: bool) -> Record:
    keys = {"CreationClassName": _CLASS, "Name": str(values["Name"])}
    path = ObjectPath(_CLASS, keys, namespace="root/virt/a%s")
    return (_Kept if kept else Record)(_CLASS, values, path)  # type: ignore[arg-type]


@given(st.lists(_VALUES, min_size=1, max_size=8))
def test_every_form_of_many_instances_is_the_same_text(given: list[dict[str, object]]) -> None:
    encoder, plain = (Encoder(_DECLARATIONS, "h%s<") for _ in range(2))
    several = [_record(values, kept=True) for values in given]
    for form in _FORMS:
        expected = [
            plain.writer(form, Selection())(_record(values, kept=False)) for values in given
        ]
        writer = encoder.writer(form, Selection())
        assert [*map(writer, several)] == expected
        # What was kept when less had differed is still right.
        assert [*map(writer, several)] == [*map(writer.in_list, several)] == expected
        assert b"".join(writer.all_of(RecordList(several))) == b"".join(expected)


def test_a_record_is_released_once_for_each_text_and_keeps_few_of_them() -> None:
    encoder = Encoder(_DECLARATIONS, "host")
    record = _Kept(_CLASS, {"Name": "a"})
    names = [*_DECLARATIONS.properties(_CLASS)]
    for _ in range(3):
        encoder.instance(record, Selection())
    assert record.released == 1
    for name in names:
        encoder.instance(record, Selection(property_list=frozenset({name})))
        assert record.differences is not None
        assert record.differences.number <= 8
    assert record.encoded is None


def test_what_thousands_have_in_common_takes_no_memory_with_each() -> None:
    encoder = Encoder(_DECLARATIONS, "host")
    common = "what all of them have " * 100
    several = [
        _record({"Name": f"name {number}", "Description": common}, kept=True)
        for number in range(1000)
    ]
    texts = [encoder.writer("VALUE.NAMEDINSTANCE", Selection())(one) for one in several]
    kept = [one.differences.size_bytes for one in several if one.differences is not None]
    assert len(kept) == 1000
    assert sum(kept) < sum(map(len, texts)) / 5


def test_the_texts_of_instances_that_are_gone_take_no_memory() -> None:
    writer = Encoder(_DECLARATIONS, "host").writer("VALUE.NAMEDINSTANCE", Selection())

    def write(numbers: range) -> None:
        for number in numbers:
            writer(_record({"Name": f"name {number}", "Caption": f"what {number} is"}, kept=True))

    # The first ones have what is kept of the class, too.
    write(range(500))
    tracemalloc.start()
    try:
        write(range(500, 3500))
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left_bytes < 64 * 1024


def test_what_is_made_for_one_answer_keeps_no_text() -> None:
    class Passing(Record):
        keeping: ClassVar[Keeping] = "nothing"

    record = Passing(_CLASS, {"Name": "a"})
    encoder = Encoder(_DECLARATIONS, "host")
    assert encoder.instance(record, Selection()) == encoder.instance(record, Selection())
    assert record.encoded is None
    assert record.differences is None
