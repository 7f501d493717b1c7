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

    It belongs to the Python that runs this, and is told where the server has another name for its
    interop namespace than we have.
    """
    settings = {
        f"executable={Path(sys.executable).absolute()}",
        f"python={sys.version_info.major}.{sys.version_info.minor}",
    }
    named: tuple[str, ...] = ()
    if interop != INTEROP:
        named = ("--interop", interop)
        settings.add(f"{_INTEROP_LINE}{interop}")
    return Library(
        name=LIBRARY_NAME,
        directory=directory,
        build=(sys.executable, "-m", "virtcim.cmpi.build", "--into", str(directory), *named),
        settings=frozenset(settings),
    )


def library_differences(library: Library) -> tuple[str, ...]:
    """Whether it is missing or made for another server or Python. Raises OSError."""
    if not library.path.exists():
        return (f"there is no {library.path}",)
    settings = library.path.with_suffix(".conf")
    lines = settings.read_text(encoding="utf-8").splitlines() if settings.exists() else ()
    interops = {line for line in (*lines, *library.settings) if line.startswith(_INTEROP_LINE)}
    others = library.settings - interops - set(lines)
    found = [f"{library.path} was not built for {' '.join(sorted(others))}"] if others else []
    if not interops <= set(lines) & library.settings:
        found.append(f"{settings} is for a server with another interop namespace")
    return tuple(found)


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
