"""All records in memory, and the journal of their changes that ``event.from`` reads.

A record that was published is never changed in place: a change is a new dictionary. So readers
need no lock for what they were given. One that was announced is there for everybody from then on,
in its place among the changes, and is made when it is first read. An object that is expected is
there, too; what there is to be known of it, and of all others, is asked for when it is wanted.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

from virtcim.toolstack.datamodel import CLASSES, Record

__all__ = ["Change", "Changes", "Database"]

_log = logging.getLogger(__name__)

_TOMBSTONES = 20_000
_DIGITS = 13

Operation = Literal["add", "mod", "del"]
# Makes a record of what cannot change any more, and of that alone: when it is called is not known.
Make = Callable[[], Record]


@dataclass(slots=True)
class _Entry:
    created: int
    modified: int
    deleted: bool
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
        self._tables: dict[str, dict[str, Record | Make]] = {name: {} for name in CLASSES}
        # How many records of a class are still to be made.
        self._announced: dict[str, int] = dict.fromkeys(CLASSES, 0)
        self._uuids: dict[str, dict[str, str]] = {name: {} for name in CLASSES}
        # Least recently changed first, deleted objects included.
        self._journal: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._deleted: OrderedDict[tuple[str, str], int] = OrderedDict()
        # Deletions up to this generation are forgotten.
        self._horizon = 0
        self._batches = 0
        # By class and reference, with the UUID: they are there, and not published yet.
        self._expected: dict[str, dict[str, str]] = {}
        # Bring what is expected, the object with this UUID or all of them; called without locks.
        self.on_wanted: Callable[[str], None] = lambda _: None
        self.on_all_wanted: Callable[[], None] = lambda: None
        self._wakes: set[Callable[[], None]] = set()

    def begin_batch(self) -> None:
        """Begin changes that belong together: ``changes_since`` gives nothing before their end."""
        with self._lock:
            self._batches += 1

    def end_batch(self) -> None:
        """End what ``begin_batch`` began."""
        with self._lock:
            self._batches -= 1
        self.wake()

    def expect(self, class_name: str, objects: Mapping[str, str]) -> None:
        """Show objects (reference to UUID) that will be announced or published when wanted.

        Until ``expect_nothing`` is called, nobody is told of changes or of objects of classes of
        which none is expected before ``on_all_wanted`` was called.
        """
        with self._lock:
            known = self._expected.setdefault(class_name, {})
            known |= {ref: uuid for ref, uuid in objects.items() if ref not in known}

    def expect_nothing(self) -> None:
        """All that was expected was brought, or cannot be."""
        with self._lock:
            self._expected = {}

    def _want(self, class_name: str, ref: str) -> None:
        """Have an object brought that is not known yet; called without the lock."""
        if class_name not in self._expected:
            self.on_all_wanted()
        elif uuid := self._expected[class_name].get(ref):
            self.on_wanted(uuid)

    def publish(self, class_name: str, ref: str, record: Record) -> None:
        """Add the object or replace its record; an equal record is no change."""
        with self._lock:
            previous = self._made(class_name, ref)
            if previous == record:
                return
            if previous is not None and previous["uuid"] != record["uuid"]:
                self._uuids[class_name].pop(previous["uuid"], None)
            self._put(class_name, ref, record["uuid"], record)
        self.wake()

    def announce(self, objects: Iterable[tuple[str, str, str, Make]]) -> None:
        """Add objects (class, reference, UUID) whose records are made when they are first read.

        What makes one uses no database; where it raises, the object is not there. One whose record
        is there already gets its next one at once, since it must be known whether it changes.
        """
        known = []
        with self._lock:
            for class_name, ref, uuid, make in objects:
                present = self._tables[class_name].get(ref)
                if isinstance(present, dict):
                    known.append((class_name, ref, make))
                    continue
                if present is None:
                    self._announced[class_name] += 1
                self._put(class_name, ref, uuid, make)
        for class_name, ref, make in known:
            self.publish(class_name, ref, make())
        self.wake()

    def _put(self, class_name: str, ref: str, uuid: str, record: Record | Make) -> None:
        if self._expected:
            self._expected.get(class_name, {}).pop(ref, None)
        self._tables[class_name][ref] = record
        self._uuids[class_name][uuid] = ref
        self._generation += 1
        key = (class_name, ref)
        entry = self._journal.pop(key, None)
        if entry is None or entry.deleted:
            created = self._generation
            self._deleted.pop(key, None)
        else:
            created = entry.created
        self._journal[key] = _Entry(created, self._generation, False, uuid)

    def _made(self, class_name: str, ref: str) -> Record | None:
        """Give a record, made if it was only announced; called with the lock held."""
        record = self._tables[class_name].get(ref)
        if record is None or isinstance(record, dict):
            return record
        self._announced[class_name] -= 1
        try:
            made = self._tables[class_name][ref] = record()
        except Exception:  # noqa: BLE001 - one odd object costs only itself
            _log.exception("%s %s: no record can be made of it", class_name, ref)
            self._drop(class_name, ref)
            return None
        return made

    def remove(self, class_name: str, ref: str) -> None:
        """Remove the object, if it is there."""
        with self._lock:
            if self._expected:
                self._expected.get(class_name, {}).pop(ref, None)
            record = self._tables[class_name].get(ref)
            if record is None:
                return
            if not isinstance(record, dict):
                self._announced[class_name] -= 1
            self._drop(class_name, ref)
        self.wake()

    def _drop(self, class_name: str, ref: str) -> None:
        del self._tables[class_name][ref]
        entry = self._journal.pop((class_name, ref))
        self._uuids[class_name].pop(entry.uuid, None)
        self._generation += 1
        self._journal[class_name, ref] = _Entry(entry.created, self._generation, True, entry.uuid)
        self._deleted[class_name, ref] = self._generation
        while len(self._deleted) > _TOMBSTONES:
            forgotten, self._horizon = self._deleted.popitem(last=False)
            del self._journal[forgotten]

    def touch(self, class_name: str, ref: str) -> str | None:
        """Mark the object as modified; give the token of that, or None if there is no such."""
        if self._expected and ref not in self._tables[class_name]:
            self._want(class_name, ref)
        with self._lock:
            if ref not in self._tables[class_name]:
                return None
            self._generation += 1
            self._journal[class_name, ref].modified = self._generation
            self._journal.move_to_end((class_name, ref))
            token = self._token()
        self.wake()
        return token

    def renew(self, class_name: str, ref: str, make: Make) -> None:
        """Have an object's record made anew when it is next read; ``touch`` tells of that."""
        with self._lock:
            if isinstance(self._tables[class_name].get(ref), dict):
                self._tables[class_name][ref] = make
                self._announced[class_name] += 1

    def get(self, class_name: str, ref: str) -> Record | None:
        """Give the record, or None."""
        record = self._tables[class_name].get(ref)
        if record is None and self._expected:
            self._want(class_name, ref)
            record = self._tables[class_name].get(ref)
        if record is None or isinstance(record, dict):
            return record
        with self._lock:
            return self._made(class_name, ref)

    def by_uuid(self, class_name: str, uuid: str) -> str | None:
        """Give the reference of the object with this UUID, or None."""
        if self._expected and class_name not in self._expected:
            self.on_all_wanted()
        with self._lock:
            ref = self._uuids[class_name].get(uuid)
            if ref is None:
                expected = self._expected.get(class_name, {})
                ref = next((ref for ref, one in expected.items() if one == uuid), None)
        return ref

    def references(self, class_name: str) -> list[str]:
        """Give the references of all objects of a class."""
        if self._expected and class_name not in self._expected:
            self.on_all_wanted()
        with self._lock:
            return [*self._tables[class_name], *self._expected.get(class_name, ())]

    def count(self, class_name: str) -> int:
        """How many objects of a class there are; nothing is brought for that."""
        with self._lock:
            return len(self._tables[class_name].keys() | self._expected.get(class_name, {}).keys())

    def records(self, class_name: str) -> dict[str, Record]:
        """Give all records of a class by reference."""
        if self._expected:
            self.on_all_wanted()
        with self._lock:
            table = self._tables[class_name]
            if self._announced[class_name]:
                for ref in tuple(table):
                    self._made(class_name, ref)
            return cast("dict[str, Record]", dict(table))

    def records_after(
        self, class_name: str, ref: str, most: int
    ) -> tuple[list[tuple[str, Record]], bool]:
        """Give up to ``most`` records, in the order of their references, of those beyond ``ref``.

        Gives also whether there may be further ones. Whoever goes on after the last gets each
        object that is there all the while once; of the others ``changes_since`` tells.
        """
        if self._expected:
            self.on_all_wanted()
        with self._lock:
            refs = [each for each in self._tables[class_name] if each > ref]
        refs.sort()
        found: list[tuple[str, Record]] = []
        for number, each in enumerate(refs, 1):
            # Where they are still to be made nobody waits for more than one of them.
            if (record := self.get(class_name, each)) is not None:
                found.append((each, record))
            if len(found) == most:
                return found, number < len(refs)
        return found, False

    def is_made(self, class_names: Iterable[str]) -> bool:
        """Whether no record of these classes is still to be made, which takes its time."""
        return not self._expected and not any(self._announced[name] for name in class_names)

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
        if self._expected:
            self.on_all_wanted()
        found: list[Change] = []
        with self._lock:
            if self._batches:
                return None
            wanted_keys = []
            for key, entry in reversed(self._journal.items()):
                if entry.modified <= generation:
                    break
                if wanted(*key):
                    wanted_keys.append((key, entry))
            for (class_name, ref), entry in reversed(wanted_keys):
                record = None if entry.deleted else self._made(class_name, ref)
                operation = _operation(entry, record, generation)
                if operation is not None:
                    found.append(
                        Change(
                            generation=entry.modified,
                            operation=operation,
                            class_name=class_name,
                            ref=ref,
                            uuid=entry.uuid,
                            record=record,
                        )
                    )
            counts = {name: len(table) for name, table in self._tables.items()}
            token = self._token()
        return Changes(token=token, changes=tuple(found), counts=counts)

    def _token(self) -> str:
        return f"{self._life}{self._generation:0{_DIGITS}d}"

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have ``wake`` called, from any thread, whenever something has changed."""
        self._wakes.add(wake)
        try:
            yield
        finally:
            self._wakes.discard(wake)

    def wake(self) -> None:
        """Let all who wait look again, once changes that belong together are all made."""
        if self._batches:
            return
        for wake in tuple(self._wakes):
            wake()


def _operation(entry: _Entry, record: Record | None, generation: int) -> Operation | None:
    if record is None:
        # Who never saw it need not hear that it is gone.
        return "del" if entry.created <= generation else None
    return "add" if entry.created > generation else "mod"
