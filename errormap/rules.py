"""The mapping tables: what a rule is, and reading them strictly.

A table is a TOML file of ``[[rule]]`` entries; docs/errors.md describes the fields. Order in the
file is priority. Everything unexpected is an error at load: a typing slip must not become a rule
that silently never matches.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

from virtcim.errormap.compiled import checked
from virtcim.errormap.fault import ErrorCode, Source
from virtcim.errormap.needles import needles
from virtcim.errormap.operations import GROUPS
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.objects import objects

__all__ = [
    "FAMILY",
    "LIKENESS",
    "PLACEHOLDER",
    "SHARED",
    "SOURCES",
    "UNITS",
    "Argument",
    "Rule",
    "TableError",
    "load",
    "parse",
    "rules",
]

SOURCES: tuple[str, ...] = get_args(Source)
SHARED = "text"
# The source of the rules that decide where no table does, by what known faults are like.
LIKENESS = "likeness"
_TABLES = Path(__file__).parent / "tables"
_CONDITIONS = ("code", "operation", "argument", "about", "errno", "text", "sent", "weak")
_FIELDS = frozenset((*_CONDITIONS, "id", "err", "since", "say", "note"))
_VERSION = re.compile(r"\d+\.\d+\.\d+")
# In a code: any letters.
FAMILY = "*"
PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")
# How many bytes a number stands for in a placeholder such as {0:kib}.
UNITS = {"bytes": 1, "kib": 1024, "mib": 1024**2}
_NAMED_GROUP = re.compile(r"\(\?P<(\w+)>")
# A repeated group that itself repeats is what makes a backtracking matcher exponential.
_NESTED_REPEAT = re.compile(r"\([^()]*[*+][^()]*\)[*+]|\([^()]*[*+][^()]*\)\{\d+,\}")


class TableError(ValueError):
    """A table that says something it must not; the text names the file, the rule and the slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument that must be one of ``values``, at position ``at`` or anywhere."""

    at: int | None
    values: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of a table: every condition given must hold; empty ones hold always.

    ``code`` lists codes (with a * for a family of them), ``operation`` groups ("@boot") or native
    names, ``about`` objects of which the message must be about one, ``errno`` symbolic names,
    ``text`` a pattern over the lower-case text. ``weak`` marks a code that says nothing by itself:
    nested faults and texts are asked first, and the words of an errno do not count as text.
    ``say`` is the sentence for a person, with ``{0}`` for arguments and ``{file}`` for groups.
    ``needles`` follow from ``text``: a text without any of them need not be searched.
    """

    id: str
    source: str
    err: ErrorCode
    since: str
    code: tuple[str, ...] = ()
    operation: tuple[str, ...] = ()
    argument: Argument | None = None
    about: frozenset[str] = frozenset()
    errno: frozenset[str] = frozenset()
    text: re.Pattern[str] | None = None
    needles: tuple[str, ...] = ()
    sent: bool | None = None
    weak: bool = False
    say: str = ""
    note: str = ""


@cache
def load(source: str) -> tuple[Rule, ...]:
    """The rules of one source (or of SHARED) in order of priority.

    Raises TableError where the table is wrong.
    """
    path = _TABLES / f"{source}.toml"
    copy = checked(path)
    if copy is None:
        return parse(path.read_text(encoding="utf-8"), source)
    return tuple(_made(entry, source, entry["needles"]) for entry in copy["rule"])


def rules() -> tuple[Rule, ...]:
    """All rules of all tables, each table in order of priority."""
    return tuple(rule for source in (*SOURCES, SHARED) for rule in load(source))


def parse(document: str, source: str) -> tuple[Rule, ...]:
    """The rules of a TOML ``document``; raises TableError naming the rule and the slip."""
    import tomllib

    try:
        content = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{source}: {error}") from error
    if set(content) != {"rule"}:
        raise TableError(f"{source}: only [[rule]] entries are allowed")
    found = tuple(_rule(entry, source) for entry in content["rule"])
    seen: set[str] = set()
    for rule in found:
        if rule.id in seen:
            raise TableError(f"{rule.id}: the id is used twice")
        seen.add(rule.id)
    return found


def _rule(entry: Mapping[str, object], source: str) -> Rule:
    identifier = entry.get("id")
    if not isinstance(identifier, str) or not identifier.startswith(f"{source}."):
        raise TableError(f"{source}: id {identifier!r} does not begin with {source!r} and a dot")
    unknown = set(entry) - _FIELDS
    if unknown:
        raise TableError(f"{identifier}: unknown field {min(unknown)!r}")
    word = entry.get("err")
    if not isinstance(word, str) or word not in ErrorCode.__members__:
        raise TableError(f"{identifier}: unknown err {word!r}")
    since = _string(entry, "since", identifier)
    if not _VERSION.fullmatch(since):
        raise TableError(f"{identifier}: since {since!r} is no version")
    text = _string(entry, "text", identifier)
    _check_pattern(text, identifier)
    rule = _made(entry, source, needles(text))
    _check(rule)
    return rule


