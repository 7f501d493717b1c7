"""How large what clients leave in records may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from virtcim.toolstack.faults import value_not_supported

__all__ = ["check_size", "size_of"]

# What an element of a map or a set takes beside its text.
_ELEMENT_BYTES = 64
_SHOWN = 40


def size_of(value: object) -> int:
    """The bytes that a value takes, about."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_ELEMENT_BYTES + len(key) + size_of(each) for key, each in value.items())
    if isinstance(value, Collection):
        return sum(_ELEMENT_BYTES + size_of(each) for each in value)
    return 0


def check_size(field: str, value: object, most_bytes: int) -> None:
    """Refuse a value that takes too much. Raises ``VALUE_NOT_SUPPORTED``."""
    size = size_of(value)
    if size > most_bytes:
        shown = value if isinstance(value, str) else str(size)
        reason = f"it takes {size} bytes, and a field has at most {most_bytes}"
        raise value_not_supported(field, shown[:_SHOWN], reason)
