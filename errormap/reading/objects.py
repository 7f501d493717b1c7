"""What a fault is about: the objects for which it holds positive evidence.

The evidence stands in ``evidence.toml``, which is a part of the table: weighty kinds of evidence
(the words of the message) go before light ones (the operation), and only the weightiest kind that
says anything counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from virtcim.errormap.compiled import checked, content
from virtcim.errormap.patterns import later

__all__ = ["KINDS", "EvidenceError", "Material", "Row", "check", "objects", "objects_of", "rows"]

_PATH = Path(__file__).with_name("evidence.toml")
# What nearly every message speaks of: it does not keep a lighter kind from saying more.
_LOOSE = frozenset(("device", "file"))
# In the order of their weight.
KINDS = ("words", "option", "path", "phrase", "domain", "operation", "errno_last")
# Said besides all other kinds, and keeping none of them from saying more.
_ERRNO_ALWAYS = "errno_always"
_OPERATION_ALWAYS = "operation_always"
_OPTION_ALWAYS = "option_always"
_REPORT_ALWAYS = "report_always"
_ALWAYS = (_ERRNO_ALWAYS, _OPERATION_ALWAYS, _OPTION_ALWAYS, _REPORT_ALWAYS)
_PATTERNS = ("words", "option", "path", "phrase", _OPTION_ALWAYS, _REPORT_ALWAYS)
# A path or URL, or the name of a file that stands in quotation marks.
_PATHS = later(
    r"(?:^|[\s'\"`=\[(,\u2018])((?:/|[a-z]{2,10}(?:\+[a-z]+)?:(?://)?)[^\s'\"`\])\u2019]{1,300}"
    r"|(?<=['\"\u2018])[\w@+-][\w.@+/-]{0,200}\.(?:qcow2?|img|raw|iso|vmdk|vhdx?|vdi|qed|bin|rom|sock|pem"
    r"|crt|dtb|elf|fd)(?=['\"\u2019]))"
)
# Files of the kernel's own, which are no contents of any storage.
_FILE = "file"
_OF_KERNEL = later(r"/(?:sys|proc)/")
_SEARCHED = 4096


class EvidenceError(ValueError):
    """An entry of the table of evidence that cannot be used; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The evidence for one object: patterns over lower-case text, and names."""

    object: str
    patterns: Mapping[str, re.Pattern[str]]
    needles: Mapping[str, Sequence[str]]
    names: Mapping[str, frozenset[str]]

    def found(self, kind: str, text: str) -> re.Pattern[str] | None:
        """The pattern of a kind that is found in ``text``, or None."""
        pattern = self.patterns.get(kind)
        if pattern is None:
            return None
        needed = self.needles.get(kind, ())
        # Most patterns are in no text, and a plain search for what they need finds it out sooner.
        if needed and not any(needle in text for needle in needed):
            return None
        return pattern if pattern.search(text) else None


@cache
def rows() -> tuple[Row, ...]:
    """The table as it is shipped. Raises EvidenceError where it is wrong."""
    copy = checked(_PATH)
    if copy is None:
        # Without needles every pattern is searched for.
        return tuple(_row(entry, {}) for entry in content(_PATH)["evidence"])
    return tuple(_row(entry, entry.pop("needles")) for entry in copy["evidence"])


def check(found: Iterable[Row]) -> None:
    """Compile every pattern. Raises EvidenceError where one is wrong."""
    for row in found:
        for field, pattern in row.patterns.items():
            try:
                re.compile(pattern.pattern)
            except re.error as error:
                raise EvidenceError(f"evidence for {row.object}: {field}: {error}") from error


@cache
def objects() -> frozenset[str]:
    """The names of all objects that the table knows."""
    return frozenset(row.object for row in rows())


class Material(NamedTuple):
    """What evidence is looked for in.

    ``text`` is in lower case and without the words of errno, ``report`` all lines that came with it
    where there are several, ``option`` the option that was echoed,
    ``domain`` the part of the program that reports, ``operations`` the call and the event that it
    came with.
    """

    text: str
    option: str
    domain: str
    operations: tuple[str, ...]
    errnos: frozenset[str]
    report: str = ""


def objects_of(material: Material) -> frozenset[str]:
    """The objects that a message is about; empty where there is no evidence."""
    found = set(_named(_ERRNO_ALWAYS, material.errnos))
    found |= set(_named(_OPERATION_ALWAYS, _families(material.operations)))
    if material.option:
        found |= set(_first_by_pattern(_OPTION_ALWAYS, material.option))
    if material.report:
        found |= set(_first_by_pattern(_REPORT_ALWAYS, material.report))
    for kind in KINDS:
        more = set(_found(kind, material))
        found |= more
        if more - _LOOSE:
            break
    if _FILE in found and any(_OF_KERNEL.match(path) for path in _PATHS.findall(material.text)):
        found.discard(_FILE)
    return frozenset(found)


def _ends(text: str) -> str:
    """What is searched of ``text``: all of it, or where it begins and where it ends."""
    return text if len(text) <= 2 * _SEARCHED else f"{text[:_SEARCHED]}\n{text[-_SEARCHED:]}"


def _found(kind: str, material: Material) -> Iterator[str]:
    """The objects that one kind of evidence speaks for."""
    text = _ends(material.text)
    if kind == "words":
        return _by_words(_PATHS.sub(" ", text))
    if kind == "option":
        return _first_by_pattern(kind, material.option)
    if kind == "path":
        return (one for path in _PATHS.findall(text)[:8] for one in _first_by_pattern(kind, path))
    if kind == "phrase":
        return _first_by_pattern(kind, text)
    if kind == "domain":
        return _named(kind, {material.domain})
    return _named(kind, _families(material.operations) if kind == "operation" else material.errnos)


def _by_words(rest: str) -> Iterator[str]:
    for row in rows():
        pattern = row.found("words", rest)
        if pattern is not None:
            rest = pattern.sub(" ", rest)
            yield row.object


def _named(kind: str, given: Iterable[str]) -> Iterator[str]:
    for row in rows():
        if not row.names.get(kind, frozenset()).isdisjoint(given):
            yield row.object


def _first_by_pattern(kind: str, text: str) -> Iterator[str]:
    for row in rows():
        if row.found(kind, text) is not None:
            yield row.object
            return


@lru_cache(maxsize=1024)
def _families(operations: tuple[str, ...]) -> frozenset[str]:
    """The names under which the table may know operations: their own, and ``VDI.*``."""
    found: set[str] = set()
    for operation in operations:
        bare = operation.removeprefix("Async.")[:80]
        found |= {bare, *(f"{bare[:end]}*" for end in range(1, len(bare) + 1))}
    return frozenset(found)


def _row(entry: Mapping[str, object], needles: Mapping[str, Sequence[str]]) -> Row:
    name = entry.get("object")
    if not isinstance(name, str) or not name:
        raise EvidenceError(f"evidence: an entry without an object: {entry!r:.100}")
    known = {"object", *_ALWAYS, *KINDS}
    if unknown := set(entry) - known:
        raise EvidenceError(f"evidence for {name}: unknown field {min(unknown)!r}")
    patterns: dict[str, re.Pattern[str]] = {}
    names: dict[str, frozenset[str]] = {}
    for field, value in entry.items():
        if field in _PATTERNS and isinstance(value, str):
            patterns[field] = later(value)
        elif field != "object":
            names[field] = frozenset(_texts(value, name, field))
    return Row(object=name, patterns=patterns, needles=needles, names=names)


def _texts(value: object, name: str, field: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise EvidenceError(f"evidence for {name}: {field} is no list of texts")
    return value
