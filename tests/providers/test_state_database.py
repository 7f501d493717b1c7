"""The database of the server's state: its versions."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from virtcim.providers import StateError
from virtcim.providers.state import migrations
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.job import JobElement
from virtcim.providers.state.job_store import JobStore

NAMESPACE = "root/virt"
STEPS = migrations.MIGRATIONS
# The tables of before versions were kept, as its two kinds of server made them.
_FIRST = (
    "create table job (uuid varchar(36) not null, namespace text not null, "
    "name text not null, state integer not null, percent_complete integer not null, "
    "submitted float not null, changed float not null, updated float not null, "
    "error_code integer not null, error json{}, primary key (uuid));"
    "insert into job (uuid, namespace, name, state, percent_complete, submitted, changed, updated,"
    " error_code) values ('u', 'root/virt', 'Start', 7, 100, 9e9, 9e9, 9e9, 0);"
)
_SECOND = _FIRST.format(
    ", task_ref text default '' not null, decides integer default '0' not null, owner json, "
    "affected json, created json"
)


def file_of(directory: Path) -> Path:
    return directory / "virtcim.sqlite"


def execute(directory: Path, script: str) -> None:
    with closing(sqlite3.connect(file_of(directory))) as database:
        database.executescript(script)


def rows(directory: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file_of(directory))) as database:
        return database.execute(statement).fetchall()


def columns(directory: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What each table consists of, without the wording that made it."""
    names = rows(directory, "select name from sqlite_master where type = 'table'")
    return {name: rows(directory, f"pragma table_info({name})") for (name,) in names}


@pytest.mark.parametrize("script", [_FIRST.format(""), _SECOND], ids=["first", "second"])
def test_a_database_of_before_versions_is_taken_over_with_its_jobs(
    tmp_path: Path, script: str
) -> None:
    execute(tmp_path, script)
    store = JobStore(str(tmp_path))
    [job] = store.all(NAMESPACE)
    assert (job.uuid, job.task_ref, job.affected, job.owner) == ("u", "", (), None)
    assert store.concerning(NAMESPACE, JobElement("VirtCIM_ComputerSystem", "x")) == ()
    store.put(job)
    store.close()
    assert rows(tmp_path, "select version from schema_version") == [(len(STEPS),)]


@pytest.mark.parametrize(
    "kept",
    [
        "[]",
        "7",
        '{"code": ["x"]}',
        '{"code": "ERR_GONE"}',
        '{"code": "ERR_UNKNOWN", "standard": 1}',
    ],
)
def test_a_failure_that_cannot_be_read_costs_its_words_only(tmp_path: Path, kept: str) -> None:
    JobStore(str(tmp_path)).close()
    execute(
        tmp_path,
        "insert into job (uuid, namespace, name, state, percent_complete, submitted, changed, "
        "updated, error_code, error) values "
        f"('u', 'root/virt', 'Start', 10, 100, 9e9, 9e9, 9e9, 2, '{kept}');",
    )
    store = JobStore(str(tmp_path))
    try:
        (job,) = store.all("root/virt")
    finally:
        store.close()
    assert job.failure is not None
    assert job.error_code == 2
    assert "cannot be read" in job.failure.description()


def test_a_failed_job_of_before_is_told_in_the_words_of_then(tmp_path: Path) -> None:
    execute(tmp_path, _SECOND)
    told: dict[str, object] = {
        "MessageID": "ERR_OUT_OF_DISK_SPACE",
        "Message": "ERR_OUT_OF_DISK_SPACE: Full. [libvirt 38]",
        "ErrorSource": "root/virt:A.Name=1",
        "CIMStatusCode": 1,
    }
    with closing(sqlite3.connect(file_of(tmp_path))) as database, database:
        database.execute("update job set state = 10, error_code = 2, error = ?", [json.dumps(told)])
    store = JobStore(str(tmp_path))
    try:
        (job,) = store.all("root/virt")
    finally:
        store.close()
    assert job.failure is not None
    assert job.error_code == 2
    assert job.failure.record().values.items() >= told.items()


@pytest.mark.parametrize("known", range(len(STEPS)))
def test_every_earlier_version_becomes_what_a_new_database_is(
    tmp_path: Path, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    monkeypatch.setattr(migrations, "MIGRATIONS", STEPS[:known])
    old.mkdir()
    engine = sa.create_engine(f"sqlite:///{file_of(old)}")
    with engine.begin() as connection:
        migrations.migrate(connection, "an old one")
    engine.dispose()
    monkeypatch.undo()
    for directory in (old, new):
        StateDatabase(str(directory)).close()
    assert columns(old) == columns(new)
    assert rows(old, "select version from schema_version") == [(len(STEPS),)]


def test_a_database_of_a_newer_version_is_refused_in_one_sentence_and_left_alone(
    tmp_path: Path,
) -> None:
    StateDatabase(str(tmp_path)).close()
    newer = len(STEPS) + 1
    execute(tmp_path, f"update schema_version set version = {newer}")
    before = file_of(tmp_path).read_bytes()
    with pytest.raises(StateError) as refused:
        JobStore(str(tmp_path))
    assert str(refused.value) == (
        f"the state in {file_of(tmp_path)} was made by a newer version of virtcim: its database "
        f"has version {newer}, and this one knows {len(STEPS)}; use that version, or a backup of "
        f"{file_of(tmp_path)} of before"
    )
    assert file_of(tmp_path).read_bytes() == before
    execute(tmp_path, f"update schema_version set version = {len(STEPS)}")
    StateDatabase(str(tmp_path)).close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(tmp_path, _FIRST.format(""))
    before = rows(tmp_path, "select * from sqlite_master")

    def broken(connection: sa.Connection) -> None:
        connection.execute(sa.text("create table other (x integer)"))
        connection.execute(sa.text("insert into nowhere values (1)"))

    monkeypatch.setattr(migrations, "MIGRATIONS", (*STEPS, broken))
    with pytest.raises(StateError, match="no such table: nowhere"):
        StateDatabase(str(tmp_path))
    assert rows(tmp_path, "select * from sqlite_master") == before
    monkeypatch.undo()
    StateDatabase(str(tmp_path)).close()
