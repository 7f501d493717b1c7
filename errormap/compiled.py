"""The content of a TOML table, read from its compiled copy where that is of the same text.

Parsing and checking the tables takes ten times as long as loading them from JSON. ``main`` checks
the tables and writes a copy beside each (``x.toml`` becomes ``x.toml.json``); scripts/setup does.
A copy that is missing, broken or of another text is passed over, so that the TOML file is always
what holds.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SUFFIX", "checked", "compile_tables", "content", "main", "mark", "tables"]

SUFFIX = ".json"
_FOLDER = Path(__file__).parent


def content(path: Path) -> dict[str, Any]:
    """What the TOML file ``path`` holds. Raises tomllib.TOMLDecodeError where it is none."""
    found = checked(path)
    if found is not None:
        return found
    import tomllib

    return tomllib.loads(path.read_text(encoding="utf-8"))


def checked(path: Path) -> dict[str, Any] | None:
    """The content of a table that was checked when it was compiled; None without such a copy.

    Each rule, and each row of evidence, has its ``needles`` besides what the table says.
    """
    try:
        copy = json.loads(Path(f"{path}{SUFFIX}").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(copy, dict) or copy.get("of") != mark(path.read_bytes()):
        return None
    found = copy.get("content")
    return found if isinstance(found, dict) else None


def mark(document: bytes) -> str:
    """What tells the text of a table from another: a copy is used only where it bears this.

    It changes with the program that finds the needles, too: they stand in the copies.
    """
    program = _program()
    return "-".join(
        f"{zlib.crc32(part):08x}{zlib.adler32(part):08x}" for part in (document, program)
    )


@cache
def _program() -> bytes:
    return (_FOLDER / "needles.py").read_bytes()


def tables(folder: Path = _FOLDER) -> Iterable[Path]:
    """Every TOML file of the package."""
    return sorted(folder.rglob("*.toml"))


def compile_tables(folder: Path = _FOLDER) -> list[Path]:
    """Write the copies that are missing or old; give their paths. The tables must be right."""
    import tomllib

    from virtcim.errormap.needles import needles

    written = []
    for path in tables(folder):
        if checked(path) is not None:
            continue
        document = path.read_bytes()
        found = tomllib.loads(document.decode())
        for rule in found.get("rule", ()):
            rule["needles"] = needles(rule.get("text", ""))
        for row in found.get("evidence", ()):
            patterns = {name: value for name, value in row.items() if isinstance(value, str)}
            row["needles"] = {name: needles(value) for name, value in patterns.items()}
        target = Path(f"{path}{SUFFIX}")
        # Whoever reads meanwhile sees the old copy or the new one, never a part.
        temporary = target.with_name(f"{target.name}.new")
        text = json.dumps({"of": mark(document), "content": found}, separators=(",", ":"))
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
        written.append(target)
    return written


def main() -> None:
    """Check all tables, and compile those that were changed."""
    from virtcim.errormap.codes.table import TABLES, codes
    from virtcim.errormap.reading.objects import check, rows
    from virtcim.errormap.rules import SHARED, SOURCES, parse
    from virtcim.errormap.telling import advice
    from virtcim.errormap.vocabulary import PATH
    from virtcim.errormap.vocabulary import parse as parse_vocabulary

    parse_vocabulary(PATH.read_text(encoding="utf-8"))
    for source in (*SOURCES, SHARED):
        parse((_FOLDER / "tables" / f"{source}.toml").read_text(encoding="utf-8"), source)
    for table in TABLES:
        tuple(codes(table))
    advice.parse((_FOLDER / "telling" / "advice.toml").read_text(encoding="utf-8"))
    check(rows())
    compile_tables()
