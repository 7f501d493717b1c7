"""The table as one canonical document, the released ones, and what changed between two.

A version is released by freezing its document in ``releases/``; what differs from the newest one
decides which part of the version must move.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from virtcim.errormap.codes.table import TABLES, Code, codes
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.likeness.model import OPERATED_PATH
from virtcim.errormap.likeness.model import PATH as KNOWN
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES
from virtcim.errormap.operations import PATTERNS
from virtcim.errormap.reading.objects import Row, rows
from virtcim.errormap.reading.server_prose import PATH as PROSE
from virtcim.errormap.reading.translated import PATH
from virtcim.errormap.rules import Rule, rules
from virtcim.errormap.translation import TABLE_VERSION
from virtcim.errormap.vocabulary import vocabulary

__all__ = [
    "CURRENT",
    "RELEASES",
    "Change",
    "VersionError",
    "canonical",
    "current",
    "differences",
    "known_versions",
    "newest_release",
    "next_version",
    "read_version",
    "release",
    "unversioned",
]

CURRENT = "current"
RELEASES = Path(__file__).parent / "releases"
_WORDS = ("note", "say", "sentence")
_SHOWN = 5
_LEVELS = ("major", "minor", "patch")
_EXPECTATIONS = {
    "added": "faults that fit it may get a more telling code",
    "removed": "faults that it decided get the code of another rule",
    "outcome": "the faults it decides get another code",
    "condition": "it holds for other faults than before",
    "order": "faults that fit several rules may get another code",
    "wording": "the same codes in other words",
}

Document = Mapping[str, object]


class VersionError(ValueError):
    """A version that is neither released nor a readable table; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two versions.

    ``rule`` is a rule's id, the name of a code or of a group of operations; ``kind`` is added,
    removed, outcome, condition, order or wording; ``level`` the part of the version that it moves:
    major, minor or patch. ``why`` is the note of the rule, empty where it speaks for itself.
    """

    rule: str
    kind: str
    level: str
    before: str = ""
    after: str = ""
    why: str = ""

    @property
    def expect(self) -> str:
        """What it means for a client."""
        return _EXPECTATIONS[self.kind]


def current() -> dict[str, object]:
    """The present table: version, vocabulary, groups of operations, every rule, every sentence.

    Rules stand in their order. Of the codes only what becomes a message is kept, not the advice.
    """
    return {
        "version": TABLE_VERSION,
        "vocabulary": [
            {
                "err": code.name,
                "number": int(code),
                "cim_status": word.cim_status,
                "error_type": word.error_type,
                "severity": word.severity,
                "sentence": word.sentence,
            }
            for code, word in vocabulary().items()
        ],
        "operations": dict(PATTERNS),
        "evidence": [_evidence(row) for row in rows()],
        "translated": hashlib.sha256(PATH.read_bytes() + PROSE.read_bytes()).hexdigest(),
        "likeness": hashlib.sha256(KNOWN.read_bytes() + OPERATED_PATH.read_bytes()).hexdigest(),
        "rules": [_entry(rule) for rule in (*rules(), *LIKENESS_RULES.values(), *DEFAULTS)],
        "codes": [_sentences(table, code) for table in TABLES for code in codes(table)],
    }


def known_versions() -> list[str]:
    """The names ``read_version`` knows besides paths."""
    return [CURRENT, *_released()]


def newest_release() -> str:
    """The newest released version; empty where none is."""
    return next(reversed(_released()), "")


def next_version(version: str, changes: Sequence[Change]) -> str:
    """The version that comes after ``version`` with these ``changes``; the same without any."""
    moved = {change.level for change in changes}
    numbers = list(_numbers(version))
    for place, level in enumerate(_LEVELS):
        if level in moved:
            numbers[place:] = [numbers[place] + 1, *[0] * (len(_LEVELS) - place - 1)]
            break
    return ".".join(map(str, numbers))


def unversioned(document: Document) -> list[str]:
    """What differs from the newest release without the version of ``document`` saying so."""
    newest, version = newest_release(), str(document["version"])
    if not newest:
        return []
    changes = differences(read_version(newest), document)
    needed = next_version(newest, changes)
    found = []
    if _numbers(version) < _numbers(needed):
        said = ", ".join(f"{change.rule} ({change.kind})" for change in changes[:_SHOWN])
        found.append(
            f"{len(changes)} changes since {newest} need version {needed}, not {version}: {said}"
        )
    rules_of = _by_id(document)
    for change in changes:
        since = str(rules_of.get(change.rule, {}).get("since", version))
        if change.kind == "added" and _numbers(since) <= _numbers(newest):
            found.append(f"{change.rule}: it is new, but its since is {since}")
    return found


def release() -> Path:
    """Freeze the present table under its version and give the file.

    Raises VersionError where the version is released already, or does not say what changed.
    """
    table = current()
    path = RELEASES / f"{TABLE_VERSION}.json"
    slips = [f"{TABLE_VERSION} is released already"] if path.exists() else unversioned(table)
    if slips:
        raise VersionError("; ".join(slips))
    RELEASES.mkdir(exist_ok=True)
    path.write_text(canonical(table), encoding="utf-8")
    return path


def canonical(document: Document) -> str:
    """The one text of ``document``, the form in which versions are frozen."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _released() -> list[str]:
    """The released versions, the oldest first."""
    return sorted((path.stem for path in RELEASES.glob("*.json")), key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def read_version(name: str) -> Document:
    """The table called ``name``: current, a released version, the current one's, or a path.

    Raises VersionError where there is no such version or the file is no table.
    """
    is_released = name in _released()
    if name == CURRENT or (name == TABLE_VERSION and not is_released):
        return current()
    path = RELEASES / f"{name}.json" if is_released else Path(name)
    if not path.is_file():
        known = ", ".join(known_versions())
        raise VersionError(f"there is no version and no file {name!r} (known: {known})")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VersionError(f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise VersionError(f"{name} is no error table: it is not JSON ({error})") from error
    if not _is_table(document):
        raise VersionError(
            f"{name} is no error table, frozen or exported: parts of one are missing"
        )
    return dict(document)


def _is_table(document: object) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("operations"), dict):
        return False
    parts = (("rules", {"id", "err", "source"}), ("vocabulary", {"err"}))
    return all(
        isinstance(document.get(part), list)
        and all(isinstance(entry, dict) and needed <= set(entry) for entry in document[part])
        for part, needed in parts
    )


def differences(before: Document, after: Document) -> list[Change]:
    """What a client must expect when it goes from one version to the other, the gravest first."""
    old, new = _by_id(before), _by_id(after)
    changes = [
        *_compared(*_vocabularies(before, after)),
        *_compared(_operations(before), _operations(after)),
        *_compared(_by_object(before), _by_object(after)),
        *_compared(_hashed(before, "translated"), _hashed(after, "translated")),
        *_compared(_hashed(before, "likeness"), _hashed(after, "likeness")),
        *_compared(old, new),
        *_moved(list(old), list(new), new),
        *_reworded(_codes(before), _codes(after)),
    ]
    return sorted(changes, key=lambda change: _LEVELS.index(change.level))


def _compared(old: Mapping[str, Document], new: Mapping[str, Document]) -> list[Change]:
    """What was removed, added and changed among the named entries of one part."""
    changes = [
        Change(
            rule=name, kind="removed", level="major", before=_err(old[name]), why=_note(old[name])
        )
        for name in old
        if name not in new
    ]
    changes += [
        Change(rule=name, kind="added", level="minor", after=_err(new[name]), why=_note(new[name]))
        for name in new
        if name not in old
    ]
    for name in old:
        if name in new:
            changes += _changes(name, old[name], new[name])
    return changes


def _changes(name: str, old: Document, new: Document) -> list[Change]:
    found = []
    why = _note(new)
    if _err(old) != _err(new):
        found.append(
            Change(
                rule=name, kind="outcome", level="major", before=_err(old), after=_err(new), why=why
            )
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
                why=why,
            )
        )
    return found


