"""Translating JSON lines: one answer for each line, in order, whatever the line holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from json.encoder import encode_basestring_ascii as _quoted

from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.forms.record import from_record
from virtcim.errormap.streaming.answers import Answers
from virtcim.errormap.translation import TABLE_VERSION, translate

__all__ = ["answer", "translate_stream"]

_LONGEST_LINE = 16 * 1024 * 1024
_read = json.JSONDecoder().decode
_VERSION = _quoted(TABLE_VERSION)
# What could not be read says nothing of the hypervisor.
_UNREAD = "The record could not be read."


def answer(line: bytes) -> str:
    """The JSON text that answers one line of input.

    A line that is no record is answered with ERR_UNKNOWN and an ``input_error``.
    """
    identifier: object = None
    try:
        record = _read(line.decode("utf-8"))
        if isinstance(record, dict):
            identifier = record.get("id")
        error = translate(from_record(record))
        return _answer(identifier, error.code, error.rule, error.message)
    except (ValueError, RecursionError) as error:
        # Both readers name what they cannot read; a bottomless id cannot be echoed.
        readable = not isinstance(error, RecursionError)
        return _refusal(identifier if readable else None, str(error) or type(error).__name__)


def _refusal(identifier: object, reason: str) -> str:
    unknown = ErrorCode.ERR_UNKNOWN
    input_error = f', "input_error": {_quoted(reason[:500])}'
    return _answer(identifier, unknown, "default.unknown", _UNREAD, input_error)


# Written piece by piece: most of the pieces are the same in every answer, and making a whole
# object of them and encoding it anew takes longer than deciding what the fault means.
def _answer(identifier: object, code: ErrorCode, rule: str, message: str, more: str = "") -> str:
    if type(identifier) is str:
        written = _quoted(identifier)
    else:
        written = str(identifier) if type(identifier) is int else json.dumps(identifier)
    decision = _decision(code, rule)
    return (
        f'{{"id": {written}, {decision}, "message": {_quoted(message)}, '
        f'"version": {_VERSION}{more}}}'
    )


@cache
def _decision(code: ErrorCode, rule: str) -> str:
    return f'"err": {_quoted(code.name)}, "number": {int(code)}, "rule": {_quoted(rule)}'


def translate_stream(read: Callable[[], bytes], write: Callable[[str], None]) -> None:
    """Answer every line that ``read`` gives until it gives nothing.

    The answers to what one read brought are written together: a program that waits for each
    answer gets it at once, and a long input is not slowed down. A line longer than 16 MiB is
    refused without being kept.
    """
    answers_to = Answers(answer).to
    pending = b""
    skipping = False
    while chunk := read():
        *lines, pending = (pending + chunk).split(b"\n")
        answers = []
        for line in lines:
            answers.append(_refusal(None, "the line is too long") if skipping else answers_to(line))
            skipping = False
        if len(pending) > _LONGEST_LINE:
            pending, skipping = b"", True
        if answers:
            write("\n".join(answers) + "\n")
    if pending or skipping:
        last = _refusal(None, "the line is too long") if skipping else answer(pending)
        write(last + "\n")
