"""Reading one JSON record of a fault, the form that ``virtcim errormap translate`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import cause_in
from virtcim.errormap.forms.enclosing import errors_in, object_in, words_in
from virtcim.errormap.forms.libvirt import from_libvirt, from_libvirt_event
from virtcim.errormap.forms.logged import from_text
from virtcim.errormap.forms.pasted_text import without_pasting
from virtcim.errormap.forms.printed import listed
from virtcim.errormap.forms.qemu import KNOWN_FIELDS, REPORTED, from_qemu
from virtcim.errormap.forms.server_errors import known_code
from virtcim.errormap.forms.transport import from_transport
from virtcim.errormap.forms.xapi import from_xapi
from virtcim.errormap.forms.xend import from_xend
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.text import as_integer, as_text
from virtcim.errormap.told import call_before, call_named, call_of_image_tool

__all__ = ["from_record"]

_Raw = Mapping[str, object]

# What is expected of each source, for whoever sent something else.
EXPECTED: dict[str, str] = {
    "libvirt": "code, code_name, domain, level, message, str1, int1; event and detail; state and"
    " reason; or text",
    "qemu": "class and desc; event and data; query-migrate, query-jobs, query-block-jobs,"
    " query-status or query-block; exit_status and stderr; error; return; or text",
    "transport": "phase, exception, errno, message, http_status, http_reason, content_type, body;"
    " exception and text; or text",
    "xapi": "error_description and task_status; Status and ErrorDescription; error_info and status;"
    " code and params; code, message and data; or text",
    "xend": "fault_code and fault_string; result; or text",
}
_SUCCESS = "success"
# Sources whose reports are lines of a terminal or a log.
_PASTED = ("libvirt", "qemu")
_XEN = ("xapi", "xend")
_MOST_HOSTS = 64


def from_record(record: Mapping[str, object]) -> Fault:
    """The Fault of ``{"source", "version", "operation", "raw": {...}}``.

    ``raw`` is what the source itself reported, in any form that programs log (EXPECTED); fields
    that are missing, null or of another type are taken as far as they can be read.

    Raises ValueError naming what is wrong: no object, no raw, an unknown source, or a raw that
    holds none of the fields that are expected of its source.
    """
    # Asking an abstract class takes longer than everything else here.
    if type(record) is not dict and not isinstance(record, Mapping):
        raise ValueError("the record is not an object")
    source = as_text(record.get("source"))
    reader = _READERS.get(source)
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise ValueError(f"unknown source {source[:40]!r} (known: {known})")
    raw = record.get("raw")
    if type(raw) is not dict and not isinstance(raw, Mapping):
        raise ValueError("raw is not an object")
    operation = as_text(record.get("operation"))
    version = as_text(record.get("version"))
    if source in _PASTED:
        raw = without_pasting(raw)
        if source == "libvirt":
            operation = call_before(as_text(raw.get("text") or raw.get("message")), operation)
        elif source == "qemu" and not operation:
            operation = call_of_image_tool(as_text(raw.get("text")))
    elif not operation and source in _XEN:
        operation = call_named(as_text(raw.get("text")))
    fault = reader(raw, operation, version) or _enclosed(source, raw, operation, version, _DEEPEST)
    if fault is None:
        raise ValueError(f"no form of raw is known for {source}; expected: {EXPECTED[source]}")
    return fault


_DEEPEST = 4


def _enclosed(source: str, raw: _Raw, operation: str, version: str, levels: int) -> Fault | None:
    """The fault of an object in which a program keeps what its source reported; None for none."""
    reader = _READERS[source]
    text = as_text(raw.get("text")).strip()
    if text:
        logged = _OF_A_CALL.match(text)
        if logged is not None:
            # Xen Orchestra's log: the call, what was given to it, and the error.
            operation = operation or logged[1]
        within = object_in(text if logged is None else text[text.rfind(_LAST_OBJECT) + 1 :])
        fault = reader(within, operation, version) if within is not None else None
        if fault is None and within is not None and levels:
            fault = _enclosed(source, within, operation, version, levels - 1)
        return fault or from_text(source, text, operation=operation, version=version)
    fault = _within(source, raw, operation, version, levels)
    words = words_in(raw) if fault is None else ""
    return from_text(source, words, operation=operation, version=version) if words else fault


_OF_A_CALL = later(r"([a-z]\w{1,40}\.\w{1,60})\s{0,4}\n\{")
_LAST_OBJECT = "\n{"


def _within(source: str, raw: _Raw, operation: str, version: str, levels: int) -> Fault | None:
    """The first fault with a code in the objects inside ``raw``: words alone are read together."""
    for inner in errors_in(raw) if levels else ():
        fault = _READERS[source](inner, operation, version)
        if fault is None or not fault.code:
            fault = _within(source, inner, operation, version, levels - 1)
        if fault is not None:
            return fault
    return None


def _has(raw: _Raw, *fields: str) -> bool:
    return any(raw.get(field) is not None for field in fields)


# --- The XenAPI


def _xapi(raw: _Raw, operation: str, version: str) -> Fault | None:
    error = raw.get("error")
    if error is not None:
        if isinstance(error, Mapping):
            raw = {**raw, **error}
        elif isinstance(error, list):
            # The error of the older JSON-RPC is the array itself.
            raw = {"error_description": error, **raw}
        elif isinstance(error, str) and known_code(error) and not _has(raw, "code"):
            # Xen Orchestra's command line: the code, and what it carries as data.
            raw = {"code": error, "params": raw.get("data"), **raw}
    result = raw.get("result")
    if result is not None and isinstance(result, Mapping):
        raw = {**raw, **result}
    status = as_text(raw.get("task_status"))
    for field, beside in _DESCRIPTIONS:
        if field not in raw:
            continue
        status = status or as_text(raw.get(beside))
        words = _words(raw[field])
        if words is not None and (any(words) or not _has(raw, "text")):
            if not any(words) and status.lower() == _SUCCESS:
                return None
            return from_xapi(words, operation=operation, version=version, task_status=status)
    if _has(raw, "code") or isinstance(raw.get("params"), Sequence):
        return _coded(raw, operation, version)
    if status and status.lower() != _SUCCESS and not _has(raw, "text"):
        return from_xapi([], operation=operation, version=version, task_status=status)
    return None


# The array of an error, and the field that says how a task or a call ended.
_DESCRIPTIONS = (
    ("error_description", "status"),
    ("ErrorDescription", "Status"),
    ("error_info", "status"),
)


def _words(described: object) -> list[object] | None:
    """The words of a description: an array, or one that is printed in a text; None for no such."""
    if type(described) is list:
        return described
    if isinstance(described, str):
        printed = listed(described.strip(), 0) if described.lstrip()[:1] == "[" else None
        if printed is not None:
            return list(printed[0])
        return [described] if described else []
    if isinstance(described, Sequence) and not isinstance(described, bytes):
        return list(described)
    return [] if described is None else None


# An errno, or a name of the same kind that a library of node's gives.
_OF_NODE = later(r"E[A-Z]{2,20}[0-9]?|EAI_[A-Z]{2,20}|(?:UND_)?ERR_[A-Z0-9_]{2,60}")


def _coded(raw: _Raw, operation: str, version: str) -> Fault | None:
    """``code`` and ``params`` of a client's log, or ``code``, ``message``, ``data`` of JSON-RPC."""
    code, rest = as_text(raw.get("code")), raw.get("params")
    if _is_of_node(code) and "params" not in raw and (said := words_in(raw)):
        # A call of the client's own failed: node has its errno as the code.
        return from_text("xapi", said, operation=operation, version=version)
    data = raw.get("data")
    if isinstance(data, Mapping) and known_code(as_text(data.get("code"))):
        # Xen Orchestra has a number and words of its own, and the server's code within.
        object_id = [data["objectId"]] if data.get("objectId") else []
        code, rest = as_text(data["code"]), data.get("params", object_id)
    elif isinstance(data, Mapping) and (said := words_in(data)):
        # A number and words of its own, and what it got within.
        return from_text(
            "xapi", f"{words_in(raw, 0)}\n{said}", operation=operation, version=version
        )
    elif as_integer(raw.get("code")) is not None or not _has(raw, "params"):
        # JSON-RPC has a number, and the code itself as the message.
        code = as_text(raw.get("message")) if as_integer(raw.get("code")) is not None else code
        rest = raw.get("data", rest)
    words = _words(rest) or []
    if not code and not any(words):
        return None
    if " " in code.strip():
        return from_text("xapi", code, operation=operation, version=version)
    call = raw.get("call")
    if not operation and isinstance(call, Mapping):
        operation = as_text(call.get("method"))
    fault = from_xapi([code, *words], operation=operation, version=version)
    cause = _of_hosts(raw, operation) if fault.cause is None else None
    return fault if cause is None else replace(fault, cause=cause)


