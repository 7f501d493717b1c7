"""A state directory that is full, damaged, emptied, or open to others, for real."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from virtcim.toolstack.following.domain_history import DomainHistory
from virtcim.toolstack.following.stop_details import StopDetails
from virtcim.toolstack.images.recorded import RecordedFormats
from virtcim.toolstack.machines.change_journal import Before
from virtcim.toolstack.reading.known_devices import DISK, KnownDevices
from virtcim.toolstack.state import State, StateDatabase, StateError
from virtcim.toolstack.state.directory import ToolstackDirectory

_GOOD = {
    "stop_detail": '{"time": "2026-11-30T12:00:00+00:00", "state": 3, "reason": 5, '
    '"stop_reason": "IO_ERROR", "event": null}',
    "domain_history": '{"condition": "off", "reason": 1, "id": -1, "boot": "", "watchdog": "", '
    '"disk_errors": {}, "io_errors": {}, "since": null, "started": null, "panicked": null, '
    '"watchdog_at": null}',
    "device_identity": '{"disk": [["vda", 0, ["", "", "vda"], null]]}',
    "unfinished_change": '{"name": "a", "config": "", "changed_config": "", "autostart": false, '
    '"live": {}, "steps": []}',
}


def file_of(directory: Path) -> Path:
    return directory / "toolstack.sqlite"


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_garbage(content: bytes) -> bytes:
    return content[:4096] + random.Random(0).randbytes(len(content) - 4096)


def without_header(content: bytes) -> bytes:
    return bytes(4096) + content[4096:]


def nothing(_content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [half, with_garbage, without_header, nothing])
def test_a_damaged_database_is_refused_with_the_remedy_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    State(tmp_path).close()
    damaged = damage(file_of(tmp_path).read_bytes())
    file_of(tmp_path).write_bytes(damaged)
    with pytest.raises(StateError) as refused:
        State(tmp_path)
    told = str(refused.value)
    assert told.startswith(f"cannot use the state directory {tmp_path}: ")
    assert f"put a backup of it back, or move {file_of(tmp_path)}" in told
    assert file_of(tmp_path).read_bytes() == damaged
    # The remedy works.
    file_of(tmp_path).rename(tmp_path / "damaged")
    State(tmp_path).close()


def test_a_toolstack_that_died_before_there_was_a_database_starts_again(tmp_path: Path) -> None:
    file_of(tmp_path).touch()
    State(tmp_path).close()
    # The administrator begins with nothing, and the toolstack dies at once.
    file_of(tmp_path).unlink()
    ToolstackDirectory(tmp_path).close()
    assert file_of(tmp_path).stat().st_size == 0
    State(tmp_path).close()


def test_a_full_database_says_what_to_do_and_keeps_what_it_had(tmp_path: Path) -> None:
    with closing(StateDatabase(tmp_path)) as database:
        database.query("insert into notes values ('VM', 'before', '{}')")
        ((pages,),) = database.query("pragma page_count")
        database.query(f"pragma max_page_count = {pages}")
        with pytest.raises(StateError, match="full; make room in the file system of") as refused:
            database.query("insert into notes values ('VM', 'more', ?)", "x" * 100_000)
        assert str(file_of(tmp_path)) in str(refused.value)
        assert database.query("select uuid from notes") == [("before",)]


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_nobody_else_may_read_the_state_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    directory = tmp_path / "state"
    before = os.umask(umask)
    try:
        with closing(StateDatabase(directory)) as database, database.transaction() as query:
            query("insert into notes values ('VM', 'u', '{}')")
            modes = {each.name: each.stat().st_mode & 0o777 for each in directory.iterdir()}
    finally:
        os.umask(before)
    assert modes.keys() == {"toolstack.lock", "toolstack.sqlite", "toolstack.sqlite-journal"}
    assert set(modes.values()) == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_state_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    State(tmp_path).close()
    for each in tmp_path.iterdir():
        each.chmod(0o644)
    with closing(State(tmp_path)):
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("bad", ["{", "[]", "{}", b"\xff\xfe", "null"])
def test_one_row_that_cannot_be_read_costs_only_itself(
    tmp_path: Path, bad: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(StateDatabase(tmp_path)) as database:
        for table, fields in _GOOD.items():
            for vm in ("1", "3"):
                database.query(f"insert into {table} values (?, ?)", vm, fields)
    with closing(sqlite3.connect(file_of(tmp_path))) as other, other:
        for table in _GOOD:
            other.execute(f"insert into {table} values ('2', cast(? as text))", [bad])
    with closing(State(tmp_path)) as state:
        database = state.database
        details = StopDetails(state)
        assert [vm for vm in "123" if details.get(vm)] == ["1", "3"]
        history = DomainHistory(state)
        assert history._lives.keys() == {"1", "3"}
        devices = KnownDevices(database)
        # Of a machine of which nothing is known there are no devices.
        assert [vm for vm in "123" if devices.known(vm, DISK)] == ["1", "3"]
        rows = database.query("select vm, fields from unfinished_change order by vm")
        for _ in range(2):
            changes = database.readable("the change that was cut off", rows, Before.from_text)
            assert changes.keys() == {"1", "3"}
        assert len(rows) == 3
    # What has no fields is no history of devices either, and is no fault.
    tables = len(_GOOD) - (bad == "{}")
    said = [one for one in caplog.messages if "cannot be read and is not used" in one]
    assert len(said) == tables
    assert all(" of 2 cannot" in one for one in said)


@pytest.mark.parametrize("bad", ["{", "[]", b"\xff\xfe"])
def test_one_note_that_cannot_be_read_costs_only_itself(tmp_path: Path, bad: str | bytes) -> None:
    StateDatabase(tmp_path).close()
    with closing(sqlite3.connect(file_of(tmp_path))) as other, other:
        for uuid, fields in (("1", '{"tags": ["x"]}'), ("2", bad)):
            other.execute("insert into notes values ('VM', ?, cast(? as text))", [uuid, fields])
            other.execute(
                "insert into introduced_vdi values ('h', ?, cast(? as text))", [uuid, fields]
            )
    with closing(State(tmp_path)) as state:
        assert state.all_notes() == {("VM", "1"): {"tags": ["x"]}}
        assert state.introduced("h") == {"1": {"tags": ["x"]}}
        assert len(state.database.query("select * from notes")) == 2


def test_nothing_is_kept_of_images_that_are_gone(tmp_path: Path) -> None:
    with closing(StateDatabase(tmp_path)) as database:
        formats = RecordedFormats(database)
        for path in ("/a/disk", "/b/disk"):
            formats.keep_first("h", path, "qcow2", 0)
            formats.replace("h", path, "raw", 0)
        formats.forget("h", "/a/disk")
        assert formats.may_have("/c/disk")
        formats.forget("h", "/b/disk")
        assert not formats.may_have("/c/disk")
        assert not formats._names
