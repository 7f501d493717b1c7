"""Embedded instances as clients send them: typed records from the host, or text.

A text is read by the declarations of its class. What cannot be read is refused by the name of the
parameter and of the property.
"""

from __future__ import annotations

from virtcim.cim.declarations import DeclaredProperties
from virtcim.cim.instance_text import InstanceTextError, read_instance_text
from virtcim.cim.records import Record, Value
from virtcim.providers.errors import rejected

__all__ = ["read_instance"]


def read_instance(classes: DeclaredProperties, value: Value, parameter: str) -> Record:
    """The instance in one element of ``parameter``. Raises CimError (ERR_BAD_PARAMETER)."""
    if isinstance(value, Record):
        return value
    if not isinstance(value, str) or not value.strip():
        raise rejected(f"{parameter}: an instance is needed, not {_shown(value)}")
    try:
        return read_instance_text(value, classes)
    except InstanceTextError as error:
        place = f".{error.place}" if error.place else ""
        raise rejected(f"{parameter}{place}: {error.why}") from error


def _shown(value: object) -> str:
    return "NULL" if value is None else repr(value)
