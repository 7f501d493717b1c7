"""The state in PostgreSQL, which several servers share: its versions, and what goes wrong."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.adapt import Dumper

from tests.postgresql import PrivatePostgresql
from tests.providers.waiting import DEADLINE_S
from virtcim.hypervisor.undo import UndoLogError
from virtcim.providers import StateError
from virtcim.providers.state import migrations
from virtcim.providers.state.clock import kept_clock
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.state.polling import Polling
from virtcim.providers.state.postgresql import open_postgresql
from virtcim.providers.state.undo_store import UndoStore

STEPS = migrations.MIGRATIONS
SERVERS = 4


def tables(database: StateDatabase) -> dict[str, list[tuple[str, str]]]:
    """The columns of each table with their types."""
    inspector = sa.inspect(database.engine)
    return {
        name: [(each["name"], str(each["type"])) for each in inspector.get_columns(name)]
        for name in inspector.get_table_names()
    }


def test_servers_that_start_together_make_the_tables_once(postgresql_url: str) -> None:
    begin = threading.Barrier(SERVERS)

    def start() -> StateDatabase:
        begin.wait()
        return StateDatabase(postgresql_url)

    with ThreadPoolExecutor(SERVERS) as pool:
        databases = [one.result() for one in [pool.submit(start) for _ in range(SERVERS)]]
    with databases[0].reading() as connection:
        versions = connection.execute(sa.text("select version from schema_version")).all()
        services = connection.execute(sa.text("select id from indication_service")).all()
    for one in databases:
        one.close()
    assert versions == [(len(STEPS),)]
    assert services == [(1,)]


@pytest.mark.parametrize("known", range(len(STEPS)))
def test_every_earlier_version_becomes_what_a_new_database_is(
    postgresql: PrivatePostgresql, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = postgresql.new_database(), postgresql.new_database()
    monkeypatch.setattr(migrations, "MIGRATIONS", STEPS[:known])
    engine = open_postgresql(sa.make_url(old))
    with engine.begin() as connection:
        migrations.migrate(connection, "an old one")
    engine.dispose()
    monkeypatch.undo()
    made = []
    for url in (old, new):
        database = StateDatabase(url)
        made.append(tables(database))
        database.close()
        postgresql.drop_database(url)
    assert made[0] == made[1]


def test_a_newer_version_is_refused_and_left_alone(
    postgresql: PrivatePostgresql, postgresql_url: str
) -> None:
    StateDatabase(postgresql_url).close()
    name = postgresql_url.partition("@/")[2].partition("?")[0]
    postgresql.execute(f"UPDATE schema_version SET version = {len(STEPS) + 1}", name)
    with pytest.raises(StateError, match="was made by a newer version of virtcim"):
        StateDatabase(postgresql_url)


def test_a_computer_that_vanishes_is_given_up_after_ten_seconds_by_either_end(
    postgresql: PrivatePostgresql, postgresql_url: str
) -> None:
    url = postgresql.with_usual_patience(postgresql_url)
    with closing(StateDatabase(url)) as database, database.reading() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        asked = driver.info.get_parameters()
    names = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    assert [asked[name] for name in names] == ["4", "2", "3", "10000"]
    for name, value in zip(names[:3], ("4", "2", "3"), strict=True):
        assert f"tcp_{name}={value}" in asked["options"]


def test_both_ways_to_write_the_url_name_the_same_database(postgresql_url: str) -> None:
    JobStore(postgresql_url).close()
    other = JobStore(postgresql_url.replace("postgresql://", "postgresql+psycopg://"))
    assert other.database.is_shared
    other.close()


def test_connections_that_were_closed_meanwhile_are_replaced(
    postgresql: PrivatePostgresql, postgresql_url: str
) -> None:
    database = StateDatabase(postgresql_url)
    store = UndoStore(database, "root/virt")
    assert store.unfinished() == ()
    postgresql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'virtcim'"
    )
    assert store.unfinished() == ()
    database.close()


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(
    postgresql: PrivatePostgresql, postgresql_url: str
) -> None:
    with closing(StateDatabase(postgresql_url)) as database, closing(Polling(database)) as polling:
        assert database.servers is not None
        first = polling.change(database.servers.beat)
        postgresql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'virtcim'"
        )
        assert polling.change(database.servers.beat) == first
        with database.reading() as connection:
            beats = connection.execute(sa.text("select beat from server")).scalars().all()
    assert beats == [1], "each statement is a transaction of its own"


def test_a_connection_that_is_lost_in_between_is_said_on_one_line(
    postgresql: PrivatePostgresql, postgresql_url: str
) -> None:
    database = StateDatabase(postgresql_url)
    store = UndoStore(database, "root/virt")

    def lose(connection: sa.Connection, *_: object) -> None:
        postgresql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'virtcim'"
        )

    sa.event.listen(database.engine, "before_cursor_execute", lose, once=True)
    with pytest.raises(UndoLogError, match="terminating connection") as raised:
        store.unfinished()
    assert "\n" not in str(raised.value)
    assert store.unfinished() == ()
    database.close()


def test_one_that_sleeps_within_a_transaction_does_not_keep_others_for_ever(
    postgresql: PrivatePostgresql, postgresql_url: str
) -> None:
    database = StateDatabase(postgresql.with_usual_patience(postgresql_url))
    with database.engine.connect() as connection:
        shown = [
            connection.execute(sa.text(f"show {name}")).scalar_one()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
    database.close()
    assert shown == ["30s", "5s"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@/nosuch?host={0}",
        "postgresql://me@/nosuch?host={0}&password=secret",
        "postgresql+psycopg://me:secret@127.0.0.1:1/nosuch",
        "postgresql://me:p@secret@{0}/nosuch",
        "postgresql://me:secret@host:port/nosuch",
        "nosuch://me:secret@host/nosuch",
    ],
)
def test_no_password_is_told(postgresql: PrivatePostgresql, url: str, tmp_path: object) -> None:
    with pytest.raises(StateError) as raised:
        StateDatabase(url.format(tmp_path))
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "cannot be kept in" in str(raised.value)


@dataclass(frozen=True)
class _Suspending:
    """A value at which whoever sends it falls asleep, until `wake` is set."""

    asleep: threading.Event
    wake: threading.Event


class _SuspendingDumper(Dumper):
    oid = 25

    def dump(self, obj: _Suspending) -> bytes:
        obj.asleep.set()
        assert obj.wake.wait(DEADLINE_S)
        return b"x"


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("where", ["after", "within"])
def test_who_is_suspended_in_a_transaction_keeps_nobody_from_its_rows(
    postgresql_url: str, where: str, rows: int
) -> None:
    """Also where it was just sending the last of its rows."""
    asleep, wake = threading.Event(), threading.Event()
    insert = sa.text("INSERT INTO peer (id, name, beat) VALUES (:id, :name, 0)")
    values: list[dict[str, object]] = [{"id": str(one), "name": "x"} for one in range(rows)]
    last = {"id": "last", "name": _Suspending(asleep, wake)}
    sent = [values, [last]] if where == "after" else [[*values, last]]

    def change(connection: sa.Connection) -> None:
        with connection.begin():
            for each in sent:
                connection.execute(insert, each)

    def change_asleep(database: StateDatabase) -> None:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("SET idle_in_transaction_session_timeout = '1s'")
            connection.commit()
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.adapters.register_dumper(_Suspending, _SuspendingDumper)
            # Versions of the driver call it an internal or an operational error.
            with pytest.raises(sa.exc.DBAPIError, match="idle-in-transaction"):
                change(connection)
            connection.invalidate()

    with (
        closing(StateDatabase(postgresql_url)) as suspended,
        closing(StateDatabase(postgresql_url)) as other,
        ThreadPoolExecutor() as pool,
    ):
        changed = pool.submit(change_asleep, suspended)
        try:
            assert asleep.wait(DEADLINE_S)
            # It waits for the other transaction, which nobody ends but PostgreSQL.
            with other.engine.begin() as waiting:
                waiting.execute(sa.text("SET LOCAL statement_timeout = '20s'"))
                waiting.execute(insert, values)
        finally:
            wake.set()
        changed.result()


def test_computers_whose_clocks_differ_have_the_one_of_the_database(postgresql_url: str) -> None:
    """One is an hour ahead and one a day behind; each was started once, and is seen twice."""
    database = StateDatabase(postgresql_url)

    def now_of(boot: str, ahead_s: float) -> float:
        with database.transaction() as connection:
            return kept_clock(connection, boot=boot, clock=lambda: time.time() + ahead_s)()

    try:
        times = [
            now_of(boot, ahead_s + jump_s)
            for jump_s in (0.0, 86400.0)
            for boot, ahead_s in (("first", 3600.0), ("second", -86400.0))
        ]
        with database.transaction() as connection:
            boots = connection.execute(sa.text("SELECT boot FROM clock")).scalars().all()
    finally:
        database.close()
    assert max(times) - min(times) < 1800
    assert {"first", "second"} < {*boots}
