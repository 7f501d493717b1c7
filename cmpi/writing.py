"""Records, paths and values as blocks of bytes for C, by their declarations (library/bridge.h).

How the instances of a class are written is found out once; what is written of one then takes a
function for each of its values, and C makes the whole instance of it in one call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct

from virtcim.cim.cimxml.instances import Encoder, Selection
from virtcim.cim.data_types import DATA_TYPES, INTEGER_RANGES
from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import KeptText, ObjectPath, Record
from virtcim.cmpi.cmpi_types import ARRAY, INSTANCE, STRING, TYPES
from virtcim.providers import INTEROP

__all__ = [
    "BlockWriter",
    "Write",
    "contents_writer",
    "entries_block",
    "number_block",
    "text_block",
    "texts_block",
    "value_block",
]

_NUMBER = Struct("=I").pack
_SHORT = Struct("=H").pack
_SIGNED = Struct("=q").pack
_UNSIGNED = Struct("=Q").pack
_REAL = Struct("=d").pack
_ABSENT = b"\xff\xff\xff\xff"
_TRUE, _FALSE = _SIGNED(1), _SIGNED(0)
_GOOD, _NULL = b"\0", b"\1"
_MOST_LAYOUTS = 512
# Of one record; servers of both kinds are in no process together.
_MOST_TEXTS = 4
_KEPT_BYTES = 64
_RECENT = 3

#: Writes the contents of a value; the namespace is that of what it is a part of.
Write = Callable[[object, str], bytes]


def number_block(number: int) -> bytes:
    """An unsigned number."""
    return _NUMBER(number)


def text_block(text: str | None) -> bytes:
    """A text; what C cannot carry in one is replaced."""
    if text is None:
        return _ABSENT
    encoded = text.encode("utf-8", "replace")
    if b"\0" in encoded:
        encoded = encoded.replace(b"\0", b"\xef\xbf\xbd")
    return b"%b%b\0" % (_NUMBER(len(encoded)), encoded)


def texts_block(texts: list[str]) -> bytes:
    """The contents of an array of texts."""
    return _NUMBER(len(texts)) + b"".join([_GOOD + text_block(one) for one in texts])


def value_block(type_: int, value: object, contents: Callable[[object], bytes]) -> bytes:
    """A value whose type is not declared anywhere; also an array, and one with NULL in it."""
    if value is None:
        return _SHORT(type_) + _NULL
    if not type_ & ARRAY:
        return _SHORT(type_) + _GOOD + contents(value)
    assert isinstance(value, list)
    items = [_NULL if one is None else _GOOD + contents(one) for one in value]
    return b"".join([_SHORT(type_), _GOOD, _NUMBER(len(items)), *items])


def entries_block(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """Names with the blocks of their values: keys or properties."""
    return _SHORT(len(entries)) + b"".join([text_block(name) + value for name, value in entries])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How the instances of one class are written for one list of properties.

    ``rows`` has those that are wanted: what stands before each value, and what writes it. What the
    class gives a value by default is written as NULL where an instance has none.
    """

    declared: Mapping[str, Declared]
    rows: Mapping[str, tuple[bytes, Write]]
    defaulted: tuple[tuple[str, bytes], ...]


class _KeptBlock:
    """The block of a record (``records.KeptText``)."""

    __slots__ = ("_block", "further", "number", "writer")

    def __init__(self, writer: BlockWriter, block: bytes, further: KeptText | None) -> None:
        self.writer = writer
        self._block = block
        self.further = further
        self.number = 1 if further is None else further.number + 1

    @property
    def size_bytes(self) -> int:
        """How much memory it takes, about."""
        return sys.getsizeof(self._block) + _KEPT_BYTES

    def text(self) -> bytes:
        """The whole block."""
        return self._block


