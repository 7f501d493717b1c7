"""The SQLite database of the state directory: one process, one version of its tables."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from virtcim.toolstack.state.migrations import MIGRATIONS

__all__ = ["StateDatabase", "StateError"]

_DATABASE = "toolstack.sqlite"
_LOCK = "toolstack.lock"
# How long another process may hold the database: a backup, or an administrator who looks.
_PATIENCE_S = 30.0

Rows = list[tuple[Any, ...]]
Query = Callable[..., Rows]


class StateError(Exception):
    """The state directory cannot be used; the text is one sentence for the administrator."""


class StateDatabase:
    """The database; without a directory it is forgotten at the end of the process.

    Safe to use from many threads. Everything raises StateError where the directory cannot be used:
    another toolstack uses it, a newer version made it, the disk is full.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._held: int | None = None
        self._later = ThreadPoolExecutor(1, thread_name_prefix="state")
        try:
            if directory is not None:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._held = _hold(directory)
            self._connection = sqlite3.connect(
                ":memory:" if directory is None else directory / _DATABASE,
                timeout=_PATIENCE_S,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._migrate()
            except BaseException:
                self._connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            self._give_back()
            raise self._unusable(error) from error
        except StateError:
            self._give_back()
            raise

    def close(self) -> None:
        """Close the database when all is done; another process may use it now."""
        self._later.shutdown()
        with self._lock:
            self._connection.close()
            self._give_back()

    def query(self, statement: str, *values: str | int | None) -> Rows:
        """Execute one statement and give its rows; a change is on the disk afterwards."""
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def later(self, statement: str, *values: str | int | None) -> Future[Rows]:
        """Execute one statement after all that were asked for so before it, in a thread of its own.

        For those who hold a lock that others wait for: a disk may take long.
        """
        try:
            return self._later.submit(self.query, statement, *values)
        except RuntimeError as error:  # it is closed
            failed: Future[Rows] = Future()
            failed.set_exception(self._unusable(error))
            return failed

    @contextmanager
    def transaction(self) -> Iterator[Query]:
        """Give a ``query`` whose changes are made together at the end of the block, or not at all.

        The block must not use the database in any other way.
        """
        try:
            with self._lock:
                self._connection.execute("begin immediate")
                try:
                    yield lambda statement, *values: self._connection.execute(
                        statement, values
                    ).fetchall()
                    self._connection.commit()
                except BaseException:
                    self._connection.rollback()
                    raise
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _migrate(self) -> None:
        """Bring an older database to the version of today, all of the way or not at all."""
        (version,) = self._connection.execute("pragma user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StateError(
                f"the state directory {self._directory} was made by a newer version of virtcim: "
                f"its database has version {version}, and this one knows {len(MIGRATIONS)}"
            )
        if version == len(MIGRATIONS):
            return
        scripts = "".join(MIGRATIONS[version:])
        try:
            self._connection.executescript(
                f"begin immediate; {scripts}; pragma user_version = {len(MIGRATIONS)}; commit"
            )
        except sqlite3.Error:
            self._connection.rollback()
            raise

    def _give_back(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def _unusable(self, error: Exception) -> StateError:
        return StateError(f"cannot use the state directory {self._directory}: {error}")


def _hold(directory: Path) -> int:
    """Take the directory for this process alone.

    The kernel gives the lock back when the process ends, however it ends.
    """
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateError(f"another toolstack uses the state directory {directory}") from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
