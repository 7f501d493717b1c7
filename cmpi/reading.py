"""Blocks of bytes from C as values: what a CIM server asks (the forms are in library/bridge.h).

A server says less of a value than its declaration does, as it has it from the client's text; what
counts is the declaration (``typed``).
"""

from __future__ import annotations

from struct import Struct

from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.declared_values import MisfitError, declared_value
from virtcim.cim.path_text import read_path_text
from virtcim.cim.records import KeyValue, ObjectPath, Record, Scalar, Value
from virtcim.cmpi.cmpi_types import ARRAY, INSTANCE, REFERENCE, TYPES
from virtcim.providers import INTEROP

__all__ = ["BlockReader", "typed_path", "typed_record", "typed_value"]

_SHORT = Struct("=H").unpack_from
_NUMBER = Struct("=I").unpack_from
_SIGNED = Struct("=q").unpack_from
_UNSIGNED = Struct("=Q").unpack_from
_REAL = Struct("=d").unpack_from
_ABSENT = 0xFFFFFFFF
_INTEGERS = frozenset(type_ for name, type_ in TYPES.items() if "int" in name)


class BlockReader:
    """Reads the parts of a block one after the other."""

    __slots__ = ("_at", "_block", "_interop")

    def __init__(self, block: bytes, interop: str = "") -> None:
        """``interop`` is what the server calls its interop namespace, if not as we do."""
        self._block = block
        self._at = 0
        self._interop = interop.lower()

    @property
    def block(self) -> bytes:
        """The whole block, for whoever reads it otherwise."""
        return self._block

    def number(self) -> int:
        """A count or a flag."""
        found: int = _NUMBER(self._block, self._at)[0]
        self._at += 4
        return found

    def text(self) -> str | None:
        """A text, None where there is none; bytes that are no UTF-8 are replaced."""
        length: int = _NUMBER(self._block, self._at)[0]
        begin = self._at + 4
        if length == _ABSENT:
            self._at = begin
            return None
        self._at = begin + length + 1
        return self._block[begin : begin + length].decode("utf-8", "replace")

    def texts(self) -> list[str] | None:
        """A list of texts, None where there is none."""
        count = self.number()
        return None if count == _ABSENT else [self.text() or "" for _ in range(count)]

    def path(self) -> ObjectPath:
        """An object path, with its keys as the server has them."""
        namespace, class_name = self.text(), self.text()
        keys: dict[str, KeyValue] = {
            name: value
            for name, value in self.values()
            if isinstance(value, bool | int | str | ObjectPath)
        }
        place = (namespace or "").strip("/")
        if self._interop and place.lower() == self._interop:
            place = INTEROP
        return ObjectPath(class_name or "", keys, namespace=place)

    def instance(self) -> Record:
        """An instance, with its values as the server has them and without those that are NULL."""
        path = self.path()
        values = {name: value for name, value in self.values() if value is not None}
        return Record(path.class_name, values, path)

    def values(self) -> list[tuple[str, Value]]:
        """Names with their values."""
        return [(self.text() or "", self._value()) for _ in range(self._short())]

    def _short(self) -> int:
        found: int = _SHORT(self._block, self._at)[0]
        self._at += 2
        return found

    def _value(self) -> Value:
        type_ = self._short()
        is_null = self._block[self._at]
        self._at += 1
        if is_null:
            return None
        if not type_ & ARRAY:
            return self._contents(type_)
        items: list[Scalar] = []
        for _ in range(self.number()):
            is_null = self._block[self._at]
            self._at += 1
            items.append(self._null() if is_null else self._contents(type_ & ~ARRAY))
        return items

    def _null(self) -> Scalar:
        """What an element of an array is that is NULL."""
        raise MisfitError("an element of an array is NULL", place="an array")

    def _contents(self, type_: int) -> Scalar:
        if type_ == REFERENCE:
            return self.path()
        if type_ == INSTANCE:
            return self.instance()
        if type_ > INSTANCE:
            return self.text() or ""
        at = self._at
        self._at += 8
        if type_ in (TYPES["real32"], TYPES["real64"]):
            real: float = _REAL(self._block, at)[0]
            return real
        number: int = (_UNSIGNED if type_ == TYPES["uint64"] else _SIGNED)(self._block, at)[0]
        if type_ in _INTEGERS:
            return number
        return bool(number) if type_ == TYPES["boolean"] else chr(number)


