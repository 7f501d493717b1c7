"""``virtcim errormap docs`` as a program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from virtcim.errormap.reference import pages

_DOCS = [sys.executable, "-c", "from virtcim.cli import main; main()", "errormap", "docs"]


def _run(directory: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*_DOCS, str(directory)], capture_output=True, check=False, timeout=120)


def test_the_pages_are_written_into_a_new_directory(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "errors"
    done = _run(directory)
    assert done.returncode == 0, done.stderr
    written = {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir()}
    assert written == pages()


def test_a_place_that_cannot_be_written_is_named_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = _run(file)
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert str(file) in done.stderr.decode()
