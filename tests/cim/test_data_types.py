"""Reading and writing single values of the CIM data types, the same wherever their texts stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cim.data_types import DATA_TYPES, INTEGER_RANGES, Simple, read_value
from virtcim.cim.errors import EncodingError, OutOfRange
from virtcim.cim.instance_text import InstanceTextError, read_instance_text

_ZONES = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_TIMES = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29))  # noqa: DTZ001
_MAX_INTERVAL = timedelta(days=99_999_999, hours=23, minutes=59, seconds=59)


NOT_READ = None

# type, text, value (None: refused), clause. What DSP0004 2.7 and DSP0201 2.4 leave open is marked.
DECISIONS: list[tuple[str, str, Simple | None, str]] = [
    ("boolean", "TRUE", True, 'DSP0201 "VALUE": TRUE or FALSE'),
    ("boolean", "False", False, 'DSP0201 "VALUE": in any case'),
    ("boolean", " true ", True, "open: blanks around it say nothing"),
    ("boolean", "1", NOT_READ, 'DSP0201 "VALUE": no numbers'),
    ("boolean", "", NOT_READ, 'DSP0201 "VALUE": NULL is an absent element'),
    ("uint8", "+5", 5, 'DSP0201 "VALUE": a sign may stand in front'),
    ("uint8", "-0", 0, "open: it is zero"),
    ("uint8", "007", 7, 'DSP0201 "VALUE": decimal; octal is of MOF'),
    ("uint8", "0x1F", 31, 'DSP0201 "VALUE": hexadecimal'),
    ("uint8", "0X1f", 31, 'DSP0201 "VALUE": in any case'),
    ("sint8", "-0x80", -128, 'DSP0201 "VALUE": hexadecimal with a sign'),
    ("sint8", "- 5", NOT_READ, 'DSP0201 "VALUE": nothing between sign and digits'),
    ("uint8", "101b", NOT_READ, 'DSP0201 "VALUE": binary is of MOF'),
    ("uint8", " 5\n", 5, 'DSP0201 "VALUE": blanks around a number say nothing'),
    ("uint8", "\u00a05", NOT_READ, "XML 1.0 2.3: a no-break space is no blank"),
    ("uint8", "1e2", NOT_READ, 'DSP0201 "VALUE": an integer has no exponent'),
    ("uint8", "1.0", NOT_READ, 'DSP0201 "VALUE": an integer has no dot'),
    ("uint8", "1_0", NOT_READ, 'DSP0201 "VALUE": digits only'),
    ("uint8", "\u0663", NOT_READ, 'DSP0201 "VALUE": the digits of ASCII'),
    ("uint8", "256", NOT_READ, 'DSP0004 "Data Types": range of the type'),
    ("uint64", "0x" + "1".zfill(22), 1, 'DSP0201 "VALUE": any number of leading zeros'),
    ("uint64", "1".zfill(23), 1, 'DSP0201 "VALUE": any number of leading zeros'),
    ("real32", "1.5E3", 1500.0, 'DSP0201 "VALUE": mantissa and exponent'),
    ("real32", ".5", 0.5, 'DSP0201 "VALUE": digits may be missing before the dot'),
    ("real32", "1.", NOT_READ, 'DSP0201 "VALUE": digits must follow the dot'),
    ("real32", "1", 1.0, "deviation: clients write whole numbers so"),
    ("real32", "1e3", NOT_READ, 'DSP0201 "VALUE": no exponent without a dot'),
    ("real32", " +1.5 ", 1.5, 'DSP0201 "VALUE": sign, blanks'),
    ("real32", "INF", float("inf"), 'DSP0201 "VALUE": INF'),
    ("real32", "-INF", float("-inf"), 'DSP0201 "VALUE": -INF'),
    ("real32", "+INF", NOT_READ, 'DSP0201 "VALUE": INF has no plus'),
    ("real32", "inf", NOT_READ, 'DSP0201 "VALUE": in this case only'),
    ("real32", "infinity", NOT_READ, 'DSP0201 "VALUE": INF'),
    ("real32", "nan", NOT_READ, 'DSP0201 "VALUE": NaN in this case only'),
    ("real32", "1_0.5", NOT_READ, 'DSP0201 "VALUE": digits only'),
    ("real32", "0x10", NOT_READ, 'DSP0201 "VALUE": no hexadecimal reals'),
    ("real32", "1.0E39", NOT_READ, 'DSP0004 "Data Types": range of IEEE single precision'),
    ("real64", "1.0E39", 1e39, 'DSP0004 "Data Types": range of IEEE double precision'),
    ("real64", "1.0E400", NOT_READ, 'DSP0004 "Data Types": range of IEEE double precision'),
    ("char16", "ab", NOT_READ, 'DSP0004 "Data Types": one character'),
    ("char16", "", NOT_READ, 'DSP0004 "Data Types": one character'),
    ("char16", " ", " ", 'DSP0004 "Data Types": a blank is a character'),
    ("char16", "\U0001f600", NOT_READ, 'DSP0004 "Data Types": 16 bits'),
    (
        "datetime",
        "20261120104557.000000-300",
        datetime(2026, 11, 20, 15, 45, 57, tzinfo=UTC),
        'DSP0004 "Datetime Type": a point in time with its offset in minutes',
    ),
    (
        "datetime",
        "2026112010****.******+000",
        datetime(2026, 11, 20, 10, tzinfo=UTC),
        'DSP0004 "Datetime Type": asterisks for what is not known; its first moment',
    ),
    (
        "datetime",
        "2026112010455*.******+000",
        NOT_READ,
        'DSP0004 "Datetime Type": asterisks replace whole fields',
    ),
    (
        "datetime",
        "2026**20104557.000000+000",
        NOT_READ,
        'DSP0004 "Datetime Type": asterisks stand on the right',
    ),
    (
        "datetime",
        "20261120104557.12****+000",
        datetime(2026, 11, 20, 10, 45, 57, 120000, tzinfo=UTC),
        'DSP0004 "Datetime Type": of the microseconds any digits from the right',
    ),
    (
        "datetime",
        "**************.******+000",
        NOT_READ,
        'DSP0004 "Datetime Type": a year is needed',
    ),
    (
        "datetime",
        "00000001020304.000005:000",
        timedelta(1, 7384, 5),
        'DSP0004 "Datetime Type": interval',
    ),
    (
        "datetime",
        "0000000102****.******:000",
        timedelta(days=1, hours=2),
        'DSP0004 "Datetime Type": interval with asterisks',
    ),
    ("datetime", "00000001240000.000000:000", NOT_READ, 'DSP0004 "Datetime Type": hours below 24'),
    (
        "datetime",
        "00000001000000.000000:001",
        NOT_READ,
        'DSP0004 "Datetime Type": an interval ends in :000',
    ),
    (
        "datetime",
        "20261120104560.000000+000",
        NOT_READ,
        'DSP0004 "Datetime Type": seconds below 60',
    ),
    ("datetime", "20261340000000.000000+000", NOT_READ, 'DSP0004 "Datetime Type": twelve months'),
    (
        "datetime",
        "2026-11-20T10:45:57Z",
        NOT_READ,
        'DSP0004 "Datetime Type": not the form of ISO 8601',
    ),
    (
        "datetime",
        " 20261120104557.000000+000 ",
        datetime(2026, 11, 20, 10, 45, 57, tzinfo=UTC),
        "open: blanks around it say nothing",
    ),
    ("string", " a ", " a ", 'DSP0201 "VALUE": a string is all of its text'),
    ("string", "", "", 'DSP0201 "VALUE": an empty string is not NULL'),
    ("text", "a", NOT_READ, 'DSP0004 "Data Types": there is no such type'),
]


@pytest.mark.parametrize(
    ("type_name", "text", "value"),
    [row[:3] for row in DECISIONS],
    ids=[f"{row[0]} {row[1]!r:.30}: {row[3]}" for row in DECISIONS],
)
def test_a_text_is_read_as_the_standards_say_and_the_same_in_an_embedded_instance(
    type_name: str, text: str, value: Simple | None
) -> None:
    document = (
        f'<INSTANCE CLASSNAME="C"><PROPERTY NAME="P" TYPE="{type_name}"><VALUE>{escape(text)}'
        "</VALUE></PROPERTY></INSTANCE>"
    )
    if value is None:
        with pytest.raises(ValueError, match=r"is|expected|between|beyond") as refused:
            read_value(type_name, text)
        assert "literal" not in str(refused.value), "the words of int() are not for clients"
        with pytest.raises(InstanceTextError, match=rf"^P: .* is no {type_name}: "):
            read_instance_text(document)
        return
    read = read_value(type_name, text)
    assert (read, type(read)) == (value, type(value))
    assert read_instance_text(document).values == {"P": value}


_DIGITS = st.text(alphabet="0123456789+-.:*eExXbINFa ", max_size=30)


@given(st.sampled_from(sorted(DATA_TYPES)), st.text(max_size=30) | _DIGITS)
def test_any_text_is_refused_or_a_value_that_is_read_as_it_was_written(
    type_name: str, text: str
) -> None:
    try:
        value = read_value(type_name, text)
    except ValueError:
        return
    again = read_value(type_name, DATA_TYPES[type_name].write(value))
    assert again == value or (again != again and value != value)


@given(st.sampled_from(sorted(INTEGER_RANGES)), st.data())
def test_integers_are_read_as_they_were_written(type_name: str, data: st.DataObject) -> None:
    lowest, highest = INTEGER_RANGES[type_name]
    value = data.draw(st.integers(lowest, highest))
    assert read_value(type_name, DATA_TYPES[type_name].write(value)) == value
    if value >= 0:
        assert read_value(type_name, hex(value)) == value


@pytest.mark.parametrize(("type_name", "bounds"), INTEGER_RANGES.items())
def test_integers_out_of_range_are_refused_with_the_range(
    type_name: str, bounds: tuple[int, int]
) -> None:
    for value in (bounds[0] - 1, bounds[1] + 1):
        with pytest.raises(ValueError, match=f"between {bounds[0]} and {bounds[1]}"):
            read_value(type_name, str(value))
        with pytest.raises(EncodingError, match="out of the range"):
            DATA_TYPES[type_name].write(value)


@given(st.booleans())
def test_booleans_are_read_as_they_were_written(value: bool) -> None:
    assert read_value("boolean", DATA_TYPES["boolean"].write(value)) is value


@given(st.floats(allow_nan=False, width=32))
def test_reals_of_single_precision_are_read_as_they_were_written(value: float) -> None:
    assert read_value("real32", DATA_TYPES["real32"].write(value)) == value


@pytest.mark.parametrize("value", [1e39, -1e39, 10**400])
def test_a_number_beyond_single_precision_is_never_written(value: float) -> None:
    with pytest.raises(OutOfRange, match="out of the range of real32"):
        DATA_TYPES["real32"].write(value)


@given(st.floats(allow_nan=False))
def test_reals_are_read_as_they_were_written(value: float) -> None:
    assert read_value("real64", DATA_TYPES["real64"].write(value)) == value


def test_what_is_no_number_is_a_real_too() -> None:
    assert DATA_TYPES["real32"].write(float("nan")) == "NaN"
    assert str(read_value("real32", "NaN")) == "nan"


@given(_TIMES, _ZONES)
def test_points_in_time_are_read_as_they_were_written(moment: datetime, zone: timezone) -> None:
    aware = moment.replace(tzinfo=zone)
    assert read_value("datetime", DATA_TYPES["datetime"].write(aware)) == aware


@given(st.timedeltas(min_value=timedelta(0), max_value=_MAX_INTERVAL))
def test_intervals_are_read_as_they_were_written(interval: timedelta) -> None:
    assert read_value("datetime", DATA_TYPES["datetime"].write(interval)) == interval


def test_a_point_in_time_is_written_with_the_offset_in_minutes() -> None:
    zone = timezone(timedelta(hours=-5))
    moment = datetime(2026, 11, 20, 10, 45, 57, 123, tzinfo=zone)
    assert DATA_TYPES["datetime"].write(moment) == "20261120104557.000123-300"
    assert DATA_TYPES["datetime"].write(moment.astimezone(UTC)) == "20261120154557.000123+000"


def test_a_less_precise_point_in_time_is_its_beginning() -> None:
    read = read_value("datetime", "2026112010****.******+000")
    assert read == datetime(2026, 11, 20, 10, tzinfo=UTC)


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
        ("reference", "CIM_X"),
        ("", ""),
    ],
)
def test_text_that_is_no_value_of_its_type_is_refused(type_name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"is|expected|between"):
        read_value(type_name, text)


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
        DATA_TYPES[type_name].write(value)
