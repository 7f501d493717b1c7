"""``virtcim errormap``: explain, list, compare, export and translate hypervisor faults."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from virtcim.cli.helptext import Command
from virtcim.cli.standard_output import put_out

__all__ = ["app", "register"]

app = typer.Typer(
    help=(
        "Explain, list, compare, export and translate hypervisor faults."
        "\n\nExample: virtcim errormap explain xapi HANDLE_INVALID VM OpaqueRef:1"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(application: typer.Typer) -> None:
    """Add the command group ``errormap``."""
    application.add_typer(app, name="errormap")


# Arguments of a fault may be negative numbers, which look like options.
@app.command(cls=Command, context_settings={"ignore_unknown_options": True})
def explain(
    source: Annotated[str, typer.Argument(help="xapi, xend, libvirt, qemu or transport.")] = "",
    code: Annotated[str, typer.Argument(help="The source's own code.")] = "",
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARG", help="What came with the code.")
    ] = None,
    operation: Annotated[str, typer.Option(help="The management call, as VM.start.")] = "",
    text: Annotated[str, typer.Option(help="The source's message.")] = "",
    paste: Annotated[
        bool, typer.Option("--paste", help="Find the faults in a piece of a log on standard input.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Say which standard code a fault gets, why, what to do, and which rules lost.

    With --paste, of every fault in a log: XenAPI errors in any spelling, lines of libvirt, QEMU and
    xend, tracebacks, task errors, failed connections. Each is explained once, with its lines.

    Texts are in the language of the locale where there is a catalogue for it.

    Example: virtcim errormap explain xapi HANDLE_INVALID VM OpaqueRef:1 --operation VM.start

    Example: virtcim errormap explain libvirt 38 --text "Cannot access storage file '/a'"

    Example: journalctl -u libvirtd | virtcim errormap explain --paste
    """
    if paste:
        if source or code or arguments or text:
            raise _failure("--paste takes the faults from standard input alone")
        _explain_pasted(operation, as_json)
        return
    if not source or not (code or text):
        raise _failure("a source and a code are needed, or --paste and a log on standard input")
    from virtcim.cli import explanation as shown
    from virtcim.errormap import environment_language, from_words
    from virtcim.errormap import explain as explained

    try:
        fault = from_words(source, code, arguments or (), operation=operation, text=text)
    except ValueError as error:
        raise _failure(str(error)) from error
    explanation = explained(fault)
    language = environment_language(os.environ)
    if as_json:
        _write(json.dumps(shown.as_object(explanation, language), indent=2) + "\n")
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(shown.on_terminal(explanation, language))
    else:
        _write(shown.as_text(explanation, language))


def _explain_pasted(operation: str, as_json: bool) -> None:
    from virtcim.cli import pasting as shown
    from virtcim.errormap import environment_language
    from virtcim.errormap import explain as explained
    from virtcim.errormap.forms.pasted import LONGEST_TEXT, pasted

    if sys.stdin is None:
        raise _failure("standard input is closed")
    if sys.stdin.isatty():
        typer.echo("Paste the log, then press Ctrl-D on a line of its own.", err=True)
    log = sys.stdin.buffer.read(LONGEST_TEXT + 1)
    if len(log) > LONGEST_TEXT:
        typer.echo("virtcim errormap: only the first 32 MiB are looked at", err=True)
    found = [
        shown.Seen(one.lines, explained(one.fault))
        for one in pasted(log[:LONGEST_TEXT].decode("utf-8", "replace"), operation)
    ]
    language = environment_language(os.environ)
    if as_json:
        objects = [shown.as_object(seen, language) for seen in found]
        _write(json.dumps(objects, indent=2) + "\n")
    elif found and sys.stdout.isatty():
        from rich.console import Console

        Console().print(shown.on_terminal(found, language))
    elif found:
        _write(shown.as_text(found, language))
    if not found:
        raise _failure("no fault of a hypervisor is found in this text", status=1)


