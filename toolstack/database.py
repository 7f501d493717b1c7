"""All records in memory, and the journal of their changes that ``event.from`` reads.

A record that was published is never changed in place: a change is a new dictionary. So readers
need no lock for what they were given.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from virtcim.toolstack.datamodel import CLASSES, Record

__all__ = ["Change", "Changes", "Database"]

_TOMBSTONES = 20_000
_DIGITS = 13

Operation = Literal["add", "mod", "del"]


@dataclass(slots=True)
class _Entry:
    created: int
    modified: int
    record: Record | None  # None: deleted
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that differs from what a client has seen; ``record`` is None for ``del``."""

    generation: int
    operation: Operation
    class_name: str
    ref: str
    uuid: str
    record: Record | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed since a token, oldest first, and the token of now."""

    token: str
    changes: tuple[Change, ...]
    counts: Mapping[str, int]  # objects by class


class Database:
    """Records by class and reference; ``life`` tells the tokens of one process from another's."""

    def __init__(self, life: int) -> None:
        self._life = f"{life:0{_DIGITS}d}"
        self._lock = threading.Lock()
        self._generation = 1
        self._tables: dict[str, dict[str, Record]] = {name: {} for name in CLASSES}
        self._uuids: dict[str, dict[str, str]] = {name: {} for name in CLASSES}
        # Least recently changed first, deleted objects included.
        self._journal: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._deleted: OrderedDict[tuple[str, str], int] = OrderedDict()
        # Deletions up to this generation are forgotten.
        self._horizon = 0
        self._batches = 0
        self._waiters: set[_Waiter] = set()

    def begin_batch(self) -> None:
        """Begin changes that belong together: ``changes_since`` gives nothing before their end."""
        with self._lock:
            self._batches += 1

    def end_batch(self) -> None:
        """End what ``begin_batch`` began."""
        with self._lock:
            self._batches -= 1
        self.wake()

    def publish(self, class_name: str, ref: str, record: Record) -> None:
        """Add the object or replace its record; an equal record is no change."""
        with self._lock:
            table = self._tables[class_name]
            previous = table.get(ref)
            if previous == record:
                return
            if previous is not None and previous["uuid"] != record["uuid"]:
                self._uuids[class_name].pop(previous["uuid"], None)
            table[ref] = record
            self._uuids[class_name][record["uuid"]] = ref
            self._generation += 1
            entry = self._journal.pop((class_name, ref), None)
            created = self._generation if entry is None or entry.record is None else entry.created
            self._deleted.pop((class_name, ref), None)
            self._journal[class_name, ref] = _Entry(
                created, self._generation, record, record["uuid"]
            )
        self.wake()

    def remove(self, class_name: str, ref: str) -> None:
        """Remove the object, if it is there."""
        with self._lock:
            record = self._tables[class_name].pop(ref, None)
            if record is None:
                return
            self._uuids[class_name].pop(record["uuid"], None)
            self._generation += 1
            entry = self._journal.pop((class_name, ref))
            self._journal[class_name, ref] = _Entry(
                entry.created, self._generation, None, record["uuid"]
            )
            self._deleted[class_name, ref] = self._generation
            while len(self._deleted) > _TOMBSTONES:
                forgotten, self._horizon = self._deleted.popitem(last=False)
                del self._journal[forgotten]
        self.wake()

    def touch(self, class_name: str, ref: str) -> str | None:
        """Mark the object as modified; give the token of that, or None if there is no such."""
        with self._lock:
            record = self._tables[class_name].get(ref)
            if record is None:
                return None
            self._generation += 1
            self._journal[class_name, ref].modified = self._generation
            self._journal.move_to_end((class_name, ref))
            token = self._token()
        self.wake()
        return token

    def get(self, class_name: str, ref: str) -> Record | None:
        """Give the record, or None."""
        return self._tables[class_name].get(ref)

    def by_uuid(self, class_name: str, uuid: str) -> str | None:
        """Give the reference of the object with this UUID, or None."""
        return self._uuids[class_name].get(uuid)

    def records(self, class_name: str) -> dict[str, Record]:
        """Give all records of a class by reference."""
        with self._lock:
            return dict(self._tables[class_name])

    def generation_of(self, token: str) -> int:
        """Give how much of this life a token has seen: 0 for the tokens of other lives.

        Raises ValueError if it is no token of any life.
        """
        if token == "":
            return 0
        if not token.isascii() or not token.isdigit():
            raise ValueError(token)
        if len(token) != 2 * _DIGITS or token[:_DIGITS] != self._life:
            return 0
        generation = int(token[_DIGITS:])
        with self._lock:
            known = self._horizon <= generation <= self._generation
        return generation if known else 0

    def changes_since(self, generation: int, wanted: Callable[[str, str], bool]) -> Changes | None:
        """Give what changed after ``generation`` for the objects that ``wanted`` picks.

        Generation 0 has seen nothing: every object there is comes as ``add``. None while changes
        that belong together are being made: half of them would show objects without their parts.
        """
        found: list[Change] = []
        with self._lock:
            if self._batches:
                return None
            for (class_name, ref), entry in reversed(self._journal.items()):
                if entry.modified <= generation:
                    break
                operation = _operation(entry, generation)
                if operation is not None and wanted(class_name, ref):
                    found.append(
                        Change(
                            generation=entry.modified,
                            operation=operation,
                            class_name=class_name,
                            ref=ref,
                            uuid=entry.uuid,
                            record=entry.record,
                        )
                    )
            counts = {name: len(table) for name, table in self._tables.items()}
            token = self._token()
        found.reverse()
        return Changes(token=token, changes=tuple(found), counts=counts)

    def _token(self) -> str:
        return f"{self._life}{self._generation:0{_DIGITS}d}"

    def waiter(self) -> _Waiter:
        """Give a context in which a coroutine can wait for anything to change."""
        return _Waiter(self._waiters)

    def wake(self) -> None:
        """Let all waiting coroutines look again, once changes that belong together are all made."""
        if self._batches:
            return
        for waiter in tuple(self._waiters):
            waiter.wake()


def _operation(entry: _Entry, generation: int) -> Operation | None:
    if entry.record is None:
        # Who never saw it need not hear that it is gone.
        return "del" if entry.created <= generation else None
    return "add" if entry.created > generation else "mod"


class _Waiter:
    """``async with database.waiter() as changed: ... await changed.wait(timeout_s)``."""

    def __init__(self, waiters: set[_Waiter]) -> None:
        self._waiters = waiters
        self._event = asyncio.Event()

    async def __aenter__(self) -> _Waiter:
        self._loop = asyncio.get_running_loop()
        self._waiters.add(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._waiters.discard(self)

    def wake(self) -> None:
        """Called from any thread; a loop that has ended has nobody waiting."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a change since the last call; False when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
