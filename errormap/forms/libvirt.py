"""Faults as libvirt reports them (virError)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.libvirt_numbers import LIBVIRT_NUMBERS, number_in_message
from virtcim.errormap.forms.qemu import wrapped_qemu
from virtcim.errormap.reading.text import as_text

__all__ = ["from_libvirt", "from_libvirt_event"]

_QEMU_COMMAND = re.compile(r"unable to execute QEMU command '([^']{1,80})': ", re.IGNORECASE)
_QEMU_EXIT = re.compile(
    r"(?:process exited while connecting to monitor"
    r"|qemu unexpectedly closed the monitor(?: \([^)]{0,200}\))?"
    r"|early end of file from monitor[^:]{0,100}): ?",
    re.IGNORECASE,
)


def from_libvirt(
    *,
    code: int | None,
    code_name: str = "",
    domain: str = "",
    message: str = "",
    str1: str = "",
    int1: int | None = None,
    operation: str = "",
    version: str = "",
) -> Fault:
    """The Fault of one virError.

    ``code`` of the Fault is the number as text (from ``code_name``, or from how the message
    begins, where only that is known); ``arguments`` are always (name, domain, str1, int1).
    A message that wraps a QEMU text has the QEMU fault as its ``cause``.
    """
    name = as_text(code_name)
    number = "" if code is None else as_text(code)
    if not number and name:
        number = str(LIBVIRT_NUMBERS.get(name, ""))
    text = as_text(message)
    number = number or number_in_message(text)
    return Fault(
        source="libvirt",
        source_version=version,
        operation=operation,
        code=number,
        arguments=(name, as_text(domain), as_text(str1), as_text(int1)),
        text=text,
        cause=_qemu_cause(text, operation),
    )


def from_libvirt_event(
    raw: Mapping[str, object], *, operation: str = "", version: str = ""
) -> Fault:
    """The Fault of what libvirt tells of a domain, in the names of its constants.

    ``raw`` is ``event``+``detail`` (VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED) or
    ``state``+``reason`` (VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED): ``code`` and the only
    argument of the Fault.
    """
    of, more = ("event", "detail") if "event" in raw else ("state", "reason")
    return Fault(
        source="libvirt",
        source_version=version,
        operation=operation,
        code=as_text(raw.get(of)),
        arguments=(as_text(raw.get(more)),),
    )


def _qemu_cause(text: str, operation: str) -> Fault | None:
    command = _QEMU_COMMAND.search(text)
    if command is not None:
        return wrapped_qemu("GenericError", text[command.end() :], command[1])
    ended = _QEMU_EXIT.search(text)
    if ended is not None and text[ended.end() :].strip():
        return wrapped_qemu("exit", text[ended.end() :], operation)
    return None
