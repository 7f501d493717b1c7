"""The audit log: one line for each operation that changes something, whoever asked for it.

A line is a JSON object of ASCII characters, so nothing that a client sends can begin a line of its
own. Without a file it goes to the logger ``virtcim.audit``, which standard error shows whatever the
level of the log; with one it goes there.

What cannot be written holds nothing up: a full disk must not keep anybody from stopping a machine.
A line that the file did not take goes to the logger instead, is counted, and why is said once a
minute.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from virtcim.daemon.current_request import current_request
from virtcim.daemon.workers.identity import worker_number

__all__ = ["Audit", "AuditEntry", "AuditError", "Outcome"]

_log = logging.getLogger(__name__)
_lines = logging.getLogger("virtcim.audit")
_lines.setLevel(logging.INFO)

_MOST_CHARACTERS = 1024
_SAY_AGAIN_S = 60.0
_MODE = 0o600


class AuditError(Exception):
    """An audit file cannot be used; the text is one sentence for the administrator."""


class Outcome(StrEnum):
    """How an operation ended, or that it goes on."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """Nothing was done: the user is not known, or may not do it."""
    STARTED = "started"
    """It goes on as a job, whose end has a line of its own."""
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """Nobody saw how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What one line tells; what is empty is left out.

    ``target`` is the object that the operation was asked of.
    ``error`` is an ERR_ code, ``fault`` the hypervisor's or the protocol's own, ``job`` the number
    of a job or the reference of a task, ``request`` the number of the request, by default of that
    which runs. ``details`` is what else there is to say, by name.
    """

    operation: str
    outcome: Outcome
    user: str = ""
    peer: str = ""
    target: str = ""
    error: str = ""
    fault: str = ""
    job: str = ""
    request: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


class Audit:
    """Writes the lines; safe to use from many threads.

    ``failed`` counts the lines that the file did not take. ``daemon`` is named in each line.
    ``clock`` gives seconds that only grow.
    """

    def __init__(
        self,
        daemon: str,
        path: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raise AuditError where there can be no such file."""
        self._daemon = daemon
        self._path = path
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._is_torn = False
        self._say_again_s = 0.0
        self._unsaid = 0
        self.failed = 0
        try:
            self._file = None if path is None else _open(path)
        except OSError as exc:
            raise AuditError(f"cannot write the audit file {path}: {exc}") from exc

    def record(self, entry: AuditEntry) -> None:
        """Write a line. Never raises: what was done is done."""
        line = self._line(entry)
        error = self._write(line)
        if self._file is None or error is not None:
            _lines.info("%s", line)
        if error is not None:
            self._say(error)

    def login_done(self, user: str, peer: str, by: str) -> None:
        """Write that somebody was let in; ``by`` is how he has proved who he is."""
        self.record(
            AuditEntry(
                operation="login",
                outcome=Outcome.DONE,
                user=user,
                peer=peer,
                details={"by": by},
            )
        )

    def login_refused(self, user: str, peer: str) -> None:
        """Write that somebody was not let in."""
        self.record(
            AuditEntry(
                operation="login",
                outcome=Outcome.REFUSED,
                user=user,
                peer=peer,
                error="ERR_UNACCEPTED_CREDENTIALS",
            )
        )

    def reopen(self) -> None:
        """Go on in a new file where the old one was moved away, as logrotate does."""
        if self._path is None:
            return
        try:
            opened = _open(self._path)
        except OSError as exc:
            _log.error("cannot open the audit file %s anew: %s", self._path, exc)
            return
        with self._lock:
            old, self._file = self._file, opened
            self._is_torn = False
        if old is not None:
            os.close(old)

    def close(self) -> None:
        """Give the file back; what comes later goes to the logger."""
        with self._lock:
            old, self._file = self._file, None
        if old is not None:
            os.close(old)

    def _line(self, entry: AuditEntry) -> str:
        current = current_request()
        told: dict[str, object] = {
            "time": self._now().isoformat(timespec="milliseconds"),
            "daemon": self._daemon,
            "worker": worker_number() or "",
            "operation": entry.operation,
            "outcome": entry.outcome.value,
            "user": entry.user,
            "peer": entry.peer,
            "object": entry.target,
            "error": entry.error,
            "fault": entry.fault,
            "job": entry.job,
            "request": entry.request or ("" if current is None else current.number),
        }
        # What a client may have named is never one of ours.
        told |= {key: one for key, one in entry.details.items() if key not in told}
        return json.dumps(
            {key: _bounded(value) for key, value in told.items() if value not in ("", {})}
        )

    def _write(self, line: str) -> OSError | None:
        """Append a line in one piece; what is wrong where that cannot be."""
        with self._lock:
            if self._file is None:
                return None
            # What was cut off before must not make one line of two.
            data = f"{chr(10) if self._is_torn else ''}{line}\n".encode("ascii")
            try:
                written = os.write(self._file, data)
            except OSError as exc:
                self.failed += 1
                return exc
            self._is_torn = written < len(data)
            if self._is_torn:
                self.failed += 1
                return OSError(f"only {written} of {len(data)} bytes were taken")
            return None

    def _say(self, error: OSError) -> None:
        with self._lock:
            self._unsaid += 1
            now_s = self._clock()
            if now_s < self._say_again_s:
                return
            self._say_again_s = now_s + _SAY_AGAIN_S
            unsaid, self._unsaid = self._unsaid, 0
        _log.error(
            "cannot write the audit file %s: %s; %d lines went here instead, %d since the start",
            *(self._path, error, unsaid, self.failed),
        )


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:
        # It is as others made it for us.
        descriptor, is_new = os.open(path, flags), False
    else:
        is_new = True
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if is_new:
            os.fchmod(descriptor, _MODE)  # whatever the umask
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _bounded(value: object) -> object:
    """No text of a client fills the disk alone."""
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        return f"{value[:_MOST_CHARACTERS]}..."
    if isinstance(value, Mapping):
        return {str(_bounded(key)): _bounded(one) for key, one in value.items()}
    return value
