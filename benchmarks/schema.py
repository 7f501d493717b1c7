"""What reading the compiled schema costs: every start of the CIM server does it once."""

from __future__ import annotations

from typing import Annotated

import typer
from measurement import Recorder
from report import Progress, as_json, print_table

from virtcim.mof import Schema, load_schema

_TARGET_S = 0.500

app = typer.Typer(rich_markup_mode=None)


@app.command()
def main(
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions.")] = 10,
    as_json_object: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times are in seconds.")
    ] = False,
) -> None:
    """Measure how long the schema takes to load from its cache (`virtcim schema` makes it)."""
    with Progress() as progress:
        recorder = Recorder(progress.step)
        recorder.repeat("load_schema", load_schema, _check, times=repeat, target_s=_TARGET_S)
    if as_json_object:
        typer.echo(as_json(recorder.measurements))
    else:
        print_table("Loading the schema", recorder.measurements)


def _check(schema: Schema) -> None:
    if schema.canonical("virtcim_computersystem") != "VirtCIM_ComputerSystem":
        raise RuntimeError("the schema does not hold the classes of virtcim")


if __name__ == "__main__":
    app()
