"""Several processes of one server with one SQLite database: each waits for the others.

A transaction that writes takes its place before it reads anything: one that found out at its
first change that somebody else has written since would have to begin again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

__all__ = [
    "ChangeSeen",
    "Colleagues",
    "in_transaction",
    "let_others_write",
    "observe",
    "reading_once",
]

# A transaction takes milliseconds; who writes that long has stopped in the middle of it.
_BUSY_MS = 30_000
_READING = "virtcim_reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleagues:
    """This process among those of one server: its name, and the names of some that have ended."""

    id: str
    dead: Sequence[str] = ()


def let_others_write(engine: sa.Engine) -> None:
    """Have the transactions of an SQLite engine wait for those of other processes."""

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin a transaction before the first change, after what was read.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")

    def begun(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get(_READING)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)


def observe(engine: sa.Engine) -> None:
    """Have nothing written through an SQLite engine. Raises OSError where there is no database."""
    # SQLite makes a database that is not there; that belongs to whoever holds the directory.
    Path(engine.url.database or "").stat()

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA query_only=ON")

    sa.event.listen(engine, "connect", connected)


def reading_once(connection: sa.Connection) -> None:
    """Have the next transaction read what there is at one moment, and write nothing."""
    connection.execution_options(**{_READING: True})


def in_transaction(connection: sa.Connection) -> bool:
    """Whether the driver has begun a transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver.in_transaction


class ChangeSeen:
    """Tells whether anybody has written to an SQLite database, without reading it."""

    def __init__(self, engine: sa.Engine) -> None:
        database = engine.url.database
        assert database is not None
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(database, check_same_thread=False)

    def version(self) -> int:
        """What is another number after each transaction."""
        with self._lock:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            return int(version)

    def close(self) -> None:
        """Look no more."""
        with self._lock:
            self._connection.close()