@app.command("list", cls=Command)
def list_rules(
    source: Annotated[str, typer.Option(help="Only those of this source, text or likeness.")] = "",
    err: Annotated[str, typer.Option(help="Only the rules that lead to this code.")] = "",
    as_json: _Json = False,
) -> None:
    """List the rules in order of priority.

    Example: virtcim errormap list --source libvirt --err ERR_OUT_OF_MEMORY
    """
    from virtcim.errormap import ErrorCode, rules
    from virtcim.errormap.conditions import conditions
    from virtcim.errormap.likeness.rules import RULES
    from virtcim.errormap.rules import LIKENESS, SHARED, SOURCES

    known = (*SOURCES, SHARED, LIKENESS)
    if source and source not in known:
        raise _failure(f"unknown source {source!r} (known: {', '.join(known)})")
    if err and err not in ErrorCode.__members__:
        raise _failure(f"unknown code {err!r}")
    found = [
        rule
        for rule in (*rules(), *RULES.values())
        if (not source or rule.source == source) and (not err or rule.err.name == err)
    ]
    if as_json:
        rows = [
            {"id": rule.id, "err": rule.err.name, "condition": conditions(rule), "note": rule.note}
            for rule in found
        ]
        _write(json.dumps(rows, indent=2) + "\n")
    else:
        _print_table(
            ("rule", "code", "holds for"),
            [(rule.id, rule.err.name, conditions(rule)) for rule in found],
        )


@app.command(cls=Command)
def diff(
    before: Annotated[str, typer.Argument(help="A version, current, or a file.")],
    after: Annotated[str, typer.Argument(help="A version, current, or a file.")],
    wording: Annotated[
        bool, typer.Option("--wording", help="Show the changes of wording as well.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Say what a client must expect when the table goes from one version to another, and why.

    A major change gives some faults another code, a minor one adds rules, a patch is wording; these
    are only counted unless asked for. --json gives all of them.

    Example: virtcim errormap diff 1.0.0 current
    """
    from virtcim.errormap.versions import VersionError, differences, read_version

    try:
        changes = differences(read_version(before), read_version(after))
    except VersionError as error:
        raise _failure(str(error)) from error
    if as_json:
        rows = [{**dataclasses.asdict(change), "expect": change.expect} for change in changes]
        _write(json.dumps(rows, indent=2) + "\n")
        return
    shown = [item for item in changes if wording or item.kind != "wording"]
    if shown:
        _print_table(
            ("level", "change", "rule", "before", "after", "what to expect", "why"),
            [
                (item.level, item.kind, item.rule, item.before, item.after, item.expect, item.why)
                for item in shown
            ],
        )
    if not changes:
        _write("The two versions are the same.\n")
    elif len(shown) < len(changes):
        _write(f"{len(changes) - len(shown)} changes of wording: --wording shows them.\n")


@app.command(cls=Command)
def export(
    form: Annotated[
        str, typer.Option("--format", help="json, csv, markdown, dsp0228 or mof.")
    ] = "json",
) -> None:
    """Print the whole table for other programs.

    dsp0228 is a DMTF message registry of the standard codes, mof their ValueMap and Values.

    Example: virtcim errormap export --format json > table.json
    """
    from virtcim.errormap.exports import FORMATS
    from virtcim.errormap.exports import export as exported

    if form not in FORMATS:
        raise _failure(f"unknown format {form!r} (known: {', '.join(FORMATS)})")
    _write(exported(form))


@app.command(cls=Command)
def docs(
    directory: Annotated[Path, typer.Argument(help="Where the pages are written.")],
) -> None:
    """Write the reference of all errors: one page for each standard code and each source.

    Example: virtcim errormap docs docs/errors
    """
    from virtcim.errormap.reference import pages

    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in pages().items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise _failure(f"the pages cannot be written: {error}") from error


@app.command(cls=Command)
def translate() -> None:
    """Translate faults: JSON lines from standard input, one JSON line each to standard output.

    A line is {"id", "source", "version", "operation", "raw": {...}} with raw as the source itself
    reports the fault. A line that cannot be read is answered with ERR_UNKNOWN and an input_error.

    Example: virtcim errormap translate < faults.jsonl
    """
    from virtcim.cli.translating import translate_input

    raise typer.Exit(translate_input())


_write = partial(put_out, "virtcim errormap")


def _failure(reason: str, status: int = 2) -> typer.Exit:
    typer.echo(f"virtcim errormap: {reason}", err=True)
    return typer.Exit(status)


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not sys.stdout.isatty():
        _write("".join("\t".join(row) + "\n" for row in (header, *rows)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, header_style="bold cyan", expand=False)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console().print(table)
