"""``virtcim register``: have OpenPegasus or sfcb serve the providers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from virtcim.cli.helptext import Command
from virtcim.cli.registering import Mode, Output, served_namespaces, wanted_model
from virtcim.cli.startup import default_state_directory
from virtcim.providers import INTEROP
from virtcim.registration import Command as ToolCommand
from virtcim.registration import (
    Finding,
    Model,
    Receipt,
    ToolError,
    ToolMissingError,
    find_tool,
    library_in,
    pegasus,
    read_receipt,
    run_command,
    sfcb,
)
from virtcim.registration.pegasus.registering import RECEIPT as PEGASUS_RECEIPT
from virtcim.registration.sfcb.registering import RECEIPT as SFCB_RECEIPT

__all__ = ["app", "register"]

_LIBRARIES = Path("/usr/lib64/cmpi")
_PEGASUS = "OpenPegasus (tog-pegasus)"
_SFCB = "sfcb (sblim-sfcb)"
# Each field is a program of that name.
_Programs = TypeVar("_Programs", pegasus.Tools, sfcb.Tools)

app = typer.Typer(
    help=(
        "Have a CIM server that is there already serve the virtual machines: OpenPegasus or sfcb."
        "\n\nExample: virtcim register pegasus --dry-run"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Check = Annotated[
    bool,
    typer.Option(
        "--check", help="Only say what is not as it should be; the status is 1 if anything is not."
    ),
]
_Remove = Annotated[
    bool, typer.Option("--remove", help="Take back everything that was registered, nothing else.")
]
_DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print each file, whole, and each command, and do nothing. Needs no CIM server.",
    ),
]
_Hypervisor = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME or [NAME=]URL as virtcim serve has it: which namespaces there are. "
        "By default those of the configuration. May be repeated.",
        metavar="NAME",
    ),
]
_Config = Annotated[
    Path | None,
    typer.Option(
        help="TOML file whose table `serve` names the hypervisors; /etc/virtcim/virtcim.toml by "
        "default, where it exists.",
        metavar="FILE",
    ),
]
_Tools = Annotated[
    Path | None,
    typer.Option(
        help="Directory with the server's programs, instead of the search path.", metavar="DIR"
    ),
]
_Directory = Annotated[
    Path | None,
    typer.Option(
        help="Where the generated files are kept, and what was made; `registration` in the state "
        "directory by default.",
        metavar="DIR",
    ),
]
_LibraryDirectory = Annotated[
    Path | None,
    typer.Option(
        help="Where the server finds the library of the providers; it is built there.",
        metavar="DIR",
    ),
]
_RunAs = Annotated[
    str,
    typer.Option(
        help="User whom the providers run as; the server's own by default.", metavar="USER"
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]


def register(application: typer.Typer) -> None:
    """Add the command group ``register``."""
    application.add_typer(app, name="register")


@app.command("pegasus", cls=Command)
def register_pegasus(
    check: _Check = False,
    remove: _Remove = False,
    dry_run: _DryRun = False,
    interop: Annotated[
        str,
        typer.Option(
            help="The namespace with the registrations of providers; found out by default.",
            metavar="NAMESPACE",
        ),
    ] = "",
    hypervisor: _Hypervisor = None,
    config: _Config = None,
    run_as: _RunAs = "",
    tools: _Tools = None,
    library_directory: _LibraryDirectory = None,
    directory: _Directory = None,
    as_json: _Json = False,
) -> None:
    """Register the providers with an OpenPegasus that runs, or bring their registration up to date.

    Classes that the server has are not compiled again; where one of them is other than ours, that
    is said. When a program fails, what was done until then is taken back.

    Example: virtcim register pegasus --check
    """
    output = Output("pegasus", Mode.of(check=check, remove=remove, dry_run=dry_run), as_json)
    with output.failures():
        names, findings = served_namespaces("pegasus", hypervisor, config)
        place = directory or default_state_directory() / "registration"
        receipt = _receipt(place, PEGASUS_RECEIPT, SFCB_RECEIPT)
        asked = _ask_pegasus(tools, interop, (*names, *receipt.made), output)
        if library_directory is None:
            library_directory = _LIBRARIES if asked.unasked else _provider_directory(tools)
        settings = pegasus.PegasusSettings(
            tools=asked.tools,
            directory=place,
            interop=asked.interop,
            library=library_in(library_directory, asked.interop),
            version=importlib.metadata.version("virtcim"),
            user=run_as,
        )
        model = wanted_model(names, asked.interop)
        if remove:
            kinds, kept = model.schema.qualifiers, _removed(receipt, place, SFCB_RECEIPT)
            plan = pegasus.pegasus_removal(kinds, asked.state, settings, kept)
        else:
            plan = pegasus.pegasus_plan(model, asked.state, settings, receipt)
        assumed = _assumed("OpenPegasus", asked.unasked, "as if it had none of the classes")
        plan = replace(plan, findings=(*findings, *assumed, *plan.findings))
        outcome = output.carry_out(plan, {"interop": asked.interop, "namespaces": list(names)})
    raise typer.Exit(outcome)


@app.command("sfcb", cls=Command)
def register_sfcb(
    check: _Check = False,
    remove: _Remove = False,
    dry_run: _DryRun = False,
    interop: Annotated[
        str, typer.Option(help="What the server calls its interop namespace.", metavar="NAMESPACE")
    ] = INTEROP,
    hypervisor: _Hypervisor = None,
    config: _Config = None,
    run_as: _RunAs = "",
    tools: _Tools = None,
    stage: Annotated[
        Path | None, typer.Option(help="sfcb's staging directory.", metavar="DIR")
    ] = None,
    registration: Annotated[
        Path | None, typer.Option(help="sfcb's registration directory.", metavar="DIR")
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(help="Directory with the CIM schema that sfcb compiles.", metavar="DIR"),
    ] = None,
    library_directory: _LibraryDirectory = None,
    directory: _Directory = None,
    as_json: _Json = False,
) -> None:
    """Register the providers with sfcb, or bring their registration up to date.

    The files are staged and sfcb's repository is made anew, while sfcb is stopped or before it is
    restarted. Instances that clients made are kept. When a program fails, what was done until then
    is taken back.

    Example: virtcim register sfcb --dry-run --hypervisor lab
    """
    output = Output("sfcb", Mode.of(check=check, remove=remove, dry_run=dry_run), as_json)
    with output.failures():
        names, findings = served_namespaces("sfcb", hypervisor, config)
        packaged = sfcb.packaged_directories()
        places = sfcb.Directories(
            stage=stage or packaged.stage,
            registration=registration or packaged.registration,
            schema=schema or packaged.schema,
        )
        place = directory or default_state_directory() / "registration"
        receipt = _receipt(place, SFCB_RECEIPT, PEGASUS_RECEIPT)
        model = wanted_model(names, interop)
        everything = tuple(dict.fromkeys((*names, interop, *receipt.made)))
        found, unasked = _programs(sfcb.Tools, _SFCB, tools, output)
        state, unread = _sfcb_state(everything, places, model, output)
        settings = sfcb.SfcbSettings(
            tools=found,
            directory=place,
            places=places,
            is_packaged=stage is registration is schema is None,
            library=library_in(library_directory or _LIBRARIES, interop),
            user=run_as,
        )
        if remove:
            kept = _removed(receipt, place, PEGASUS_RECEIPT)
            plan = sfcb.sfcb_removal(everything, state, settings, kept)
        else:
            plan = sfcb.sfcb_plan(model, state, settings, receipt)
        assumed = _assumed(
            "sfcb", unasked or unread, "as if it had the DMTF's classes and nothing of ours"
        )
        plan = replace(plan, findings=(*findings, *assumed, *plan.findings))
        outcome = output.carry_out(plan, {"interop": interop, "namespaces": list(names)})
    raise typer.Exit(outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What an OpenPegasus said, or why it could not be asked and is taken for an empty one."""

    tools: pegasus.Tools
    interop: str
    state: pegasus.PegasusState = pegasus.PegasusState()  # noqa: RUF009 - frozen
    unasked: str = ""


