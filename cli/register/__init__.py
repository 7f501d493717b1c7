"""``virtcim register``: have OpenPegasus or sfcb serve the providers."""

from __future__ import annotations

import typer

from virtcim.cli.helptext import Command
from virtcim.cli.register.pegasus import register_pegasus
from virtcim.cli.register.sfcb import register_sfcb

__all__ = ["app", "register"]

app = typer.Typer(
    help=(
        "Have a CIM server that is there already serve the virtual machines: OpenPegasus or sfcb."
        "\n\nExample: virtcim register pegasus --dry-run"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("pegasus", cls=Command)(register_pegasus)
app.command("sfcb", cls=Command)(register_sfcb)


def register(application: typer.Typer) -> None:
    """Add the command group ``register``."""
    application.add_typer(app, name="register")
