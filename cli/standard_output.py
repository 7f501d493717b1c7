"""What a command writes to standard output, and how it ends where that cannot be written."""

from __future__ import annotations

import typer

from virtcim.cli.output import OutputError, write

__all__ = ["put_out"]


def put_out(program: str, text: str) -> None:
    """Write and flush; a reader that has gone away ends the command quietly. Raises typer.Exit."""
    try:
        write(text)
    except OutputError as error:
        if error.reason:
            typer.echo(f"{program}: {error.reason}", err=True)
        raise typer.Exit(error.status) from error
