"""The state database: its versions, and that one process alone uses it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.toolstack.test_command import run
from virtcim.toolstack.state import State, StateDatabase, StateError, database, migrations

# What the tables were before versions were kept.
_FIRST = """
create table life (started integer not null);
create table introduced_vdi (
    host text not null, path text not null, fields text not null, primary key (host, path));
create table notes (
    class text not null, uuid text not null, fields text not null, primary key (class, uuid));
create table stop_detail (vm text primary key, fields text not null);
insert into life values (17);
insert into introduced_vdi values ('h', '/images/a', '{"name_label": "a"}');
insert into notes values ('SR', 'u', '{"tags": ["x"]}');
insert into stop_detail values ('v', '{"reason": "crashed"}');
"""


def file_of(directory: Path) -> Path:
    return directory / "toolstack.sqlite"


def made_by(directory: Path, script: str) -> Path:
    with closing(sqlite3.connect(file_of(directory))) as connection:
        connection.executescript(script)
    return directory


def tables(directory: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file_of(directory))) as connection:
        return connection.execute("select type, name, sql from sqlite_master order by 2").fetchall()


def version(directory: Path) -> int:
    with closing(sqlite3.connect(file_of(directory))) as connection:
        number: int = connection.execute("pragma user_version").fetchone()[0]
        return number


def test_a_database_of_before_versions_is_taken_over_with_all_that_it_holds(tmp_path: Path) -> None:
    state = State(made_by(tmp_path, _FIRST))
    assert state.introduced("h") == {"/images/a": {"name_label": "a"}}
    assert state.all_notes() == {("SR", "u"): {"tags": ["x"]}}
    assert state.stop_details(dict) == {"v": {"reason": "crashed"}}
    assert state.begin_life() > 17
    state.close()
    assert version(tmp_path) == len(migrations.MIGRATIONS)


@pytest.mark.parametrize("known", range(len(migrations.MIGRATIONS)))
def test_every_earlier_version_becomes_what_a_new_database_is(tmp_path: Path, known: int) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    scripts = "".join(migrations.MIGRATIONS[:known])
    made_by(tmp_path / "old", f"{scripts}; pragma user_version = {known}")
    for name in ("old", "new"):
        StateDatabase(tmp_path / name).close()
    assert tables(tmp_path / "old") == tables(tmp_path / "new")
    assert version(tmp_path / "old") == version(tmp_path / "new") == len(migrations.MIGRATIONS)


def test_a_database_of_a_newer_version_is_refused_in_one_sentence_and_left_alone(
    tmp_path: Path,
) -> None:
    newer = len(migrations.MIGRATIONS) + 1
    made_by(tmp_path, f"{_FIRST}; pragma user_version = {newer}")
    before = file_of(tmp_path).read_bytes()
    with pytest.raises(StateError) as refused:
        State(tmp_path)
    assert str(refused.value) == (
        f"the state directory {tmp_path} was made by a newer version of virtcim: its database has "
        f"version {newer}, and this one knows {len(migrations.MIGRATIONS)}; use that version, or a "
        f"backup of {file_of(tmp_path)} of before"
    )
    assert file_of(tmp_path).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "toolstack.lock",
        "toolstack.sqlite",
    ]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by(tmp_path, _FIRST)
    before = tables(tmp_path)
    broken = "create table first (x); create table first (x);"
    monkeypatch.setattr(database, "MIGRATIONS", (migrations.MIGRATIONS[0], broken))
    with pytest.raises(StateError, match="first already exists"):
        StateDatabase(tmp_path)
    assert (version(tmp_path), tables(tmp_path)) == (0, before)
    monkeypatch.undo()
    State(tmp_path).close()


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    opened = StateDatabase(tmp_path)

    def keep(vm: str, then: str = "select 1") -> None:
        with opened.transaction() as query:
            query("insert into stop_detail values (?, ?)", vm, "{}")
            query(then)

    with pytest.raises(StateError, match="no such table"):
        keep("v", then="delete from nowhere")
    assert opened.query("select vm from stop_detail") == []
    keep("w")
    opened.close()
    again = StateDatabase(tmp_path)
    assert again.query("select vm from stop_detail") == [("w",)]
    again.close()


def test_a_second_toolstack_on_the_same_state_is_refused_until_the_first_has_ended(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    first = State(state)
    options = ("--libvirt", "test:///default", "--listen", f"unix:{tmp_path / 's'}")
    done = run(*options, "--state", str(state))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: another toolstack uses the state directory {state}\n"
    first.close()
    first.close()
    State(state).close()


def test_what_is_refused_keeps_no_file_open(tmp_path: Path) -> None:
    first = State(tmp_path / "held")
    newer = tmp_path / "newer"
    newer.mkdir()
    made_by(newer, "pragma user_version = 999")
    before = sorted(Path("/proc/self/fd").iterdir())
    for directory in (tmp_path / "held", newer):
        with pytest.raises(StateError):
            State(directory)
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    first.close()
