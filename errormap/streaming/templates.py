"""Templates of answers: what an answer to a line of some shape is, whatever its values are.

A template is made by trying: lines of the shape are answered with made-up values, and the places
where these come out again are the template's. It is one only if further lines, with values that
differ in every digit, are answered exactly as it would be filled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from virtcim.errormap.numbers import may_mean_something
from virtcim.errormap.rules import UNITS
from virtcim.errormap.streaming.shapes import ANY_ID, NO_ID, Shape, shape_of, with_id
from virtcim.errormap.telling.filling import size
from virtcim.errormap.telling.language import ENGLISH

__all__ = ["Template", "template_of"]

_AS_IT_IS = ""
# Of what made-up identifiers and numbers consist, in each trial.
_FILLING = ("b8", "e5")
_Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Template:
    """An answer without its id: every second of ``texts`` is a place that a value comes out in.

    ``places`` say for each of them which value, and in which unit it is shown as a size.
    """

    texts: Sequence[str]
    places: Sequence[_Place]

    def filled(self, values: Sequence[str]) -> str:
        """What follows the id in the answer to a line with ``values``."""
        texts = [*self.texts]
        texts[1::2] = [
            size(values[number], unit, ENGLISH) if unit else values[number]
            for number, unit in self.places
        ]
        return "".join(texts)


def template_of(shape: Shape, answer: Callable[[str], str]) -> Template | None:
    """The template of what ``answer`` says to lines of ``shape``; None where there is none."""
    if any(map(may_mean_something, shape.texts[:-1])) or not _is_record(shape):
        return None
    head = _head(ANY_ID if shape.identifier != NO_ID else NO_ID)
    made_up, others = _made_up(shape, 0), _made_up(shape, 1)
    template = _cut(answer(shape.line(made_up)).removeprefix(head), made_up)
    for values in (others, shape.values):
        line = shape.line(values)
        alike = shape_of(line)
        if alike is None or alike.key != shape.key:
            return None
        if answer(line) != f"{head}{template.filled(values)}":
            return None
    return template


def _head(identifier: str) -> str:
    return f'{{"id": {identifier}'


def _is_record(shape: Shape) -> bool:
    """Whether a line of ``shape`` is an object that has an id just where one was taken out."""
    line = shape.line(shape.values)
    try:
        identifier = _identifier(line)
        if shape.identifier == NO_ID:
            return identifier is None
        return identifier == 0 and _identifier(with_id(line, "1")) == 1
    except (ValueError, RecursionError):
        return False


def _identifier(line: str) -> object:
    record = json.loads(line, parse_float=_short)
    if not isinstance(record, dict):
        raise ValueError("no object")
    return record.get("id")


def _short(number: str) -> float:
    """A fraction with few digits: one with many is answered in other digits."""
    if re.search(r"[0-9]{4}", number):
        raise ValueError(number)
    return float(number)


def _made_up(shape: Shape, trial: int) -> list[str]:
    """Values of the same kinds, equal where those of ``shape`` are, other ones in each trial."""
    found = []
    for value, kind in zip(shape.values, shape.kinds, strict=True):
        number = shape.values.index(value)
        begin = f"{'0' if kind < 0 else ''}{2 + (number + 4 * trial) % 8}{number + 50 * trial:02}"
        rest = re.sub("[0-9a-f]", _FILLING[trial][value.isdecimal()], value)
        found.append(f"{begin}{rest[len(begin) :]}")
    return found


def _cut(answer: str, values: Sequence[str]) -> Template:
    """``answer`` with places where one of ``values`` comes out."""
    shown: dict[str, _Place] = {}
    for number, value in enumerate(values):
        shown.setdefault(value, (number, _AS_IT_IS))
        for unit in UNITS if value.isdecimal() else ():
            shown.setdefault(size(value, unit, ENGLISH), (number, unit))
    longest_first = sorted(map(re.escape, shown), key=len, reverse=True)
    texts = re.split(f"({'|'.join(longest_first)})", answer) if shown else [answer]
    return Template(texts, [shown[text] for text in texts[1::2]])
