"""The audit log: whole lines, private, and nothing that a full disk or a client can spoil."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from virtcim.daemon.audit import Audit, AuditEntry, AuditError, Outcome

_ENTRY = AuditEntry(operation="VM.start", outcome=Outcome.DONE, user="ann", target="VM 1")

# A limit of the process takes part of a line, and then nothing, as a full disk does.
_WRITE_WITHOUT_SPACE = """
import logging, resource, signal, sys
from pathlib import Path
from virtcim.daemon.audit import Audit, AuditEntry, Outcome

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
now = [0.0]
path = Path(sys.argv[1])
audit = Audit("test", path, clock=lambda: now[0])

def record(number):
    audit.record(AuditEntry(operation=f"operation {number}", outcome=Outcome.DONE))

record(0)
unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, unlimited[1]))
for number in range(1, 5):
    record(number)
now[0] = 61.0
record(5)
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
record(6)
print("failed", audit.failed)
"""


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        audit = Audit("test", tmp_path / "audit")
    finally:
        os.umask(before)
    audit.record(_ENTRY)
    audit.close()
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_stays_as_it_is_and_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    path.write_text('{"operation": "old"}\n')
    path.chmod(0o640)
    audit = Audit("test", path)
    audit.record(_ENTRY)
    audit.close()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one["operation"] for one in _lines(path)] == ["old", "VM.start"]


def test_a_line_tells_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    now = datetime(2026, 11, 30, 12, 0, 1, 234567, UTC)
    audit = Audit("test", path, now=lambda: now)
    audit.record(_ENTRY)
    audit.record(
        AuditEntry(
            operation="RequestStateChange",
            outcome=Outcome.FAILED,
            user="ann",
            peer="192.0.2.1",
            target="root/virt:X",
            error="ERR_OUT_OF_MEMORY",
            fault="LIBVIRT_ERROR",
            job="7",
            request="r1",
            details={"parameters": {"RequestedState": 2}, "empty": ""},
        )
    )
    audit.login_refused("eve", "unix")
    audit.close()
    head = {"time": "2026-11-30T12:00:01.234+00:00", "daemon": "test"}
    assert _lines(path) == [
        {**head, "operation": "VM.start", "outcome": "done", "user": "ann", "object": "VM 1"},
        {
            **head,
            "operation": "RequestStateChange",
            "outcome": "failed",
            "user": "ann",
            "peer": "192.0.2.1",
            "object": "root/virt:X",
            "error": "ERR_OUT_OF_MEMORY",
            "fault": "LIBVIRT_ERROR",
            "job": "7",
            "request": "r1",
            "parameters": {"RequestedState": 2},
        },
        {
            **head,
            "operation": "login",
            "outcome": "refused",
            "user": "eve",
            "peer": "unix",
            "error": "ERR_UNACCEPTED_CREDENTIALS",
        },
    ]


@pytest.mark.parametrize("name", ["\n{}", "\r", "\u2028", "\x1b[2J", "\x00", "\ud800", "ä" * 5000])
def test_no_name_begins_a_line_of_its_own(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit"
    for audit in (Audit("test", path), Audit("test")):
        audit.record(
            AuditEntry(
                operation="login",
                outcome=Outcome.REFUSED,
                user=name,
                target=name,
                details={name: {name: name}},
            )
        )
        audit.close()
    for line in (path.read_text().removesuffix("\n"), caplog.messages[-1]):
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["user"] == (name if len(name) < 1000 else f"{name[:1024]}...")


def test_no_detail_takes_the_place_of_what_we_know(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    audit = Audit("test", path)
    details = {"user": "root", "peer": "::1", "outcome": "done", "time": "never", "more": 1}
    audit.record(AuditEntry(operation="x", outcome=Outcome.FAILED, user="eve", details=details))
    audit.close()
    [line] = _lines(path)
    assert line.pop("time") != "never"
    assert line == {
        "daemon": "test",
        "operation": "x",
        "outcome": "failed",
        "user": "eve",
        "more": 1,
    }


def test_without_a_file_lines_go_to_standard_error_whatever_the_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The level of the log is that of the root logger.
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL)
    try:
        Audit("test").record(_ENTRY)
    finally:
        root.setLevel(before)
    [record] = caplog.records
    assert (record.name, json.loads(record.getMessage())["operation"]) == (
        "virtcim.audit",
        "VM.start",
    )


def test_after_a_rotation_lines_go_to_the_new_file(tmp_path: Path) -> None:
    path, old = tmp_path / "audit", tmp_path / "audit.1"
    audit = Audit("test", path)
    audit.record(_ENTRY)
    path.rename(old)
    audit.record(_ENTRY)
    audit.reopen()
    audit.record(_ENTRY)
    audit.close()
    assert (len(_lines(old)), len(_lines(path))) == (2, 1)


def test_where_there_can_be_no_new_file_the_old_one_is_gone_on_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    audit = Audit("test", directory / "audit")
    directory.rename(tmp_path / "moved")
    audit.reopen()
    audit.record(_ENTRY)
    audit.close()
    assert len(_lines(tmp_path / "moved" / "audit")) == 1
    assert "cannot open the audit file" in caplog.text


def test_a_full_disk_holds_nothing_up_and_spoils_no_line(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    told = subprocess.run(
        [sys.executable, "-c", _WRITE_WITHOUT_SPACE, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.splitlines()
    whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["operation"] for line in whole] == ["operation 0", "operation 6"]
    instead = [line.partition("virtcim.audit ")[2] for line in told if "virtcim.audit {" in line]
    assert [json.loads(line)["operation"] for line in instead] == [
        f"operation {number}" for number in range(1, 6)
    ]
    errors = [line for line in told if line.startswith("ERROR")]
    assert [one.partition("; ")[2] for one in errors] == [
        "1 lines went here instead, 1 since the start",
        "4 lines went here instead, 5 since the start",
    ]
    assert told[-1] == "failed 5"


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    audits = [Audit("test", path) for _ in range(2)]
    threads = [
        threading.Thread(target=lambda one=one: [one.record(_ENTRY) for _ in range(50)])
        for one in audits * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_lines(path)) == 400
    for one in audits:
        one.close()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    for place in ("link", "fifo", ".", "missing/audit"):
        with pytest.raises(AuditError, match="cannot write the audit file"):
            Audit("test", tmp_path / place)
    assert not (tmp_path / "elsewhere").exists()
