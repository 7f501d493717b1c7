"""The options that registration with either server has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CheckOption",
    "ConfigOption",
    "DirectoryOption",
    "DryRunOption",
    "HypervisorOption",
    "JsonOption",
    "LibraryDirectoryOption",
    "RemoveOption",
    "RunAsOption",
    "ToolsOption",
]

CheckOption = Annotated[
    bool,
    typer.Option(
        "--check", help="Only say what is not as it should be; the status is 1 if anything is not."
    ),
]
RemoveOption = Annotated[
    bool, typer.Option("--remove", help="Take back everything that was registered, nothing else.")
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print each file, whole, and each command, and do nothing. Needs no CIM server.",
    ),
]
HypervisorOption = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME or [NAME=]URL as virtcim serve has it: which namespaces there are. "
        "By default those of the configuration. May be repeated.",
        metavar="NAME",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="TOML file whose table `serve` names the hypervisors; /etc/virtcim/virtcim.toml by "
        "default, where it exists.",
        metavar="FILE",
    ),
]
ToolsOption = Annotated[
    Path | None,
    typer.Option(
        help="Directory with the server's programs, instead of the search path.", metavar="DIR"
    ),
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        help="Where the generated files are kept, and what was made; `registration` in the state "
        "directory by default.",
        metavar="DIR",
    ),
]
LibraryDirectoryOption = Annotated[
    Path | None,
    typer.Option(
        help="Where the server finds the library of the providers; it is built there.",
        metavar="DIR",
    ),
]
RunAsOption = Annotated[
    str,
    typer.Option(
        help="User whom the providers run as; the server's own by default.", metavar="USER"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]
