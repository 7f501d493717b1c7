"""A decided failure as JSON has it, for whoever keeps it and tells it again later.

What is kept is the decision (code, rule, version of the table) and the whole Fault, never a text:
told again, it is told in the words of the table of that day, in any language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, get_args

from virtcim.errormap.error_code import ErrorCode
from virtcim.errormap.fault import Fault, Source, StandardError
from virtcim.errormap.telling.messages import general_message
from virtcim.errormap.translation import translate

__all__ = ["as_stored", "recalled"]

_MAX_DEPTH = 64
_TEXTS = frozenset(("source_version", "operation", "code", "text"))


def as_stored(error: StandardError) -> dict[str, Any]:
    """The decision and the fault as values of JSON."""
    return {
        "code": error.code.name,
        "rule": error.rule,
        "table_version": error.table_version,
        "fault": _fault_as_stored(error.fault),
    }


def recalled(stored: object) -> StandardError:
    """The failure that ``as_stored`` gave: its code, its rule, and today's words for them.

    The words are those of today's decision where it is the same code, else the code's own sentence.
    Raises ValueError where ``stored`` is nothing that was stored so.
    """
    if not isinstance(stored, Mapping):
        raise ValueError("a stored failure is an object")
    name, rule, version = (stored.get(key) for key in ("code", "rule", "table_version"))
    if (
        str(name) not in ErrorCode.__members__
        or not isinstance(rule, str)
        or not isinstance(version, str)
    ):
        raise ValueError("a stored failure has code, rule and table_version")
    fault = _fault(stored.get("fault"), _MAX_DEPTH)
    code = ErrorCode[str(name)]
    today = translate(fault)
    if today.code is code:
        return replace(today, rule=rule, table_version=version)
    return StandardError(
        code=code,
        message=general_message(code, fault),
        rule=rule,
        table_version=version,
        fault=fault,
    )


def _fault_as_stored(fault: Fault) -> dict[str, Any]:
    """Field by field, without those that are empty."""
    values = {field.name: getattr(fault, field.name) for field in fields(fault)}
    if fault.cause is not None:
        values["cause"] = _fault_as_stored(fault.cause)
    values["arguments"] = list(fault.arguments)
    return {name: value for name, value in values.items() if value}


def _fault(stored: object, depth: int) -> Fault:
    if not isinstance(stored, Mapping) or not depth:
        raise ValueError("a stored fault is an object, nested in no more than a few")
    values = dict(stored)
    source, sent, arguments = values.pop("source", ""), values.pop("sent", False), ()
    known: Source | None = next((one for one in get_args(Source) if one == source), None)
    if known is None:
        raise ValueError(f"{source!r} is no source of faults")
    if not isinstance(sent, bool):
        raise ValueError("sent is true or false")
    given = values.pop("arguments", [])
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ValueError("arguments are texts")
    arguments = tuple(given)
    cause = values.pop("cause", None)
    for name, value in values.items():
        if name not in _TEXTS or not isinstance(value, str):
            raise ValueError(f"a fault has no {name} that is {type(value).__name__}")
    nested = None if cause is None else _fault(cause, depth - 1)
    return Fault(source=known, sent=sent, arguments=arguments, cause=nested, **values)
