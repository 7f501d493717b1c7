"""``virtcim register sfcb``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
from virtcim.registration import Model, Plan, Receipt, library_in, model, sfcb
from virtcim.registration.pegasus.registering import RECEIPT as PEGASUS_RECEIPT
from virtcim.registration.sfcb.registering import RECEIPT

__all__ = ["register_sfcb"]

_SERVER = "sfcb (sblim-sfcb)"
_PROGRAM = "sfcbd"


def register_sfcb(
    check: CheckOption = False,
    remove: RemoveOption = False,
    dry_run: DryRunOption = False,
    interop: Annotated[
        str, typer.Option(help="What the server calls its interop namespace.", metavar="NAMESPACE")
    ] = INTEROP,
    hypervisor: HypervisorOption = None,
    config: ConfigOption = None,
    run_as: RunAsOption = "",
    tools: ToolsOption = None,
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
    library_directory: LibraryDirectoryOption = None,
    directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register the providers with sfcb, or bring their registration up to date.

    The files are staged and sfcb's repository is made anew, while sfcb is stopped or before it is
    restarted. Instances that clients made are kept. When a program fails, what was done until then
    is taken back.

    Example: virtcim register sfcb --dry-run --hypervisor lab
    """
    output = Output("sfcb", Mode.of(check=check, remove=remove, dry_run=dry_run), as_json)
    with output.failures(), wanted_schema(output.say) as ours:
        names, findings = served_namespaces("sfcb", hypervisor, config)
        findings += () if remove else unready(provider_user(run_as, _PROGRAM), config)
        place = directory or default_state_directory() / "registration"
        receipt = known_receipt(place, RECEIPT, PEGASUS_RECEIPT)
        found, unasked = programs(sfcb.Tools, _SERVER, tools, output)
        settings = sfcb.SfcbSettings(
            tools=found,
            directory=place,
            places=_directories(stage, registration, schema),
            is_packaged=stage is registration is schema is None,
            library=library_in(library_directory or LIBRARIES, interop),
            schema=schema_of_machine(),
            user=run_as,
        )
        wanted = model(ours, names, interop)
        plan, unread = _plan(wanted, (*names, interop), settings, receipt, output)
        untold = assumed(
            "sfcb", unasked or unread, "as if it had the DMTF's classes and nothing of ours"
        )
        plan = replace(plan, findings=(*findings, *untold, *plan.findings))
        outcome = output.carry_out(plan, {"interop": interop, "namespaces": list(names)})
    raise typer.Exit(outcome)


def _directories(
    stage: Path | None, registration: Path | None, schema: Path | None
) -> sfcb.Directories:
    packaged = sfcb.packaged_directories()
    return sfcb.Directories(
        stage=stage or packaged.stage,
        registration=registration or packaged.registration,
        schema=schema or packaged.schema,
    )


def _plan(
    wanted: Model,
    namespaces: Sequence[str],
    settings: sfcb.SfcbSettings,
    receipt: Receipt,
    output: Output,
) -> tuple[Plan, str]:
    """The plan, and why sfcb was taken for another one than it is, if so."""
    everything = tuple(dict.fromkeys((*namespaces, *receipt.made)))
    state, unread = _state(everything, settings.places, wanted, output)
    if not output.mode.is_removal:
        return sfcb.sfcb_plan(wanted, state, settings, receipt), unread
    taken_back = receipt_to_take_back(receipt, settings.directory, PEGASUS_RECEIPT)
    plan = sfcb.sfcb_removal(everything, state, settings, taken_back)
    left = staying(settings.schema, receipt, taken_back) if plan.steps else ()
    return replace(plan, findings=(*plan.findings, *left)), unread


def _state(
    namespaces: Sequence[str], places: sfcb.Directories, wanted: Model, output: Output
) -> tuple[sfcb.SfcbState, str]:
    """What an sfcb has, or what it is taken to have and why."""
    try:
        return sfcb.sfcb_state(namespaces, places), ""
    except OSError as error:
        if not output.mode.only_shown:
            raise
        return sfcb.assumed_state(wanted), str(error)
