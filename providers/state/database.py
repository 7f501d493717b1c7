"""The database that this server keeps its state in: one version of its tables.

It is SQLite in a directory or in memory, or what an SQLAlchemy URL names: PostgreSQL, where
several servers share it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import sqlalchemy as sa

from virtcim.errormap.state_remedy import damaged, state_remedy
from virtcim.providers.state.clock import Clock, kept_clock, steady_clock
from virtcim.providers.state.directory import (
    DamagedError,
    OccupiedError,
    StateDirectory,
    database_in,
)
from virtcim.providers.state.errors import StateError, StateHeldError
from virtcim.providers.state.migrations import is_of_today, migrate
from virtcim.providers.state.postgresql import is_postgresql, open_postgresql
from virtcim.providers.state.servers import Servers
from virtcim.providers.state.several_processes import (
    ChangeSeen,
    Colleagues,
    let_others_write,
    observe,
    reading_once,
)

__all__ = ["StateDatabase"]

_log = logging.getLogger(__name__)
# A larger database is not read as a whole at each start.
_MOST_CHECKED_BYTES = 256 << 20
_IN_MEMORY = "sqlite://"


class StateDatabase:
    """An open database with the tables of today.

    ``state`` is a directory, an SQLAlchemy URL, or nothing for this process only. Raises
    StateError where the state cannot be kept there: another server does, a newer version made
    it, the database cannot be reached. ``lock`` is held by whoever writes with ``engine``: a
    database in memory has one connection for all threads. ``colleagues``: this is one of several
    processes of one server, which holds the directory for all of them. ``held`` says that another
    process holds it: what that one writes is read, and nothing is written.
    """

    def __init__(
        self,
        state: str = "",
        colleagues: Colleagues | None = None,
        held: StateHeldError | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self.closed = False
        self.held = held
        # What stored times are compared with.
        self.clock: Clock = steady_clock()
        self._directory: StateDirectory | None = None
        # This server among those that share the database; None where nobody does.
        self.servers: Servers | None = None
        self._seen: ChangeSeen | None = None
        self._engine: sa.Engine | None = None
        self.shown = _shown(state) or "memory"
        try:
            url = state or _IN_MEMORY
            if state and "://" not in state:
                if colleagues is None and held is None:
                    self._directory = StateDirectory(state)
                database = database_in(state)
                self.shown = str(database)
                url = f"sqlite:///{database}"
            self._engine = self._begin(url, is_one_of_several=colleagues is not None)
            self._prepare(self._engine)
        except StateError:
            self.close()
            raise
        except OccupiedError as occupied:
            raise StateHeldError(f"another server keeps its state in {state}: {occupied}") from None
        except DamagedError as error:
            self.close()
            raise _damaged(str(error), "it is empty, and was not") from error
        # ImportError: the driver of another database than SQLite is not installed.
        except (OSError, sa.exc.SQLAlchemyError, ValueError, ImportError) as error:
            self.close()
            raise self.unusable(error) from error
        self.engine = self._engine
        if self.is_shared and held is None:
            self.servers = Servers(self.engine, colleagues)

    def _begin(self, url: str, *, is_one_of_several: bool) -> sa.Engine:
        engine = _open(url)
        if self.held is not None:
            observe(engine)
            self._seen = ChangeSeen(engine)
        elif is_one_of_several and engine.dialect.name == "sqlite":
            let_others_write(engine)
            self._seen = ChangeSeen(engine)
        sa.event.listen(engine, "checkin", self._given_back)
        return engine

    def _prepare(self, engine: sa.Engine) -> None:
        """Have the tables of today; what is only observed must have them."""
        with engine.begin() as connection:
            if self.held is not None:
                if not is_of_today(connection):
                    raise self.held
                self.clock = kept_clock(connection, is_observed=True)
                return
            if self._directory is not None:
                _check(connection, self._directory)
            migrate(connection, self.shown)
            self.clock = kept_clock(connection)
        if self._directory is not None:
            self._directory.note_made()

    @property
    def is_exclusive(self) -> bool:
        """Whether no other process can use the database as long as this one does."""
        return self._directory is not None

    @property
    def is_shared(self) -> bool:
        """Whether other servers may use the database at the same time."""
        return self._seen is not None or self.engine.dialect.name != "sqlite"

    @property
    def is_here(self) -> bool:
        """Whether reading a row asks nobody but the disk, or what the system keeps of it."""
        return self.engine.dialect.name == "sqlite"

    def version(self) -> int | None:
        """What is another thing after each transaction; None where that cannot be known here."""
        return None if self._seen is None else self._seen.version()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for reading, which waits for no writer where that can be.

        What is read is of one moment.
        """
        with ExitStack() as stack:
            if isinstance(self.engine.pool, sa.StaticPool):
                stack.enter_context(self.lock)
            connection = stack.enter_context(self.engine.connect())
            if self._seen is not None:
                reading_once(connection)
            elif self.is_shared:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def transaction(self, *, quick: bool = False) -> Iterator[sa.Connection]:
        """A transaction of whoever holds the lock.

        A quick one survives the death of this process, and perhaps not that of the computer: it
        waits for no disk.
        """
        with self.engine.connect() as connection:
            is_sqlite = connection.dialect.name == "sqlite"
            if quick and is_sqlite:
                _be_durable(connection, "NORMAL")
            try:
                with connection.begin():
                    if quick and not is_sqlite:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                    yield connection
            finally:
                if quick and is_sqlite:
                    _be_durable(connection, "FULL")

    def hand_over(self) -> int | None:
        """Leave the database to processes that this one starts, and keep the directory for them.

        Gives the open file that holds it: as long as any of them has it, nobody else can. Raises
        StateError where the database cannot be left to several processes.
        """
        if isinstance(self.engine.pool, sa.StaticPool):
            raise StateError(
                "a state in memory is that of one process: several workers need a directory or "
                "the URL of a database for --state"
            )
        try:
            if self.is_here:
                Servers(self.engine).strike_off_all()
            elif self.servers is not None:
                self.servers.leave()
        except sa.exc.SQLAlchemyError as error:
            raise self.unusable(error) from error
        self.engine.dispose()
        return None if self._directory is None else self._directory.descriptor

    def close(self) -> None:
        """Let go of the database and of the directory; another server may use them now."""
        self.closed = True
        if self.servers is not None:
            try:
                self.servers.leave()
            except sa.exc.SQLAlchemyError as error:
                _log.warning(
                    "other servers find out later that this one ends: %s", self.reason(error)
                )
            self.servers = None
        if self._seen is not None:
            self._seen.close()
        if self._engine is not None:
            self._engine.dispose()
        held, self._directory = self._directory, None
        if held is not None:
            held.close()

    def _given_back(self, _: object, entry: sa.pool.ConnectionPoolEntry) -> None:
        if self.closed:
            # What was in use while the others were closed would stay open.
            entry.invalidate()

    def unusable(self, error: Exception) -> StateError:
        """Say that the state cannot be kept there, and what to do about it."""
        return StateError(f"the state cannot be kept in {self.reason(error)}")

    def unreadable(self, error: Exception) -> StateError:
        """Say that the state cannot be read, and what to do about it."""
        return StateError(f"the state cannot be read from {self.reason(error)}")

    def reason(self, error: Exception) -> str:
        """Where it cannot be kept, why, and what to do about it, after "cannot be ... in"."""
        # What SQLAlchemy adds is the statement, over many lines.
        cause = getattr(error, "orig", None) or error
        remedy = state_remedy(cause, self.shown)
        reason = " ".join(str(cause).split())
        return f"{self.shown}: {reason}" + (f"; {remedy}" if remedy else "")


