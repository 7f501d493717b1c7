"""Numbers, texts and values as blocks of bytes for C, by their types (library/bridge.h)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct

from virtcim.cim.data_types import DATA_TYPES, INTEGER_RANGES
from virtcim.cim.declarations import Declared
from virtcim.cim.errors import EncodingError
from virtcim.cmpi.cmpi_types import ARRAY

__all__ = [
    "Write",
    "contents_writer",
    "entries_block",
    "number_block",
    "short_block",
    "text_block",
    "texts_block",
    "value_block",
    "value_writer",
]

_NUMBER = Struct("=I").pack
_SHORT = Struct("=H").pack
_SIGNED = Struct("=q").pack
_UNSIGNED = Struct("=Q").pack
_REAL = Struct("=d").pack
_ABSENT = b"\xff\xff\xff\xff"
_TRUE, _FALSE = _SIGNED(1), _SIGNED(0)
_GOOD, _NULL = b"\0", b"\1"

#: Writes the contents of a value; the namespace is that of what it is a part of.
Write = Callable[[object, str], bytes]


def number_block(number: int) -> bytes:
    """An unsigned number."""
    return _NUMBER(number)


def short_block(number: int) -> bytes:
    """An unsigned number below 65536."""
    return _SHORT(number)


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


def value_writer(declared: Declared, type_: int, contents: Write) -> Write:
    """What writes a whole value, of a CMPI type that is no array, by what writes its contents."""
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
