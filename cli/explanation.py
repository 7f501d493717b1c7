"""Showing how a fault was decided: for people on a terminal or in a pipe, and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from virtcim.errormap import Explanation, Fault, advice, cim_message
from virtcim.errormap.conditions import conditions
from virtcim.errormap.reading.text import one_line
from virtcim.errormap.telling.language import catalogue
from virtcim.errormap.telling.messages import detail

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["LABEL_WIDTH", "LINES", "TEXTS", "as_object", "as_text", "on_terminal"]

_CODE, _MESSAGE, _REPORTER, _CAUSE, _ACTION = "code", "message", "source", "cause", "to do"
_PATH, _RULE, _CONDITION, _NOTE, _LOST = "fault", "rule", "holds for", "note", "lost"
_WORDS = "words"
LINES = "lines"
_STATUS = "{code} ({number}), CIM status {status}"
_VERSION = "{rule} (since {since}, table {table})"
_LOSER = "{rule} ({code}): {why}"
# What the command says itself, for the catalogues.
TEXTS = (
    *(_CODE, _MESSAGE, _REPORTER, _CAUSE, _ACTION, _PATH, _RULE, _CONDITION, _NOTE, _WORDS, _LOST),
    *(LINES, _STATUS, _VERSION),
)
LABEL_WIDTH = 12
_HEADING_LENGTH = 200
_STYLES = {_CODE: "bold red", _MESSAGE: "bold", _ACTION: "green", _LOST: "dim", _NOTE: "italic"}
# Sections that begin what answers another question: what to do, and how it was decided.
_GROUPS = (_REPORTER, _RULE)


class Section(NamedTuple):
    """One kind of information: its label in English, and its lines in the reader's language."""

    label: str
    lines: Sequence[str]


def as_object(explanation: Explanation, language: str) -> dict[str, object]:
    """All of the explanation, for programs; the names are the same in every language."""
    error, rule = explanation.error, explanation.rule
    told = advice(error, language)
    return {
        "err": error.code.name,
        "number": int(error.code),
        "cim_status": error.code.cim_status,
        "language": told.language,
        "message": _message(explanation, language),
        "reported": told.reported,
        "probable_cause": told.probable_cause,
        "cause": told.cause,
        "actions": list(told.actions),
        "arguments": dict(told.arguments),
        "rule": rule.id,
        "condition": conditions(rule),
        "since": rule.since,
        "note": catalogue(language).gettext(rule.note) if rule.note else "",
        "words": list(explanation.words),
        "version": error.table_version,
        "path": [_fault(fault) for fault in explanation.path],
        "lost": [
            {
                "rule": lost.rule.id,
                "err": lost.rule.err.name,
                "why": catalogue(language).gettext(lost.why),
            }
            for lost in explanation.lost
        ],
    }


def as_text(explanation: Explanation, language: str) -> str:
    """Lines of label and text, one fact each, without colours."""
    words = catalogue(language)
    return "".join(
        f"{words.gettext(section.label):<{LABEL_WIDTH}} {line}\n"
        for section in _sections(explanation, language)
        for line in section.lines
    )


def on_terminal(explanation: Explanation, language: str) -> RenderableType:
    """The same with colours, labels once, and long lines folded beside their label."""
    from rich.table import Table
    from rich.text import Text

    words = catalogue(language)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=LABEL_WIDTH, no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for section in _sections(explanation, language):
        if section.label in _GROUPS:
            grid.add_row()
        label = words.gettext(section.label)
        style = _STYLES.get(section.label, "")
        for mark, line in zip(_marks(section), section.lines, strict=True):
            text = Text(line, style=style)
            if section.label == _MESSAGE:
                # The source's own words stand behind the sentence.
                text.stylize("not bold dim", len(line) - len(detail(explanation.error.fault)) - 2)
            grid.add_row(label, _indented(mark, text) if mark else text)
            label = ""
    return grid


def _indented(mark: str, text: Text) -> RenderableType:
    from rich.table import Table

    row = Table.grid()
    row.add_column(width=len(mark), no_wrap=True, style="dim")
    row.add_column(overflow="fold")
    row.add_row(mark, text)
    return row


def _marks(section: Section) -> Sequence[str]:
    """What stands before each line: numbers before steps, the way down before nested faults."""
    if section.label == _ACTION and len(section.lines) > 1:
        return [f"{number}. " for number in range(1, len(section.lines) + 1)]
    if section.label == _PATH:
        return ["   " * (depth - 1) + "└─ " if depth else "" for depth in range(len(section.lines))]
    return [""] * len(section.lines)


def _sections(explanation: Explanation, language: str) -> Iterator[Section]:
    words = catalogue(language)
    error, rule = explanation.error, explanation.rule
    told = advice(error, language)
    code = words.gettext(_STATUS).format(
        code=error.code.name, number=int(error.code), status=error.code.cim_status
    )
    version = words.gettext(_VERSION).format(
        rule=rule.id, since=rule.since, table=error.table_version
    )
    yield Section(_CODE, [code])
    yield Section(_MESSAGE, [_message(explanation, language)])
    yield Section(_REPORTER, [told.reported])
    yield Section(_CAUSE, [told.cause])
    yield Section(_ACTION, told.actions)
    yield Section(_RULE, [version])
    if len(explanation.path) > 1:
        *outer, deciding = explanation.path
        yield Section(_PATH, [*map(_heading, outer), detail(deciding)])
    yield Section(_CONDITION, [conditions(rule)])
    if rule.note:
        yield Section(_NOTE, [words.gettext(rule.note)])
    if explanation.words:
        yield Section(_WORDS, [", ".join(explanation.words)])
    if explanation.lost:
        yield Section(
            _LOST,
            [
                _LOSER.format(
                    rule=lost.rule.id, code=lost.rule.err.name, why=words.gettext(lost.why)
                )
                for lost in explanation.lost
            ],
        )


def _heading(fault: Fault) -> str:
    """A fault by its code alone; all of its words stand behind the message."""
    words = [fault.source, fault.code, f"({fault.operation})" if fault.operation else ""]
    return one_line(" ".join(filter(None, words)), _HEADING_LENGTH)


def _message(explanation: Explanation, language: str) -> str:
    error = explanation.error
    return cim_message(error, language).removeprefix(f"{error.code.name}: ")


def _fault(fault: Fault) -> dict[str, object]:
    return {
        "source": fault.source,
        "operation": fault.operation,
        "code": fault.code,
        "arguments": list(fault.arguments),
        "text": fault.text,
    }
