"""The directory that a server keeps its state in: one server's, and nobody else's to read."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["DamagedError", "OccupiedError", "StateDirectory", "database_in"]

_DATABASE = "virtcim.sqlite"
_LOCK = "virtcim.lock"
_HOLDER = "virtcim.holder"
_MODE = 0o600
# What SQLite makes beside a database.
_BESIDE = ("", "-wal", "-shm", "-journal")
# In the lock file from the time that there is a database.
_MADE = b"made\n"


class OccupiedError(Exception):
    """Another server keeps its state there; the text names its process, as far as it is known."""


class DamagedError(Exception):
    """The database of that path is empty, and was not."""


class StateDirectory:
    """A state directory, held for this server alone until ``close``.

    A second server would take the running jobs of the first for interrupted ones. The kernel
    gives the lock back when the process ends, however it ends. Raises OSError, OccupiedError where
    another server has it, and DamagedError.
    """

    def __init__(self, path: str) -> None:
        directory = Path(path)
        if not directory.is_dir():
            directory.mkdir(parents=True, mode=0o700)
            directory.chmod(0o700)  # whatever the umask
        self.database = database_in(path)
        self._lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            _hold(self._lock, directory)
            os.fchmod(self._lock, _MODE)
            _note_holder(directory)
            self._prepare()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def descriptor(self) -> int:
        """What holds it: whoever inherits it holds the directory, too."""
        return self._lock

    def note_made(self) -> None:
        """There is a database now: from now on an empty file is one that lost what it held."""
        if os.pread(self._lock, 1, 0):
            return
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
            raise DamagedError(str(self.database))
        for ending in _BESIDE:
            file = self.database.with_name(self.database.name + ending)
            if file.exists():
                file.chmod(_MODE)  # whatever the umask, and whoever made it


def database_in(path: str) -> Path:
    """The database of a state directory."""
    return Path(path) / _DATABASE


def _hold(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OccupiedError(_holder(directory)) from None


def _note_holder(directory: Path) -> None:
    """Leave word for whoever is refused; it means something only as long as the lock is held."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(directory / _HOLDER, flags, _MODE)
    try:
        os.fchmod(descriptor, _MODE)  # whatever the umask
        os.write(descriptor, f"{os.getpid()}\n".encode())
    finally:
        os.close(descriptor)


def _holder(directory: Path) -> str:
    try:
        process = int((directory / _HOLDER).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return "another process"
    try:
        program = Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        # One of another user or container, perhaps.
        return f"process {process}"
    return f"process {process} ({program.strip()})"
