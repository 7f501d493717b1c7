"""The library that both servers load: it is built where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

from virtcim.registration.model import Library
from virtcim.registration.plan import Command, RemoveFile, Step

__all__ = ["LIBRARY_NAME", "library_differences", "library_files", "library_in", "library_step"]

LIBRARY_NAME = "virtcim_cmpi"


def library_in(directory: Path) -> Library:
    """The library in a directory, and the command that builds it there."""
    return Library(
        name=LIBRARY_NAME,
        directory=directory,
        build=(sys.executable, "-m", "virtcim.cmpi.build", "--into", str(directory)),
    )


def library_differences(library: Library) -> tuple[str, ...]:
    """Whether it is missing, in a sentence."""
    return () if library.path.exists() else (f"there is no {library.path}",)


def library_files(path: str) -> tuple[Path, ...]:
    """The files of a library that was built: itself, and what it reads beside it."""
    return (Path(path), Path(path).with_suffix(".conf")) if path else ()


def library_step(library: Library, *, anew: bool) -> tuple[Step, ...]:
    """Build it where it is missing, or ``anew``."""
    is_there = library.path.exists()
    if is_there and not anew:
        return ()
    return (
        Step(
            purpose=f"build {library.path}",
            action=Command(words=library.build),
            undo=()
            if is_there
            else tuple(RemoveFile(path=path) for path in library_files(str(library.path))),
        ),
    )