class BlockWriter:
    """Writes what a CIM server is given; safe in many threads.

    ``embeds``: the server takes embedded instances as objects; others get their text in CIM-XML.
    Raises EncodingError for what its class does not declare, OutOfRange for an odd value.
    """

    def __init__(self, declarations: DeclaredClasses, *, embeds: bool, interop: str = "") -> None:
        """``interop`` is what the server calls its interop namespace, if not as we do."""
        self._declarations = declarations
        self._interop = interop
        self._embeds = embeds
        self._texts = Encoder(declarations, "")
        self._layouts: dict[tuple[str, frozenset[str] | None], _Layout] = {}
        self._keys: dict[str, Mapping[str, tuple[bytes, Write]]] = {}
        # An association has each of its ends twice, and the next one mostly has one of them, too.
        self._recent: tuple[tuple[ObjectPath, str, bytes], ...] = ()

    def written(self, record: Record, wanted: frozenset[str] | None, namespace: str) -> bytes:
        """``instance``, which is kept with a record that keeps its text and is wanted whole."""
        if wanted is not None or record.keeping != "differences":
            return self.instance(record, wanted, namespace)
        before = kept = record.differences
        while kept is not None:
            if kept.writer is self:
                return kept.text()
            kept = kept.further
        block = self.instance(record, None, namespace)
        if before is not None and before.number >= _MOST_TEXTS:
            before = None
        record.differences = _KeptBlock(self, block, before)
        record.release()
        return block

    def instance(
        self, record: Record, wanted: frozenset[str] | None = None, namespace: str = ""
    ) -> bytes:
        """An instance; ``wanted`` are the names of its properties in lower case, None for all.

        ``namespace`` is that of an instance without a path.
        """
        layout = self._layout(record.class_name, wanted)
        path = record.path
        if path is None:
            path = ObjectPath(record.class_name, namespace=namespace)
        place = path.namespace or namespace
        rows, values = layout.rows, record.values
        parts = [self.path(path, namespace), b""]
        name = ""
        try:
            for name, value in values.items():
                row = rows.get(name)
                if row is not None:
                    parts.append(row[0])
                    parts.append(row[1](value, place))
                elif name not in layout.declared:
                    raise EncodingError(f"{record.class_name} declares no property {name!r}")
        except EncodingError as error:
            error.add_note(f"in {name} of {record!r}")
            raise
        for name, null in layout.defaulted:
            if name not in values:
                parts.append(null)
                parts.append(b"")
        parts[1] = _SHORT(len(parts) // 2 - 1)
        return b"".join(parts)

    def path(self, path: ObjectPath, namespace: str = "") -> bytes:
        """An object path; one without a namespace is of ``namespace``."""
        rows = self._keys.get(path.class_name)
        if rows is None:
            rows = self._key_rows(path.class_name)
        place = path.namespace or namespace
        if self._interop and place.lower() == INTEROP:
            place = self._interop
        parts = [
            text_block(place),
            text_block(path.class_name),
            _SHORT(len(path.keys)),
        ]
        for name, value in path.keys:
            row = rows.get(name)
            if row is None:
                row = self._odd_key(name, value)
            parts.append(row[0])
            parts.append(row[1](value, namespace))
        return b"".join(parts)

    def value(self, value: object, declared: Declared, namespace: str) -> bytes:
        """The result of a method or one of its parameters."""
        return self._writer(declared)(value, namespace)

    def _layout(self, class_name: str, wanted: frozenset[str] | None) -> _Layout:
        found = self._layouts.get((class_name, wanted))
        if found is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts = {}
            if self._declarations.canonical(class_name) is None:
                raise EncodingError(f"there is no class {class_name}")
            properties = self._declarations.properties(class_name).values()
            shown = [one for one in properties if wanted is None or one.name.lower() in wanted]
            found = self._layouts[class_name, wanted] = _Layout(
                declared={one.name: one for one in properties},
                rows={one.name: (text_block(one.name), self._writer(one)) for one in shown},
                defaulted=tuple(
                    (one.name, text_block(one.name) + self._writer(one)(None, ""))
                    for one in shown
                    if one.has_default
                ),
            )
        return found

    def _key_rows(self, class_name: str) -> Mapping[str, tuple[bytes, Write]]:
        known = self._declarations.canonical(class_name) is not None
        keys = self._declarations.keys(class_name).values() if known else ()
        found = {one.name: (text_block(one.name), self._writer(one)) for one in keys}
        if len(self._keys) >= _MOST_LAYOUTS:
            self._keys = {}
        self._keys[class_name] = found
        return found

    def _odd_key(self, name: str, value: object) -> tuple[bytes, Write]:
        """A key of a class that is not ours: it is what its value looks like."""
        type_name = (
            "boolean"
            if isinstance(value, bool)
            else "reference"
            if isinstance(value, ObjectPath)
            else "string"
            if isinstance(value, str)
            else "sint64"
        )
        return text_block(name), self._writer(Declared(name=name, type_name=type_name))

    def _writer(self, declared: Declared) -> Write:
        """What writes a whole value of a declared type."""
        if declared.is_embedded:
            return self._embedded_writer(declared)
        type_ = TYPES[declared.type_name]
        return _value_writer(declared, type_, self._contents_writer(declared.type_name))

    def _embedded_writer(self, declared: Declared) -> Write:
        """An instance as an object or as its text; a text that a provider gives is one already."""
        as_object = _value_writer(declared, INSTANCE, self._embedded)
        as_text = _value_writer(declared, STRING, self._embedded_text)

        def write(value: object, namespace: str) -> bytes:
            items = value if isinstance(value, list | tuple) else [value]
            are_records = bool(items) and all(isinstance(one, Record) for one in items)
            chosen = as_object if self._embeds and are_records else as_text
            return chosen(value, namespace)

        return write

    def _embedded(self, value: object, namespace: str) -> bytes:
        assert isinstance(value, Record)
        return self.instance(value, None, namespace)

    def _embedded_text(self, value: object, _namespace: str) -> bytes:
        if isinstance(value, Record):
            return text_block(self._texts.instance(value, Selection()).decode())
        if isinstance(value, str):
            return text_block(value)
        raise EncodingError(f"{value!r} is no embedded instance")

    def _contents_writer(self, type_name: str) -> Write:
        return self._reference if type_name == "reference" else contents_writer(type_name)

    def _reference(self, value: object, namespace: str) -> bytes:
        recent = self._recent
        for path, place, block in recent:
            if path is value and place == namespace:
                return block
        if not isinstance(value, ObjectPath):
            raise EncodingError(f"{value!r} is no reference")
        block = self.path(value, namespace)
        self._recent = ((value, namespace, block), *recent[: _RECENT - 1])
        return block


def contents_writer(type_name: str) -> Write:
    """What writes the contents of a value that is neither a reference nor an instance."""
    if type_name == "string":
        return _write_string
    if type_name in INTEGER_RANGES:
        return _integer_writer(type_name)
    if type_name.startswith("real"):
        return _real_writer(type_name)
    return {
        "boolean": _write_boolean,
        "char16": _write_character,
        "datetime": _write_datetime,
    }[type_name]


def _value_writer(declared: Declared, type_: int, contents: Write) -> Write:
    if declared.is_array:
        type_ |= ARRAY
    good, null = _SHORT(type_) + _GOOD, _SHORT(type_) + _NULL
    if not declared.is_array:
        return lambda value, namespace: null if value is None else good + contents(value, namespace)

    def write(value: object, namespace: str) -> bytes:
        if value is None:
            return null
        if not isinstance(value, list | tuple):
            raise EncodingError(f"{value!r} is no array")
        items = [_GOOD + contents(one, namespace) for one in value]
        return good + _NUMBER(len(items)) + b"".join(items)

    return write


def _write_string(value: object, _namespace: str) -> bytes:
    if not isinstance(value, str):
        raise EncodingError(f"{value!r} is no string")
    return text_block(value)


def _write_boolean(value: object, _namespace: str) -> bytes:
    if not isinstance(value, bool):
        raise EncodingError(f"{value!r} is no boolean")
    return _TRUE if value else _FALSE


def _write_character(value: object, _namespace: str) -> bytes:
    return _SIGNED(ord(DATA_TYPES["char16"].write(value)))


def _write_datetime(value: object, _namespace: str) -> bytes:
    return text_block(DATA_TYPES["datetime"].write(value))


def _integer_writer(type_name: str) -> Write:
    lowest, highest = INTEGER_RANGES[type_name]
    pack = _UNSIGNED if type_name == "uint64" else _SIGNED
    explain = DATA_TYPES[type_name].write

    def write(value: object, _namespace: str) -> bytes:
        if type(value) is int and lowest <= value <= highest:
            return pack(value)
        explain(value)  # raises where it is none
        assert isinstance(value, int)
        return pack(int(value))

    return write


def _real_writer(type_name: str) -> Write:
    explain = DATA_TYPES[type_name].write

    def write(value: object, _namespace: str) -> bytes:
        explain(value)
        assert isinstance(value, float | int)
        return _REAL(float(value))

    return write
