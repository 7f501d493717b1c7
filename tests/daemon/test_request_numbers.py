"""The number of a request: in its answer, and in all that is written down while it runs."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.wire.serving import DEADLINE_S

# Logs in the event loop, in a thread, as an incident and in the audit log, then answers.
_PROGRAM = """
import asyncio, logging, sys
from virtcim.daemon.audit import Audit, AuditEntry, Outcome
from virtcim.daemon.current_request import note_user
from virtcim.daemon.incidents import incident
from virtcim.daemon.log_lines import LogFormat, log_handler
from virtcim.daemon.run import parse_listen, run_daemon

audit = Audit("test")
log = logging.getLogger("test")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    note_user("alice")
    log.info("in the loop")
    await asyncio.to_thread(log.info, "in a thread")
    incident("an exchange", ValueError("unforeseen"))
    audit.record(AuditEntry(operation="test", outcome=Outcome.DONE))
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

logging.basicConfig(level=logging.INFO, handlers=[log_handler(LogFormat.JSON)])
sys.exit(run_daemon(lambda: app, [parse_listen("http://127.0.0.1:0")]))
"""


class _Daemon:
    """A daemon that logs JSON, and one connection to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        assert word == "ready"
        self._process = process
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", int(url.rpartition(":")[2]), timeout=DEADLINE_S
        )

    def ask(self, *given: str) -> str:
        """Make a request with these X-Request-Id; gives that of the answer."""
        self.connection.putrequest("GET", "/")
        for one in given:
            self.connection.putheader("X-Request-Id", one)
        self.connection.endheaders()
        response = self.connection.getresponse()
        response.read()
        return response.headers["X-Request-Id"]

    def stop(self) -> list[dict[str, str]]:
        """End it; gives the lines of its log."""
        self.connection.close()
        self._process.terminate()
        _, logged = self._process.communicate(timeout=DEADLINE_S)
        return [json.loads(line) for line in logged.splitlines()]


@pytest.fixture
def daemon() -> Iterator[_Daemon]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(3 * DEADLINE_S, process.kill)
    killer.start()
    try:
        running = _Daemon(process)
        with closing(running.connection):
            yield running
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()
        killer.cancel()


def test_everything_that_is_written_while_a_request_runs_has_its_number(daemon: _Daemon) -> None:
    given = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert daemon.ask(given) == given
    made = daemon.ask()
    lines = [line for line in daemon.stop() if "request" in line]
    for number, found in ((given, lines[:4]), (made, lines[4:])):
        assert [line["request"] for line in found] == [number] * 4
        assert {line["user"] for line in found} == {"alice"}
        assert {line["peer"] for line in found} == {"127.0.0.1"}
        assert [line["message"] for line in found[:2]] == ["in the loop", "in a thread"]
        assert "unforeseen" in found[2]["traceback"]
        assert json.loads(found[3]["message"])["request"] == number


def test_no_two_requests_get_the_same_number(daemon: _Daemon) -> None:
    assert len({daemon.ask() for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "given",
    [
        ["x" * 65],
        [""],
        ['a"b'],
        ["a b"],
        ["a\t{}"],
        ["\xfc"],
        ["a,b"],
        ["%0a2026"],
        ["one", "two"],
    ],
)
def test_a_number_that_could_do_harm_is_replaced(daemon: _Daemon, given: list[str]) -> None:
    answered = daemon.ask(*given)
    assert answered not in given
    assert answered.replace("-", "").isalnum()
    assert {line["request"] for line in daemon.stop() if "request" in line} == {answered}


def test_a_refusal_of_the_server_itself_has_a_number_too(daemon: _Daemon) -> None:
    """The head is longer than what is read."""
    head = {"X-Request-Id": "refused", "A": "x" * 30_000, "B": "x" * 40_000}
    daemon.connection.request("GET", "/", headers=head)
    response = daemon.connection.getresponse()
    response.read()
    assert (response.status, response.headers["X-Request-Id"]) == (431, "refused")
