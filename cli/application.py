"""The typer application of the ``virtcim`` command."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping

import typer

__all__ = ["run"]

_PACKAGE = "virtcim.cli"


def run(given: list[str], commands: Mapping[str, str], told: object = None) -> None:
    """Run what the words on the command line say; ``commands`` gives a summary of each.

    ``told`` is what the command finds as the object of its context.
    """
    wanted = next((word for word in given if not word.startswith("-")), None)
    application = typer.Typer(
        name="virtcim",
        help="Virtual machines for CIM/WBEM consoles, with one vocabulary for every fault.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    application.callback()(_options)
    for name, summary in commands.items():
        if importlib.util.find_spec(f"{_PACKAGE}.{name}") is None:
            continue
        if name == wanted:
            importlib.import_module(f"{_PACKAGE}.{name}").register(application)
        else:
            application.command(name, help=summary)(_listed_only)
    application(args=given, prog_name="virtcim", obj=told)


def _listed_only() -> None:
    """Stands in the help for a command whose module this command line does not need."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from virtcim.errormap import TABLE_VERSION

        typer.echo(f"virtcim {importlib.metadata.version('virtcim')}")
        typer.echo(f"error table {TABLE_VERSION}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the versions of the program and of its error table.",
        callback=_show_version,
        is_eager=True,
    ),
) -> None:
    pass