def _ask_pegasus(
    directory: Path | None, interop: str, namespaces: Sequence[str], output: Output
) -> _Asked:
    """Ask for ``namespaces`` and the interop namespace, which is found out if it is empty."""
    tools, unasked = _programs(pegasus.Tools, _PEGASUS, directory, output)
    if unasked:
        return _Asked(tools=tools, interop=interop or INTEROP, unasked=unasked)
    server = pegasus.PegasusServer(tools, run_command)
    try:
        found = server.interop_namespace(interop)
    except ToolError as error:
        if not output.mode.only_shown:
            raise
        return _Asked(tools=tools, interop=interop or INTEROP, unasked=str(error))
    state = server.state(dict.fromkeys((*namespaces, found)), found, pegasus.MODULE)
    return _Asked(tools=tools, interop=found, state=state)


def _sfcb_state(
    namespaces: Sequence[str], places: sfcb.Directories, model: Model, output: Output
) -> tuple[sfcb.SfcbState, str]:
    """What an sfcb has, or what it is taken to have and why."""
    try:
        return sfcb.sfcb_state(namespaces, places), ""
    except OSError as error:
        if not output.mode.only_shown:
            raise
        return sfcb.assumed_state(model), str(error)


def _programs(
    tools: type[_Programs], server: str, directory: Path | None, output: Output
) -> tuple[_Programs, str]:
    """The programs, or their names and why they are not there, where nothing is run anyway."""
    try:
        found = {one.name: find_tool(one.name, server, directory) for one in fields(tools)}
    except ToolMissingError as error:
        if not output.mode.only_shown:
            raise
        return tools(), str(error)
    return tools(**found), ""


def _provider_directory(tools: Path | None) -> Path:
    """Where OpenPegasus looks for libraries: one for CMPI if there is one. Raises ToolError."""
    try:
        cimconfig = find_tool("cimconfig", _PEGASUS, tools)
    except ToolMissingError:
        return _LIBRARIES
    answer = run_command(ToolCommand(words=(cimconfig, "-g", "providerDir", "-c")))
    places = [Path(one) for one in answer.rpartition(": ")[2].strip().split(":")]
    usable = [place for place in places if place.is_absolute()]
    return next((place for place in usable if place.name == "cmpi"), (*usable, _LIBRARIES)[0])


def _receipt(directory: Path, own: str, other: str) -> Receipt:
    """What was made before; a library that was built for the other server counts as ours, too."""
    receipt = read_receipt(directory / own)
    library = receipt.library or read_receipt(directory / other).library
    return replace(receipt, library=library)


def _removed(receipt: Receipt, directory: Path, other: str) -> Receipt:
    """The receipt without a library that the other server still needs."""
    return replace(receipt, library="") if (directory / other).exists() else receipt


def _assumed(server: str, unasked: str, taken: str) -> Sequence[Finding]:
    if not unasked:
        return ()
    return (Finding(kind="assumed", name=server, text=f"{taken}: {unasked}"),)
