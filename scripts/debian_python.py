"""A Python of another Debian suite in a directory of its own; the machine stays as it is.

Its packages come from the mirror that this machine's apt is set to, are checked by apt as all
packages are, and are unpacked, not installed. They bring their own C library, so a script of a few
lines starts the interpreter with it; programs that it starts get the machine's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["DebianPythonError", "debian_python"]

_SUITE = re.compile(r"[a-z][a-z0-9-]*")
# The headers are for extension modules that have to be compiled.
_INSTALL = ("install", "python3-venv", "libpython3-dev")
_HARMLESS = ("--download-only", "--no-install-recommends")
_ATTEMPTS = 3
_TIMEOUT_S = 600
_START = """\
#!/bin/sh
exec {loader} --argv0 "$0" --library-path {libraries} {program} "$@"
"""


class DebianPythonError(Exception):
    """The interpreter cannot be had; the text is a sentence for a person."""


def debian_python(suite: str, directory: Path) -> Path:
    """The interpreter of ``suite``, kept below ``directory``. Raises DebianPythonError."""
    if not _SUITE.fullmatch(suite):
        raise DebianPythonError(f"{suite!r} is no name of a suite of Debian")
    home = directory.absolute() / f"debian-{suite}"
    started = home / "interpreter"
    if started.exists() and _works(started):
        return started.resolve()
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DebianPythonError("apt-get and dpkg-deb are needed, and this is no Debian")
    shutil.rmtree(home, ignore_errors=True)
    try:
        made = _unpacked(_download(suite, home / "apt"), home / "root")
        if not _works(made):
            raise DebianPythonError(f"the Python of {suite} does not run on this machine")
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    shutil.rmtree(home / "apt")
    started.symlink_to(made)
    return made


def _download(suite: str, apt: Path) -> list[Path]:
    """The packages and all that they need, as files."""
    for directory in ("lists/partial", "cache/archives/partial"):
        (apt / directory).mkdir(parents=True)
    sources, status = apt / "sources.list", apt / "status"
    sources.write_text(f"deb {_mirror()} {suite} main\n")
    # As if nothing were installed, so that everything comes.
    status.touch()
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": status,
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
        "Acquire::Retries": _ATTEMPTS,
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    _run(["apt-get", "--quiet", *options, "update", "--error-on=any"])
    _run(["apt-get", "--quiet", "--yes", *options, *_HARMLESS, *_INSTALL])
    return sorted((apt / "cache" / "archives").glob("*.deb"))


def _mirror() -> str:
    """Where this machine's apt has its Debian from."""
    shown = ("--format", "$(ORIGIN) $(COMPONENT) $(REPO_URI)")
    listed = _run(["apt-get", "indextargets", *shown, "Created-By: Packages"])
    mirrors = [
        uri
        for origin, component, uri in (line.split(" ", 2) for line in listed.splitlines())
        if origin == "Debian" and component == "main" and not uri.rstrip("/").endswith("-security")
    ]
    if not mirrors:
        raise DebianPythonError("apt of this machine has no sources of Debian")
    return mirrors[0]


def _unpacked(packages: Sequence[Path], root: Path) -> Path:
    """What starts the unpacked interpreter, under the name of the interpreter."""
    root.mkdir()
    for package in packages:
        _run(["dpkg-deb", "--extract", str(package), str(root)])
    [program] = [
        path
        for path in (root / "usr" / "bin").iterdir()
        if re.fullmatch(r"python3\.[0-9]+", path.name) and not path.is_symlink()
    ]
    [loader] = sorted((root / "usr" / "lib").glob("*/ld-linux*.so.*"))
    moved = program.with_name(f"{program.name}-program")
    program.rename(moved)
    program.write_text(_START.format(loader=loader, libraries=loader.parent, program=moved))
    program.chmod(0o755)
    return program


def _works(interpreter: Path) -> bool:
    command = [str(interpreter), "-c", "import ssl, sqlite3, venv, pyexpat"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: Sequence[str]) -> str:
    """What a command prints. Raises DebianPythonError with the last that it said."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DebianPythonError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["nothing was said"]
        raise DebianPythonError(f"{command[0]}: {said[-1]}")
    return done.stdout
