"""Writing instances and paths as CIM-XML."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from virtcim.cim.cimxml.differences import (
    Differences,
    Likeness,
    Values,
    picking,
)
from virtcim.cim.cimxml.escape import escape, escaped
from virtcim.cim.cimxml.layouts import Layout, Layouts, Selection, Writers
from virtcim.cim.cimxml.outlines import PLACE, Outline, outline
from virtcim.cim.cimxml.paths import (
    class_path,
    instance_path,
    name_form,
    namespace_path,
    reference_outline,
)
from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.errors import EncodingError, OutOfRange
from virtcim.cim.records import AssociationRecord, ObjectPath, Record, RecordList

__all__ = ["Encoder", "Form", "InstanceWriter", "Selection"]

# The elements in which an instance is written.
Form = Literal["INSTANCE", "VALUE.NAMEDINSTANCE", "VALUE.OBJECTWITHPATH", "VALUE.INSTANCEWITHPATH"]

_MAX_WRITERS = 512
_MAX_LIKENESSES = 256
# Of lists that are asked for again and again: 16 MB of text at most.
_MAX_LISTS = 4
_MAX_TEXTS_PER_LIST = 8
_MAX_LIST_BYTES = 4 * 1024 * 1024
_LIST_PIECE_BYTES = 1024 * 1024
_MAX_TEXTS_PER_RECORD = 8
# A little more than the pieces of a message, which would be put together again if they were less.
_PIECE_BYTES = 104 * 1024


class _WrittenForm(NamedTuple):
    """How associations of one form are written that have values for the same properties.

    Into ``outline`` goes what ``pick`` gives of the parts of the first end, of the second, and of
    what ``writers`` write; such a text has more than ``size`` characters.
    """

    outline: Outline
    pick: Callable[[Values], Values]
    writers: Writers
    size: int


class _KeptLists:
    """The lists that have their text with them: no more than a few."""

    def __init__(self) -> None:
        self._kept: deque[tuple[RecordList, InstanceWriter]] = deque()

    def keep(self, writer: InstanceWriter, records: RecordList, pieces: Sequence[bytes]) -> None:
        """Keep the text of one list, and forget that of the one that was kept first."""
        records.encoded[writer] = pieces
        self._kept.append((records, writer))
        while len(self._kept) > _MAX_LISTS:
            forgotten, by = self._kept.popleft()
            forgotten.encoded.pop(by, None)


def _joined(texts: Iterable[bytes]) -> Sequence[bytes]:
    """The same text in pieces of about a megabyte, as each costs something to send."""
    pieces: list[bytes] = []
    piece: list[bytes] = []
    size = 0
    for text in texts:
        piece.append(text)
        size += len(text)
        if size >= _LIST_PIECE_BYTES:
            pieces.append(b"".join(piece))
            piece, size = [], 0
    return [*pieces, b"".join(piece)]


class InstanceWriter:
    """Writes records in one form for one selection, each once: it keeps the text with the record.

    Thread-safe: two threads may at worst write the same text twice. Raises EncodingError for a
    record that its class does not declare, OutOfRange for an odd value in one.
    """

    __slots__ = (
        "_form",
        "_forms",
        "_host",
        "_last",
        "_layout",
        "_left_out",
        "_likenesses",
        "_lists",
    )

    def __init__(
        self,
        form: Form,
        host: str,
        layout: Callable[[str], Layout],
        left_out: Callable[[str], None],
        lists: _KeptLists,
    ) -> None:
        self._lists = lists
        self._form = form
        self._host = host
        self._layout = layout
        self._left_out = left_out
        # By the name of an instance and its text, both with their places.
        self._likenesses: dict[tuple[str, str], Likeness] = {}
        # By the form of an association, and what other properties have values.
        self._forms: dict[object, _WrittenForm] = {}
        # Of the record before, which mostly is of the same class.
        self._last: Layout | None = None

    def __call__(self, record: Record) -> bytes:
        """The element of one record."""
        text = self._kept(record)
        return self._written(record) if text is None else text

    def in_list(self, record: Record) -> bytes:
        """The same where there are others: one instance with an odd value costs only itself."""
        # As _kept, which this is asked too often for.
        kept = record.differences
        if kept is not None and kept.writer is self:
            return kept.text()
        text = self._kept(record)
        if text is not None:
            return text
        try:
            if type(record) is AssociationRecord:
                return self._association(record)
            return self._written(record)
        except OutOfRange as exc:
            self._left_out(str(exc))
            return b""

    def of_many(self, records: Iterable[Record]) -> Iterator[bytes]:
        """``in_list`` for one after another; associations come many in one piece.

        There are more of these than of anything else, and each piece costs something to hand on.
        """
        several: list[AssociationRecord] = []
        many = 0
        for record in records:
            if type(record) is AssociationRecord:
                if not several:
                    # Mostly the others are as long as the first of them.
                    many = 1 + _PIECE_BYTES // self._written_form(record).size
                several.append(record)
                if len(several) < many:
                    continue
            if several:
                yield self._in_one_piece(several)
                several = []
            if type(record) is not AssociationRecord:
                yield self.in_list(record)
        if several:
            yield self._in_one_piece(several)

    def _in_one_piece(self, records: Sequence[AssociationRecord]) -> bytes:
        try:
            return self._associations(records)
        except EncodingError:
            return b"".join(map(self.in_list, records))

    def _kept(self, record: Record) -> bytes | None:
        if record.keeping == "text":
            return None if record.encoded is None else record.encoded.get(self)
        kept = record.differences
        while kept is not None:
            if kept.writer is self:
                return kept.text()
            kept = kept.further
        return None

    def all_of(self, records: RecordList) -> Iterable[bytes]:
        """The elements of a whole list, in fewer pieces where it is asked for again.

        Only the text of the few lists that were asked for last is kept, and not where it is long.
        """
        kept = records.encoded.get(self)
        if kept:
            return kept
        if kept is None:
            if len(records.encoded) >= _MAX_TEXTS_PER_LIST:
                records.encoded.clear()
            records.encoded[self] = ()
            return map(self.in_list, records)
        # All of them are written, and kept with their records; put together only if there is room.
        if len(records) * len(self.in_list(records[0]) if records else b"") > _MAX_LIST_BYTES:
            return map(self.in_list, records)
        texts = [*map(self.in_list, records)]
        if sum(map(len, texts)) > _MAX_LIST_BYTES:
            return texts
        pieces = _joined(texts)
        self._lists.keep(self, records, pieces)
        return pieces

    def _written(self, record: Record) -> bytes:
        text, values = self._layout_of(record).parts(record)
        name = ""
        if self._form != "INSTANCE":
            name, keys = self._name(record)
            values = keys + values
        likeness = self._likenesses.get((name, text))
        if likeness is None:
            if len(self._likenesses) >= _MAX_LIKENESSES:
                self._likenesses = {}
            likeness = self._likenesses[name, text] = Likeness(self._framed(f"{name}{text}"))
        if record.keeping == "differences":
            before = record.differences
            further = before if before is None or before.number < _MAX_TEXTS_PER_RECORD else None
            difference = record.differences = Differences(self, *likeness.of(values), further)
            record.release()
            return difference.text()
        encoded = likeness.text(values)
        if record.keeping == "text":
            kept = record.encoded
            if kept is None or len(kept) >= _MAX_TEXTS_PER_RECORD:
                record.encoded = {self: encoded}
            else:
                kept[self] = encoded
        return encoded

    def _name(self, record: Record) -> tuple[str, tuple[str, ...]]:
        """The name of an instance with a place for each of some values, and these."""
        path = record.path
        if path is None:
            raise EncodingError(f"an instance of {record.class_name} has no path")
        name, keys = name_form(path)
        if self._form != "VALUE.NAMEDINSTANCE":
            place = namespace_path(path.namespace, self._host).replace("%", "%%")
            name = f"<INSTANCEPATH>{place}{name}</INSTANCEPATH>"
        return name, keys

    def _framed(self, text: str) -> str:
        return text if self._form == "INSTANCE" else f"<{self._form}>{text}</{self._form}>"

    def _association(self, record: AssociationRecord) -> bytes:
        try:
            return self._associations((record,))
        except EncodingError:
            return self._written(record)  # which says what is wrong with which property

    def _associations(self, records: Sequence[AssociationRecord]) -> bytes:
        """The elements of associations, of which there are more than of anything else.

        Those of one form differ in the parts of the names of their ends, and each of these stands
        in the text twice.
        """
        texts: list[str] = []
        names = escaped([one.first + one.second for one in records])
        for record, parts in zip(records, names, strict=True):
            form, values = self._written_form(record), parts
            if form.writers:
                further = record.further
                values += tuple([write(further[name]) for name, write in form.writers])
            end = len(texts)
            texts += form.outline
            texts[end + 1 :: 2] = form.pick(values)
        return "".join(texts).encode()

    def _written_form(self, record: AssociationRecord) -> _WrittenForm:
        further = record.further
        like = (record.form, *further) if further else record.form
        form = self._forms.get(like)
        if form is None:
            if len(self._forms) >= _MAX_LIKENESSES:
                self._forms = {}
            form = self._forms[like] = self._form_of(record)
        return form

    def _form_of(self, record: AssociationRecord) -> _WrittenForm:
        """How associations are written that are like one: the names of its ends are put into it."""
        text, writers = self._layout_of(record).template(record.values)
        named = "" if self._form == "INSTANCE" else self._name(record)[0]
        roles = record.form.kind.roles
        # The text of each value with its gaps, and which of all texts go there.
        shown: dict[str, tuple[str, list[int]]] = {}
        count = 0
        ends = zip(record.form.names, (record.first, record.second), strict=True)
        for role, (name, parts) in zip(roles, ends, strict=True):
            common, places = reference_outline(name)
            shown[role] = PLACE.join(common[::2]), [count + place for place in places]
            count += len(parts)
        further = tuple([(name, write) for name, write in writers if name not in shown])
        shown |= {name: (PLACE, [count + at]) for at, (name, _) in enumerate(further)}
        names = [*(roles if named else ()), *(name for name, _ in writers)]
        whole = self._framed(f"{named}{text}") % tuple([shown[name][0] for name in names])
        pick = picking([place for name in names for place in shown[name][1]])
        return _WrittenForm(outline(whole), pick, further, len(whole))

    def _layout_of(self, record: Record) -> Layout:
        layout = self._last
        if layout is None or layout.class_name != record.class_name:
            layout = self._last = self._layout(record.class_name)
        return layout


class Encoder:
    """Writes what operations give, by the declarations of its classes; safe in many threads.

    ``host`` is what paths name; ``left_out`` learns of an instance that a list does without.
    """

    def __init__(
        self,
        declarations: DeclaredClasses,
        host: str,
        *,
        left_out: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._host = escape(host)
        self._left_out = left_out
        self._writers: dict[tuple[Form, Selection], InstanceWriter] = {}
        self._layouts = Layouts(declarations, lambda one: self.instance(one, Selection()))
        self._lists = _KeptLists()

    def writer(self, form: Form, selection: Selection) -> InstanceWriter:
        """What writes instances in a form for a selection.

        ``<!ELEMENT VALUE.NAMEDINSTANCE (INSTANCENAME, INSTANCE)>``
        ``<!ELEMENT VALUE.OBJECTWITHPATH (INSTANCEPATH, INSTANCE)>``
        ``<!ELEMENT VALUE.INSTANCEWITHPATH (INSTANCEPATH, INSTANCE)>``
        """
        writer = self._writers.get((form, selection))
        if writer is None:
            if len(self._writers) >= _MAX_WRITERS:
                self._writers = {}
            writer = self._writers[form, selection] = InstanceWriter(
                form,
                self._host,
                lambda class_name: self._layouts.of(class_name, selection),
                self._left_out,
                self._lists,
            )
        return writer

    def instance(self, record: Record, selection: Selection) -> bytes:
        """The INSTANCE of one record."""
        return self.writer("INSTANCE", selection)(record)

    def instance_path(self, path: ObjectPath) -> str:
        """The INSTANCEPATH of an instance on this host."""
        return instance_path(path, self._host)

    def class_path(self, class_name: str, namespace: str) -> str:
        """The CLASSPATH of a class on this host."""
        return class_path(class_name, namespace, self._host)

    def value(self, value: object, declared: Declared) -> str:
        """The VALUE, VALUE.ARRAY, VALUE.REFERENCE or VALUE.REFARRAY of a method's result."""
        before, after, write = self._layouts.value_form(declared)
        return before + write(value) + after
