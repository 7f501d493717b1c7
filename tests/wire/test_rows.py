"""Pages of rows: records as a struct would carry them, within limits, whatever arrives."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.wire import decode_response, encode_response
from virtcim.wire.errors import MalformedMessage
from virtcim.wire.rows import MOST_CHARACTERS, decode_page, encode_page

# Whatever Python has as text: control characters and halves of surrogate pairs, too.
TEXTS = st.text(st.characters(), max_size=8)
RECORDS = st.fixed_dictionaries(
    {
        "name": TEXTS,
        "enabled": st.booleans(),
        "share": st.floats(allow_nan=False, allow_infinity=False),
        "tags": st.lists(TEXTS, max_size=3),
        "other_config": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "start_time": st.datetimes(timezones=st.just(UTC)),
    }
)
FIELDS = ["other_config", "name", "start_time", "tags", "share", "enabled"]
ONE = json.dumps({"total": 1, "next": "", "rows": [["a", 1]]})


def _carried(value: object) -> Any:
    """What arrives of a value."""
    return decode_response(encode_response(value))


@given(st.dictionaries(TEXTS, RECORDS, max_size=4))
def test_a_record_of_a_page_is_the_record_of_a_struct(records: dict[str, dict[str, Any]]) -> None:
    rows = [[ref, *(record[field] for field in FIELDS)] for ref, record in records.items()]
    page = decode_page(_carried(encode_page(rows, 7, more=False)), FIELDS, ["start_time"])
    assert page.records == _carried(records)
    assert (page.total, page.next) == (7, "")


def test_times_in_texts_stay_texts() -> None:
    told = "20261130T23:09:17Z"
    page = decode_page(encode_page([["a", told, told]], 1, more=False), ["name", "at"], ["at"])
    assert page.records == {
        "a": {"name": told, "at": datetime(2026, 11, 30, 23, 9, 17, tzinfo=UTC)}
    }


@pytest.mark.parametrize("more", [True, False])
def test_a_page_goes_on_after_its_last_row(more: bool) -> None:
    page = decode_page(encode_page([["a", 1], ["b", 2]], 9, more=more), ["n"])
    assert list(page.records) == ["a", "b"]
    assert page.next == ("b" if more else "")


def test_long_rows_make_several_pages() -> None:
    rows = [[f"{number:03}", "x" * 50_000] for number in range(200)]
    after, read, pages = "", list[str](), 0
    while True:
        text = encode_page([row for row in rows if row[0] > after], 200, more=False)
        assert len(text) < MOST_CHARACTERS / 2
        page = decode_page(text, ["text"])
        read += page.records
        pages += 1
        after = page.next
        if not after:
            break
    assert read == [row[0] for row in rows]
    assert pages > 2


def test_what_no_record_holds_is_in_no_page() -> None:
    with pytest.raises(TypeError, match="rows have no bytes"):
        encode_page([["a", b"x"]], 1, more=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        (ONE[:-1], "no JSON"),
        (ONE.replace("[[", "[" * 100_000), "no JSON"),
        (ONE.replace('"a", 1', '"a", NaN'), "NaN is no number"),
        (ONE.replace('"a", 1', '"a", -Infinity'), "-Infinity is no number"),
        (ONE.replace('"a", 1', '"a", ' + "9" * 5000), "no JSON"),
        ("[]", "no rows"),
        ('{"rows": []}', "no rows"),
        (ONE.replace("[[", "{}, [["), "no JSON"),
        (ONE.replace('[["a", 1]]', '{"a": 1}'), "no rows"),
        (ONE.replace('["a", 1]', '["a"]'), "no reference with 1 values"),
        (ONE.replace('["a", 1]', '["a", 1, 2]'), "no reference with 1 values"),
        (ONE.replace('["a", 1]', "[2, 1]"), "no reference with 1 values"),
        (ONE.replace('["a", 1]', '"a1"'), "no reference with 1 values"),
        (ONE.replace('"next": ""', '"next": "b"'), "not in this one"),
        (ONE + " " * MOST_CHARACTERS, "more than 16777216 characters"),
    ],
)
def test_what_is_no_page_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(MalformedMessage, match=said):
        decode_page(text, ["number"])


@pytest.mark.parametrize("told", ["", "yesterday", None, 7])
def test_what_is_no_time_is_what_it_is(told: object) -> None:
    page = decode_page(encode_page([["a", told]], 1, more=False), ["at"], ["at"])
    assert page.records["a"] == {"at": told}


def test_a_time_that_is_none_is_refused_as_in_a_struct() -> None:
    with pytest.raises(MalformedMessage, match="no possible time"):
        decode_page(encode_page([["a", "20261330T23:09:17Z"]], 1, more=False), ["at"], ["at"])


@given(
    st.one_of(
        TEXTS,
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.sampled_from(["rows", "next", "total", "x"]), inner),
            ),
            max_leaves=10,
        ).map(json.dumps),
    )
)
def test_any_text_is_a_page_or_refused(text: str) -> None:
    try:
        page = decode_page(text, ["one", "two"], ["two"])
    except MalformedMessage:
        return
    assert all(list(record) == ["one", "two"] for record in page.records.values())
