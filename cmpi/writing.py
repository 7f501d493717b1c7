"""Records, paths and values as blocks of bytes for C, by their declarations (library/bridge.h).

How the instances of a class are written is found out once; what is written of one then takes a
function for each of its values, and C makes the whole instance of it in one call.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass

from virtcim.cim.cimxml.instances import Encoder, Selection
from virtcim.cim.data_types import INTEGER_RANGES
from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import KeptText, ObjectPath, Record, Value
from virtcim.cmpi.blocks import Write, contents_writer, short_block, text_block, value_writer
from virtcim.cmpi.cmpi_types import INSTANCE, STRING, TYPES
from virtcim.providers import INTEROP

__all__ = ["BlockWriter"]

_MOST_LAYOUTS = 512
# Of one record; servers of both kinds are in no process together.
_MOST_TEXTS = 4
_KEPT_BYTES = 64
_, _LARGEST_SINT64 = INTEGER_RANGES["sint64"]
_RECENT = 3


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

    __slots__ = ("_block", "_path_bytes", "further", "number", "writer")

    def __init__(
        self, writer: BlockWriter, path: bytes, properties: bytes, further: KeptText | None
    ) -> None:
        self.writer = writer
        self._block = path + properties
        self._path_bytes = len(path)
        self.further = further
        self.number = 1 if further is None else further.number + 1

    @property
    def size_bytes(self) -> int:
        """How much memory it takes, about."""
        return sys.getsizeof(self._block) + _KEPT_BYTES

    def text(self) -> bytes:
        """The whole block."""
        return self._block

    def path(self) -> bytes:
        """The part with the path."""
        return self._block[: self._path_bytes]


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
        kept = self._kept(record)
        if kept is not None:
            return kept.text()
        path, place = self._path_of(record, namespace)
        properties = self.properties(record, record.values, None, place)
        before = record.differences
        if before is not None and before.number >= _MOST_TEXTS:
            before = None
        record.differences = _KeptBlock(self, path, properties, before)
        record.release()
        return path + properties

    def name(self, record: Record, namespace: str) -> bytes:
        """The path of a record; it is that which is kept, if there is one."""
        kept = self._kept(record) if record.keeping == "differences" else None
        return self._path_of(record, namespace)[0] if kept is None else kept.path()

    def _kept(self, record: Record) -> _KeptBlock | None:
        kept = record.differences
        while kept is not None:
            if kept.writer is self:
                assert isinstance(kept, _KeptBlock)
                return kept
            kept = kept.further
        return None

    def instance(
        self, record: Record, wanted: frozenset[str] | None = None, namespace: str = ""
    ) -> bytes:
        """An instance; ``wanted`` are the names of its properties in lower case, None for all.

        ``namespace`` is that of an instance without a path.
        """
        path, place = self._path_of(record, namespace)
        return path + self.properties(record, record.values, wanted, place)

    def _path_of(self, record: Record, namespace: str) -> tuple[bytes, str]:
        """The path, and the namespace that references of the instance are in by default."""
        path = record.path
        if path is None:
            path = ObjectPath(record.class_name, namespace=namespace)
        return self.path(path, namespace), path.namespace or namespace

    def properties(
        self,
        record: Record,
        values: Mapping[str, Value],
        wanted: frozenset[str] | None,
        namespace: str,
    ) -> bytes:
        """Those of the values of an instance that are wanted, with their number before them.

        References without a namespace are in ``namespace``.
        """
        layout = self._layout(record.class_name, wanted)
        rows = layout.rows
        parts = [b""]
        name = ""
        try:
            for name, value in values.items():
                row = rows.get(name)
                if row is not None:
                    parts.append(row[0])
                    parts.append(row[1](value, namespace))
                elif name not in layout.declared:
                    raise EncodingError(f"{record.class_name} declares no property {name!r}")
        except EncodingError as error:
            error.add_note(f"in {name} of {record!r}")
            raise
        for name, null in layout.defaulted:
            if name not in values:
                parts.append(null)
                parts.append(b"")
        parts[0] = short_block(len(parts) // 2)
        return b"".join(parts)

    def path(self, path: ObjectPath, namespace: str = "") -> bytes:
        """An object path; one without a namespace is of ``namespace``."""
        rows = self._keys.get(path.class_name)
        if rows is None:
            rows = self._key_rows(path.class_name)
        parts = [
            text_block(self.place(path.namespace or namespace)),
            text_block(path.class_name),
            short_block(len(path.keys)),
        ]
        for name, value in path.keys:
            row = rows.get(name)
            if row is None:
                row = self._odd_key(name, value)
            parts.append(row[0])
            parts.append(row[1](value, namespace))
        return b"".join(parts)

    def place(self, namespace: str) -> str:
        """What the server calls a namespace."""
        return self._interop if self._interop and namespace.lower() == INTEROP else namespace

    def has_text_keys(self, class_name: str) -> bool:
        """Whether all keys of a class are declared as strings."""
        if self._declarations.canonical(class_name) is None:
            return False
        keys = self._declarations.keys(class_name).values()
        return all(one.type_name == "string" and not one.is_embedded for one in keys)

    def shown(self, class_name: str, wanted: frozenset[str] | None) -> Container[str]:
        """The names of the properties of a class that are written where they are wanted."""
        return self._layout(class_name, wanted).rows

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
            else "uint64"
            if isinstance(value, int) and value > _LARGEST_SINT64
            else "sint64"
        )
        return text_block(name), self._writer(Declared(name=name, type_name=type_name))

    def _writer(self, declared: Declared) -> Write:
        """What writes a whole value of a declared type."""
        if declared.is_embedded:
            return self._embedded_writer(declared)
        type_ = TYPES[declared.type_name]
        return value_writer(declared, type_, self._contents_writer(declared.type_name))

    def _embedded_writer(self, declared: Declared) -> Write:
        """An instance as an object or as its text; a text that a provider gives is one already."""
        as_object = value_writer(declared, INSTANCE, self._embedded)
        as_text = value_writer(declared, STRING, self._embedded_text)

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
