"""``virtcim schema``: fetch and compile the DMTF CIM schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from virtcim.cli.helptext import Command
from virtcim.mof import SYSTEM_CACHE, SchemaError, cache_directory, ensure_schema, load_schema

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command ``schema``."""
    app.command("schema", cls=Command)(_schema)


def _schema(
    file: Annotated[
        Path | None,
        typer.Option(help="The archive (zip) of MOF files of the DMTF CIM schema 2.49."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch and compile again.")] = False,
    system: Annotated[
        bool,
        typer.Option(
            "--system", help=f"Keep it in {SYSTEM_CACHE}, for users who have none of their own."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Fetch the DMTF CIM schema and compile it with our classes into the cache.

    Does nothing when that was done before. The cache is $VIRTCIM_CACHE, else
    $XDG_CACHE_HOME/virtcim, else ~/.cache/virtcim; $VIRTCIM_CIM_SCHEMA may stand for --file.

    Example: virtcim schema --force
    """
    try:
        directory = SYSTEM_CACHE if system else cache_directory()
        path = ensure_schema(directory, progress=_report, file=file, force=force)
        schema = load_schema(directory)
    except SchemaError as error:
        typer.echo(f"virtcim schema: {error}", err=True)
        raise typer.Exit(1) from error
    summary = {
        "path": str(path),
        "classes": len(schema.classes),
        "qualifiers": len(schema.qualifiers),
    }
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(f"{path}: {summary['classes']} classes, {summary['qualifiers']} qualifiers")


def _report(step: str) -> None:
    typer.echo(f"virtcim schema: {step}", err=True)
