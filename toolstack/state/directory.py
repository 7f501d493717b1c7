"""The state directory: one toolstack's, and nobody else's to read."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["EmptiedError", "ToolstackDirectory"]

_DATABASE = "toolstack.sqlite"
_LOCK = "toolstack.lock"
_MODE = 0o600
# What SQLite makes beside a database.
_BESIDE = ("", "-journal", "-wal", "-shm")
# In the lock file from the time that there is a database.
_MADE = b"made\n"


class EmptiedError(Exception):
    """The database is empty, and was not."""


class ToolstackDirectory:
    """A directory that this process alone uses until ``close``.

    The kernel gives the lock back when the process ends, however it ends. Raises BlockingIOError
    where another process uses it, EmptiedError, and OSError.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
            path.chmod(0o700)  # whatever the umask
        self.database = path / _DATABASE
        self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._lock, _MODE)
            self._prepare()
        except BaseException:
            os.close(self._lock)
            raise

    def note_made(self) -> None:
        """There is a database now: from now on an empty file is one that lost what it held."""
        if not os.pread(self._lock, 1, 0):
            os.pwrite(self._lock, _MADE, 0)
            os.fsync(self._lock)

    def close(self) -> None:
        """Give it back."""
        os.close(self._lock)

    def _prepare(self) -> None:
        if not self.database.exists():
            os.ftruncate(self._lock, 0)
            # SQLite gives what it makes beside a file the mode of the file.
            os.close(os.open(self.database, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE))
        elif not self.database.stat().st_size and os.pread(self._lock, 1, 0):
            raise EmptiedError
        for ending in _BESIDE:
            file = self.database.with_name(self.database.name + ending)
            if file.exists():
                file.chmod(_MODE)  # whatever the umask, and whoever made it
