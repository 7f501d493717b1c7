"""What decides on the messages that sources of libvirt, QEMU or XAPI can give."""

from __future__ import annotations

import errno
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from catalogue_records import record_of
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from source_messages import ReadingError, SourceMessage, messages_below

from virtcim.errormap import ErrorCode, from_record, translate
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.operations import groups_of

__all__ = ["app"]

_BY_DEFAULT = frozenset(rule.id for rule in DEFAULTS)
_GENERAL = (ErrorCode.ERR_VM_CONTROL_OP_FAILED, ErrorCode.ERR_OPERATION_FAILED)
# The group by which a family of messages is told apart: the first that the operation belongs to.
_GROUPS = (
    "migrate",
    "snapshot",
    "copy",
    "disk_make",
    "connect",
    "read",
    "request",
    "boot",
    "guest",
)
# In a pipe every family is one line.
_PIPE_WIDTH = 180

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@dataclass(slots=True, kw_only=True)
class _Family:
    """Messages of one kind and group of operations that one rule decided."""

    err: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, order=True)
class _Key:
    """What makes a family."""

    source: str
    kind: str
    group: str
    rule: str


@app.command()
def main(
    directories: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            exists=True,
            help="Tables of messages (*.csv), or unpacked sources of libvirt or QEMU.",
        ),
    ],
    rule: Annotated[
        str, typer.Option(help="Only families that this rule decided; `default` for all defaults.")
    ] = "",
    kind: Annotated[
        str, typer.Option(help="Only this number of libvirt or class of QEMU, `report` among them.")
    ] = "",
    examples: Annotated[
        int, typer.Option(min=0, help="How many messages are shown of each family.")
    ] = 0,
    error: Annotated[
        str, typer.Option("--errno", help="What messages end in that end in an errno.")
    ] = "ENOENT",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put every message that sources can give through the translation, and tell what decided.

    Each message gets plausible values and the call that it most likely comes with, and is counted
    once. A message is general where a default or another rule answered with a general code.

    Example: scripts/error_catalogues ~/libvirt-9.0.0 --rule default --examples 5
    """
    number = getattr(errno, error, None)
    if not isinstance(number, int):
        raise typer.BadParameter(f"{error!r} is no errno", param_hint="--errno")
    console = Console(stderr=True)
    families: dict[_Key, _Family] = {}
    totals: Counter[tuple[str, str]] = Counter()
    try:
        for key, err, told in _decided(directories, number, console):
            if kind not in ("", key.kind):
                continue
            totals[key.source, key.kind] += 1
            if not _is_of(key.rule, rule):
                continue
            family = families.setdefault(key, _Family(err=err.name))
            family.count += 1
            if len(family.examples) < examples:
                family.examples.append(told)
    except ReadingError as wrong:
        print(f"error_catalogues: {wrong}", file=sys.stderr)
        raise typer.Exit(1) from wrong
    if as_json:
        print(json.dumps(_as_object(families, totals), indent=2, ensure_ascii=False))
    else:
        _show(families, totals, whole=not rule)


def _is_of(decided_by: str, rule: str) -> bool:
    return not rule or decided_by == rule or (rule == "default" and decided_by in _BY_DEFAULT)


def _decided(
    directories: list[Path], number: int, console: Console
) -> Iterator[tuple[_Key, ErrorCode, str]]:
    """The family, the outcome and the text of every message, each message once."""
    seen: set[tuple[str, str, str, tuple[str, ...]]] = set()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for directory in directories:
            task = progress.add_task(directory.name or str(directory), total=None)
            for message in messages_below(directory):
                progress.advance(task)
                identity = (message.source, message.kind, message.format, message.arguments)
                if identity in seen:
                    continue
                seen.add(identity)
                record = record_of(message, number)
                if record is not None:
                    yield _answer(message, record)


def _answer(message: SourceMessage, record: Mapping[str, object]) -> tuple[_Key, ErrorCode, str]:
    error = translate(from_record(record))
    operation = str(record["operation"])
    groups = groups_of(operation, message.source)
    group = next((name for name in _GROUPS if f"@{name}" in groups), "other")
    kind = message.kind.removeprefix("VIR_ERR_")
    told = error.fault.text or " ".join(error.fault.arguments)
    return (
        _Key(message.source, kind, group, error.rule),
        error.code,
        f"{message.file} ({operation}): {told}",
    )


def _is_general(key: _Key, family: _Family) -> bool:
    return key.rule in _BY_DEFAULT or ErrorCode[family.err] in _GENERAL


def _as_object(
    families: Mapping[_Key, _Family], totals: Mapping[tuple[str, str], int]
) -> dict[str, object]:
    return {
        "kinds": [
            {"source": source, "kind": kind, "messages": totals[source, kind], **counts}
            for (source, kind), counts in _by_kind(families, totals).items()
        ],
        "families": [
            {
                "source": key.source,
                "kind": key.kind,
                "group": key.group,
                "rule": key.rule,
                "err": family.err,
                "count": family.count,
                "examples": family.examples,
            }
            for key, family in sorted(families.items())
        ],
    }


def _by_kind(
    families: Mapping[_Key, _Family], totals: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], dict[str, int]]:
    found = {kind: {"by_default": 0, "general": 0} for kind in sorted(totals)}
    for key, family in families.items():
        counts = found[key.source, key.kind]
        counts["by_default"] += family.count if key.rule in _BY_DEFAULT else 0
        counts["general"] += family.count if _is_general(key, family) else 0
    return found


def _show(
    families: Mapping[_Key, _Family], totals: Mapping[tuple[str, str], int], *, whole: bool
) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH, no_color=True)
    if whole:
        console.print(_kinds_table(families, totals))
    table = Table("source", "kind", "group", "rule", "outcome", box=box.SIMPLE_HEAD)
    table.add_column("messages", justify="right")
    table.add_column("of kind", justify="right")
    for key, family in sorted(
        families.items(), key=lambda item: (*_place(item[0]), -item[1].count)
    ):
        share = family.count / totals[key.source, key.kind]
        table.add_row(
            key.source,
            key.kind,
            key.group,
            key.rule,
            family.err.removeprefix("ERR_"),
            f"{family.count:,}",
            f"{share:.0%}",
            style="dim" if _is_general(key, family) else None,
        )
    console.print(table)
    for key, family in sorted(families.items()):
        if family.examples:
            console.print(f"{key.source} {key.kind} {key.group} {key.rule} -> {family.err}")
        for text in family.examples:
            console.print(f"    {text}", markup=False, highlight=False, soft_wrap=True)


def _place(key: _Key) -> tuple[str, str, str]:
    return key.source, key.kind, key.group


def _kinds_table(families: Mapping[_Key, _Family], totals: Mapping[tuple[str, str], int]) -> Table:
    table = Table("source", "kind", box=box.SIMPLE_HEAD)
    for name in ("messages", "by default", "", "general", ""):
        table.add_column(name, justify="right")
    rows = _by_kind(families, totals)
    for (source, kind), counts in sorted(rows.items(), key=lambda row: -totals[row[0]]):
        total = totals[source, kind]
        cells = [
            text for count in counts.values() for text in (f"{count:,}", f"{count / total:.0%}")
        ]
        table.add_row(source, kind, f"{total:,}", *cells)
    return table


if __name__ == "__main__":
    app()
