"""What programs wrap an error in when they log it: objects of JSON and Python, and their words.

Wrappers of clients and managers (JavaScript's errors, Ansible's results, OpenStack's and oVirt's
faults, conditions of Kubernetes, Terraform's diagnostics, lines of logs in JSON or as key=value)
name the same things in different ways; nothing of one source is known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from virtcim.errormap.patterns import later
from virtcim.errormap.reading.text import as_text

__all__ = ["errors_in", "object_in", "words_in"]

_Raw = Mapping[str, object]

# From the general to the special: of several lines the last that says something decides.
_WORDS = (
    "title", "summary", "@message", "msg", "reason", "message", "errorMessage", "error_message",
    "errorMsg", "error_msg", "errortext", "description", "desc", "faultString", "fault_string",
    "error", "err", "error-desc", "exception", "exitstatus", "detail", "details", "fault",
    "module_stderr", "stderr",
)  # fmt: skip
# A trace repeats the words above it, and more: asked where there are no others.
_TRACES = ("stack", "traceback", "stackTrace", "trace", "stdout")
# Where the error itself stands in what a program made of it.
_WITHIN = (
    "error", "err", "fault", "exception", "cause", "failure", "result", "jobresult", "diagnostic",
    "metadata", "data", "details", "detail", "response", "body", "status", "raw", "original",
    "innerError", "originalError",
)  # fmt: skip
_LISTS = ("errors", "conditions", "diagnostics", "causes", "results", "exceptions")
_MOST = 64
_LONGEST = 64 * 1024


def words_in(raw: _Raw, levels: int = 4) -> str:
    """The words of an error in ``raw`` and in the objects inside it, one below the other.

    "" where there are none.
    """
    lines = list(dict.fromkeys(_lines(raw, levels)))
    if not lines:
        lines = [text for field in _TRACES if (text := _said(raw.get(field)))]
    return "\n".join(lines)


def _lines(raw: _Raw, levels: int) -> Iterator[str]:
    for field in _WORDS:
        if text := _said(raw.get(field)):
            yield text
    named = raw.get("errors")
    if isinstance(named, Mapping):
        # What is wrong, by the name of the parameter.
        yield from (f"{name}: {text}" for name, text in named.items() if _said(text))
    elif isinstance(named, list):
        yield from (text for one in named[:_MOST] if (text := _said(one)))
    if levels:
        for inner in errors_in(raw):
            yield from _lines(inner, levels - 1)


def _said(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def errors_in(raw: _Raw) -> Iterator[_Raw]:
    """The objects in ``raw`` that may be the error itself, as those of a list of errors."""
    for field in _WITHIN:
        inner = raw.get(field)
        if isinstance(inner, Mapping):
            # The numbers of a status are those of the program that made it.
            yield {**inner, "code": None} if field == "status" else inner
    for field in _LISTS:
        several = raw.get(field)
        if isinstance(several, Sequence) and not isinstance(several, str | bytes):
            yield from (one for one in several[:_MOST] if isinstance(one, Mapping) and _failed(one))
    if len(raw) == 1:
        # The name of the error, or of what was asked, and the error as its only value.
        ((name, only),) = raw.items()
        if isinstance(only, Mapping) and name not in _WITHIN:
            yield only


def _failed(one: _Raw) -> bool:
    """Whether an entry of a list tells of a failure: conditions stand there as well when met."""
    return not (as_text(one.get("type")) and as_text(one.get("status")) == "True") or (
        as_text(one.get("type")).endswith(("Failure", "Failed", "Error"))
    )


# What tools print before the object, and the line of a log that has its error as a value.
_BEFORE = later(r"[^{}\n]{0,200}(?:=> |FAILED! |ERROR: |error: |Error: )(?=\{)")
_LEVEL = later(r"\blevel=\"?(?:error|err|fatal|warn\w*|info|crit\w*|panic)\b")
_VALUE = later(r"\b(?:msg|err|error|reason)=\"((?:[^\"\\]|\\.){1,8000})\"")


def object_in(text: str) -> _Raw | None:
    """The object that ``text`` is, where it is one, in JSON or as Python prints it."""
    begin = 0
    if not text.startswith("{"):
        before = _BEFORE.match(text)
        if before is None or not text.endswith("}"):
            return _key_values(text) if "level=" in text else None
        begin = before.end()
    printed = text[begin:]
    try:
        # What people paste has the line ends of a stack as they are.
        value = json.loads(printed, strict=False)
    except (ValueError, RecursionError):
        value = _of_python(printed) if re.match(r"\{u?'", printed) else None
    return value if isinstance(value, dict) else None


def _of_python(printed: str) -> object:
    if len(printed) > _LONGEST:
        return None
    import ast

    try:
        return ast.literal_eval(printed)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _key_values(text: str) -> _Raw | None:
    """A line of a log as key=value."""
    if _LEVEL.search(text) is None:
        return None
    found = [match[1] for match in _VALUE.finditer(text[:_LONGEST])]
    if not found:
        return None
    return {"message": "\n".join(one.replace('\\"', '"').replace("\\n", "\n") for one in found)}
