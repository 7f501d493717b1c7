"""The table as one canonical document, the released ones, and what changed between two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.rules import Rule, rules
from virtcim.errormap.translation import TABLE_VERSION

__all__ = ["Change", "VersionError", "current", "differences", "known_versions", "read_version"]

CURRENT = "current"
_RELEASES = Path(__file__).parent / "releases"
_WORDS = ("note", "say")

Document = Mapping[str, object]


class VersionError(ValueError):
    """A version that is neither released nor a readable table; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two versions: ``kind`` is added, removed, outcome, condition,
    order or wording; ``level`` the part of the version that it moves: major, minor or patch."""

    rule: str
    kind: str
    level: str
    before: str = ""
    after: str = ""


def current() -> dict[str, object]:
    """The present table: version, vocabulary, and every rule in order of priority."""
    return {
        "version": TABLE_VERSION,
        "vocabulary": [
            {"err": code.name, "number": int(code), "cim_status": code.cim_status}
            for code in ErrorCode
        ],
        "rules": [_entry(rule) for rule in (*rules(), *DEFAULTS)],
    }


def known_versions() -> list[str]:
    """The names ``read_version`` knows besides paths."""
    return [CURRENT, *sorted(path.stem for path in _RELEASES.glob("*.json"))]


def read_version(name: str) -> Document:
    """The table called ``name``: current, its version, a released version, or a file's path.

    Raises VersionError where there is no such version or the file is no table.
    """
    if name in (CURRENT, TABLE_VERSION):
        return current()
    released = _RELEASES / f"{name}.json"
    path = released if "/" not in name and released.is_file() else Path(name)
    if not path.is_file():
        known = ", ".join(known_versions())
        raise VersionError(f"there is no version and no file {name!r} (known: {known})")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise VersionError(f"{name}: {error}") from error
    entries = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and {"id", "err", "source"} <= set(entry) for entry in entries
    ):
        raise VersionError(f"{name}: this is no exported error table")
    return dict(document)


def differences(before: Document, after: Document) -> list[Change]:
    """What a client must expect when it goes from one version to the other."""
    old, new = _by_id(before), _by_id(after)
    changes = [
        Change(rule=name, kind="removed", level="major", before=_err(old[name]))
        for name in old
        if name not in new
    ]
    changes += [
        Change(rule=name, kind="added", level="minor", after=_err(new[name]))
        for name in new
        if name not in old
    ]
    for name in old:
        if name in new:
            changes += _changes(name, old[name], new[name])
    return changes + _moved(list(old), list(new), new)


def _changes(name: str, old: Document, new: Document) -> list[Change]:
    found = []
    if old["err"] != new["err"]:
        found.append(
            Change(rule=name, kind="outcome", level="major", before=_err(old), after=_err(new))
        )
    fields = sorted((set(old) | set(new)) - {"id", "err"})
    for field in fields:
        before, after = old.get(field), new.get(field)
        if before == after:
            continue
        wording = field in _WORDS
        found.append(
            Change(
                rule=name,
                kind="wording" if wording else "condition",
                level="patch" if wording else "major",
                before=f"{field}: {_shown(before)}",
                after=f"{field}: {_shown(after)}",
            )
        )
    return found


def _moved(old: list[str], new: list[str], entries: Mapping[str, Document]) -> list[Change]:
    """Rules of a source that changed places: the first that holds decides, so order matters."""
    found = []
    for source in sorted({str(entry["source"]) for entry in entries.values()}):
        common = [name for name in new if name in old and entries[name]["source"] == source]
        earlier = [name for name in old if name in common]
        for before, after in zip(earlier, common, strict=True):
            if before != after:
                found.append(
                    Change(rule=after, kind="order", level="major", before=before, after=after)
                )
                break
    return found


def _entry(rule: Rule) -> dict[str, object]:
    """The rule with the fields that are set, in the order of the tables."""
    argument = rule.argument
    fields: dict[str, object] = {
        "id": rule.id,
        "source": rule.source,
        "code": list(rule.code),
        "operation": list(rule.operation),
        "argument": argument and {"at": argument.at, "is": sorted(argument.values)},
        "errno": sorted(rule.errno),
        "text": rule.text.pattern if rule.text else "",
        "sent": rule.sent,
        "weak": rule.weak,
        "err": rule.err.name,
        "since": rule.since,
        "say": rule.say,
        "note": rule.note,
    }
    return {name: value for name, value in fields.items() if value not in (None, "", [], False)}


def _by_id(document: Document) -> dict[str, Document]:
    entries = document["rules"]
    assert isinstance(entries, list)
    return {str(entry["id"]): entry for entry in entries}


def _err(entry: Document) -> str:
    return str(entry["err"])


def _shown(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)
