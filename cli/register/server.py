"""What registration with either server asks of it, and of what was registered before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

from virtcim.cli.register.output import Output
from virtcim.registration import (
    Finding,
    Receipt,
    SystemSchema,
    ToolMissingError,
    find_tool,
    pegasus,
    read_receipt,
    sfcb,
)

__all__ = ["LIBRARIES", "assumed", "known_receipt", "programs", "receipt_to_take_back", "staying"]

LIBRARIES = Path("/usr/lib64/cmpi")
# Each field is a program of that name.
_Programs = TypeVar("_Programs", pegasus.Tools, sfcb.Tools)


def programs(
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


def known_receipt(directory: Path, own: str, other: str) -> Receipt:
    """What was made before; what was made for the other server counts as ours, too.

    That is the library, and the schema of the machine.
    """
    receipt, theirs = read_receipt(directory / own), read_receipt(directory / other)
    return replace(
        receipt,
        library=receipt.library or theirs.library,
        schema=receipt.schema or theirs.schema,
    )


def receipt_to_take_back(receipt: Receipt, directory: Path, other: str) -> Receipt:
    """The receipt without what the other server still needs."""
    if (directory / other).exists():
        return replace(receipt, library="", schema="")
    return receipt


def staying(schema: SystemSchema, receipt: Receipt, taken_back: Receipt) -> Sequence[Finding]:
    """Why the schema of the machine stays when the registration is taken back."""
    if not schema.is_there or taken_back.schema:
        return ()
    why = (
        "the registration with another server needs the CIM schema there"
        if receipt.schema
        else "the CIM schema was there before"
    )
    return (Finding(kind="left", name=str(schema.directory), text=why),)


def assumed(server: str, unasked: str, taken: str) -> Sequence[Finding]:
    """That the server could not be asked, if so, and what it was taken for."""
    if not unasked:
        return ()
    return (Finding(kind="assumed", name=server, text=f"{taken}: {unasked}"),)
