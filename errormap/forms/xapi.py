"""Faults as the XenAPI reports them (XAPI, xend's own XenAPI, and our toolstack)."""

from __future__ import annotations

from collections.abc import Sequence

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import LIBVIRT_CARRIER, cause_in, libvirt_carried
from virtcim.errormap.reading.text import as_text

__all__ = ["from_xapi"]


def from_xapi(
    error_description: Sequence[object],
    *,
    operation: str = "",
    version: str = "",
    task_status: str = "",
    text: str = "",
) -> Fault:
    """The Fault of one ErrorDescription, or of a task's error_info.

    A cancelled task carries no description: its code is TASK_CANCELLED. A LIBVIRT_ERROR (number,
    name, domain, message, str1, int1) has the libvirt fault as its ``cause``; an error that is
    printed in an argument is the cause of any other. ``text`` is what the words were taken from,
    where that was a piece of a log.
    """
    words = [as_text(word) for word in error_description]
    if not any(words):
        words = ["TASK_CANCELLED"] if task_status.lower() == "cancelled" else []
    code, arguments = (words[0], words[1:]) if words else ("", [])
    if code == LIBVIRT_CARRIER:
        cause: Fault | None = libvirt_carried(arguments, operation)
    else:
        cause = cause_in(arguments, operation)
    return Fault(
        source="xapi",
        source_version=version,
        operation=operation,
        code=code,
        arguments=tuple(arguments),
        text=text,
        cause=cause,
    )