def _reworded(old: Mapping[str, Document], new: Mapping[str, Document]) -> list[Change]:
    """Codes whose sentence is another one: a code that has none is told as its rule says."""
    nothing: Document = {}
    return [
        Change(
            rule=name,
            kind="wording",
            level="patch",
            before=_shown(old.get(name, nothing).get("sentence")),
            after=_shown(new.get(name, nothing).get("sentence")),
        )
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


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
        "about": sorted(rule.about),
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


def _sentences(table: str, code: Code) -> dict[str, object]:
    """What is told of one code, with its arguments and without them."""
    fields: dict[str, object] = {
        "id": f"{table} {code.code}",
        "sentence": code.sentence,
        "without": code.without,
        "synonym": code.synonym,
    }
    return {name: value for name, value in fields.items() if value}


def _evidence(row: Row) -> dict[str, object]:
    """What counts as evidence for one object."""
    patterns = {kind: pattern.pattern for kind, pattern in row.patterns.items()}
    return {
        "object": row.object,
        **patterns,
        **{kind: sorted(row.names[kind]) for kind in row.names},
    }


def _by_object(document: Document) -> dict[str, Document]:
    """The evidence as entries; releases before 2.0.0 have none."""
    if "evidence" not in document:
        return {}
    return {f"evidence of {entry['object']}": entry for entry in _entries(document, "evidence")}


def _codes(document: Document) -> dict[str, Document]:
    """The sentences of the codes as entries; releases before 2.0.0 have none."""
    found = document.get("codes", [])
    assert isinstance(found, list)
    return {f"code {entry['id']}": entry for entry in found}


def _hashed(document: Document, part: str) -> dict[str, Document]:
    """A file that is kept by its hash as an entry; older releases have none.

    Messages in other languages came with 2.0.0, likeness to known faults with 3.0.0.
    """
    return {part: {"hash": document[part]}} if part in document else {}


def _by_id(document: Document) -> dict[str, Document]:
    return {str(entry["id"]): entry for entry in _entries(document, "rules")}


def _vocabularies(before: Document, after: Document) -> tuple[dict[str, Document], ...]:
    """Both vocabularies, as far as both say the same things: before 2.0.0 they said less."""
    old, new = _entries(before, "vocabulary"), _entries(after, "vocabulary")
    known = {name for entry in old for name in entry} & {name for entry in new for name in entry}
    return tuple(
        {
            str(entry["err"]): {name: entry[name] for name in entry if name in known}
            for entry in each
        }
        for each in (old, new)
    )


def _operations(document: Document) -> dict[str, Document]:
    """The groups of operations as entries."""
    groups = document.get("operations")
    assert isinstance(groups, dict)
    return {f"@{name}": {"pattern": pattern} for name, pattern in groups.items()}


def _entries(document: Document, part: str) -> list[Document]:
    entries = document[part]
    assert isinstance(entries, list)
    return entries


def _err(entry: Document) -> str:
    return str(entry.get("err", ""))


def _note(entry: Document) -> str:
    return str(entry.get("note", ""))


def _shown(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)
