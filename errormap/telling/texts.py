"""Every text of this package that is translated, for the tool that keeps the catalogues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from virtcim.errormap.codes.table import TABLES, codes
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES
from virtcim.errormap.rules import rules
from virtcim.errormap.telling.advice import read
from virtcim.errormap.telling.filling import STATES
from virtcim.errormap.translation import REASONS
from virtcim.errormap.vocabulary import vocabulary

__all__ = ["Text", "texts"]


class Text(NamedTuple):
    """A text to translate: where it is from, and what tells it from an equal one (msgctxt)."""

    text: str
    origin: str
    context: str = ""


def texts() -> Iterator[Text]:
    """The texts in the order of their origin; equal ones come once for each origin."""
    for code, word in vocabulary().items():
        yield Text(word.sentence, code.name)
    for rule in (*rules(), *LIKENESS_RULES.values(), *DEFAULTS):
        for text in filter(None, (rule.say, rule.note)):
            yield Text(text, rule.id)
    for code, entries in read().entries.items():
        for entry in entries:
            for text in (entry.sentence, entry.cause, *entry.actions):
                if text:
                    yield Text(text, code.name)
    yield from _of_codes()
    for source, reporter in read().reporters.items():
        yield Text(reporter, source)
    for reason in REASONS:
        yield Text(reason, "explain")
    for state in dict.fromkeys(STATES.values()):
        yield Text(state, "state", "state")
    yield Text(".", "number", "decimal sign")


def _of_codes() -> Iterator[Text]:
    for table in TABLES:
        for one in codes(table):
            for text in one.texts:
                yield Text(text, f"{table} {one.code}")
