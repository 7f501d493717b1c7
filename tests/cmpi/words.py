"""Values as words of a line for the broker (broker/words.c), and what it has written as values.

A value is ("uint8", 5), ("string", "x"), ("array uint8", [("uint8", 1)]), ("null uint8", None),
("reference", Path) or ("instance", Instance): what the broker saw, in a form of nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["Instance", "Path", "Typed", "read_entries", "text", "value_of", "write_entries"]

Typed = tuple[str, Any]


@dataclass(frozen=True, kw_only=True)
class Path:
    namespace: str | None
    class_name: str | None
    keys: Mapping[str, Typed] = field(default_factory=dict)

    def words(self) -> str:
        return f"{text(self.namespace)} {text(self.class_name)} {write_entries(self.keys)}"


@dataclass(frozen=True, kw_only=True)
class Instance:
    path: Path
    properties: Mapping[str, Typed] = field(default_factory=dict)

    def words(self) -> str:
        return f"{self.path.words()} {write_entries(self.properties)}"

    def value(self, name: str) -> Any:
        return value_of(self.properties[name])


def value_of(typed: Typed) -> Any:
    """The value alone; those of arrays, too."""
    name, value = typed
    if name.startswith("array") and value is not None:
        return [value_of(one) for one in value]
    return value


def text(given: str | bytes | None) -> str:
    """One word for any text."""
    if given is None:
        return "-"
    raw = given.encode("utf-8") if isinstance(given, str) else given
    return f"%{raw.hex('%')}"


def write_entries(entries: Mapping[str, Typed]) -> str:
    return " ".join(
        [str(len(entries)), *(f"{text(name)} {_write(value)}" for name, value in entries.items())]
    )


def _write(typed: Typed) -> str:
    name, value = typed
    if name.startswith("null"):
        return name
    if name.startswith("array"):
        if value is None:
            return f"{name} -"
        items: Sequence[Typed] = value
        return " ".join([name, str(len(items)), *map(_write, items)])
    if isinstance(value, Path | Instance):
        return f"{name} {value.words()}"
    if isinstance(value, bool):
        return f"{name} {int(value)}"
    if isinstance(value, int | float):
        return f"{name} {value!r}"
    return f"{name} {text(value)}"


def read_text(word: str) -> str | None:
    if word == "-":
        return None
    return "" if word == "%" else unquote_to_bytes(word).decode("utf-8")


def read_entries(words: Iterator[str]) -> dict[str, Typed]:
    return {read_text(next(words)) or "": _read(words) for _ in range(int(next(words)))}


def read_path(words: Iterator[str]) -> Path:
    return Path(
        namespace=read_text(next(words)),
        class_name=read_text(next(words)),
        keys=read_entries(words),
    )


def read_instance(words: Iterator[str]) -> Instance:
    return Instance(path=read_path(words), properties=read_entries(words))


def read_value(words: Iterator[str]) -> Typed:
    return _read(words)


def _read(words: Iterator[str]) -> Typed:
    name = next(words)
    if name == "null":
        return f"null {next(words)}", None
    if name == "array":
        type_name, count = next(words), next(words)
        if count == "-":
            return f"array {type_name}", None
        return f"array {type_name}", [_read(words) for _ in range(int(count))]
    if name == "reference":
        return name, read_path(words)
    if name == "instance":
        return name, read_instance(words)
    word = next(words)
    if name in ("string", "datetime"):
        return name, read_text(word)
    if name == "boolean":
        return name, word == "1"
    return name, float(word) if name.startswith("real") else int(word)
