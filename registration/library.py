"""The library that both servers load: it is built where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

from virtcim.providers import INTEROP
from virtcim.registration.model import Library
from virtcim.registration.plan import Command, RemoveFile, Step

__all__ = ["LIBRARY_NAME", "library_differences", "library_files", "library_in", "library_step"]

LIBRARY_NAME = "virtcim_cmpi"
_INTEROP_LINE = "interop="


def library_in(directory: Path, interop: str) -> Library:
    """The library in a directory, and the command that builds it there.

    It is told where the server has another name for its interop namespace than we have.
    """
    build = (sys.executable, "-m", "virtcim.cmpi.build", "--into", str(directory))
    is_ours = interop == INTEROP
    return Library(
        name=LIBRARY_NAME,
        directory=directory,
        build=build if is_ours else (*build, "--interop", interop),
        settings=frozenset() if is_ours else frozenset({f"{_INTEROP_LINE}{interop}"}),
    )


def library_differences(library: Library) -> tuple[str, ...]:
    """Whether it is missing or made for another server, in a sentence. Raises OSError."""
    if not library.path.exists():
        return (f"there is no {library.path}",)
    settings = library.path.with_suffix(".conf")
    lines = settings.read_text(encoding="utf-8").splitlines() if settings.exists() else ()
    if {line for line in lines if line.startswith(_INTEROP_LINE)} != library.settings:
        return (f"{settings} is for a server with another interop namespace",)
    return ()


def library_files(path: str) -> tuple[Path, ...]:
    """The files of a library that was built: itself, and what it reads beside it."""
    return (Path(path), Path(path).with_suffix(".conf")) if path else ()


def library_step(library: Library, *, anew: bool) -> tuple[Step, ...]:
    """Build it where it is missing, or ``anew``."""
    if not anew and not library_differences(library):
        return ()
    is_there = library.path.exists()
    return (
        Step(
            purpose=f"build {library.path}",
            action=Command(words=library.build),
            undo=()
            if is_there
            else tuple(RemoveFile(path=path) for path in library_files(str(library.path))),
        ),
    )
