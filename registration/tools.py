"""The programs that a CIM server brings: where they are, and how they are run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from virtcim.registration.plan import Command

__all__ = ["RunCommand", "ToolError", "ToolMissingError", "find_tool", "run_command"]

_TIMEOUT_S = 900.0
# Administrators become root without root's search path.
_FURTHER_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_MOST_OUTPUT_LINES = 20


class ToolMissingError(Exception):
    """A program of the server is not there; the text is a sentence for the administrator."""


class ToolError(Exception):
    """A program failed: the command, its exit status (None: it did not run) and what it printed."""

    def __init__(self, words: Sequence[str], status: int | None, output: str) -> None:
        self.words = tuple(words)
        self.status = status
        self.output = output
        lines = [line for line in output.splitlines() if line.strip()]
        told = "\n  ".join(lines[-_MOST_OUTPUT_LINES:]) or "it printed nothing"
        how = "could not be run" if status is None else f"failed with exit status {status}"
        super().__init__(f"`{shlex.join(words)}` {how}:\n  {told}")


class RunCommand(Protocol):
    """Runs one command and gives what it printed. Raises ToolError."""

    def __call__(self, command: Command) -> str:
        """The standard output."""
        ...


def find_tool(name: str, package: str, directory: Path | None) -> str:
    """The path of the program ``name``, in ``directory`` or on the search path.

    Raises ToolMissingError, which names the package that brings it.
    """
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *_FURTHER_PLACES))
    found = shutil.which(name, path=places if directory is None else str(directory))
    if found is None:
        where = "on the search path" if directory is None else f"in {directory}"
        raise ToolMissingError(
            f"there is no {name} {where}; it comes with {package}, and --tools names its directory"
        )
    return found


def run_command(command: Command) -> str:
    """Run it without a shell and without input. Raises ToolError."""
    try:
        done = subprocess.run(
            command.words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            # What it says is looked at.
            env={**os.environ, "LC_ALL": "C", "LANG": "C"},
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(command.words, None, str(error)) from error
    output = done.stdout + done.stderr
    if done.returncode != 0 and not any(text in output for text in command.absent):
        raise ToolError(command.words, done.returncode, output)
    return done.stdout