def typed_path(path: ObjectPath, classes: DeclaredClasses) -> ObjectPath:
    """A path with its keys as they are declared; as it is where its class is not known.

    Raises MisfitError.
    """
    class_name = classes.canonical(path.class_name)
    if class_name is None:
        return path
    declared = classes.keys(class_name)
    keys: dict[str, KeyValue] = {}
    for name, value in path.keys:
        key = declared.get(name.lower())
        if key is None:
            keys[name] = value
            continue
        found = typed_value(value, key, classes, path.namespace)
        if isinstance(found, bool | int | str | ObjectPath):
            keys[key.name] = found
        else:
            # A path compares by the text of such keys, which CIM gives only one form.
            keys[key.name] = str(value)
    return ObjectPath(class_name, keys, namespace=path.namespace)


def typed_record(record: Record, classes: DeclaredClasses, place: str = "") -> Record:
    """An instance with its values as they are declared; what is not declared stays as it is.

    Raises MisfitError, with ``place`` in front of the property if the instance is at one.
    """
    class_name = classes.canonical(record.class_name)
    namespace = "" if record.path is None else record.path.namespace
    if class_name is None:
        return record
    declared = classes.properties(class_name)
    values: dict[str, Value] = {}
    for name, value in record.values.items():
        one = declared.get(name.lower())
        if one is None:
            values[name] = value
            continue
        try:
            values[one.name] = typed_value(value, one, classes, namespace)
        except MisfitError as error:
            if not place:
                raise
            raise MisfitError(error.why, place=f"{place}.{error.place}") from error
    path = None if record.path is None else typed_path(record.path, classes)
    return Record(class_name, values, path)


def typed_value(
    value: Value, declared: Declared, classes: DeclaredClasses, namespace: str
) -> Value:
    """A value as one of the declared type; the text of an embedded instance stays that text.

    References without a namespace are of ``namespace``. Raises MisfitError.
    """
    if value is None:
        return None
    items = _items(value)
    if declared.is_embedded:
        items = [
            typed_record(one, classes, _place(declared, index)) if isinstance(one, Record) else one
            for index, one in enumerate(items)
        ]
    elif declared.type_name == "reference":
        items = [_reference(one, declared, classes, namespace) for one in items]
    else:
        return declared_value(value, declared, _no_instance)
    if declared.is_array:
        return items
    if len(items) != 1:
        raise MisfitError("a single value is expected", place=declared.name)
    return items[0]


def _place(declared: Declared, index: int) -> str:
    return f"{declared.name}[{index}]" if declared.is_array else declared.name


def _items(value: Value) -> list[Scalar]:
    if isinstance(value, list | tuple):
        return [*value]
    assert isinstance(value, Scalar)
    return [value]


def _reference(
    value: Scalar, declared: Declared, classes: DeclaredClasses, namespace: str
) -> ObjectPath:
    """A reference; a server may have it as its text, and in a key."""
    try:
        path = read_path_text(value) if isinstance(value, str) else value
    except ValueError as error:
        raise MisfitError(f"no reference: {error}", place=declared.name) from error
    if not isinstance(path, ObjectPath):
        raise MisfitError("this is no reference", place=declared.name)
    found = typed_path(path, classes)
    if found.namespace:
        return found
    return ObjectPath(found.class_name, dict(found.keys), namespace=namespace)


def _no_instance(_text: str, place: str) -> Record:
    raise MisfitError("this is no embedded instance", place=place)
