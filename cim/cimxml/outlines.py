"""Texts with places for values: putting one together is three times faster than to format it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["PLACE", "Outline", "outline", "put_together"]

# What is the same, with an empty text for each value between.
Outline = list[str]

# What XML cannot carry, so that no text has it.
PLACE = "\0"


def outline(text: str) -> Outline:
    """The outline of a text in which PLACE stands for each value."""
    pieces = text.split(PLACE)
    found = [""] * (2 * len(pieces) - 1)
    found[::2] = pieces
    return found


def put_together(outline: Outline, values: Sequence[str]) -> str:
    """The text with these values."""
    pieces = outline.copy()
    pieces[1::2] = values
    return "".join(pieces)
