"""Points in time and intervals as text (DSP0004 "Datetime Type").

Both have 25 characters: ``yyyymmddhhmmss.mmmmmmsutc`` with the offset from UTC in minutes, and
``ddddddddhhmmss.mmmmmm:000``. From the right, asterisks stand for what is not known.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from virtcim.cim.errors import EncodingError, OutOfRange

__all__ = ["read_datetime", "write_datetime"]

_FORM = re.compile(r"([0-9*]{14})\.([0-9*]{6})([+:-])([0-9]{3})")
_EXPECTED = "a datetime is yyyymmddhhmmss.mmmmmmsutc or ddddddddhhmmss.mmmmmm:000"
# Of a less precise value the first moment counts.
_FIRST_MOMENT = "00010101000000000000"
_SHORTEST_INTERVAL = "0" * 20
# Asterisks replace whole fields; of the microseconds any number of digits.
_MOMENT_PRECISIONS = frozenset({4, 6, 8, 10, 12, 14, 15, 16, 17, 18, 19, 20})
_INTERVAL_PRECISIONS = _MOMENT_PRECISIONS - {4, 6}
_MAX_DAYS = 99_999_999


def read_datetime(text: str) -> datetime | timedelta:
    """The point in time or the interval. Raises ValueError saying what was expected."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(_EXPECTED)
    date_and_time, microseconds, sign, offset = found.groups()
    digits = date_and_time + microseconds
    known = digits.rstrip("*")
    precisions = _INTERVAL_PRECISIONS if sign == ":" else _MOMENT_PRECISIONS
    if "*" in known or len(known) not in precisions:
        raise ValueError(f"{_EXPECTED}; asterisks replace whole fields from the right")
    try:
        if sign == ":":
            return _interval(known + _SHORTEST_INTERVAL[len(known) :], offset)
        minutes = int(offset) if sign == "+" else -int(offset)
        return _moment(known + _FIRST_MOMENT[len(known) :], timezone(timedelta(minutes=minutes)))
    except ValueError as exc:
        raise ValueError(f"{_EXPECTED}: {exc}") from exc


def _moment(digits: str, zone: timezone) -> datetime:
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    return datetime(year, month, day, *_time(digits), tzinfo=zone)


def _interval(digits: str, offset: str) -> timedelta:
    hour, minute, second, microsecond = _time(digits)
    if offset != "000" or hour > 23 or minute > 59 or second > 59:
        raise ValueError("an interval ends in hhmmss below 24 hours and :000")
    return timedelta(
        days=int(digits[:8]),
        hours=hour,
        minutes=minute,
        seconds=second,
        microseconds=microsecond,
    )


def _time(digits: str) -> tuple[int, int, int, int]:
    return int(digits[8:10]), int(digits[10:12]), int(digits[12:14]), int(digits[14:])


def write_datetime(value: object) -> str:
    """The text of an aware datetime or of a timedelta. Raises EncodingError for anything else."""
    if isinstance(value, timedelta):
        minutes, seconds = divmod(value.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        if not 0 <= value.days <= _MAX_DAYS:
            raise OutOfRange(f"{value!r} is no interval that CIM can carry")
        time = f"{hours:02}{minutes:02}{seconds:02}.{value.microseconds:06}"
        return f"{value.days:08}{time}:000"
    offset = value.utcoffset() if isinstance(value, datetime) else None
    if not isinstance(value, datetime) or offset is None:
        raise EncodingError(f"{value!r} is no aware datetime")
    sign, distance = ("-", -offset) if offset.days < 0 else ("+", offset)
    return (
        f"{value.year:04}{value.month:02}{value.day:02}"
        f"{value.hour:02}{value.minute:02}{value.second:02}.{value.microsecond:06}"
        f"{sign}{distance // timedelta(minutes=1):03}"
    )
