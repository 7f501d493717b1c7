"""``virtcim register pegasus``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from virtcim.cli.register.machine import provider_user, unready
from virtcim.cli.register.options import (
    CheckOption,
    ConfigOption,
    DirectoryOption,
    DryRunOption,
    HypervisorOption,
    JsonOption,
    LibraryDirectoryOption,
    RemoveOption,
    RunAsOption,
    ToolsOption,
)
from virtcim.cli.register.output import Mode, Output
from virtcim.cli.register.server import (
    LIBRARIES,
    assumed,
    known_receipt,
    programs,
    receipt_to_take_back,
    staying,
)
from virtcim.cli.register.wanted import schema_of_machine, served_namespaces, wanted_schema
from virtcim.cli.startup import default_state_directory
from virtcim.providers import INTEROP
from virtcim.registration import Command as ToolCommand
from virtcim.registration import (
    Finding,
    Model,
    Plan,
    Receipt,
    ToolError,
    ToolMissingError,
    find_tool,
    library_in,
    model,
    pegasus,
    run_command,
)
from virtcim.registration.pegasus.registering import RECEIPT
from virtcim.registration.sfcb.registering import RECEIPT as SFCB_RECEIPT

__all__ = ["register_pegasus"]

_SERVER = "OpenPegasus (tog-pegasus)"
_PROGRAM = "cimserver"


def register_pegasus(
    check: CheckOption = False,
    remove: RemoveOption = False,
    dry_run: DryRunOption = False,
    interop: Annotated[
        str,
        typer.Option(
            help="The namespace with the registrations of providers; found out by default.",
            metavar="NAMESPACE",
        ),
    ] = "",
    hypervisor: HypervisorOption = None,
    config: ConfigOption = None,
    run_as: RunAsOption = "",
    tools: ToolsOption = None,
    library_directory: LibraryDirectoryOption = None,
    directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register the providers with an OpenPegasus that runs, or bring their registration up to date.

    Classes that the server has are not compiled again; where one of them is other than ours, that
    is said. When a program fails, what was done until then is taken back.

    Example: virtcim register pegasus --check
    """
    output = Output("pegasus", Mode.of(check=check, remove=remove, dry_run=dry_run), as_json)
    with output.failures(), wanted_schema(output.say) as schema:
        names, findings = served_namespaces("pegasus", hypervisor, config)
        findings += () if remove else unready(provider_user(run_as, _PROGRAM), config)
        place = directory or default_state_directory() / "registration"
        receipt = known_receipt(place, RECEIPT, SFCB_RECEIPT)
        asked = _ask(tools, interop, (*names, *receipt.made), output)
        if library_directory is None:
            library_directory = LIBRARIES if asked.unasked else _provider_directory(tools)
        settings = pegasus.PegasusSettings(
            tools=asked.tools,
            directory=place,
            interop=asked.interop,
            library=library_in(library_directory, asked.interop),
            schema=schema_of_machine(),
            version=importlib.metadata.version("virtcim"),
            user=run_as,
        )
        wanted = model(schema, names, asked.interop)
        if output.mode.is_removal:
            plan = _removal(wanted, asked.state, settings, receipt)
        else:
            plan = pegasus.pegasus_plan(wanted, asked.state, settings, receipt)
        untold = assumed("OpenPegasus", asked.unasked, "as if it had none of the classes")
        plan = replace(plan, findings=(*findings, *untold, *plan.findings))
        outcome = output.carry_out(plan, {"interop": asked.interop, "namespaces": list(names)})
    raise typer.Exit(outcome)


def _removal(
    wanted: Model,
    state: pegasus.PegasusState,
    settings: pegasus.PegasusSettings,
    receipt: Receipt,
) -> Plan:
    taken_back = receipt_to_take_back(receipt, settings.directory, SFCB_RECEIPT)
    plan = pegasus.pegasus_removal(wanted.schema.qualifiers, state, settings, taken_back)
    left: Sequence[Finding] = staying(settings.schema, receipt, taken_back) if plan.steps else ()
    return replace(plan, findings=(*plan.findings, *left))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What an OpenPegasus said, or why it could not be asked and is taken for an empty one."""

    tools: pegasus.Tools
    interop: str
    state: pegasus.PegasusState = pegasus.PegasusState()  # noqa: RUF009 - frozen
    unasked: str = ""


def _ask(directory: Path | None, interop: str, namespaces: Sequence[str], output: Output) -> _Asked:
    """Ask for ``namespaces`` and the interop namespace, which is found out if it is empty."""
    tools, unasked = programs(pegasus.Tools, _SERVER, directory, output)
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


def _provider_directory(tools: Path | None) -> Path:
    """Where OpenPegasus looks for libraries: one for CMPI if there is one. Raises ToolError."""
    try:
        cimconfig = find_tool("cimconfig", _SERVER, tools)
    except ToolMissingError:
        return LIBRARIES
    answer = run_command(ToolCommand(words=(cimconfig, "-g", "providerDir", "-c")))
    places = [Path(one) for one in answer.rpartition(": ")[2].strip().split(":")]
    usable = [place for place in places if place.is_absolute()]
    return next((place for place in usable if place.name == "cmpi"), (*usable, LIBRARIES)[0])
