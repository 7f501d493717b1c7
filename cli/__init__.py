"""The ``virtcim`` command.

Each sub-command is a module of this package with one function ``register(app: typer.Typer)``,
which adds its command (or its own ``typer.Typer``) under the module's name. Only the module that
the command line names is imported, so that ``virtcim errormap`` never pays for libvirt or the CIM
server; the others appear in ``--help`` by the line in ``COMMANDS`` alone. A module that is not
installed is simply not offered.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys

import typer

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "errormap": "Explain, list, compare, export and translate hypervisor faults.",
    "schema": "Fetch and compile the DMTF CIM schema.",
    "serve": "Serve virtual machines to CIM clients.",
    "toolstack": "Serve the XML-RPC management API over libvirt.",
}


def main(arguments: list[str] | None = None) -> None:
    """Run the ``virtcim`` command with ``arguments`` (the process's own by default)."""
    given = sys.argv[1:] if arguments is None else arguments
    wanted = next((word for word in given if not word.startswith("-")), None)
    application = typer.Typer(
        name="virtcim",
        help="Virtual machines for CIM/WBEM consoles, with one vocabulary for every fault.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    application.callback()(_options)
    for name, summary in COMMANDS.items():
        if importlib.util.find_spec(f"{__name__}.{name}") is None:
            continue
        if name == wanted:
            importlib.import_module(f"{__name__}.{name}").register(application)
        else:
            application.command(name, help=summary)(_listed_only)
    application(args=given, prog_name="virtcim")


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
