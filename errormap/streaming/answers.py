"""Answers to lines, remembered by shape: what comes often is not worked out anew."""

from __future__ import annotations

from collections.abc import Callable

from virtcim.errormap.numbers import asked_for
from virtcim.errormap.streaming.shapes import Shape, shape_of
from virtcim.errormap.streaming.templates import Template, template_of

__all__ = ["Answers"]

# Of each shape a line and its answer are kept: mostly less than two kilobytes.
_MOST_SHAPES = 4096
# Trying out a template takes three answers: it pays where more lines of the shape are to come.
_OFTEN = 3


class Answers:
    """What ``answer`` says to each line, in a fraction of its time where lines are much alike.

    ``answer`` begins with the record's id, and must depend on nothing but the line.
    """

    def __init__(self, answer: Callable[[bytes], str]) -> None:
        self._answer = answer
        # How often a shape came, until it came often; then its template, or None for no template.
        self._known: dict[tuple[object, ...], int | Template | None] = {}

    def __len__(self) -> int:
        """How many shapes are known."""
        return len(self._known)

    def to(self, line: bytes) -> str:
        """The answer to ``line``, which is answered whatever it holds."""
        try:
            shape = shape_of(line.decode())
        except UnicodeDecodeError:
            shape = None
        if shape is None:
            return self._answer(line)
        known = self._known.get(shape.key, 0)
        template = self._counted(shape, known + 1) if isinstance(known, int) else known
        if template is None or not asked_for().isdisjoint(shape.values):
            return self._answer(line)
        return f'{{"id": {shape.identifier}{template.filled(shape.values)}'

    def _counted(self, shape: Shape, times: int) -> Template | None:
        """The template of a shape that came so many times, where it has one by now."""
        if len(self._known) >= _MOST_SHAPES:
            self._known.clear()
        if times < _OFTEN or not asked_for().isdisjoint(shape.values):
            self._known[shape.key] = times
            return None
        template = template_of(shape, lambda line: self._answer(line.encode()))
        self._known[shape.key] = template
        return template
