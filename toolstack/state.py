"""What libvirt has no place for, kept in SQLite: introduced disks, clients' notes on objects."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["State", "StateError"]

_SCHEMA = """
create table if not exists life (started integer not null);
create table if not exists introduced_vdi (
    host text not null, path text not null, fields text not null, primary key (host, path));
create table if not exists notes (
    class text not null, uuid text not null, fields text not null, primary key (class, uuid));
create table if not exists stop_detail (vm text primary key, fields text not null);
"""


class StateError(Exception):
    """The state directory cannot be used; the text is one sentence for the administrator."""


class State:
    """The state directory; without one everything is forgotten at the end of the process.

    Everything raises StateError where the directory cannot be used.
    """

    def __init__(self, directory: Path | None) -> None:
        self._lock = threading.Lock()
        self._directory = directory
        try:
            if directory is not None:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                ":memory:" if directory is None else directory / "toolstack.sqlite",
                isolation_level=None,
                check_same_thread=False,
            )
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def begin_life(self) -> int:
        """Give a number greater than that of any earlier process on this state directory."""
        (last,) = self._query("select coalesce(max(started), 0) from life")[0]
        # A clock that was set back must not make tokens smaller.
        life: int = max(int(time.time() * 1000), last + 1)
        self._query("delete from life")
        self._query("insert into life values (?)", life)
        return life

    def introduced(self, host: str) -> dict[str, dict[str, Any]]:
        """Give the disks that were introduced on a host by path, each with its fields."""
        rows = self._query("select path, fields from introduced_vdi where host = ?", host)
        return {path: json.loads(fields) for path, fields in rows}

    def introduce(self, host: str, path: str, fields: Mapping[str, object]) -> None:
        """Note a disk at a path outside all pools."""
        self._query(
            "insert or replace into introduced_vdi values (?, ?, ?)", host, path, json.dumps(fields)
        )

    def forget(self, host: str, path: str) -> None:
        """Take an introduced disk back."""
        self._query("delete from introduced_vdi where host = ? and path = ?", host, path)

    def all_notes(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Give the fields that clients set on objects by class and UUID."""
        rows = self._query("select class, uuid, fields from notes")
        return {(class_name, uuid): json.loads(fields) for class_name, uuid, fields in rows}

    def set_notes(self, class_name: str, uuid: str, fields: Mapping[str, object]) -> None:
        """Keep the fields that clients set on one object; none deletes them."""
        if fields:
            self._query(
                "insert or replace into notes values (?, ?, ?)",
                class_name,
                uuid,
                json.dumps(fields),
            )
        else:
            self._query("delete from notes where class = ? and uuid = ?", class_name, uuid)

    def stop_details(self) -> dict[str, dict[str, Any]]:
        """Give by VM UUID what was seen when it stopped by itself."""
        rows = self._query("select vm, fields from stop_detail")
        return {vm: json.loads(fields) for vm, fields in rows}

    def set_stop_detail(self, vm: str, fields: Mapping[str, object] | None) -> None:
        """Keep what was seen when a VM stopped by itself; None forgets it."""
        if fields is None:
            self._query("delete from stop_detail where vm = ?", vm)
        else:
            self._query("insert or replace into stop_detail values (?, ?)", vm, json.dumps(fields))

    def _query(self, statement: str, *values: str | int) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StateError:
        return StateError(f"cannot use the state directory {self._directory}: {error}")
