"""What scripts/release does, in order; each step can refuse with one sentence."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

from package_description import relative_links

__all__ = [
    "ReleaseError",
    "check_address",
    "check_built",
    "give_version",
    "join_unreleased",
    "main",
]

_ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?")
_VERSION_LINE = re.compile(r'^version = "[^"]*"$', re.MULTILINE)
# What was noted before each change had a file of its own belongs to the first release after.
_UNRELEASED = re.compile(r"\s*^## Unreleased$\s*", re.MULTILINE)
_FROM_THE_BEGINNING = "\n\n### From the beginning\n\n"
_IN_SOURCES = ("tests/conftest.py", "docs/architecture.md", "scripts/test", "changes/README.md")


class ReleaseError(Exception):
    """The release cannot be prepared; the text is a sentence for a person."""


def main(arguments: Sequence[str]) -> None:
    """Prepare the release. Raises ReleaseError."""
    parser = argparse.ArgumentParser(prog="scripts/release")
    parser.add_argument("version")
    parser.add_argument("--draft", action="store_true")
    options = parser.parse_args(arguments)
    if not _VERSION.fullmatch(options.version):
        raise ReleaseError(
            f"{options.version!r} is no version of a release, such as 0.1.0 or 0.2.0rc1"
        )
    changes = ["--version", options.version, "--date", f"{datetime.now(UTC):%Y-%m-%d}"]
    if options.draft:
        _run("towncrier", "build", "--draft", *changes)
        return
    check_address(_ROOT / "pyproject.toml")
    if _output("git", "status", "--porcelain"):
        raise ReleaseError("there are changes that are not committed")
    _run("towncrier", "build", "--yes", *changes)
    join_unreleased(_ROOT / "CHANGELOG.md")
    give_version(_ROOT / "pyproject.toml", options.version)
    shutil.rmtree(_ROOT / "dist", ignore_errors=True)
    _run("build", "--outdir", "dist", ".")
    built = sorted((_ROOT / "dist").iterdir())
    _run("twine", "check", "--strict", *map(str, built))
    check_built(built)
    print(f"Built: {', '.join(path.name for path in built)}.")
    print(f"Look at it (git diff HEAD), commit it, tag it v{options.version}, and publish dist/.")
    print("Nothing of it shall stay? git reset --hard takes it back.")


def check_address(pyproject: Path) -> None:
    """Refuse where nobody has said where the project is at home."""
    document = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    address = document["tool"]["virtcim"]["address"]["repository"]
    if not re.fullmatch(r"https://[^/\s]+/\S+", address):
        raise ReleaseError(
            "repository in [tool.virtcim.address] of pyproject.toml must be the https address of "
            f"the public repository, not {address!r}: the links of the description lead there"
        )


def join_unreleased(changelog: Path) -> None:
    """What CHANGELOG.md called unreleased becomes the last part of the newest release."""
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(_UNRELEASED.sub(_FROM_THE_BEGINNING, text, count=1), encoding="utf-8")


def give_version(pyproject: Path, version: str) -> None:
    """Write the version into pyproject.toml."""
    text, count = _VERSION_LINE.subn(f'version = "{version}"', pyproject.read_text("utf-8"))
    if count != 1:
        raise ReleaseError(f"pyproject.toml has {count} lines with a version")
    pyproject.write_text(text, encoding="utf-8")


def check_built(built: Sequence[Path]) -> None:
    """Both kinds are there, the sources are whole, and no link of a description leads nowhere."""
    if [path.suffix for path in built] != [".whl", ".gz"]:
        raise ReleaseError(f"built were {', '.join(path.name for path in built) or 'no files'}")
    wheel, sources = built
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        _check_links(wheel, archive.read(metadata))
    with tarfile.open(sources) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        missing = sorted(set(_IN_SOURCES) - names)
        if missing:
            raise ReleaseError(f"{sources.name} lacks {', '.join(missing)}")
        top = archive.getnames()[0].partition("/")[0]
        file = archive.extractfile(f"{top}/PKG-INFO")
        _check_links(sources, file.read() if file else b"")


def _check_links(built: Path, metadata: bytes) -> None:
    text = str(message_from_bytes(metadata).get_payload())
    links = relative_links(text)
    if not text.strip() or links:
        raise ReleaseError(f"the description of {built.name} is empty or links to {links}")


def _run(module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=_ROOT, check=False)
    if done.returncode:
        raise ReleaseError(f"{module} {arguments[0]} failed")


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReleaseError as error:
        sys.exit(f"release: {error}.")