def _shown(state: str) -> str:
    """The state as a message may name it: without the password of a URL."""
    if "://" not in state:
        return state
    try:
        url = sa.make_url(state)
    except (sa.exc.ArgumentError, ValueError):
        return f"{state.partition('://')[0]}://..."
    if "@" in (url.host or ""):
        # A part of the password that is not written as it must be.
        url = url.set(host=url.host.rpartition("@")[2] if url.host else None)
    return url.difference_update_query(["password"]).render_as_string()


def _open(url: str) -> sa.Engine:
    if url != _IN_MEMORY:
        parsed = sa.make_url(url)
        if is_postgresql(parsed):
            return open_postgresql(parsed)
        engine = sa.create_engine(url)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _write_ahead)
        return engine
    # One connection for all threads: each would have a database of its own.
    return sa.create_engine(url, poolclass=sa.StaticPool, connect_args={"check_same_thread": False})


def _write_ahead(connection: sqlite3.Connection, _record: object) -> None:
    """A commit is one write to one file instead of four; it is as durable (synchronous is FULL)."""
    connection.execute("PRAGMA journal_mode=WAL")


def _be_durable(connection: sa.Connection, mode: str) -> None:
    """What a commit waits for from now on, outside of transactions."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute(f"PRAGMA synchronous={mode}")


def _check(connection: sa.Connection, directory: StateDirectory) -> None:
    """Find damage before anything is written. Raises StateError, SQLAlchemyError."""
    if directory.database.stat().st_size > _MOST_CHECKED_BYTES:
        return
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise _damaged(str(directory.database), " ".join(str(found).split()))


def _damaged(file: str, reason: str) -> StateError:
    return StateError(f"the state cannot be kept in {file}: {reason}; {damaged(file)}")
