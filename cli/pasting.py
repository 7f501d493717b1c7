"""Showing what a pasted log holds: each fault once, with the lines where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from virtcim.cli import explanation as shown
from virtcim.errormap import Explanation
from virtcim.errormap.telling.language import catalogue

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Seen", "as_object", "as_text", "on_terminal"]

_LINES_SHOWN = 20


class Seen(NamedTuple):
    """One fault of a log: the lines where it begins, and how it was decided."""

    lines: Sequence[int]
    explanation: Explanation


def as_object(seen: Seen, language: str) -> dict[str, object]:
    """All that is known of one fault, for programs."""
    return {
        "lines": list(seen.lines),
        "count": len(seen.lines),
        **shown.as_object(seen.explanation, language),
    }


def as_text(found: Sequence[Seen], language: str) -> str:
    """Lines of label and text for each fault, an empty line between them."""
    label = catalogue(language).gettext(shown.LINES)
    return "\n".join(
        f"{label:<{shown.LABEL_WIDTH}} {_numbers(seen.lines)}\n"
        + shown.as_text(seen.explanation, language)
        for seen in found
    )


def on_terminal(found: Sequence[Seen], language: str) -> RenderableType:
    """The same with colours, a rule with the lines above each fault."""
    from rich.console import Group
    from rich.rule import Rule

    label = catalogue(language).gettext(shown.LINES)
    parts: list[RenderableType] = []
    for seen in found:
        parts.append(Rule(f"{label} {_numbers(seen.lines)}", align="left", style="cyan"))
        parts.append(shown.on_terminal(seen.explanation, language))
    return Group(*parts)


def _numbers(lines: Sequence[int]) -> str:
    """``3``, or ``3, 7, 9 (3x)`` for a fault that stands there more than once."""
    shown_lines = ", ".join(map(str, lines[:_LINES_SHOWN]))
    more = ", ..." if len(lines) > _LINES_SHOWN else ""
    return f"{shown_lines}{more} ({len(lines)}x)" if len(lines) > 1 else shown_lines
