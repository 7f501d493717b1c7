"""Faults as xend's legacy XML-RPC reports them."""

from __future__ import annotations

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import cause_in
from virtcim.errormap.reading.text import as_text

__all__ = ["from_xend"]


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
        cause=cause_in((text,), operation),
    )
