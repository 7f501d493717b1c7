"""Names and associations that are alike, as blocks for C (library/alike.c).

There are more of these than of anything else, and one differs from the next in little: the texts
that tell one instance from others of its class. What they have in common goes to C once for many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from virtcim.cim.records import AssociationRecord, FormedPath, NameForm, ObjectPath
from virtcim.cmpi.blocks import number_block, short_block, text_block
from virtcim.cmpi.writing import BlockWriter

__all__ = ["AlikeForms", "AlikeRun", "What"]

#: What a run is of: names, associations, or the names of these.
What = Literal[b"n", b"a", b"b"]

# As library/alike.c has it.
_MOST_PARTS = 16
_MOST_KINDS = 256
# A piece of some 200 KB, as its head is the same in each.
_MOST_LINES = 8192
_MOST_KNOWN = 512
_NO_PROPERTIES = short_block(0)


class _KindForm(NamedTuple):
    """A kind of associations: what stands before the number of each ending, and after it."""

    head: bytes
    ends: tuple[tuple[bytes, bytes], tuple[bytes, bytes]]


class AlikeForms:
    """What names and associations have in common, for all answers; safe in many threads."""

    def __init__(self, writer: BlockWriter) -> None:
        self.writer = writer
        self._endings: dict[tuple[NameForm, str], bytes] = {}
        self._kinds: dict[tuple[object, ...], _KindForm] = {}

    def ending(self, form: NameForm, count: int, namespace: str) -> bytes:
        """What names of one form have in common, with so many parts that differ.

        Empty where they cannot be written so.
        """
        found = self._endings.get((form, namespace))
        if found is None:
            if len(self._endings) >= _MOST_KNOWN:
                self._endings = {}
            found = self._endings[form, namespace] = self._new_ending(form, count, namespace)
        return found

    def _new_ending(self, form: NameForm, count: int, namespace: str) -> bytes:
        writer = self.writer
        if count > _MOST_PARTS or not writer.has_text_keys(form.class_name):
            return b""
        parts = [
            text_block(writer.place(form.namespace or namespace)),
            text_block(form.class_name),
            short_block(count),
            short_block(len(form.keys)),
        ]
        for name, pieces in form.keys.items():
            parts += [text_block(name), short_block(len(pieces))]
            parts += [
                b"\1" + short_block(piece) if isinstance(piece, int) else b"\0" + text_block(piece)
                for piece in pieces
            ]
        return b"".join(parts)

    def kind(
        self, record: AssociationRecord, wanted: frozenset[str] | None, namespace: str
    ) -> _KindForm:
        """What the associations of one kind have in common. Raises EncodingError."""
        kind, writer = record.form.kind, self.writer
        found = self._kinds.get((kind, wanted, namespace))
        if found is None:
            shown = writer.shown(kind.class_name, wanted)
            place = writer.place(kind.namespace or namespace)
            first, second = [
                (text_block(role), b"\1" if role in shown else b"\0") for role in kind.roles
            ]
            found = _KindForm(text_block(place) + text_block(kind.class_name), (first, second))
            if len(self._kinds) >= _MOST_KNOWN:
                self._kinds = {}
            self._kinds[kind, wanted, namespace] = found
        return found


class AlikeRun:
    """What is to be given next of one answer.

    ``add`` and ``add_name`` say whether they have taken what they are given; what they have not is
    to be given otherwise, after what ``take`` gives, if there are ``lines``. Raises what
    ``BlockWriter`` raises.
    """

    def __init__(
        self, what: What, forms: AlikeForms, wanted: frozenset[str] | None, namespace: str
    ) -> None:
        self._what = what
        self._forms = forms
        self._wanted = wanted
        self._namespace = namespace
        self._begin()

    def _begin(self) -> None:
        self.lines: list[str] = []
        self._endings: dict[NameForm, str] = {}
        self._ending_blocks: list[bytes] = []
        self._kinds: list[bytes] = []
        self._marks: dict[object, str] = {}

    @property
    def is_full(self) -> bool:
        """Whether it is to be taken before more is added."""
        return len(self.lines) >= _MOST_LINES or len(self._marks) >= _MOST_KINDS

    def add(self, record: AssociationRecord) -> bool:
        """An association; False where it can have nothing in common with others."""
        form: object = record.form
        further = b""
        if record.further:
            further = self._further(record)
            form = (form, further)
        mark = self._marks.get(form)
        if mark is None:
            mark = self._marks[form] = self._kind(record, further)
        if not mark:
            return False
        lines = self.lines
        lines.append(mark)
        lines += record.first
        lines += record.second
        return True

    def add_name(self, path: ObjectPath) -> bool:
        """A name; False where it can have nothing in common with others."""
        if type(path) is not FormedPath:
            return False
        mark = self._ending(path.form, path.parts)
        if not mark:
            return False
        lines = self.lines
        lines.append(mark)
        lines += path.parts
        return True

    def take(self) -> bytes:
        """All of it, empty where there is nothing, to begin anew."""
        lines = self.lines
        if not lines:
            return b""
        text = "\0".join(lines)
        if text.count("\0") >= len(lines):
            text = "\0".join([line.replace("\0", "\ufffd") for line in lines])
        encoded = text.encode("utf-8", "replace")
        parts = [
            self._what,
            short_block(len(self._ending_blocks)),
            *self._ending_blocks,
            short_block(len(self._kinds)),
            *self._kinds,
            number_block(len(encoded)),
            encoded,
            b"\0",
        ]
        self._begin()
        return b"".join(parts)

    def _ending(self, form: NameForm, parts: Sequence[str]) -> str:
        """The number of a form of names, empty where there can be none."""
        found = self._endings.get(form)
        if found is None:
            block = self._forms.ending(form, len(parts), self._namespace)
            found = self._endings[form] = f"{len(self._ending_blocks)}" if block else ""
            if block:
                self._ending_blocks.append(block)
        return found

    def _further(self, record: AssociationRecord) -> bytes:
        """The properties that are no references; of those that a class gives a value, too."""
        if self._what == b"b":
            return _NO_PROPERTIES
        place = record.form.kind.namespace or self._namespace
        return self._forms.writer.properties(record, record.further, self._wanted, place)

    def _kind(self, record: AssociationRecord, further: bytes) -> str:
        """The number of a kind of associations, empty where there can be none."""
        ends = zip(record.form.names, (record.first, record.second), strict=True)
        numbers = [self._ending(name, parts) for name, parts in ends]
        if not all(numbers):
            return ""
        form = self._forms.kind(record, self._wanted, self._namespace)
        block = [form.head]
        for (role, is_wanted), number in zip(form.ends, numbers, strict=True):
            block += [role, short_block(int(number)), is_wanted]
        further = further or self._further(record)
        block += [number_block(len(further)), further, b"\0"]
        self._kinds.append(b"".join(block))
        return f"{len(self._kinds) - 1}"
