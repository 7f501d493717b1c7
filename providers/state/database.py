"""The database that this server keeps its state in: one version of its tables.

It is SQLite in a directory or in memory, or what an SQLAlchemy URL names: PostgreSQL, where
several servers share it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import sqlalchemy as sa

from virtcim.errormap.state_remedy import damaged, newer, state_remedy
from virtcim.providers.state.directory import (
    DamagedError,
    OccupiedError,
    StateDirectory,
    database_in,
)
from virtcim.providers.state.indication_queue import make_indication_queue
from virtcim.providers.state.postgresql import is_postgresql, lock_migrations, open_postgresql
from virtcim.providers.state.servers import Servers
from virtcim.providers.state.several_processes import (
    ChangeSeen,
    Colleagues,
    in_transaction,
    let_others_write,
    reading_once,
)
from virtcim.providers.state.sharing_tables import make_peers, share_state

__all__ = ["StateDatabase", "StateError"]

_log = logging.getLogger(__name__)
# A larger database is not read as a whole at each start.
_MOST_CHECKED_BYTES = 256 << 20
_IN_MEMORY = "sqlite://"
_VERSION = sa.Table(
    "schema_version", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False)
)


class StateError(Exception):
    """The state cannot be kept where it shall be; the text is a sentence for a person."""


def _make_jobs(connection: sa.Connection) -> None:
    sa.Table(
        "job",
        sa.MetaData(),
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("percent_complete", sa.Integer, nullable=False),
        sa.Column("submitted", sa.Float, nullable=False),
        sa.Column("changed", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
        sa.Column("error_code", sa.Integer, nullable=False),
        sa.Column("error", sa.JSON, nullable=True),
    ).create(connection)


def _tell_what_jobs_are_about(connection: sa.Connection) -> None:
    _add_columns(
        connection,
        "job",
        sa.Column("task_ref", sa.Text, nullable=False, server_default=""),
        sa.Column("decides", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.JSON, nullable=True),
        sa.Column("affected", sa.JSON, nullable=True),
        sa.Column("created", sa.JSON, nullable=True),
    )


def _make_undo(connection: sa.Connection) -> None:
    sa.Table(
        "undo",
        sa.MetaData(),
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("begun", sa.Float, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
    ).create(connection)


def _keep_failures_instead_of_texts(connection: sa.Connection) -> None:
    """What was the CIM_Error of a failed job becomes its failure, in the words of then."""
    jobs = sa.Table(
        "job", sa.MetaData(), sa.Column("uuid", sa.String(36)), sa.Column("error", sa.JSON)
    )
    # Not every database compares JSON, and few jobs are kept.
    for uuid, error in connection.execute(sa.select(jobs)).all():
        if not error:
            continue
        code = str(error.get("MessageID", ""))
        kept = {
            "code": code,
            "text": str(error.get("Message", "")).removeprefix(f"{code}: "),
            "source": str(error.get("ErrorSource", "")),
            "status_code": int(error.get("CIMStatusCode", 0)),
        }
        kept = {name: value for name, value in kept.items() if value}
        connection.execute(sa.update(jobs).where(jobs.c.uuid == uuid).values(error=kept))


def _make_what_was_told_of(connection: sa.Connection) -> None:
    sa.Table(
        "indication_source",
        sa.MetaData(),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("complete", sa.Integer, nullable=False),
    ).create(connection)
    sa.Table(
        "indication_told",
        sa.MetaData(),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("object", sa.LargeBinary, nullable=False),
    ).create(connection)


def _make_subscriptions(connection: sa.Connection) -> None:
    metadata = sa.MetaData()
    # Filters and listener destinations.
    sa.Table(
        "indication_element",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("class_name", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    ).create(connection)
    sa.Table(
        "indication_subscription",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("class_name", sa.Text, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("handler", sa.String(64), nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("changed", sa.Float, nullable=False),
    ).create(connection)
    # One row: a change of anything above raises its revision first, so one comes after the other.
    service = sa.Table(
        "indication_service",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
    )
    service.create(connection)
    connection.execute(sa.insert(service).values(id=1, revision=0, properties={}))


# The step at index n makes version n + 1 of version n. Those of a released version are never
# changed: they are what its databases were made by.
_MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (
    _make_jobs,
    _tell_what_jobs_are_about,
    _make_undo,
    _keep_failures_instead_of_texts,
    _make_what_was_told_of,
    make_indication_queue,
    _make_subscriptions,
    lambda connection: share_state(connection, _add_columns),
    make_peers,
)


class StateDatabase:
    """An open database with the tables of today.

    ``state`` is a directory, an SQLAlchemy URL, or nothing for this process only. Raises
    StateError where the state cannot be kept there: another server does, a newer version made
    it, the database cannot be reached. ``lock`` is held by whoever writes with ``engine``: a
    database in memory has one connection for all threads. ``colleagues``: this is one of several
    processes of one server, which holds the directory for all of them.
    """

    def __init__(self, state: str = "", colleagues: Colleagues | None = None) -> None:
        self.lock = threading.Lock()
        self.closed = False
        self._held: StateDirectory | None = None
        # This server among those that share the database; None where nobody does.
        self.servers: Servers | None = None
        self._seen: ChangeSeen | None = None
        self._engine: sa.Engine | None = None
        self.shown = _shown(state) or "memory"
        try:
            url = state or _IN_MEMORY
            if state and "://" not in state:
                if colleagues is None:
                    self._held = StateDirectory(state)
                database = database_in(state)
                self.shown = str(database)
                url = f"sqlite:///{database}"
            self._engine = _open(url)
            if colleagues is not None and self._engine.dialect.name == "sqlite":
                let_others_write(self._engine)
                self._seen = ChangeSeen(self._engine)
            sa.event.listen(self._engine, "checkin", self._given_back)
            with self._engine.begin() as connection:
                if self._held is not None:
                    _check(connection, self._held)
                _migrate(connection, self.shown)
            if self._held is not None:
                self._held.note_made()
        except StateError:
            self.close()
            raise
        except OccupiedError:
            raise StateError(f"another server keeps its state in {state}") from None
        except DamagedError as error:
            self.close()
            raise _damaged(str(error), "it is empty, and was not") from error
        # ImportError: the driver of another database than SQLite is not installed.
        except (OSError, sa.exc.SQLAlchemyError, ValueError, ImportError) as error:
            self.close()
            raise self.unusable(error) from error
        self.engine = self._engine
        if self.is_shared:
            self.servers = Servers(self.engine, colleagues)

    @property
    def is_exclusive(self) -> bool:
        """Whether no other process can use the database as long as this one does."""
        return self._held is not None

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
        return None if self._held is None else self._held.descriptor

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
        held, self._held = self._held, None
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


def _migrate(connection: sa.Connection, shown: str) -> None:
    """Bring an older database to the version of today, all of the way or not at all."""
    if connection.dialect.name == "sqlite":
        if not in_transaction(connection):
            # Its driver begins a transaction only before rows change, not before tables do.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        lock_migrations(connection)
    recorded = _recorded_version(connection)
    version = _unrecorded_version(connection) if recorded is None else recorded
    if version > len(_MIGRATIONS):
        raise StateError(
            f"the state in {shown} was made by a newer version of virtcim: its database has "
            f"version {version}, and this one knows {len(_MIGRATIONS)}; {newer(shown)}"
        )
    for step in _MIGRATIONS[version:]:
        step(connection)
    if recorded is None:
        _VERSION.create(connection, checkfirst=True)
        connection.execute(sa.insert(_VERSION).values(version=len(_MIGRATIONS)))
    elif recorded < len(_MIGRATIONS):
        connection.execute(sa.update(_VERSION).values(version=len(_MIGRATIONS)))


def _recorded_version(connection: sa.Connection) -> int | None:
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    version: int | None = connection.execute(sa.select(_VERSION.c.version)).scalar_one_or_none()
    return version


def _unrecorded_version(connection: sa.Connection) -> int:
    """The version of a database of before versions were kept: its columns tell."""
    if not sa.inspect(connection).has_table("job"):
        return 0
    columns = {column["name"] for column in sa.inspect(connection).get_columns("job")}
    return 2 if "task_ref" in columns else 1


def _add_columns(connection: sa.Connection, table: str, *columns: sa.Column[object]) -> None:
    for column in columns:
        declared = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {declared}"))
