"""Many records in little text: a call of our own, for clients that read everything."""

from __future__ import annotations

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import value_not_supported
from virtcim.wire.rows import encode_page

__all__ = ["ROW_CALLS"]

ROW_CALLS = CallTable()

# What a page has at most: how far a client has come is told by pages.
_MOST_ROWS = 2000
# What lives in this process has no tables of thousands, and sessions are not everybody's.
_CLASSES = {name: CLASSES[name] for name in CLASSES if CLASSES[name].needs_libvirt}


@ROW_CALLS.add("virtcim.get_rows", "string class, set fields, string after", inline=True)
async def get_rows(context: Context, class_name: str, fields: list[str], after: str) -> str:
    """Give some fields of the objects of a class, beyond a reference, as a page of rows.

    Raises ``VALUE_NOT_SUPPORTED`` for a class or a field that there is not, or is named twice.
    """
    if class_name not in _CLASSES:
        raise value_not_supported("class", class_name, "is no class that there are rows of")
    if unknown := set(fields) - _CLASSES[class_name].fields.keys():
        raise value_not_supported("fields", min(unknown), f"is no field of {class_name}")
    if len(set(fields)) < len(fields):
        raise value_not_supported("fields", len(fields), "a field is named twice")
    return await context.run(_page, context, class_name, fields, after)


def _page(context: Context, class_name: str, fields: list[str], after: str) -> str:
    database = context.services.database
    records, more = database.records_after(class_name, after, _MOST_ROWS)
    rows = [[ref, *(record[field] for field in fields)] for ref, record in records]
    return encode_page(rows, database.count(class_name), more=more)
