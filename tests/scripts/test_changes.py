"""News of changes are files that towncrier understands, and that read as one list."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_CHANGES = _ROOT / "changes"
_TOWNCRIER = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
_TYPES = [one["directory"] for one in _TOWNCRIER["type"]]
_NAME = re.compile(rf"[a-z0-9]+(?:-[a-z0-9]+)*\.(?:{'|'.join(_TYPES)})\.md")


def _fault(path: Path) -> str:
    """What is wrong with a file of news; empty where nothing is."""
    if not _NAME.fullmatch(path.name):
        return f"the name is not WORDS.TYPE.md, TYPE one of {', '.join(_TYPES)}"
    text = path.read_text().strip()
    if not text.endswith((".", ")", "`")) or (not text[0].isupper() and not text.startswith("`")):
        return "the text is not made of sentences"
    if re.match(r"[-*#]", text) or "\n#" in text:
        return "the text is a heading or a list"
    return ""


def _fragments() -> list[Path]:
    return sorted(one for one in _CHANGES.iterdir() if one.name not in _TOWNCRIER["ignore"])


def _draft(directory: Path) -> str:
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"]
    done = subprocess.run(
        [*command, "--date", "2026-11-30"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_every_file_is_a_piece_of_news() -> None:
    faults = {path.name: fault for path in _fragments() if (fault := _fault(path))}
    assert faults == {}


def test_the_next_release_tells_all_of_them() -> None:
    told = " ".join(_draft(_ROOT).split())
    missing = [one.name for one in _fragments() if " ".join(one.read_text().split()) not in told]
    assert missing == []


def test_a_release_says_what_was_added_before_what_was_mended(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text((_ROOT / "pyproject.toml").read_text())
    (tmp_path / "changes").mkdir()
    template = "template.md.jinja"
    (tmp_path / "changes" / template).write_text((_CHANGES / template).read_text())
    (tmp_path / "changes" / "some-fault.fixed.md").write_text("A fault is gone.\n")
    (tmp_path / "changes" / "new-thing.added.md").write_text("A thing of\ntwo lines.\n")
    assert _draft(tmp_path) == (
        "## 9.9.9 (2026-11-30)\n\n### Added\n\n- A thing of\n  two lines.\n\n"
        "### Fixed\n\n- A fault is gone.\n\n"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("9.md", "A sentence."),
        ("Some Words.added.md", "A sentence."),
        ("words.feature.md", "A sentence."),
        ("words.added.md", "- A sentence."),
        ("words.added.md", "no sentence"),
        ("words.added.md", "# A heading."),
    ],
)
def test_what_is_no_piece_of_news_is_found(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert _fault(path)
