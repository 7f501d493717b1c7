"""Faults as QEMU reports them: QMP errors, events, query results, and a failed start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtcim.errormap.fault import Fault
from virtcim.errormap.reading.text import as_text

__all__ = ["from_qemu", "wrapped_qemu"]

_QUERIES = ("query-migrate", "query-jobs", "query-block-jobs", "query-status", "query-block")
_TEXTS = ("reason", "error-desc", "error", "desc", "msg", "message")


def from_qemu(raw: Mapping[str, object], *, operation: str = "", version: str = "") -> Fault:
    """The Fault of one QEMU report.

    ``raw`` is ``class``+``desc``, ``event``+``data``, one query result, or ``exit_status``+
    ``stderr``. ``code`` of the Fault is the QMP class, the event, the query's name or ``exit``;
    ``arguments`` are ``key=value`` texts of the data that is no prose.
    """
    code, arguments, text = _parts(raw)
    return Fault(
        source="qemu",
        source_version=version,
        operation=operation,
        code=code,
        arguments=arguments,
        text=text,
    )


def wrapped_qemu(code: str, text: str, operation: str) -> Fault:
    """The QEMU fault that another source's message contains."""
    return Fault(source="qemu", operation=operation, code=code, text=text)


def _parts(raw: Mapping[str, object]) -> tuple[str, tuple[str, ...], str]:
    error = raw.get("error")
    if isinstance(error, Mapping):
        raw = {**error, **{key: value for key, value in raw.items() if key != "error"}}
    if "class" in raw or "desc" in raw:
        return as_text(raw.get("class")) or "GenericError", (), as_text(raw.get("desc"))
    if "event" in raw:
        return (as_text(raw["event"]), *_data(raw.get("data")))
    for query in _QUERIES:
        if query in raw:
            return (query, *_query(raw[query]))
    if "exit_status" in raw or "stderr" in raw:
        status = as_text(raw.get("exit_status"))
        return "exit", (f"exit_status={status}",), as_text(raw.get("stderr"))
    return "", *_data(raw)


def _query(value: object) -> tuple[tuple[str, ...], str]:
    """Data of a query result; of a list, the first element that tells of a failure."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = [item for item in value if isinstance(item, Mapping)]
        failing = [
            item
            for item in items
            if item.get("error") or as_text(item.get("io-status")) not in ("", "ok")
        ]
        return _data((failing or items or [{}])[0])
    return _data(value)


def _data(value: object) -> tuple[tuple[str, ...], str]:
    if not isinstance(value, Mapping):
        return (), as_text(value)
    text = next((as_text(value[key]) for key in _TEXTS if value.get(key)), "")
    arguments = tuple(
        f"{as_text(key)}={as_text(item)}"
        for key, item in value.items()
        if key not in _TEXTS or key == "reason"
    )
    return arguments, text
