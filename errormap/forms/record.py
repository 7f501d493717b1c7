"""Reading one JSON record of a fault, the form that ``virtcim errormap translate`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.libvirt import from_libvirt, from_libvirt_event
from virtcim.errormap.forms.qemu import from_qemu
from virtcim.errormap.forms.transport import from_transport
from virtcim.errormap.forms.xapi import from_xapi
from virtcim.errormap.forms.xend import from_xend
from virtcim.errormap.reading.text import as_integer, as_text

__all__ = ["from_record"]


def from_record(record: Mapping[str, object]) -> Fault:
    """The Fault of ``{"source", "version", "operation", "raw": {...}}``.

    ``raw`` is what the source itself reported; fields that are missing, null or of another type
    are taken as far as they can be read.

    Raises ValueError naming what is wrong: no object, no raw, or an unknown source.
    """
    if not isinstance(record, Mapping):
        raise ValueError("the record is not an object")
    source = as_text(record.get("source"))
    reader = _READERS.get(source)
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise ValueError(f"unknown source {source[:40]!r} (known: {known})")
    raw = record.get("raw")
    if not isinstance(raw, Mapping):
        raise ValueError("raw is not an object")
    operation = as_text(record.get("operation"))
    return reader(raw, operation, as_text(record.get("version")))


def _xapi(raw: Mapping[str, object], operation: str, version: str) -> Fault:
    described = raw.get("error_description")
    if isinstance(described, str):
        described = [described] if described else []
    if not isinstance(described, Sequence):
        described = []
    status = as_text(raw.get("task_status"))
    return from_xapi(described, operation=operation, version=version, task_status=status)


def _libvirt(raw: Mapping[str, object], operation: str, version: str) -> Fault:
    if "event" in raw or "state" in raw:
        return from_libvirt_event(raw, operation=operation, version=version)
    return from_libvirt(
        code=as_integer(raw.get("code")),
        code_name=as_text(raw.get("code_name")),
        domain=as_text(raw.get("domain")),
        message=as_text(raw.get("message")),
        str1=as_text(raw.get("str1")),
        int1=as_integer(raw.get("int1")),
        operation=operation,
        version=version,
    )


def _qemu(raw: Mapping[str, object], operation: str, version: str) -> Fault:
    return from_qemu(raw, operation=operation, version=version)


def _xend(raw: Mapping[str, object], operation: str, version: str) -> Fault:
    return from_xend(
        fault_code=as_text(raw.get("fault_code")),
        fault_string=as_text(raw.get("fault_string")),
        operation=operation,
        version=version or as_text(raw.get("xend_version")),
    )


def _transport(raw: Mapping[str, object], operation: str, version: str) -> Fault:
    return from_transport(
        phase=as_text(raw.get("phase")),
        exception=as_text(raw.get("exception")),
        errno=as_integer(raw.get("errno")),
        message=as_text(raw.get("message")),
        http_status=as_integer(raw.get("http_status")),
        http_reason=as_text(raw.get("http_reason")),
        content_type=as_text(raw.get("content_type")),
        body=as_text(raw.get("body")),
        operation=operation,
        version=version,
    )


_READERS: dict[str, Callable[[Mapping[str, object], str, str], Fault]] = {
    "libvirt": _libvirt,
    "qemu": _qemu,
    "transport": _transport,
    "xapi": _xapi,
    "xend": _xend,
}
