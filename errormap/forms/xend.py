"""Faults as xend's legacy XML-RPC reports them."""

from __future__ import annotations

import re

from virtcim.errormap.fault import Fault
from virtcim.errormap.reading.text import as_text

__all__ = ["from_xend", "nested_xend"]

# 3.0.2 wraps a fault once per level as text: "Error occurred when resuming: <Fault 3: 'nope'>".
_NESTED = re.compile(r"<Fault (-?[0-9]{1,9}): ")
_LEVELS = 16


def from_xend(
    *, fault_code: int | str, fault_string: str, operation: str = "", version: str = ""
) -> Fault:
    """The Fault of one XML-RPC <fault>; one that is printed inside its text becomes ``cause``."""
    text = as_text(fault_string)
    return Fault(
        source="xend",
        source_version=version,
        operation=operation,
        code=as_text(fault_code),
        text=text,
        cause=nested_xend(text, operation),
    )


def nested_xend(text: str, operation: str, levels: int = _LEVELS) -> Fault | None:
    """The xend fault that ``text`` contains in printed form, with those inside it as causes."""
    match = _NESTED.search(text) if levels else None
    end = text.rfind(">") if match is not None else -1
    if match is None or end < match.end():
        return None
    inner = _unquoted(text[match.end() : end])
    return Fault(
        source="xend",
        operation=operation,
        code=match[1],
        text=inner,
        cause=nested_xend(inner, operation, levels - 1),
    )


def _unquoted(printed: str) -> str:
    """The text behind a printed Python string; anything else as it is."""
    if len(printed) >= 2 and printed[0] == printed[-1] and printed[0] in "'\"":
        return printed[1:-1].replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\")
    return printed
