"""The records of one namespace: unchanged objects keep their record from one read to the next.

A record is made when it is first asked for and stays while its sources are the same objects
(the domain model is immutable: a changed object is a new one). Records of objects that are gone
are dropped with the next enumeration of their class, or when there are more than there can be.
Where all of them take more memory than they may, those of the classes that nobody asked for lately
are dropped too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import islice

from virtcim.cim.records import ObjectPath, Record, RecordList
from virtcim.providers.engine.instance_class import AnyClass, AnyNode
from virtcim.providers.engine.kept_record import KeptRecord
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View

__all__ = ["MOST_RECORD_BYTES", "RecordCache", "unchanged"]

#: What records may take unless an administrator says otherwise: those of 10,000 systems fit.
MOST_RECORD_BYTES = 256 * 2**20
# Nobody looks for records of what is gone before there may be so many of them: this number, and
# one for every eight of what is there, as looking costs the more the more there is.
_FEW = 1024
_ONE_GONE_IN = 8
# The memory of a record is that of so many of its class.
_LOOKED_AT = 4


class _ClassRecords:
    """The records of one class."""

    __slots__ = ("entries", "limit", "listed", "listing", "lock", "used")

    def __init__(self) -> None:
        self.entries: dict[str, KeptRecord] = {}
        # All records, and the state of everything that they belong to.
        self.listed: tuple[object, RecordList] | None = None
        self.limit = _FEW
        self.used = 0
        # Held while something is added, and while all of them are gone through. Reading takes none:
        # at worst it finds what another thread is about to replace.
        self.lock = threading.Lock()
        self.listing = threading.Lock()

    @property
    def record_bytes(self) -> float:
        """How much memory one record takes, about."""
        # Taken in one step, as other threads add records of this class meanwhile.
        sample = tuple(islice(self.entries.values(), _LOOKED_AT))
        return sum(one.size_bytes for one in sample) / len(sample) if sample else 0.0


class RecordCache:
    """The records of the instances in one namespace; safe to use from many threads.

    ``view`` gives what there is now, ``most_bytes`` is how much memory the records may take.
    """

    def __init__(
        self,
        namespace: str,
        classes: Iterable[AnyClass],
        view: Callable[[], View],
        *,
        most_bytes: int = MOST_RECORD_BYTES,
    ) -> None:
        self._namespace = namespace
        self._view = view
        self._most_bytes = most_bytes
        self._uses = 0
        self._additions = 0
        # Names with their texts take as much as all the rest.
        self._keeps_names = True
        self._classes = {each.name: _ClassRecords() for each in classes}

    def record(self, node: AnyNode) -> Record:
        """The record of one instance."""
        known = self._classes[node.instance_class.name]
        identity = node.identity
        entry = known.entries.get(identity)
        if entry is None or not unchanged(entry.node.sources, node.sources):
            entry = self._added(known, identity, node)
        self._use(known)
        return entry

    def _added(self, known: _ClassRecords, identity: str, node: AnyNode) -> KeptRecord:
        """The new record of one instance, unless another thread was faster."""
        with known.lock:
            if len(known.entries) > known.limit:
                self._forget_gone(node.instance_class, known)
            entry = known.entries.get(identity)
            if entry is None or not unchanged(entry.node.sources, node.sources):
                entry = known.entries[identity] = KeptRecord(node, self._namespace)
                self._additions += 1
                if self._additions % _FEW == 0:
                    self._make_room(known)
        return entry

    def former(self, node: AnyNode) -> Record:
        """The record of one instance as it was; where it is not kept any more, made for once."""
        identity = node.identity
        entry = self._classes[node.instance_class.name].entries.get(identity)
        if entry is None or not unchanged(entry.node.sources, node.sources):
            entry = KeptRecord(node, self._namespace)
        return entry

    def path(self, node: AnyNode) -> ObjectPath:
        """The name of one instance: that of its record where there is one, text and all."""
        known = None if node.namespace else self._classes.get(node.instance_class.name)
        entry = None if known is None else known.entries.get(node.identity)
        path = None if entry is None else entry.known_path
        if path is None:
            path = node.path(self._namespace)
            if entry is not None and self._keeps_names:
                entry.path = path
        return path

    def enumerate(self, instance_class: AnyClass, view: View) -> RecordList:
        """The records of every instance of one class (without its subclasses)."""
        known = self._classes[instance_class.name]
        state = None if instance_class.volatile else view.state
        self._use(known)
        with known.listing:
            if state is not None and known.listed is not None and known.listed[0] is state:
                return known.listed[1]
            entries: dict[str, KeptRecord] = {}
            before = known.entries
            # Without the lock: who wants one record waits for no list.
            for node in instance_class.all(view):
                identity = node.identity
                entry = before.get(identity)
                if entry is None or not unchanged(entry.node.sources, node.sources):
                    entry = KeptRecord(node, self._namespace)
                entries[identity] = entry
            records = RecordList(entries.values())
            with known.lock:
                known.entries = entries
                known.limit = _most_records(len(entries))
                self._make_room(known)
                known.listed = (state, records) if known.entries is entries else None
        return records

    def _use(self, known: _ClassRecords) -> None:
        self._uses += 1
        known.used = self._uses

    @property
    def size_bytes(self) -> int:
        """How much memory the records take, about."""
        return round(sum(len(each.entries) * each.record_bytes for each in self._classes.values()))

    def _make_room(self, wanted: _ClassRecords) -> None:
        """Forget the classes that were used longest ago, while the records take too much memory."""
        total = self.size_bytes
        self._keeps_names = total <= self._most_bytes / 2
        for each in sorted(self._classes.values(), key=lambda one: one.used):
            if total <= self._most_bytes:
                return
            if each is not wanted:
                total -= round(len(each.entries) * each.record_bytes)
                each.entries, each.listed = {}, None
        if total > self._most_bytes:
            too_many = round((total - self._most_bytes) / wanted.record_bytes)
            newest = islice(wanted.entries.items(), too_many, None)
            wanted.entries, wanted.listed = dict(newest), None

    def _forget_gone(self, instance_class: AnyClass, known: _ClassRecords) -> None:
        there = {node.identity for node in instance_class.all(self._view())}
        known.entries = {
            identity: entry for identity, entry in known.entries.items() if identity in there
        }
        known.limit = _most_records(len(there))


def _most_records(there: int) -> int:
    return there + there // _ONE_GONE_IN + _FEW


def unchanged(before: Sources, now: Sources) -> bool:
    """Whether the sources are the same objects; texts and numbers compare by value."""
    # A loop: this is asked for every instance with every reading, and all() costs three times more.
    for old, new in zip(before, now, strict=True):
        if old is not new and not (isinstance(new, (str, int)) and old == new):
            return False
    return True
