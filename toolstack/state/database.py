"""The SQLite database of the state directory: one process, one version of its tables."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from virtcim.errormap.state_remedy import damaged, newer, state_remedy
from virtcim.toolstack.state.directory import EmptiedError, ToolstackDirectory
from virtcim.toolstack.state.migrations import MIGRATIONS

__all__ = ["Rows", "StateDatabase", "StateError"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

# How long another process may hold the database: a backup, or an administrator who looks.
_PATIENCE_S = 30.0
# A larger database is not read as a whole at each start.
_MOST_CHECKED_BYTES = 256 << 20

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
        self._held: ToolstackDirectory | None = None
        self._later = ThreadPoolExecutor(1, thread_name_prefix="state")
        self._said: set[tuple[str, str]] = set()
        try:
            if directory is not None:
                self._held = ToolstackDirectory(directory)
            self._connection = sqlite3.connect(
                ":memory:" if self._held is None else self._held.database,
                timeout=_PATIENCE_S,
                isolation_level=None,
                check_same_thread=False,
            )
            # What is no UTF-8 costs the row that it stands in.
            self._connection.text_factory = lambda text: text.decode(errors="replace")
            try:
                self._check()
                self._migrate()
                if self._held is not None:
                    self._held.note_made()
            except BaseException:
                self._connection.close()
                raise
        except BlockingIOError:
            raise StateError(f"another toolstack uses the state directory {directory}") from None
        except EmptiedError as error:
            raise self._damaged(f"{self._file} is empty, and was not") from error
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

    def readable(
        self, what: str, rows: Rows, read: Callable[[str], T]
    ) -> dict[str | tuple[str, ...], T]:
        """What ``read`` makes of the last column of each row, by the one or ones before it.

        One that it cannot read costs only itself: it is left as it is, and said once to be ``what``
        of the object.
        """
        found: dict[str | tuple[str, ...], T] = {}
        for *keys, text in rows:
            key = tuple(map(str, keys)) if len(keys) > 1 else str(keys[0])
            try:
                found[key] = read(text)
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
                name = " ".join(map(str, keys))
                if (what, name) not in self._said:
                    self._said.add((what, name))
                    _log.warning(
                        "%s of %s cannot be read and is not used; its row in %s is left as it is: "
                        "%s",
                        *(what, name, self._file, error),
                    )
        return found

    @property
    def _file(self) -> str:
        return "memory" if self._directory is None else str(self._directory / "toolstack.sqlite")

    def _check(self) -> None:
        """Find damage before anything is written. Raises StateError, sqlite3.Error."""
        if self._held is None or self._held.database.stat().st_size > _MOST_CHECKED_BYTES:
            return
        (found,) = self._connection.execute("pragma quick_check(1)").fetchone()
        if found != "ok":
            raise self._damaged(" ".join(str(found).split()))

    def _migrate(self) -> None:
        """Bring an older database to the version of today, all of the way or not at all."""
        (version,) = self._connection.execute("pragma user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StateError(
                f"the state directory {self._directory} was made by a newer version of virtcim: "
                f"its database has version {version}, and this one knows {len(MIGRATIONS)}; "
                f"{newer(self._file)}"
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
            held.close()

    def _unusable(self, error: Exception) -> StateError:
        remedy = state_remedy(error, self._file)
        return StateError(
            f"cannot use the state directory {self._directory}: {error}"
            + (f"; {remedy}" if remedy else "")
        )

    def _damaged(self, reason: str) -> StateError:
        return StateError(
            f"cannot use the state directory {self._directory}: {reason}; {damaged(self._file)}"
        )
