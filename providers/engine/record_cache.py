"""The records of one namespace: unchanged objects keep their record from one read to the next.

A record is computed when it is first asked for and stays while its sources are the same objects
(the domain model is immutable: a changed object is a new one). Records of objects that are gone
are dropped with the next enumeration of their class, or when there are more than there can be.
Where there are very many, those of the classes that nobody asked for lately are dropped too: with
the text that a server keeps with each, the whole of a large population would not fit in memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import islice

from virtcim.cim.records import ObjectPath, Record, RecordList, Value
from virtcim.providers.engine.instance_class import AnyClass, AnyNode
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View

__all__ = ["RecordCache", "unchanged"]

_log = logging.getLogger(__name__)

_Entry = tuple[Sources, Record]
# Below this number of records nobody looks for those that are gone.
_FEW = 1024
# So many records of one namespace are kept; with their texts some 120 MB.
_MOST = 20_000


class _ClassRecords:
    """The records of one class."""

    __slots__ = ("entries", "limit", "listed", "listing", "lock", "used")

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        # All records, and the state of everything that they belong to.
        self.listed: tuple[object, RecordList] | None = None
        self.limit = _FEW
        self.used = 0
        # Held while something is added, and while all of them are gone through. Reading takes none:
        # at worst it finds what another thread is about to replace.
        self.lock = threading.Lock()
        self.listing = threading.Lock()


class RecordCache:
    """The records of the instances in one namespace; safe to use from many threads.

    ``view`` gives what there is now, ``most`` is how many records are kept.
    """

    def __init__(
        self,
        namespace: str,
        classes: Iterable[AnyClass],
        view: Callable[[], View],
        *,
        most: int = _MOST,
    ) -> None:
        self._namespace = namespace
        self._view = view
        self._most = most
        self._uses = 0
        self._additions = 0
        self._classes = {each.name: _ClassRecords() for each in classes}

    def record(self, node: AnyNode) -> Record:
        """The record of one instance."""
        known = self._classes[node.instance_class.name]
        identity = node.identity
        entry = known.entries.get(identity)
        if entry is None or not unchanged(entry[0], node.sources):
            entry = self._added(known, identity, node)
        self._use(known)
        return entry[1]

    def _added(self, known: _ClassRecords, identity: str, node: AnyNode) -> _Entry:
        """The new record of one instance, unless another thread was faster."""
        with known.lock:
            if len(known.entries) > known.limit:
                self._forget_gone(node.instance_class, known)
            entry = known.entries.get(identity)
            if entry is None or not unchanged(entry[0], node.sources):
                entry = known.entries[identity] = self._made(identity, node)
                self._additions += 1
                if self._additions % _FEW == 0:
                    self._make_room(known)
        return entry

    def former(self, node: AnyNode) -> Record:
        """The record of one instance as it was; where it is not kept any more, made for once."""
        identity = node.identity
        entry = self._classes[node.instance_class.name].entries.get(identity)
        if entry is None or not unchanged(entry[0], node.sources):
            entry = self._made(identity, node)
        return entry[1]

    def path(self, node: AnyNode) -> ObjectPath:
        """The name of one instance: that of its record where there is one, text and all."""
        known = None if node.namespace else self._classes.get(node.instance_class.name)
        entry = None if known is None else known.entries.get(node.identity)
        path = None if entry is None else entry[1].path
        return node.path(self._namespace) if path is None else path

    def enumerate(self, instance_class: AnyClass, view: View) -> RecordList:
        """The records of every instance of one class (without its subclasses)."""
        known = self._classes[instance_class.name]
        state = None if instance_class.volatile else view.state
        self._use(known)
        with known.listing:
            if state is not None and known.listed is not None and known.listed[0] is state:
                return known.listed[1]
            entries: dict[str, _Entry] = {}
            before = known.entries
            # Without the lock: who wants one record waits for no list.
            for node in instance_class.all(view):
                identity = node.identity
                entry = before.get(identity)
                if entry is None or not unchanged(entry[0], node.sources):
                    entry = self._made(identity, node)
                entries[identity] = entry
            records = RecordList(record for _, record in entries.values())
            with known.lock:
                known.entries = entries
                known.limit = 2 * len(entries) + _FEW
                self._make_room(known)
                known.listed = (state, records) if known.entries is entries else None
        return records

    def _use(self, known: _ClassRecords) -> None:
        self._uses += 1
        known.used = self._uses

    def _make_room(self, wanted: _ClassRecords) -> None:
        """Forget the classes that were used longest ago, while there are too many records."""
        total = sum(len(each.entries) for each in self._classes.values())
        for each in sorted(self._classes.values(), key=lambda one: one.used):
            if total <= self._most:
                return
            if each is not wanted:
                total -= len(each.entries)
                each.entries, each.listed = {}, None
        newest = islice(wanted.entries.items(), total - self._most, None)
        wanted.entries, wanted.listed = dict(newest), None

    def _forget_gone(self, instance_class: AnyClass, known: _ClassRecords) -> None:
        there = {node.identity for node in instance_class.all(self._view())}
        known.entries = {
            identity: entry for identity, entry in known.entries.items() if identity in there
        }
        known.limit = 2 * len(there) + _FEW

    def _made(self, identity: str, node: AnyNode) -> _Entry:
        name, keys = node.instance_class.name, node.instance_class.shape.keys(identity)
        values = {**keys, **_values(node)}
        path = ObjectPath(name, keys, namespace=self._namespace)
        known_values = {name: value for name, value in values.items() if value is not None}
        return node.sources, Record(name, known_values, path)


def _values(node: AnyNode) -> Mapping[str, Value]:
    """What is to be shown of an instance; where that fails it costs only this one."""
    try:
        return node.values()
    except Exception as error:  # noqa: BLE001 - the boundary of one instance
        _report(f"{node.instance_class.name} {node.identity}", repr(error))
        return {}


@lru_cache(maxsize=256)
def _report(what: str, error: str) -> None:
    """Say once what cannot be shown."""
    _log.error("only the keys of %s can be shown: %s", what, error)


def unchanged(before: Sources, now: Sources) -> bool:
    """Whether the sources are the same objects; texts and numbers compare by value."""
    # A loop: this is asked for every instance with every reading, and all() costs three times more.
    for old, new in zip(before, now, strict=True):
        if old is not new and not (isinstance(new, (str, int)) and old == new):
            return False
    return True
