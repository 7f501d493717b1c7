"""Faults in a piece of a log that a person pastes: found, each once, with the lines they stand on.

Texts of any length and content are looked through in bounded time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.found import Found
from virtcim.errormap.forms.log_forms import FINDERS

__all__ = ["LONGEST_TEXT", "Pasted", "pasted"]

LONGEST_TEXT = 32 * 1024 * 1024
_LONGEST_LINE = 64 * 1024
_MOST_OF_A_FORM = 5_000


class Pasted(NamedTuple):
    """One fault and the numbers, from 1, of the lines where it begins: one for each time."""

    lines: tuple[int, ...]
    fault: Fault


def pasted(text: str, operation: str = "") -> list[Pasted]:
    """The faults that ``text`` holds, in the order of their first lines, equal ones together.

    ``operation`` is the management call that the log is about, where it is known. Where two forms
    are found at the same place, the one that takes more of the text counts.
    """
    text = _with_bounded_lines(text[:LONGEST_TEXT])
    breaks = [match.start() for match in re.finditer("\n", text)]
    times: dict[tuple[str, ...], _Times] = {}
    last = -1
    for found in sorted(_all(text, operation), key=lambda one: (one.begin, -one.end)):
        if found.begin < last:
            continue
        last = found.end
        line = bisect_right(breaks, found.begin - 1) + 1
        spelling = text[found.begin : found.begin + _SPELLING]
        times.setdefault(_key(found.fault), _Times(found.fault)).add(line, spelling)
    return [Pasted(tuple(one.lines), one.fault) for one in times.values()]


# One report of a client holds its error in several spellings, one below the other.
_SPELLING = 10
_LINES_OF_A_REPORT = 8


class _Times:
    """When one fault was seen; another spelling of it just below is no second time."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.lines: list[int] = []
        self._spelling = ""

    def add(self, line: int, spelling: str) -> None:
        """Count it once more, unless it is the same report."""
        near = bool(self.lines) and line - self.lines[-1] <= _LINES_OF_A_REPORT
        if near and spelling != self._spelling:
            return
        self.lines.append(line)
        self._spelling = spelling


def _with_bounded_lines(text: str) -> str:
    if len(text) <= _LONGEST_LINE:
        return text
    half = _LONGEST_LINE // 2
    return "\n".join(
        line if len(line) <= _LONGEST_LINE else f"{line[:half]} {line[-half:]}"
        for line in text.split("\n")
    )


_SEPARATORS = re.compile(r"[\s,;]+")
_STAMPS = re.compile(r"\d{4}-\d\d-\d\d[T ][0-9:.,]{8,20}(?:Z|[+-]\d\d:?\d\d)?")


def _key(fault: Fault) -> tuple[str, ...]:
    """What makes two faults one for a reader: clients print the same words parted differently."""
    words = "".join(fault.arguments) + _STAMPS.sub("", fault.text if fault.source != "xapi" else "")
    return fault.source, fault.code, _SEPARATORS.sub("", words)


def _all(text: str, operation: str) -> Iterator[Found]:
    for finder in FINDERS:
        yield from islice(finder(text, operation), _MOST_OF_A_FORM)