def _made(entry: Mapping[str, object], source: str, found: Sequence[str]) -> Rule:
    """The rule of an entry that was checked; ``found`` are its needles."""
    identifier = _string(entry, "id", source)
    text = _string(entry, "text", identifier)
    return Rule(
        id=identifier,
        source=source,
        err=ErrorCode[_string(entry, "err", identifier)],
        since=_string(entry, "since", identifier),
        code=_strings(entry, "code", identifier),
        operation=_strings(entry, "operation", identifier),
        argument=_argument(entry.get("argument"), identifier),
        about=frozenset(_strings(entry, "about", identifier)),
        errno=frozenset(_strings(entry, "errno", identifier)),
        text=later(text) if text else None,
        needles=tuple(found),
        sent=_flag(entry, "sent", identifier),
        weak=bool(_flag(entry, "weak", identifier)),
        say=_string(entry, "say", identifier),
        note=_string(entry, "note", identifier),
    )


def _check(rule: Rule) -> None:
    if rule.weak and not rule.code:
        raise TableError(f"{rule.id}: only a code can be weak")
    if unknown := rule.about - objects():
        raise TableError(f"{rule.id}: unknown object {min(unknown)!r}")
    conditions = (rule.code, rule.operation, rule.argument, rule.about, rule.errno, rule.text)
    if rule.sent is None and not any(conditions):
        raise TableError(f"{rule.id}: it has no condition")
    for name in rule.operation:
        if name.startswith("@") and name not in GROUPS:
            raise TableError(f"{rule.id}: unknown operation group {name!r}")
    for name in rule.errno:
        if not hasattr(errno, name):
            raise TableError(f"{rule.id}: unknown errno {name!r}")
    groups = set() if rule.text is None else set(rule.text.groupindex)
    for match in PLACEHOLDER.finditer(rule.say):
        if match[2] is not None and match[2] not in UNITS:
            raise TableError(f"{rule.id}: unknown unit {match[2]!r}")
        if not match[1].isdecimal() and match[1] not in groups:
            raise TableError(f"{rule.id}: nothing gives the placeholder {match[0]}")


def _string(entry: Mapping[str, object], field: str, identifier: str) -> str:
    value = entry.get(field, "")
    if not isinstance(value, str):
        raise TableError(f"{identifier}: {field} is no text")
    return value


def _strings(entry: Mapping[str, object], field: str, identifier: str) -> tuple[str, ...]:
    value = entry.get(field, ())
    values: Sequence[object] = (value,) if isinstance(value, str) else value  # type: ignore[assignment]
    if not isinstance(values, list | tuple) or not all(
        isinstance(item, str) and item for item in values
    ):
        raise TableError(f"{identifier}: {field} is neither a text nor a list of texts")
    texts = tuple(str(item) for item in values)
    if len(set(texts)) != len(texts):
        raise TableError(f"{identifier}: {field} names something twice")
    return texts


def _flag(entry: Mapping[str, object], field: str, identifier: str) -> bool | None:
    value = entry.get(field)
    if value is not None and not isinstance(value, bool):
        raise TableError(f"{identifier}: {field} is neither true nor false")
    return value


def _argument(value: object, identifier: str) -> Argument | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) - {"at", "is"} or "is" not in value:
        raise TableError(f"{identifier}: argument must be {{ at = NUMBER, is = [TEXT, ...] }}")
    at = value.get("at")
    if at is not None and (isinstance(at, bool) or not isinstance(at, int)):
        raise TableError(f"{identifier}: argument.at is no number")
    values = _strings(value, "is", identifier)
    return Argument(at=at, values=frozenset(text.lower() for text in values))


def _check_pattern(text: str, identifier: str) -> None:
    if _NESTED_REPEAT.search(text):
        raise TableError(f"{identifier}: a repeated group repeats inside")
    if _NAMED_GROUP.sub("(", text) != _NAMED_GROUP.sub("(", text).lower() and re.search(
        r"(?<!\\)[A-Z]", _NAMED_GROUP.sub("(", text)
    ):
        raise TableError(f"{identifier}: patterns are written in lower case")
    try:
        re.compile(text)
    except re.error as error:
        raise TableError(f"{identifier}: {error}") from error
