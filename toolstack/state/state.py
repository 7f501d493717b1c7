"""What libvirt has no place for, kept in SQLite: introduced disks, clients' notes on objects."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from virtcim.toolstack.state.database import Rows, StateDatabase

__all__ = ["State"]

_log = logging.getLogger(__name__)
T = TypeVar("T")


class State:
    """The state directory; without one everything is forgotten at the end of the process.

    ``database`` is what other modules keep tables of their own in. Everything raises StateError
    where the directory cannot be used.
    """

    def __init__(self, directory: Path | None) -> None:
        self.database = StateDatabase(directory)
        self._query = self.database.query

    def close(self) -> None:
        """Close the database."""
        self.database.close()

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
        found = self.database.readable("the introduced disk", rows, _object)
        return {str(path): fields for path, fields in found.items()}

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
        rows = self.database.later("select class, uuid, fields from notes").result()
        found = self.database.readable("what clients noted", rows, _object)
        return {(key[0], key[1]): fields for key, fields in found.items()}

    def set_notes(
        self, class_name: str, uuid: str, fields: Mapping[str, object]
    ) -> Future[list[tuple[Any, ...]]]:
        """Keep the fields that clients set on one object; none deletes them.

        Gives at once what tells when they are on the disk; in the order of the calls.
        """
        later = self.database.later
        if not fields:
            return later("delete from notes where class = ? and uuid = ?", class_name, uuid)
        statement = "insert or replace into notes values (?, ?, ?)"
        return later(statement, class_name, uuid, json.dumps(fields))

    def forget_notes(self, class_name: str, uuid: str) -> None:
        """Forget the fields of an object that is gone, without waiting for the disk."""
        self.set_notes(class_name, uuid, {}).add_done_callback(_log_failure)

    def stop_details(self, read: Callable[[dict[str, Any]], T]) -> dict[str, T]:
        """Give by VM UUID what ``read`` makes of what was seen when it stopped by itself."""
        rows = self.database.later("select vm, fields from stop_detail").result()
        return self._of_machines("the reason of the stop", rows, read)

    def set_stop_detail(self, vm: str, fields: Mapping[str, object] | None) -> None:
        """Keep what was seen when a VM stopped by itself; None forgets it.

        Does not wait for the disk: whoever follows libvirt must not.
        """
        later = self.database.later
        if fields is None:
            kept = later("delete from stop_detail where vm = ?", vm)
        else:
            statement = "insert or replace into stop_detail values (?, ?)"
            kept = later(statement, vm, json.dumps(fields))
        kept.add_done_callback(_log_failure)

    def has_unfinished_changes(self) -> bool:
        """Whether a change of a machine was cut off."""
        return bool(self._query("select 1 from unfinished_change limit 1"))

    def domain_histories(self, read: Callable[[dict[str, Any]], T]) -> dict[str, T]:
        """Give by VM UUID what ``read`` makes of what has happened to it, as far as it was seen."""
        rows = self._query("select vm, fields from domain_history")
        return self._of_machines("what happened", rows, read)

    def _of_machines(
        self, what: str, rows: Rows, read: Callable[[dict[str, Any]], T]
    ) -> dict[str, T]:
        found = self.database.readable(what, rows, lambda text: read(_object(text)))
        return {str(vm): value for vm, value in found.items()}

    def set_domain_history(self, vm: str, fields: Mapping[str, object] | None) -> None:
        """Keep what has happened to a VM; None forgets it.

        Does not wait for the disk: whoever follows libvirt must not.
        """
        later = self.database.later
        if fields is None:
            kept = later("delete from domain_history where vm = ?", vm)
        else:
            statement = "insert or replace into domain_history values (?, ?)"
            kept = later(statement, vm, json.dumps(fields))
        kept.add_done_callback(_log_failure)


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError(f"a JSON object was expected, not {text[:40]!r}")
    return found


def _log_failure(kept: Future[Any]) -> None:
    if (error := kept.exception()) is not None:
        _log.warning("%s", error)
