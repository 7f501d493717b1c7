"""The shape of a line: what is left of it when its id and its values are taken out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from virtcim.errormap.reading.values import parted

__all__ = ["ANY_ID", "NO_ID", "Shape", "shape_of", "with_id"]

_LONGEST_LINE = 4096
_MOST_VALUES = 36
# What stands for a record's id in its shape, and what a record without one is answered with.
ANY_ID = "0"
NO_ID = "null"
# An id that is the same in an answer as in its record, character by character.
_ID = re.compile(r'"id"\s*:\s*("[ !#-\[\]-~]*"|(?:0|-?[1-9][0-9]{0,18})(?=\s*[,}]))')


class Shape(NamedTuple):
    """A line that was taken apart.

    ``key`` is equal for all lines of one shape: the texts around the values, between them of what
    kind each value is, and last which of them are equal. ``identifier`` is the record's id as JSON
    spells it, ``values`` are all others.
    """

    key: tuple[object, ...]
    identifier: str
    values: list[str]

    @property
    def texts(self) -> tuple[str, ...]:
        """What stands before, between and behind the values."""
        return tuple(part for part in self.key if isinstance(part, str))

    @property
    def kinds(self) -> tuple[int, ...]:
        """Of what kind each value is."""
        return tuple(part for part in self.key if isinstance(part, int))

    def line(self, values: Sequence[str]) -> str:
        """The line of this shape with other values, and ANY_ID where it has an id."""
        pairs = zip(self.texts, (*values, ""), strict=True)
        return "".join(f"{text}{value}" for text, value in pairs)


def shape_of(line: str) -> Shape | None:
    """The shape of ``line``; None for one that is answered by itself."""
    if len(line) > _LONGEST_LINE:
        return None
    identifier = NO_ID
    found = _ID.search(line)
    if found is not None:
        begin, end = found.span(1)
        identifier = line[begin:end]
        line = f"{line[:begin]}{ANY_ID}{line[end:]}"
    parts, values = parted(line)
    if len(values) > 1:
        equal = _equal(values)
        if equal is None:
            return None
        parts.append(equal)
    return Shape(tuple(parts), identifier, values)


def with_id(line: str, identifier: str) -> str:
    """``line`` with another id in the place that ``shape_of`` takes for the id's."""
    found = _ID.search(line)
    assert found is not None
    return f"{line[: found.start(1)]}{identifier}{line[found.end(1) :]}"


def _equal(values: list[str]) -> tuple[int, ...] | None:
    """Where the first equal of each value is; None where one value is a part of another.

    A text that holds another one is told differently, whatever the values are.
    """
    if len(values) > _MOST_VALUES:
        return None
    distinct = dict.fromkeys(values)
    together = " ".join(distinct)
    for value in distinct:
        if together.count(value) > 1:
            return None
    return () if len(distinct) == len(values) else tuple(map(values.index, values))
