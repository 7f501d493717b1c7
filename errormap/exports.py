"""The table in the forms that other programs read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

from virtcim.errormap.conditions import conditions
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES
from virtcim.errormap.message_registry import message_registry
from virtcim.errormap.rules import rules
from virtcim.errormap.translation import TABLE_VERSION
from virtcim.errormap.versions import canonical, current
from virtcim.errormap.vocabulary import as_value_map, vocabulary

__all__ = ["FORMATS", "export"]

_COLUMNS = ("id", "source", "condition", "err", "number", "cim_status", "since", "note")


def export(form: str) -> str:
    """The table as json, csv or markdown, its vocabulary as dsp0228 or mof.

    Raises KeyError for another ``form``.
    """
    return FORMATS[form]()


def _json() -> str:
    return canonical(current())


def _csv() -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for rule in (*rules(), *LIKENESS_RULES.values(), *DEFAULTS):
        writer.writerow(
            (
                rule.id,
                rule.source,
                conditions(rule),
                rule.err.name,
                int(rule.err),
                rule.err.cim_status,
                rule.since,
                rule.note,
            )
        )
    return stream.getvalue()


def _markdown() -> str:
    lines = [f"# Error table {TABLE_VERSION}", ""]
    for code in ErrorCode:
        lines += [f"## {code.name} ({int(code)})", "", vocabulary()[code].sentence, ""]
        found = [
            rule for rule in (*rules(), *LIKENESS_RULES.values(), *DEFAULTS) if rule.err is code
        ]
        if found:
            lines += ["| rule | holds for | note |", "|---|---|---|"]
            lines += [
                f"| `{rule.id}` | {_cell(conditions(rule))} | {_cell(rule.note)} |"
                for rule in found
            ]
            lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _mof() -> str:
    """The qualifiers of a uint16 property that holds the number of a code."""
    return as_value_map(tuple(vocabulary().values())) + "\n"


FORMATS: Mapping[str, Callable[[], str]] = {
    "json": _json,
    "csv": _csv,
    "markdown": _markdown,
    "dsp0228": message_registry,
    "mof": _mof,
}
