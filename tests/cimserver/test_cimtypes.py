"""Reading and writing single values of the CIM data types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cimserver.cimtypes import INTEGER_RANGES, escape, formatter, parse_scalar
from virtcim.cimserver.errors import EncodingError

_ZONES = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_TIMES = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29))  # noqa: DTZ001
_MAX_INTERVAL = timedelta(days=99_999_999, hours=23, minutes=59, seconds=59)


@given(st.sampled_from(sorted(INTEGER_RANGES)), st.data())
def test_integers_are_read_as_they_were_written(type_name: str, data: st.DataObject) -> None:
    lowest, highest = INTEGER_RANGES[type_name]
    value = data.draw(st.integers(lowest, highest))
    assert parse_scalar(type_name, formatter(type_name)(value)) == value
    if value >= 0:
        assert parse_scalar(type_name, hex(value)) == value


@pytest.mark.parametrize(("type_name", "bounds"), INTEGER_RANGES.items())
def test_integers_out_of_range_are_refused_with_the_range(
    type_name: str, bounds: tuple[int, int]
) -> None:
    for value in (bounds[0] - 1, bounds[1] + 1):
        with pytest.raises(ValueError, match=f"between {bounds[0]} and {bounds[1]}"):
            parse_scalar(type_name, str(value))
        with pytest.raises(EncodingError, match="out of the range"):
            formatter(type_name)(value)


@given(st.booleans())
def test_booleans_are_read_as_they_were_written(value: bool) -> None:
    assert parse_scalar("boolean", formatter("boolean")(value)) is value


@given(st.floats(allow_nan=False))
def test_reals_are_read_as_they_were_written(value: float) -> None:
    assert parse_scalar("real64", formatter("real64")(value)) == value


def test_what_is_no_number_is_a_real_too() -> None:
    assert formatter("real32")(float("nan")) == "NaN"
    assert str(parse_scalar("real32", "NaN")) == "nan"


@given(_TIMES, _ZONES)
def test_points_in_time_are_read_as_they_were_written(moment: datetime, zone: timezone) -> None:
    aware = moment.replace(tzinfo=zone)
    assert parse_scalar("datetime", formatter("datetime")(aware)) == aware


@given(st.timedeltas(min_value=timedelta(0), max_value=_MAX_INTERVAL))
def test_intervals_are_read_as_they_were_written(interval: timedelta) -> None:
    assert parse_scalar("datetime", formatter("datetime")(interval)) == interval


def test_a_point_in_time_is_written_with_the_offset_in_minutes() -> None:
    zone = timezone(timedelta(hours=-5))
    moment = datetime(2026, 11, 20, 10, 45, 57, 123, tzinfo=zone)
    assert formatter("datetime")(moment) == "20261120104557.000123-300"
    assert formatter("datetime")(moment.astimezone(UTC)) == "20261120154557.000123+000"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_any_text_becomes_well_formed_xml_that_keeps_what_xml_can_carry(text: str) -> None:
    read = ElementTree.fromstring(f'<V A="{escape(text)}">{escape(text)}</V>').text or ""
    assert len(read) == len(text)
    for came, went in zip(read, text, strict=True):
        impossible = (went < " " and went not in "\t\n") or went in "\ufffe\uffff"
        assert came != went if impossible else came == went


def test_a_less_precise_point_in_time_is_its_beginning() -> None:
    read = parse_scalar("datetime", "2026112010****.******+000")
    assert read == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_control_characters_become_visible() -> None:
    assert escape("a\x00b\x1bc\ud800d\uffff") == "a\u2400b\u241bc\ufffdd\ufffd"


def test_a_carriage_return_survives_the_reader() -> None:
    written = escape("a\r\nb")
    assert ElementTree.fromstring(f"<V>{written}</V>").text == "a\r\nb"


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("uint8", ""),
        ("uint8", "one"),
        ("uint8", "1.0"),
        ("uint8", "1_0"),
        ("uint64", "9" * 5000),
        ("sint8", "0x"),
        ("uint8", "٣"),
        ("boolean", "1"),
        ("boolean", ""),
        ("char16", "ab"),
        ("char16", ""),
        ("char16", "\U0001f600"),
        ("real32", "one"),
        ("real64", "1e99999"),
        ("real64", "9" * 500),
        ("datetime", "yesterday"),
        ("datetime", "20261340000000.000000+000"),
    ],
)
def test_text_that_is_no_value_of_its_type_is_refused(type_name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"is|expected|between"):
        parse_scalar(type_name, text)


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("uint8", True),
        ("uint8", "1"),
        ("uint8", 1.0),
        ("boolean", 1),
        ("string", 1),
        ("string", b"bytes"),
        ("char16", "ab"),
        ("real64", True),
        ("real64", "1"),
        ("datetime", "20261120104557.000000+000"),
        ("datetime", datetime(2026, 1, 1)),  # noqa: DTZ001 - that is what is refused
        ("datetime", timedelta(days=-1)),
    ],
)
def test_a_value_of_another_type_is_never_written(type_name: str, value: object) -> None:
    with pytest.raises(EncodingError):
        formatter(type_name)(value)
