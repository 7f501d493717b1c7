"""The lines of the log, and what nobody can make of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from contextvars import copy_context

import pytest

from virtcim.daemon.current_request import begin_request, note_user
from virtcim.daemon.log_lines import LogFormat, log_handler

_HOSTILE = "x\n2026-11-30 12:00:00,000 ERROR virtcim: forged\r\x1b[2J\u2028\x00"


def _written(form: LogFormat, log: Callable[[logging.Logger], None]) -> str:
    """What a logger writes in this format."""
    stream = io.StringIO()
    logger = logging.Logger("virtcim.test", logging.DEBUG)
    logger.addHandler(log_handler(form, stream))
    log(logger)
    return stream.getvalue()


def _fail(logger: logging.Logger) -> None:
    try:
        raise ValueError(_HOSTILE)
    except ValueError:
        logger.exception("it failed")


def _in_request(number: bytes, log: Callable[[logging.Logger], None]) -> Callable[..., None]:
    """The same within a request of alice."""

    def run(logger: logging.Logger) -> None:
        begin_request({"headers": [(b"x-request-id", number)], "client": ("192.0.2.1", 1)})
        note_user("al\nice")
        log(logger)

    return lambda logger: copy_context().run(run, logger)


def test_a_line_of_text_has_its_request() -> None:
    written = _written(LogFormat.TEXT, _in_request(b"r-1", lambda log: log.info("done %s", 1)))
    assert written.endswith(" INFO virtcim.test [r-1]: done 1\n")
    assert _written(LogFormat.TEXT, lambda log: log.info("done")).endswith(
        " INFO virtcim.test: done\n"
    )


def test_a_line_of_json_has_its_request_user_and_peer() -> None:
    told = json.loads(_written(LogFormat.JSON, _in_request(b"r-1", lambda log: log.info("done"))))
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "info",
        "logger": "virtcim.test",
        "message": "done",
        "request": "r-1",
        "user": "al\nice",
        "peer": "192.0.2.1",
    }
    without = json.loads(_written(LogFormat.JSON, lambda log: log.warning("done")))
    assert without.keys() == {"time", "level", "logger", "message"}


def test_a_message_is_one_line_of_text() -> None:
    [line] = _written(LogFormat.TEXT, lambda log: log.info("%s", _HOSTILE)).splitlines()
    assert line.isprintable()
    assert r"x\n2026-11-30 12:00:00,000 ERROR virtcim: forged\r\x1b[2J\u2028\x00" in line


def test_the_lines_of_a_traceback_look_like_no_entry() -> None:
    first, *further = _written(LogFormat.TEXT, _fail).splitlines()
    assert first.endswith("it failed")
    assert further[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in further)
    assert any("forged" in line for line in further)


@pytest.mark.parametrize("log", [lambda log: log.info("%s", _HOSTILE), _fail])
def test_an_entry_is_one_line_of_json(log: Callable[[logging.Logger], None]) -> None:
    written = _written(LogFormat.JSON, _in_request(b"r-1", log))
    assert written.isascii()
    [line] = written.splitlines()
    told = json.loads(line)
    assert "forged" in told["message"] + told.get("traceback", "")
