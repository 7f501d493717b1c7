"""Faults as QEMU reports them: QMP errors, events, query results, and a failed start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import AGENT, AGENT_COMMANDS, PROGRAM, cause_in
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.lines import image_tool
from virtcim.errormap.reading.text import as_text

__all__ = ["KNOWN_FIELDS", "REPORTED", "from_qemu"]

_QUERIES = ("query-migrate", "query-jobs", "query-block-jobs", "query-status", "query-block")
_IO_STATUS = "io-status"
_HUMAN = later(r"^\s*Error: ")
_TEXTS = ("reason", "error-desc", "error", "desc", "msg", "message")

# What only QEMU calls so, or what was printed when it ended.
REPORTED = frozenset(
    (*_QUERIES, _IO_STATUS, "class", "desc", "event", "exit_status", "stderr", "error-desc")
)
KNOWN_FIELDS = REPORTED | frozenset((*_TEXTS, "data", "status", "exitstatus"))


def from_qemu(raw: Mapping[str, object], *, operation: str = "", version: str = "") -> Fault:
    """The Fault of one QEMU report.

    ``raw`` is ``class``+``desc``, ``event``+``data``, one query result (a device's ``io-status``
    beside it), ``exit_status``+``stderr``, or what the human monitor answered as ``return``.
    ``code`` of the Fault is the QMP class, the event, the query's name or ``exit``;
    ``arguments`` are ``key=value`` texts of the data that is no prose, and ``program=`` with the
    name of a program for images that speaks.
    """
    code, arguments, text = _parts(raw)
    if operation.startswith(AGENT_COMMANDS):
        arguments = (*arguments, AGENT)
    if tool := image_tool(text):
        arguments = (*arguments, f"{PROGRAM}{tool}")
    return Fault(
        source="qemu",
        source_version=version,
        operation=operation,
        code=code,
        arguments=arguments,
        text=text,
        cause=cause_in((text,), operation),
    )


_Parts = tuple[str, tuple[str, ...], str]


def _parts(raw: Mapping[str, object]) -> _Parts:
    error = raw.get("error")
    if isinstance(error, Mapping):
        raw = {**error, **{key: value for key, value in raw.items() if key != "error"}}
    if "class" in raw or "desc" in raw:
        return as_text(raw.get("class")) or "GenericError", (), as_text(raw.get("desc"))
    if "event" in raw:
        return (as_text(raw["event"]), *_data(raw.get("data")))
    for query in _QUERIES:
        if query in raw:
            return _beside(raw, query, *_query(raw[query]))
    if "exit_status" in raw or "stderr" in raw:
        status = as_text(raw.get("exit_status"))
        return "exit", (f"exit_status={status}",) if status else (), as_text(raw.get("stderr"))
    if isinstance(raw.get("return"), str):
        # The human monitor answers an error as any other text.
        return "GenericError", (), _HUMAN.sub("", as_text(raw["return"]))
    if _IO_STATUS in raw:
        return "query-block", *_data(raw)
    return "", *_data(raw)


def _beside(raw: Mapping[str, object], query: str, arguments: tuple[str, ...], text: str) -> _Parts:
    """A query result, with the status of a device's input and output where that stands beside it.

    The state of the machine says that it stopped, the device's status why.
    """
    status = as_text(raw.get(_IO_STATUS))
    if query == "query-status" and not status and "query-block" in raw:
        found = _query(raw["query-block"])[0]
        status = next((word[len(_IO_STATUS) + 1 :] for word in found if _is_io(word)), "")
    if query != "query-status" or status in ("", "ok"):
        return query, arguments, text
    return "query-block", (*arguments, f"{_IO_STATUS}={status}"), text


def _is_io(word: str) -> bool:
    return word.startswith(f"{_IO_STATUS}=")


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
