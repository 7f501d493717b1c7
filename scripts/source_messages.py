"""The error messages that stand in the sources of libvirt, QEMU, XAPI and its storage manager.

They come as unpacked sources, or as tables that somebody took from them (CSV, known by their
header). Only what is needed to put a message through the translation is kept of each.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ReadingError", "SourceMessage", "messages_below"]

_LIBVIRT_COLUMNS = {"code", "domain", "file", "function", "macro", "format"}
_QEMU_COLUMNS = {"class", "file", "function", "macro", "format"}
_XAPI_COLUMNS = {"kind", "file", "operation", "error_description"}
# Parts of a source tree that no virtual machine ever runs.
_APART = {
    "tests",
    "examples",
    "docs",
    "contrib",
    "roms",
    "subprojects",
    "build",
    "tools",
    "scripts",
}


class ReadingError(ValueError):
    """A file or a directory that holds no messages; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMessage:
    """One message as it is written in a source.

    ``kind`` is libvirt's error number by name, QEMU's class (``report`` for what goes to standard
    error), or how XAPI raises. ``arguments`` is XAPI's array, which has no ``format``.
    """

    source: str
    kind: str
    file: str
    function: str
    macro: str
    format: str = ""
    domain: str = ""
    arguments: tuple[str, ...] = ()


def messages_below(place: Path) -> Iterator[SourceMessage]:
    """The messages of a CSV file, of the CSV files in a directory, or of an unpacked source.

    Raises ReadingError where there are none.
    """
    if place.is_file():
        yield from _table(place)
        return
    tables = sorted(place.glob("*.csv"))
    found = False
    for message in _from_tables(tables) if tables else _from_sources(place):
        found = True
        yield message
    if not found:
        raise ReadingError(f"{place}: neither tables of messages nor sources of libvirt or QEMU")


def _from_tables(tables: list[Path]) -> Iterator[SourceMessage]:
    for path in tables:
        yield from _table(path)


def _table(path: Path) -> Iterator[SourceMessage]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        columns = set(rows.fieldnames or ())
        if columns >= _LIBVIRT_COLUMNS:
            yield from (_row(row, "libvirt", row["code"]) for row in rows)
        elif columns >= _QEMU_COLUMNS:
            yield from (_row(row, "qemu", row["class"]) for row in rows)
        elif columns >= _XAPI_COLUMNS:
            yield from (_raised(row) for row in rows)
        else:
            raise ReadingError(f"{path}: the header names none of the known tables of messages")


def _row(row: Mapping[str, str], source: str, kind: str) -> SourceMessage:
    return SourceMessage(
        source=source,
        kind=kind,
        file=row["file"],
        function=row["function"],
        macro=row["macro"],
        format=row["format"],
        domain=row.get("domain", ""),
    )


def _raised(row: Mapping[str, str]) -> SourceMessage:
    return SourceMessage(
        source="xapi",
        kind=row["kind"],
        file=row["file"],
        function=row["operation"],
        macro="",
        arguments=tuple(json.loads(row["error_description"])),
    )


# --- C sources

_CALLS = {
    "libvirt": (
        "virReportError",
        "virReportSystemError",
        "virReportSystemErrorFull",
        "virReportInvalidArg",
        "virReportInvalidNonNullArg",
        "virReportInvalidEmptyStringArg",
        "virReportInvalidPositiveArg",
        "virReportInvalidNonZeroArg",
        "virReportInvalidNullArg",
        "virReportInvalidZeroArg",
        "virReportUnsupportedError",
        "virReportEnumRangeError",
        "virReportRestrictedError",
    ),
    "qemu": (
        "error_setg",
        "error_setg_errno",
        "error_setg_win32",
        "error_setg_file_open",
        "error_set",
        "error_report",
        "error_report_once",
    ),
}
_CALL = {
    source: re.compile(rf"(?<![\w#])({'|'.join(sorted(names, key=len, reverse=True))})\s*\(")
    for source, names in _CALLS.items()
}
_FUNCTION = re.compile(r"^(?:[A-Za-z_][\w \t*]*[ \t*])?([A-Za-z_]\w*)\([^;]*$", re.MULTILINE)
_DOMAIN = re.compile(r"#\s*define\s+VIR_FROM_THIS\s+(VIR_FROM_\w+)")
_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"|\b(PRI[diouxX]\w+)|\b((?:QERR|[A-Z]+_ERR)_[A-Z_]+)\b')
_COMMENT = re.compile(r'/\*.*?\*/|("(?:[^"\\\n]|\\.)*")', re.DOTALL)
_DEFINED = re.compile(r'#\s*define\s+(QERR_\w+)\s*\\?\s*("(?:[^"\\]|\\.)*"(?:\s*\\?\s*"[^"]*")*)')
_CLASSES = {
    "GENERIC_ERROR": "GenericError",
    "COMMAND_NOT_FOUND": "CommandNotFound",
    "DEVICE_NOT_ACTIVE": "DeviceNotActive",
    "DEVICE_NOT_FOUND": "DeviceNotFound",
    "KVM_MISSING_CAP": "KVMMissingCap",
}
# Messages that their macro brings along.
_BUILT_IN = {
    "virReportInvalidNonNullArg": "%s in %s must not be NULL",
    "virReportInvalidEmptyStringArg": "string %s in %s must not be empty",
    "virReportInvalidPositiveArg": "%s in %s must be greater than zero",
    "virReportInvalidNonZeroArg": "%s in %s must not be zero",
    "virReportInvalidZeroArg": "%s in %s must be zero",
    "virReportInvalidNullArg": "%s in %s must be NULL",
    "virReportEnumRangeError": "Unexpected enum value %d for %s",
    "virReportUnsupportedError": "@FUNC@",
    "error_setg_file_open": "Could not open '%s'",
}
_NUMBERS = {
    "virReportSystemError": "VIR_ERR_SYSTEM_ERROR",
    "virReportSystemErrorFull": "VIR_ERR_SYSTEM_ERROR",
    "virReportUnsupportedError": "VIR_ERR_NO_SUPPORT",
    "virReportEnumRangeError": "VIR_ERR_INTERNAL_ERROR",
    "virReportRestrictedError": "VIR_ERR_OPERATION_DENIED",
}
# At which argument the format is looked for.
_FORMAT_AT = {
    "virReportError": 1,
    "virReportSystemError": 1,
    "virReportSystemErrorFull": 2,
    "virReportInvalidArg": 1,
    "error_setg": 1,
    "error_setg_errno": 2,
    "error_setg_win32": 2,
    "error_set": 2,
}