def _is_of_node(code: str) -> bool:
    return _OF_NODE.fullmatch(code) is not None and not known_code(code)


def _of_hosts(raw: _Raw, operation: str) -> Fault | None:
    """What the first host said that gave a reason: Xen Orchestra asks each, and lists them."""
    errors = raw.get("errors")
    if not isinstance(errors, Sequence) or isinstance(errors, str | bytes):
        return None
    texts = [as_text(error) for error in errors[:_MOST_HOSTS]]
    found = cause_in(texts, operation)
    if found is not None:
        return found
    # Without brackets where it carries nothing: "host: CODE".
    for code in (text.rpartition(": ")[2].strip() for text in texts):
        if known_code(code):
            return from_xapi([code], operation=operation)
    return None


# --- xend


def _xend(raw: _Raw, operation: str, version: str) -> Fault | None:
    version = version or as_text(raw.get("xend_version"))
    result = raw.get("result")
    if isinstance(result, Mapping):
        # What xend's own XenAPI answers, on the legacy port too.
        return _xapi(result, operation, version)
    if isinstance(result, str) and result.strip() and not _has(raw, "fault_string"):
        return from_text("xend", result, operation=operation, version=version)
    if not _has(raw, "fault_code", "fault_string", "faultCode", "faultString"):
        return None
    return from_xend(
        fault_code=as_text(raw.get("fault_code", raw.get("faultCode"))),
        fault_string=as_text(raw.get("fault_string", raw.get("faultString"))),
        operation=operation,
        version=version,
    )


