"""Faults as libvirt reports them (virError)."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import bare_libvirt, cause_in
from virtcim.errormap.reading.prefixes import domain_name
from virtcim.errormap.reading.text import as_text

__all__ = ["from_libvirt", "from_libvirt_event"]


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
    An error that is printed in the message, as one of QEMU's, is the ``cause``. A number that
    stands for no error is none where the message tells of one.
    """
    text = as_text(message)
    return bare_libvirt(
        "" if code is None else as_text(code),
        as_text(code_name),
        domain_name(as_text(domain)),
        text,
        as_text(str1),
        as_text(int1),
        operation,
        version,
        cause_in((text,), operation),
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
