"""Faults as xend's legacy XML-RPC reports them."""

from __future__ import annotations

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import cause_in
from virtcim.errormap.forms.server_errors import known_code
from virtcim.errormap.forms.xapi import from_xapi
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.text import as_text

__all__ = ["from_xend"]

# How xend prints an error of its own XenAPI: the code, and what it carries.
_CODED = later(r"\s{0,8}([A-Z][A-Z0-9]{1,30}_[A-Z0-9_]{1,60}): ([^\n]{0,4000})")

# The class of the object stands before its reference.
_OF_A_CLASS = "HANDLE_INVALID"


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
        cause=cause_in((text,), operation) or _of_the_server(text, operation),
    )


def _of_the_server(text: str, operation: str) -> Fault | None:
    coded = _CODED.match(text)
    if coded is None or not known_code(coded[1]):
        return None
    words = coded[2].split(" ", 1) if coded[1] == _OF_A_CLASS else [coded[2]]
    return from_xapi([coded[1], *words], operation=operation)
