"""The compiled schema that the providers read whoever they run as: made where it is missing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from virtcim.mof import has_current_schema, kept_archive, schema_files
from virtcim.registration.plan import Command, RemoveDirectory, RemoveFile, Step

__all__ = [
    "SystemSchema",
    "schema_differences",
    "schema_removal",
    "schema_step",
    "system_schema",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSchema:
    """The schema of the whole machine; ``is_there`` says whether anything of it is.

    ``archive`` is what it is compiled from, None where it has to be fetched.
    """

    directory: Path
    is_there: bool
    is_current: bool
    archive: Path | None = None


def system_schema(directory: Path, own: Path) -> SystemSchema:
    """What there is in ``directory``; ``own`` is where whoever registers keeps theirs."""
    return SystemSchema(
        directory=directory,
        is_there=any(path.exists() for path in schema_files(directory)),
        is_current=has_current_schema(directory),
        archive=kept_archive(directory) or kept_archive(own),
    )


def schema_differences(schema: SystemSchema) -> tuple[str, ...]:
    """Whether it is missing or of another version, in a sentence."""
    if schema.is_current:
        return ()
    if not schema.is_there:
        return (f"there is no compiled CIM schema in {schema.directory}",)
    return (f"the CIM schema in {schema.directory} is damaged, or of another version of virtcim",)


def schema_step(schema: SystemSchema) -> tuple[Step, ...]:
    """Compile it unless it is there. An older one is no use to anybody, and does not come back."""
    if schema.is_current:
        return ()
    source = () if schema.archive is None else ("--file", str(schema.archive))
    words = (sys.executable, "-m", "virtcim.cli", "schema", "--system", *source)
    return (
        Step(
            purpose=f"compile the CIM schema for the whole machine into {schema.directory}",
            action=Command(words=words),
            undo=() if schema.is_there else _without(schema.directory),
        ),
    )


def schema_removal(directory: str) -> tuple[Step, ...]:
    """What takes a schema away that was made for a registration."""
    if not directory or not Path(directory).is_dir():
        return ()
    return tuple(
        Step(purpose="remove the CIM schema of the whole machine", action=action)
        for action in _without(Path(directory))
        if isinstance(action, RemoveDirectory) or action.path.exists()
    )


def _without(directory: Path) -> tuple[RemoveFile | RemoveDirectory, ...]:
    files = (RemoveFile(path=path) for path in schema_files(directory))
    return (*files, RemoveDirectory(path=directory))
