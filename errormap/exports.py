"""The table in the forms that other programs read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from xml.etree import ElementTree as ET

from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.messages import SENTENCES
from virtcim.errormap.rules import Rule, rules
from virtcim.errormap.translation import TABLE_VERSION
from virtcim.errormap.versions import current

__all__ = ["FORMATS", "conditions", "export"]

_REGISTRY = "http://schemas.dmtf.org/wbem/messageregistry/1"
_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_COLUMNS = ("id", "source", "condition", "err", "number", "cim_status", "since", "note")


def export(form: str) -> str:
    """The whole table as json, csv, markdown or dsp0228; KeyError for another ``form``."""
    return FORMATS[form]()


def conditions(rule: Rule) -> str:
    """What must hold for ``rule``, on one line for people."""
    parts = []
    if rule.code:
        parts.append(f"code {' | '.join(rule.code)}")
    if rule.operation:
        parts.append(f"operation {' | '.join(rule.operation)}")
    if rule.argument is not None:
        where = "an argument" if rule.argument.at is None else f"argument {rule.argument.at + 1}"
        parts.append(f"{where} {' | '.join(sorted(rule.argument.values))}")
    if rule.errno:
        parts.append(f"errno {' | '.join(sorted(rule.errno))}")
    if rule.sent is not None:
        parts.append("a change was sent" if rule.sent else "no change was sent")
    if rule.text is not None:
        parts.append(f"text /{rule.text.pattern}/")
    if rule.weak:
        parts.append("and nothing else is known")
    return "; ".join(parts) or "no other rule holds"


def _json() -> str:
    return json.dumps(current(), indent=2, ensure_ascii=False) + "\n"


def _csv() -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for rule in (*rules(), *DEFAULTS):
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
        lines += [f"## {code.name} ({int(code)})", "", SENTENCES[code], ""]
        found = [rule for rule in (*rules(), *DEFAULTS) if rule.err is code]
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


def _dsp0228() -> str:
    """A DMTF message registry (DSP0228): one message for each code of the vocabulary."""
    ET.register_namespace("", _REGISTRY)
    ET.register_namespace("xsi", _SCHEMA)
    registry = ET.Element(_tag("REGISTRY"))
    declaration = ET.SubElement(registry, _tag("REGISTRY_DECLARATION"))
    ET.SubElement(
        declaration,
        _tag("IDENTIFICATION"),
        ID="VIRTCIM",
        NAME="virtcim Message Registry",
        VERSION=TABLE_VERSION.partition("-")[0],
        LANGUAGE="en-US",
    )
    ET.SubElement(declaration, _tag("SPECIFICATION"), OWNING_ENTITY="virtcim")
    entries = ET.SubElement(registry, _tag("REGISTRY_ENTRIES"))
    for code in ErrorCode:
        if code is not ErrorCode.ERR_SUCCESS:
            _message(entries, code)
    ET.indent(registry)
    return ET.tostring(registry, encoding="unicode", xml_declaration=True) + "\n"


def _message(entries: ET.Element, code: ErrorCode) -> None:
    message = ET.SubElement(entries, _tag("MESSAGE"), NAME=code.name)
    ET.SubElement(message, _tag("MESSAGE_ID"), PREFIX="VIRTCIM", SEQUENCE_NUMBER=str(int(code)))
    ET.SubElement(message, _tag("MESSAGE_DESCRIPTION")).text = SENTENCES[code]
    components = ET.SubElement(message, _tag("MESSAGE_COMPONENTS"))
    ET.SubElement(components, _tag("STATIC_ELEMENT")).text = f"{code.name}: "
    ET.SubElement(components, _tag("DYNAMIC_ELEMENT"), NAME="Sentence and hypervisor detail")
    fixed = ET.SubElement(message, _tag("FIXED_MESSAGE_INSTANCE_VALUES"), TYPE="ERROR")
    ET.SubElement(
        fixed,
        _tag("CIMSTATUSCODE"),
        VALUE=str(code.cim_status),
        DESCRIPTION=_STATUS[code.cim_status],
    )


# Names of the DSP0200 status codes that the vocabulary uses.
_STATUS = {
    1: "CIM_ERR_FAILED",
    2: "CIM_ERR_ACCESS_DENIED",
    4: "CIM_ERR_INVALID_PARAMETER",
    6: "CIM_ERR_NOT_FOUND",
    7: "CIM_ERR_NOT_SUPPORTED",
    11: "CIM_ERR_ALREADY_EXISTS",
}


def _tag(name: str) -> str:
    return f"{{{_REGISTRY}}}{name}"


FORMATS: Mapping[str, Callable[[], str]] = {
    "json": _json,
    "csv": _csv,
    "markdown": _markdown,
    "dsp0228": _dsp0228,
}
