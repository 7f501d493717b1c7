"""The ``virtcim`` command.

Each sub-command is a module of this package with one function ``register(app: typer.Typer)``,
which adds its command (or its own ``typer.Typer``) under the module's name. Only the module that
the command line names is imported, so that ``virtcim errormap`` never pays for libvirt or the CIM
server; the others appear in ``--help`` by the line in ``COMMANDS`` alone. A module that is not
installed is simply not offered. The toolstack, `errormap explain` and `errormap translate` start
without typer where their command line is plain.
"""

from __future__ import annotations

import sys

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "errormap": "Explain, list, compare, export and translate hypervisor faults.",
    "register": "Have OpenPegasus or sfcb serve the virtual machines.",
    "schema": "Fetch and compile the DMTF CIM schema.",
    "serve": "Serve virtual machines to CIM clients.",
    "toolstack": "Serve the XML-RPC management API over libvirt.",
    "users": "Say who may log in, and what they may do.",
}


def main(arguments: list[str] | None = None) -> None:
    """Run the ``virtcim`` command with ``arguments`` (the process's own by default)."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:2] == ["errormap", "explain"]:
        from virtcim.cli.quick import explain

        answered = explain(given)
        if answered is not None:
            raise SystemExit(answered)
    if given == ["errormap", "translate"]:
        from virtcim.cli.translating import translate_input

        try:
            status = translate_input()
        except KeyboardInterrupt:
            status = 1  # as typer ends then
        raise SystemExit(status)
    if given[:1] == ["toolstack"]:
        from virtcim.cli.plain import plain_arguments

        plain = plain_arguments(given[1:])
        if plain is not None:
            from virtcim.cli.toolstack_daemon import run_toolstack

            try:
                status = run_toolstack(plain)
            except KeyboardInterrupt:
                status = 1  # as typer ends then
            raise SystemExit(status)
    from virtcim.cli.application import run

    run(given, COMMANDS)
