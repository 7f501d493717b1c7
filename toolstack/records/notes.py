"""What clients set on objects, where libvirt has no place for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

from virtcim.toolstack.database import Database
from virtcim.toolstack.faults import value_not_supported
from virtcim.toolstack.left_values import size_of
from virtcim.toolstack.records.together_lock import TogetherLock
from virtcim.toolstack.state import State

__all__ = ["Notes"]

_MOST_BYTES = 64 * 2**20
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Notes:
    """The noted fields of all objects, by class and UUID; kept in the state before they are shown.

    ``lock`` is that of the records.
    """

    def __init__(self, database: Database, state: State, lock: TogetherLock) -> None:
        self._database = database
        self._state = state
        self._lock = lock
        self._notes: dict[tuple[str, str], dict[str, object]] = state.all_notes()
        # Held while a note is written, by those alone who write notes.
        self._writing = threading.Lock()
        self._in_progress: tuple[str, str] | None = None
        #: How often one was too much for all together.
        self.refused = 0
        #: What all notes may take.
        self.most_bytes = _MOST_BYTES
        self._sizes = {key: size_of(notes) for key, notes in self._notes.items()}
        self._total_bytes = sum(self._sizes.values())

    def of(self, class_name: str, uuid: str) -> Mapping[str, object]:
        """Give what was noted on an object."""
        return self._notes.get((class_name, uuid), _NOTHING)

    def set(self, class_name: str, ref: str, field: str, value: object) -> None:
        """Keep a field that a client sets."""
        self.change(class_name, ref, field, lambda _: value)

    def change(
        self, class_name: str, ref: str, field: str, change: Callable[[object], object]
    ) -> None:
        """Keep what ``change`` makes of the present value of a field that a client sets.

        It is shown when it is kept. Nobody but those who keep notes waits for the disk meanwhile,
        so the lock of the records must not be held. Raises what ``change`` raises,
        ``VALUE_NOT_SUPPORTED`` where all notes would take too much, and StateError.
        """
        with self._writing:
            with self._lock:
                record = self._database.get(class_name, ref)
                if record is None:
                    return
                key = (class_name, record["uuid"])
                value = change(record[field])
                self._check_total(key, field, value)
                self._in_progress = key
                kept = self._state.set_notes(*key, {**self._notes.get(key, {}), field: value})
            failure = kept.exception()
            with self._lock:
                # An object that was forgotten meanwhile took the note with it.
                is_there, self._in_progress = self._in_progress == key, None
                record = self._database.get(class_name, ref)
                if failure is None and is_there and record is not None:
                    self._notes[key] = {**self._notes.get(key, {}), field: value}
                    self._count(key)
                    self._database.publish(class_name, ref, {**record, field: value})
        if failure is not None:
            raise failure

    def forget(self, class_name: str, uuid: str) -> None:
        """Forget what was noted on an object that is gone for good; with the lock held."""
        key = (class_name, uuid)
        if self._notes.pop(key, {}) or self._in_progress == key:
            self._in_progress = None
            self._count(key)
            self._state.forget_notes(*key)

    def _check_total(self, key: tuple[str, str], field: str, value: object) -> None:
        """Refuse what would make all notes too large. Raises ``VALUE_NOT_SUPPORTED``."""
        before = self._sizes.get(key, 0)
        more_bytes = size_of({**self._notes.get(key, {}), field: value}) - before
        if more_bytes > 0 and self._total_bytes + more_bytes > self.most_bytes:
            self.refused += 1
            reason = f"what clients leave in all objects takes at most {self.most_bytes} bytes"
            raise value_not_supported(field, size_of(value), reason)

    def _count(self, key: tuple[str, str]) -> None:
        notes = self._notes.get(key)
        size = 0 if notes is None else size_of(notes)
        self._total_bytes += size - self._sizes.pop(key, 0)
        if notes is not None:
            self._sizes[key] = size