def _from_sources(place: Path) -> Iterator[SourceMessage]:
    source = "libvirt" if (place / "src" / "libvirt.c").exists() else "qemu"
    defined: dict[str, str] = {}
    paths = [
        path
        for suffix in ("*.h", "*.c", "*.c.inc")
        for path in sorted(place.rglob(suffix))
        if not any(part in _APART or part[0] == "." for part in path.relative_to(place).parts)
    ]
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        if "QERR_" in text and path.suffix == ".h":
            defined |= {name: _joined(value, {}) for name, value in _DEFINED.findall(text)}
        yield from _of_file(source, str(path.relative_to(place)), text, defined)


def _of_file(
    source: str, name: str, text: str, defined: Mapping[str, str]
) -> Iterator[SourceMessage]:
    if _CALL[source].search(text) is None:
        return
    text = _COMMENT.sub(lambda match: match[1] or " ", text)
    domain = found[1] if (found := _DOMAIN.search(text)) else ""
    heads = list(_FUNCTION.finditer(text))
    at = 0
    for call in _CALL[source].finditer(text):
        while at < len(heads) and heads[at].start() < call.start():
            at += 1
        if text.rfind("#", text.rfind("\n", 0, call.start()) + 1, call.start()) >= 0:
            continue
        arguments = _arguments(text, call.end())
        written = _written(call[1], arguments, defined)
        if written is None:
            continue
        yield SourceMessage(
            source=source,
            kind=_kind(source, call[1], arguments),
            file=name,
            function=heads[at - 1][1] if at else "",
            macro=call[1],
            format=written,
            domain=domain,
        )


def _written(macro: str, arguments: list[str], defined: Mapping[str, str]) -> str | None:
    """The format that a call gives, or None where it is computed."""
    if macro in _BUILT_IN:
        return _BUILT_IN[macro]
    at = _FORMAT_AT.get(macro, 0)
    written = _joined(arguments[at], defined) if len(arguments) > at else ""
    if written == "%s" and len(arguments) > at + 1:
        written = _joined(arguments[at + 1], defined) or written
    return written or None


def _kind(source: str, macro: str, arguments: list[str]) -> str:
    if source == "libvirt":
        if macro == "virReportError":
            return arguments[0].strip() if arguments else ""
        return _NUMBERS.get(macro, "VIR_ERR_INVALID_ARG")
    if macro.startswith("error_report"):
        return "report"
    if macro == "error_set" and len(arguments) > 1:
        return _CLASSES.get(arguments[1].strip().removeprefix("ERROR_CLASS_"), "GenericError")
    return "GenericError"


def _arguments(text: str, at: int) -> list[str]:
    """The arguments of the call whose parenthesis opens before ``at``."""
    found: list[str] = []
    depth, begin, place = 1, at, at
    end = min(len(text), at + 4000)
    while place < end:
        character = text[place]
        if character in "\"'":
            quote = character
            place += 1
            while place < end and text[place] != quote:
                place += 2 if text[place] == "\\" else 1
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                found.append(text[begin:place])
                break
        elif character == "," and depth == 1:
            found.append(text[begin:place])
            begin = place + 1
        place += 1
    return found


def _joined(expression: str, defined: Mapping[str, str]) -> str:
    """The text of adjoining string literals, macros of formats among them."""
    found: list[str] = []
    for literal, width, name in _LITERAL.findall(expression):
        if width:
            found.append(width[3])
        elif name:
            found.append(defined.get(name, ""))
        else:
            found.append(literal)
    return "".join(found).replace('\\"', '"').replace("\\n", " ").replace("\\\\", "\\").strip()
