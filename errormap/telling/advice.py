"""What a person is told beyond the sentence: who reported it, the probable cause, what to do.

The words are entries of ``advice.toml``; which of them fit is decided by the rule that decided the
code and by what the fault names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from virtcim.errormap.compiled import checked
from virtcim.errormap.engine import decide
from virtcim.errormap.fault import ErrorCode, StandardError
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.text import one_line
from virtcim.errormap.rules import PLACEHOLDER, Rule, TableError
from virtcim.errormap.telling.coded import arguments, is_narrow, meaning, steps
from virtcim.errormap.telling.filling import filled
from virtcim.errormap.telling.language import ENGLISH, catalogue
from virtcim.errormap.telling.named import Values, from_rule, from_text, is_reference, units_of
from virtcim.errormap.vocabulary import Word, vocabulary

__all__ = ["Advice", "Entry", "Table", "advice", "general_advice", "named", "read", "sentence"]

OURSELVES = "virtcim"
_PATH = Path(__file__).parent / "advice.toml"
_FIELDS = frozenset(("err", "rules", "text", "sentence", "probable_cause", "cause", "actions"))
_VALUE_LENGTH = 300
# The one argument that is meant to be a reference.
_REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the table; fields that say nothing are empty, ``probable_cause`` None.

    ``text`` is searched for in what the source said; ``names`` are all the arguments that its own
    texts name.
    """

    rules: tuple[str, ...]
    text: re.Pattern[str] | None
    names: frozenset[str]
    sentence: str
    probable_cause: int | None
    cause: str
    actions: tuple[str, ...]

    def concerns(self, rule: str) -> bool:
        """Whether it can hold for what the rule ``rule`` decided."""
        return not self.rules or any(
            rule.startswith(one[:-1]) if one.endswith("*") else rule == one for one in self.rules
        )

    def fits(self, facts: Facts, values: Values) -> bool:
        """Whether the fault has the words that it is for, and everything that it names."""
        found = self.text is None or self.text.search(facts.text) is not None
        return found and self.names <= values.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The whole table: names of arguments, who reports, and each code's entries in order."""

    names: Mapping[str, str]
    arguments: Mapping[str, tuple[str, ...]]
    reporters: Mapping[str, str]
    entries: Mapping[ErrorCode, tuple[Entry, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to tell a person about a failure, in ``language``.

    ``probable_cause`` is a value of CIM_Error.ProbableCause, ``cause`` its description, ``actions``
    what to do, the first first; ``arguments`` what the fault names, as ``advice.toml`` calls it.
    """

    language: str
    reported: str
    probable_cause: int
    cause: str
    actions: tuple[str, ...]
    arguments: dict[str, str]


def advice(error: StandardError, language: str = ENGLISH) -> Advice:
    """The advice for ``error``, filled with the fault's own arguments; never raises."""
    decision = decide(error.fault)
    values = named(decision.rule, decision.facts)
    entries = [
        one
        for one in read().entries[error.code]
        if one.concerns(decision.rule.id) and one.fits(decision.facts, values)
    ]
    told = _advice(entries, values, decision.fault.source, language)
    code = meaning(decision.rule, decision.facts)
    if code is None:
        return told
    told = replace(told, arguments=told.arguments | _texts_of(arguments(code, decision.facts)))
    # What names something, or is meant for more than a code, says more than the code does.
    if any(one.names or (one.rules and is_narrow(decision.rule)) for one in entries):
        return told
    return replace(
        told,
        cause=catalogue(language).gettext(code.cause) if code.cause else told.cause,
        actions=steps(code, decision.facts, language) or told.actions,
    )


def _texts_of(values: Values) -> dict[str, str]:
    return {name: text for name, (text, _) in values.items()}


def general_advice(code: ErrorCode, language: str = ENGLISH) -> Advice:
    """The advice for a failure that virtcim itself found, without a fault."""
    return _advice(read().entries[code][-1:], {}, OURSELVES, language)


def sentence(rule: Rule, facts: Facts, language: str, *, for_rule: bool) -> str:
    """The sentence of the table for what ``rule`` decided; empty where none can be filled.

    ``for_rule`` asks for one that is meant for this rule, else for one of any rule.
    """
    candidates = _with_sentence(rule.err, rule.id, for_rule)
    if not candidates:
        return ""
    values = named(rule, facts)
    fitting = (one.sentence for one in candidates if one.fits(facts, values))
    template = next(fitting, "")
    return filled(template, _lookup(values), language) if template else ""


def named(rule: Rule, facts: Facts) -> Values:
    """The named arguments of what ``rule`` decided on, with the units they are in."""
    values = from_text(rule.err, facts)
    units = units_of(rule)
    for at, name in enumerate(_argument_names(rule.id)):
        if name and at < len(facts.fault.arguments):
            value = facts.fault.arguments[at]
            if name == _REFERENCE or not is_reference(value):
                values[name] = (value, units.get(str(at), ""))
    values |= from_rule(rule, facts)
    bounded = {name: (one_line(text, _VALUE_LENGTH), unit) for name, (text, unit) in values.items()}
    return {name: (text, unit) for name, (text, unit) in bounded.items() if text}


def _lookup(values: Values) -> Callable[[str], tuple[str, str]]:
    return lambda name: values.get(name, ("", ""))


def _advice(entries: Sequence[Entry], values: Values, reporter: str, language: str) -> Advice:
    """What the first of ``entries`` that has it says; all their names are in ``values``."""
    lookup = _lookup(values)
    causes = (one.probable_cause for one in entries if one.probable_cause is not None)
    return Advice(
        language=language,
        reported=catalogue(language).gettext(read().reporters[reporter]),
        probable_cause=next(causes),
        cause=filled(next(one.cause for one in entries if one.cause), lookup, language),
        actions=tuple(
            filled(text, lookup, language)
            for text in next(one.actions for one in entries if one.actions)
        ),
        arguments=_texts_of(values),
    )


@cache
def _with_sentence(code: ErrorCode, rule: str, for_rule: bool) -> tuple[Entry, ...]:
    return tuple(
        one
        for one in read().entries[code]
        if one.sentence and bool(one.rules) == for_rule and one.concerns(rule)
    )


@cache
def _argument_names(rule: str) -> tuple[str, ...]:
    arguments = read().arguments
    if rule in arguments:
        return arguments[rule]
    families = (one for one in arguments if one.endswith("*") and rule.startswith(one[:-1]))
    return arguments.get(next(families, ""), ())


@cache
def read() -> Table:
    """The table as it is shipped. Raises TableError where it is wrong."""
    copy = checked(_PATH)
    return parse(_PATH.read_text(encoding="utf-8")) if copy is None else _made(copy)


def parse(document: str) -> Table:
    """The table of a TOML ``document``; raises TableError naming the entry and the slip."""
    import tomllib

    try:
        content = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"advice: {error}") from error
    if set(content) != {"names", "arguments", "reporters", "advice"}:
        raise TableError("advice: it consists of names, arguments, reporters and advice")
    for found in content["advice"]:
        if found.get("err") not in ErrorCode.__members__:
            raise TableError(f"advice: unknown err {found.get('err')!r}")
    table = _made(content)
    _check(table)
    return table


def _made(content: Mapping[str, Any]) -> Table:
    by_code: dict[str, list[Entry]] = {}
    for one in content["advice"]:
        by_code.setdefault(one["err"], []).append(_entry(one))
    return Table(
        names=content["names"],
        arguments={rule: tuple(names) for rule, names in content["arguments"].items()},
        reporters=content["reporters"],
        entries={
            code: (*by_code.get(code.name, ()), _general(word))
            for code, word in vocabulary().items()
        },
    )


def _general(word: Word) -> Entry:
    """What holds for a code where nothing says more."""
    return Entry(
        rules=(),
        text=None,
        names=frozenset(),
        sentence="",
        probable_cause=word.probable_cause,
        cause=word.cause,
        actions=word.actions,
    )


def _entry(found: Mapping[str, object]) -> Entry:
    unknown = set(found) - _FIELDS
    if unknown:
        raise TableError(f"advice for {found['err']}: unknown field {min(unknown)!r}")
    number = found.get("probable_cause")
    sentence, cause, text = (_text(found, name) for name in ("sentence", "cause", "text"))
    actions = _texts(found, "actions")
    return Entry(
        rules=_texts(found, "rules"),
        text=later(text) if text else None,
        names=frozenset(
            match[1] for text in (sentence, cause, *actions) for match in PLACEHOLDER.finditer(text)
        ),
        sentence=sentence,
        probable_cause=number if isinstance(number, int) else None,
        cause=cause,
        actions=actions,
    )


def _text(found: Mapping[str, object], field: str) -> str:
    value = found.get(field, "")
    if not isinstance(value, str):
        raise TableError(f"advice for {found['err']}: {field} is no text")
    return value


def _texts(found: Mapping[str, object], field: str) -> tuple[str, ...]:
    value = found.get(field, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise TableError(f"advice for {found['err']}: {field} is no list of texts")
    return tuple(value)


def _check(table: Table) -> None:
    for rule, names in table.arguments.items():
        for name in filter(None, names):
            if name not in table.names:
                raise TableError(f"advice: the argument {name!r} of {rule} is not declared")
    for code, entries in table.entries.items():
        if any(_is_general(entry) for entry in entries[:-1]):
            raise TableError(f"advice for {code.name}: what is general stands in the vocabulary")
        for name in (name for entry in entries for name in entry.names):
            if name not in table.names:
                raise TableError(f"advice for {code.name}: {{{name}}} is not declared")


def _is_general(entry: Entry) -> bool:
    return not (entry.rules or entry.text or entry.names)
