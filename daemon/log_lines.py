"""The lines of a daemon's log, as text or as JSON, each with the request that it was written for.

Nothing that a client sends can begin a line of its own: line breaks in a message are written as
escapes, and the further lines of a traceback are indented.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

from virtcim.daemon.current_request import current_request
from virtcim.daemon.workers.identity import worker_number

__all__ = ["JsonLines", "LogFormat", "TextLines", "log_handler"]

_INDENT = "  "


class LogFormat(StrEnum):
    """How the lines of a log are written."""

    TEXT = "text"
    JSON = "json"


def log_handler(form: LogFormat, stream: TextIO | None = None) -> logging.Handler:
    """What writes the log to a stream, standard error by default."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else TextLines())
    return handler


class TextLines(logging.Formatter):
    """``TIME LEVEL LOGGER [REQUEST]: MESSAGE``; of several workers ``LOGGER worker NUMBER``."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of one record, in the context in which it was logged."""
        request = current_request()
        number = "" if request is None else f" [{request.number}]"
        worker = f" worker {worker_number()}" if worker_number() else ""
        line = f"{self.formatTime(record)} {record.levelname} {record.name}{worker}{number}: "
        line += _one_line(record.getMessage())
        further = [*_traceback(self, record).splitlines()]
        return "\n".join([line, *(f"{_INDENT}{one}" for one in further)])


class JsonLines(logging.Formatter):
    """One JSON object a line, of ASCII characters; what is not known is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record, in the context in which it was logged."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "worker": worker_number(),
        }
        request = current_request()
        if request is not None:
            told |= {"request": request.number, "user": request.user, "peer": request.peer}
        told["traceback"] = _traceback(self, record)
        return json.dumps({name: value for name, value in told.items() if value})


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)
