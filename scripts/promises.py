"""Break each promise of tests/promises.toml in a copy of the tree, and see a test notice.

A promise is kept by a guard and a test; a test that passes without its guard holds nothing. Nothing
of the tree itself is changed. It takes some minutes.

Example: .venv/bin/python scripts/promises.py "password" "fence"
Words choose the promises whose name has one of them; without words all are tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Promise", "PromiseError", "read"]

_ROOT = Path(__file__).resolve().parent.parent
_TABLE = _ROOT / "tests" / "promises.toml"
_FIELDS = ("name", "file", "before", "after", "tests")
_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info")
_TESTS_FAILED = 1  # pytest's exit status


class PromiseError(ValueError):
    """The table does not fit the tree; the text names the promise and the slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is promised, the guard in ``file``, what stands there without it, and who notices."""

    name: str
    file: str
    before: str
    after: str
    tests: str


def read(root: Path = _ROOT, table: Path = _TABLE) -> tuple[Promise, ...]:
    """Every promise; each guard stands in its file exactly once. Raises PromiseError."""
    promises = []
    for entry in tomllib.loads(table.read_text(encoding="utf-8")).get("promise", ()):
        name = entry.get("name", "?")
        if set(entry) != set(_FIELDS) or not all(isinstance(each, str) for each in entry.values()):
            raise PromiseError(f"{name}: a promise has the texts {', '.join(_FIELDS)}")
        promise = Promise(**entry)
        times = (root / promise.file).read_text(encoding="utf-8").count(promise.before)
        if times != 1:
            raise PromiseError(f"{name}: its guard stands {times} times in {promise.file}")
        missing = [
            word
            for word in promise.tests.split()
            if word.startswith("tests/") and not (root / word).is_file()
        ]
        if missing:
            raise PromiseError(f"{name}: there is no {missing[0]}")
        promises.append(promise)
    return tuple(promises)


def _is_noticed(promise: Promise) -> bool:
    """Whether a test fails without the guard."""
    with tempfile.TemporaryDirectory(prefix="virtcim-promise-") as directory:
        tree = Path(directory) / "tree"
        shutil.copytree(_ROOT, tree, ignore=_LEFT_OUT)
        rooms = Path(directory) / "rooms" / "virtcim"
        rooms.mkdir(parents=True)
        for room in (_ROOT / ".venv" / "rooms" / "virtcim").iterdir():
            (rooms / room.name).symlink_to(tree / room.name)
        broken = tree / promise.file
        text = broken.read_text(encoding="utf-8")
        broken.write_text(text.replace(promise.before, promise.after), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", *promise.tests.split()],
            cwd=tree,
            # Before the editable installation, which finds the rooms of this tree.
            env={**os.environ, "PYTHONPATH": str(rooms.parent)},
            capture_output=True,
            check=False,
        )
    if done.returncode not in (0, _TESTS_FAILED):
        raise PromiseError(f"{promise.name}: {done.stdout.decode(errors='replace')[-2000:]}")
    return done.returncode == _TESTS_FAILED


def main(words: Sequence[str]) -> int:
    """Try the chosen promises; the exit status says whether every one was noticed."""
    if set(words) & {"-h", "--help"}:
        print(__doc__)
        return 0
    unnoticed = 0
    try:
        chosen = [each for each in read() if not words or any(word in each.name for word in words)]
        for number, promise in enumerate(chosen, 1):
            noticed = _is_noticed(promise)
            unnoticed += not noticed
            shown = "noticed  " if noticed else "UNNOTICED"
            print(f"{number}/{len(chosen)} {shown} {promise.name}", flush=True)
    except PromiseError as error:
        print(f"promises: {error}", file=sys.stderr)
        return 2
    return 1 if unnoticed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
