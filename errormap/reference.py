"""The reference of all errors: a page for each standard code and each source, made from the tables.

The pages are Markdown; ``virtcim errormap docs`` writes them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from virtcim.errormap.codes.table import Code, codes
from virtcim.errormap.conditions import conditions
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES
from virtcim.errormap.reading.libvirt_numbers import LIBVIRT_NUMBERS
from virtcim.errormap.rules import LIKENESS, PLACEHOLDER, SHARED, SOURCES, Rule, load, rules
from virtcim.errormap.telling.advice import Entry, read
from virtcim.errormap.translation import TABLE_VERSION
from virtcim.errormap.vocabulary import vocabulary

__all__ = ["pages"]

_MADE = "<!-- Made by `virtcim errormap docs docs/errors` from the tables; do not edit. -->"
_NUMBERS = "Number {number}, CIM status {status}, CIM_Error.ProbableCause {cause}."
_BY_CODE = (
    "Of several rules for one code the first that holds decides. Rules without a code, below, are "
    "asked in between, where they stand in the table."
)
_TITLES: Mapping[str, str] = {
    "xapi": "XenAPI (XAPI, xend's own XenAPI, and the toolstack)",
    "xend": "xend",
    "libvirt": "libvirt",
    "qemu": "QEMU",
    "transport": "The connection",
    SHARED: "Texts that all sources share",
    LIKENESS: "Where no rule holds, and known faults have such words",
    "default": "Where no rule holds",
}
# The tables of codes that the page of a source shows, with what stands before their codes.
_CODES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "xapi": (("xapi", ""), ("sm", "SR_BACKEND_FAILURE_")),
    "libvirt": (("libvirt", ""),),
}
_SAID = (
    "What a person is told when the code itself decides: a rule that knows more of the fault says "
    "more. Where no step stands, those of the standard code hold."
)
_LIBVIRT_NAMES = {str(number): name for name, number in LIBVIRT_NUMBERS.items()}


def pages() -> dict[str, str]:
    """The text of every page by its file name."""
    return {
        "index.md": _index(),
        **{f"{code.name}.md": _code_page(code) for code in ErrorCode},
        **{f"{source}.md": _source_page(source) for source in (*SOURCES, SHARED)},
    }


def _index() -> str:
    lines = [
        "# Reference of errors",
        _MADE,
        f"Error table {TABLE_VERSION}. How a fault is decided is told in [Errors](../errors.md).",
        "## Standard codes",
        _table(
            ("no.", "code", "what happened", "CIM status", "rules"),
            (
                (
                    int(code),
                    _link(code.name),
                    vocabulary()[code].sentence,
                    code.cim_status or "-",
                    _count(code),
                )
                for code in ErrorCode
            ),
        ),
        "## Sources",
        "\n".join(f"- [{_TITLES[source]}]({source}.md)" for source in (*SOURCES, SHARED)),
    ]
    return _page(lines)


def _code_page(code: ErrorCode) -> str:
    *special, general = read().entries[code]
    lines = [
        f"# {code.name}",
        _MADE,
        _NUMBERS.format(
            number=int(code), status=code.cim_status or "none", cause=general.probable_cause
        ),
        f"**{vocabulary()[code].sentence}**",
        "## Probable cause",
        _shown(general.cause),
        "## What to do",
        _steps(general.actions),
    ]
    if special:
        lines.append("## Where more is known")
        for entry in special:
            lines += _special(entry)
    lines.append("## What leads here")
    for source, found in _by_source(code):
        lines += [
            f"### {_TITLES[source]}",
            _table(
                ("raw code", "and", "rule", "note"),
                (
                    (_codes(rule.code), _rest(rule), f"`{rule.id}`", _cell(rule.note))
                    for rule in found
                ),
            ),
        ]
    return _page(lines)


def _special(entry: Entry) -> Iterator[str]:
    """A variant: what it is for, and what is told instead of the general words."""
    names = sorted(entry.names)
    held = [f"decided by {', '.join(f'`{rule}`' for rule in entry.rules)}"] if entry.rules else []
    held += [f"the text holds `{_pattern(entry.text.pattern)}`"] if entry.text else []
    held += [f"the fault names {read().names[name]} (`<{name}>`)" for name in names]
    yield f"*Where {' and '.join(held)}:*"
    parts = [entry.sentence and f"**{_shown(entry.sentence)}**", _shown(entry.cause)]
    yield from filter(None, parts)
    if entry.actions:
        yield _steps(entry.actions)


def _source_page(source: str) -> str:
    found = load(source)
    by_code = {code for rule in found for code in rule.code}
    lines = [
        f"# {_TITLES[source]}",
        _MADE,
    ]
    if by_code:
        lines += [
            "## By raw code",
            _BY_CODE,
            _table(
                ("raw code", "and", "standard code", "rule"),
                (
                    (_codes([code]), _rest(rule), _link(rule.err.name), f"`{rule.id}`")
                    for code in sorted(by_code, key=_natural)
                    for rule in found
                    if code in rule.code
                ),
            ),
        ]
    said = [
        _said(code, prefix) for table, prefix in _CODES.get(source, ()) for code in codes(table)
    ]
    if said:
        rows = sorted(said, key=lambda row: _natural(row[0]))
        lines += [
            "## What each code says",
            _SAID,
            _table(("raw code", "sentence", "what to do"), rows),
        ]
    others = [rule for rule in found if not rule.code]
    if others:
        lines += [
            "## Whatever the code",
            "In order: the first that holds decides.",
            _table(
                ("condition", "standard code", "rule", "note"),
                (
                    (_rest(rule), _link(rule.err.name), f"`{rule.id}`", _cell(rule.note))
                    for rule in others
                ),
            ),
        ]
    return _page(lines)


def _said(code: Code, prefix: str) -> tuple[str, str, str]:
    """The row of one code: its sentence with the arguments, and the steps that are its own."""
    name = _codes([f"{prefix}{code.code}"])
    if code.synonym:
        return name, f"as `{prefix}{code.synonym}`", ""
    sentence = PLACEHOLDER.sub(r"<\1>", code.sentence)
    told = f"{_cell(sentence)} *{_cell(code.note)}*" if code.note else _cell(sentence)
    return name, told, " ".join(map(_cell, code.actions))


def _by_source(code: ErrorCode) -> Iterator[tuple[str, Sequence[Rule]]]:
    for source in _TITLES:
        found = [
            rule
            for rule in (*rules(), *LIKENESS_RULES.values(), *DEFAULTS)
            if (rule.source, rule.err) == (source, code)
        ]
        if found:
            yield source, found


def _count(code: ErrorCode) -> int:
    return sum(len(found) for _, found in _by_source(code))


def _codes(codes: Iterable[str]) -> str:
    return " ".join(
        f"`{code}` {_LIBVIRT_NAMES[code]}" if code in _LIBVIRT_NAMES else f"`{code}`"
        for code in codes
    )


def _rest(rule: Rule) -> str:
    """The conditions besides the code."""
    bare = dataclasses.replace(rule, code=())
    nothing: frozenset[str] = frozenset()
    if bare == dataclasses.replace(
        bare, operation=(), argument=None, about=nothing, errno=nothing, text=None
    ):
        return "nothing else is known" if rule.weak else ""
    return "`" + conditions(bare).replace("|", "\\|") + "`"


def _pattern(pattern: str) -> str:
    return pattern.replace("|", "\\|")


def _natural(code: str) -> list[tuple[int, str]]:
    """A key that sorts the numbers in codes as numbers."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", code)
    ]


def _steps(actions: Sequence[str]) -> str:
    return "\n".join(f"{number}. {_shown(text)}" for number, text in enumerate(actions, 1))


def _shown(template: str) -> str:
    return PLACEHOLDER.sub(r"`<\1>`", template)


def _link(name: str) -> str:
    return f"[{name}]({name}.md)"


def _cell(text: str) -> str:
    """Text in a cell of a table: nothing in it is markup."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", escape(text, quote=False))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _page(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"
