"""Faults as the XenAPI reports them (XAPI, xend's own XenAPI, and our toolstack)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.libvirt import from_libvirt
from virtcim.errormap.forms.xend import nested_xend
from virtcim.errormap.reading.text import as_integer, as_text

__all__ = ["from_xapi"]

_LIBVIRT = "LIBVIRT_ERROR"
# How the server prints an error of its own inside another one's text.
_PRINTED = re.compile(r"Server_error\(\s{0,8}([A-Z][A-Z0-9_]{2,80}),\s{0,8}\[")
_PRINTED_LENGTH = 4000


def from_xapi(
    error_description: Sequence[object],
    *,
    operation: str = "",
    version: str = "",
    task_status: str = "",
) -> Fault:
    """The Fault of one ErrorDescription, or of a task's error_info.

    A cancelled task carries no description: its code is TASK_CANCELLED. A LIBVIRT_ERROR (number,
    name, domain, message, str1, int1) has the libvirt fault as its ``cause``.
    """
    words = [as_text(word) for word in error_description]
    if not any(words):
        words = ["TASK_CANCELLED"] if task_status.lower() == "cancelled" else []
    code, arguments = (words[0], words[1:]) if words else ("", [])
    return Fault(
        source="xapi",
        source_version=version,
        operation=operation,
        code=code,
        arguments=tuple(arguments),
        cause=_cause(code, arguments, operation),
    )


def _cause(code: str, arguments: Sequence[str], operation: str) -> Fault | None:
    if code == _LIBVIRT:
        number, name, domain, message, str1, int1 = [*arguments, *[""] * 6][:6]
        return from_libvirt(
            code=as_integer(number),
            code_name=name,
            domain=domain,
            message=message,
            str1=str1,
            int1=as_integer(int1),
            operation=operation,
        )
    for argument in arguments:
        printed = _PRINTED.search(argument)
        if printed is not None:
            inner = argument[printed.end() : printed.end() + _PRINTED_LENGTH].partition("])")[0]
            words = [word.strip() for word in inner.split(";")]
            return from_xapi([printed[1], *words], operation=operation)
    if code in ("INTERNAL_ERROR", "INTERNAL ERROR") and arguments:
        return nested_xend(arguments[0], operation)
    return None
