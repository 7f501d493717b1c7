"""Many records of one class in little text: pages of rows, as JSON. Pure: no I/O, no clock.

XML-RPC writes the name of each field of each record, and three elements around each value. A page
of rows is one text of an answer in XML-RPC: the JSON object

    {"total": 3, "next": "OpaqueRef:b", "rows": [["OpaqueRef:a", "one", ...], ["OpaqueRef:b", ...]]}

A row is the reference of an object and the values of the fields that were asked for, in their
order; a time is its ``dateTime.iso8601``. Pages go on in the order of the references: ``next`` is
the one after which the following page begins, empty in the last. ``total`` is how many objects
there are, about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from virtcim.wire.encode import carriable, datetime_text
from virtcim.wire.errors import MalformedMessage, MessageTooLarge
from virtcim.wire.scalars import is_datetime, to_datetime

__all__ = ["MOST_CHARACTERS", "Page", "decode_page", "encode_page"]

# A page ends with the lot of rows that makes it longer.
_ENOUGH_CHARACTERS = 2**21
_LOT = 50
#: The longest page that is read. An empty list takes three characters and twenty times the memory.
MOST_CHARACTERS = 2**24

# How JSON carries, beside others, the characters that XML carries in no way.
_ESCAPES = re.compile(r"\\[bfu]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records by reference, how many objects there are in all, and where the next page begins."""

    records: dict[str, dict[str, Any]]
    total: int
    next: str


def encode_page(rows: Sequence[Sequence[object]], total: int, *, more: bool) -> str:
    """Write as many rows as are enough for a page; they are in order, and ``more`` follow or none.

    Raises TypeError for values that records do not have.
    """
    lots: list[str] = []
    characters = written = 0
    while written < len(rows) and characters < _ENOUGH_CHARACTERS:
        lot = rows[written : written + _LOT]
        lots.append(_ENCODER.encode(lot)[1:-1])
        characters += len(lots[-1])
        written += len(lot)
    goes_on = rows[written - 1][0] if more or written < len(rows) else ""
    return f'{{"total":{total},"next":{_ENCODER.encode(goes_on)},"rows":[{",".join(lots)}]}}'


def decode_page(text: str, fields: Sequence[str], times: Iterable[str] = ()) -> Page:
    """Read a page of rows of ``fields``, of which ``times`` are times.

    A record is what it is where an answer holds it as a struct: a character that XML cannot carry
    is U+FFFD. Raises MalformedMessage.
    """
    if len(text) > MOST_CHARACTERS:
        raise MessageTooLarge(f"a page of more than {MOST_CHARACTERS} characters")
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise MalformedMessage(f"the page is no JSON: {exc!r:.200}") from exc
    if _ESCAPES.search(text):
        found = _carriable(found)
    match found:
        case {"total": int(total), "next": str(following), "rows": list(rows)}:
            records = _records(rows, fields, frozenset(times))
        case _:
            raise MalformedMessage("the page holds no rows")
    if following and following not in records:
        raise MalformedMessage("the next page begins after an object that is not in this one")
    return Page(records=records, total=max(total, 0), next=following)


def _records(
    rows: list[object], fields: Sequence[str], times: frozenset[str]
) -> dict[str, dict[str, Any]]:
    records: dict[str, dict[str, Any]] = {}
    length = len(fields) + 1
    for row in rows:
        if not isinstance(row, list) or len(row) != length or not isinstance(row[0], str):
            raise MalformedMessage(f"a row is no reference with {len(fields)} values")
        values = iter(row)
        ref = next(values)
        record = records[ref] = dict(zip(fields, values, strict=True))
        for field in times:
            # What is no time at all is a text in a struct, too, and costs only its record.
            if isinstance(told := record[field], str) and is_datetime(told):
                record[field] = to_datetime(told)
    return records


def _carriable(value: object) -> Any:
    """The same without characters that XML cannot carry."""
    if isinstance(value, str):
        return carriable(value)
    if isinstance(value, list):
        return [_carriable(each) for each in value]
    if isinstance(value, dict):
        return {carriable(name): _carriable(each) for name, each in value.items()}
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _scalar(value: object) -> str:
    if isinstance(value, datetime):
        return datetime_text(value)
    raise TypeError(f"rows have no {type(value).__name__}")


_ENCODER = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    allow_nan=False,
    separators=(",", ":"),
    default=_scalar,
)
