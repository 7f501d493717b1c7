"""The content of a TOML file, read from its compiled copy where that is of the same text.

Parsing the tables takes a hundred times as long as loading them from JSON. ``python -m
virtcim.errormap.compiled`` writes a copy beside each table (``x.toml`` becomes ``x.toml.json``);
scripts/setup and the build of the package run it. A copy that is missing, broken or of another text
is passed over, so that the TOML file is always what holds.
"""

from __future__ import annotations

import json
import tomllib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["SUFFIX", "compile_tables", "content", "mark", "tables"]

SUFFIX = ".json"
_FOLDER = Path(__file__).parent


def content(path: Path) -> dict[str, Any]:
    """What the TOML file ``path`` holds. Raises tomllib.TOMLDecodeError where it is none."""
    document = path.read_bytes()
    found = _copy(path, mark(document))
    return tomllib.loads(document.decode()) if found is None else found


def mark(document: bytes) -> str:
    """What tells the text of a table from another: a copy is used only where it bears this."""
    return f"{zlib.crc32(document):08x}{zlib.adler32(document):08x}-{len(document)}"


def _copy(path: Path, wanted: str) -> dict[str, Any] | None:
    try:
        copy = json.loads(Path(f"{path}{SUFFIX}").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(copy, dict) or copy.get("of") != wanted:
        return None
    found = copy.get("content")
    return found if isinstance(found, dict) else None


def tables(folder: Path = _FOLDER) -> Iterable[Path]:
    """Every TOML file of the package."""
    return sorted(folder.rglob("*.toml"))


def compile_tables(folder: Path = _FOLDER) -> list[Path]:
    """Write the copies that are missing or old; give their paths."""
    written = []
    for path in tables(folder):
        document = path.read_bytes()
        if _copy(path, mark(document)) is None:
            copy = {"of": mark(document), "content": tomllib.loads(document.decode())}
            target = Path(f"{path}{SUFFIX}")
            # Whoever reads meanwhile sees the old copy or the new one, never a part.
            temporary = target.with_name(f"{target.name}.new")
            temporary.write_text(json.dumps(copy, separators=(",", ":")), encoding="utf-8")
            temporary.replace(target)
            written.append(target)
    return written


if __name__ == "__main__":
    compile_tables()
