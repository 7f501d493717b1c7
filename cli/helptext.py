"""The help of one command: every option a heading with what it means below it.

Typer's own table gives five columns to the options, so that long values are cut off at 80 columns.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["Command"]

_INDENT = 4
# What typer puts between the meaning of an option and its variable, default and range.
_BEFORE_EXTRAS = "  ["
_STYLES = {
    r"(?<!\S)--?[a-z][\w-]*": "bold cyan",
    r"<[^>]+>": "yellow",
}


class Command(TyperCommand):
    """A command whose help can be read in narrow windows: nothing is cut off."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - printed directly
        """Print usage, description, arguments and options."""
        from rich.console import Console
        from rich.padding import Padding
        from rich.panel import Panel

        console = Console(highlight=False)
        console.print(Padding(_styled(self.get_usage(ctx), "bold"), 1))
        console.print(Padding(_styled(_flowing(self.help or "")), (0, 1, 1, 1)))
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            records = [
                record
                for parameter in self.get_params(ctx)
                if parameter.param_type_name == kind
                and (record := parameter.get_help_record(ctx)) is not None
            ]
            if records:
                console.print(
                    Panel(_described(records), title=title, title_align="left", border_style="dim")
                )


def _flowing(text: str) -> str:
    """The paragraphs without the ends of lines that they have in the source."""
    return "\n\n".join(
        paragraph.replace("\n", " ") for paragraph in inspect.cleandoc(text).split("\n\n")
    )


def _described(records: list[tuple[str, str]]) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding

    def lines() -> Iterator[RenderableType]:
        for heading, meaning in records:
            yield _styled(heading, "bold cyan")
            words, before, extras = meaning.rpartition(_BEFORE_EXTRAS)
            yield Padding(_styled(words if before else meaning), (0, 0, 0, _INDENT))
            if before:
                yield Padding(_styled(f"[{extras}", "dim"), (0, 0, 0, _INDENT))

    return Group(*lines())


def _styled(text: str, style: str = "") -> Text:
    from rich.text import Text

    styled = Text(text, style=style, overflow="fold")
    for pattern, found in _STYLES.items():
        styled.highlight_regex(pattern, found)
    return styled