# --- libvirt


def _libvirt(raw: _Raw, operation: str, version: str) -> Fault | None:
    if "event" in raw or "state" in raw:
        return from_libvirt_event(raw, operation=operation, version=version)
    if not _has(raw, "code", "code_name", "domain", "message", "str1", "int1"):
        # Go's binding logs the fields of its structure, which begin with capitals.
        raw = {as_text(key).lower(): value for key, value in raw.items()}
        if not _has(raw, "code", "message"):
            return None
    number = as_integer(raw.get("code"))
    name = as_text(raw.get("code_name"))
    if (
        number is None
        and not name
        and (code := as_text(raw.get("code"))).replace("_", "").isalpha()
    ):
        # Some bindings give the name where others give the number.
        name = code
    message = as_text(raw.get("message"))
    if not message.strip() and _has(raw, "text"):
        message = as_text(raw["text"])
    if _is_of_others(raw, number, name):
        # The words alone are libvirt's: what printed them has numbers of its own, or none.
        words = words_in(raw) or message
        if words.strip() != message.strip() or _PRINTED in words:
            inner = _within("libvirt", raw, operation, version, 1)
            return inner or from_text("libvirt", words, operation=operation, version=version)
        if not words.strip() and number is None and len(raw) > 1:
            return None
        number = number if not words.strip() else None
    return from_libvirt(
        code=number,
        code_name=name,
        domain=as_text(raw.get("domain")),
        message=message,
        str1=as_text(raw.get("str1")),
        int1=as_integer(raw.get("int1")),
        operation=operation,
        version=version,
    )


def _is_of_others(raw: _Raw, number: int | None, name: str) -> bool:
    """Whether an error with a message is of a program around libvirt, by what it calls its parts.

    Managers have numbers of HTTP and of their own, and words where libvirt has none.
    """
    if _has(raw, "code_name", "domain", "str1", "int1") or name:
        return False
    if number is None:
        return True
    # As HTTP writes it: longer ones may be anything, and are told.
    return len(as_text(raw.get("code"))) == _DIGITS_OF_HTTP and number >= _FIRST_OF_HTTP


_FIRST_OF_HTTP, _DIGITS_OF_HTTP = 200, 3
# How bindings print an error, whatever they call its class.
_PRINTED = "Error(Code="


# --- QEMU


def _qemu(raw: _Raw, operation: str, version: str) -> Fault | None:
    answer = raw.get("return")
    if answer is not None and isinstance(answer, Mapping):
        raw = {operation: answer} if operation.startswith("query-") else answer
    elif isinstance(answer, str) and answer.strip():
        return from_qemu({"return": answer}, operation=operation, version=version)
    if not _has(raw, *KNOWN_FIELDS):
        return None
    if not _has(raw, *REPORTED):
        if words := words_in(raw, 0):
            # A manager's words, with nothing of QEMU's own beside them.
            return from_text("qemu", words, operation=operation, version=version)
        if not _has(raw, "data", "status"):
            return None
    return from_qemu(raw, operation=operation, version=version)


# --- The way to the manager


def _transport(raw: _Raw, operation: str, version: str) -> Fault | None:
    known = ("phase", "exception", "errno", "message", "http_status", "body")
    if not _has(raw, *known, "http_reason", "code"):
        return None
    named = as_text(raw.get("errno"))
    words = [raw.get("message"), raw.get("text")]
    if isinstance(cause := raw.get("cause"), Mapping):
        # What node's fetch says of itself is that it failed; why, stands in its cause.
        words += [cause.get("message"), cause.get("syscall"), cause.get("code")]
    # node gives the name of the errno, and the call that failed beside it.
    words += [raw.get("syscall"), raw.get("code"), None if as_integer(named) is not None else named]
    texts = dict.fromkeys(filter(None, map(as_text, words)))
    if not texts and not any(as_text(raw.get(field)) for field in (*known, "http_reason")):
        return None
    return from_transport(
        phase=as_text(raw.get("phase")),
        exception=as_text(raw.get("exception")),
        errno=as_integer(raw.get("errno")),
        message="\n".join(texts),
        http_status=_http_status(raw),
        http_reason=as_text(raw.get("http_reason")),
        content_type=as_text(raw.get("content_type")),
        body=as_text(raw.get("body")),
        operation=operation,
        version=version,
    )


def _http_status(raw: _Raw) -> int | None:
    """The status of HTTP; managers write that of a refused request as the code of their error."""
    status = as_integer(raw.get("http_status"))
    number = as_integer(raw.get("code")) if status is None else None
    return number if number in _REFUSED else status


# Without those that say nothing of the request.
_REFUSED = frozenset((400, 401, 403, 404, 405, 409, 413))
_READERS: dict[str, Callable[[_Raw, str, str], Fault | None]] = {
    "libvirt": _libvirt,
    "qemu": _qemu,
    "transport": _transport,
    "xapi": _xapi,
    "xend": _xend,
}
