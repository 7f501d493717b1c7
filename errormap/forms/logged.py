"""Faults out of a text alone: what a program's log holds of an error whose source is known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import JSON_RPC
from virtcim.errormap.forms.libvirt import from_libvirt
from virtcim.errormap.forms.log_heads import without_xapi_heads
from virtcim.errormap.forms.printed import bare_words
from virtcim.errormap.forms.qemu import from_qemu
from virtcim.errormap.forms.server_errors import Printed, known_code, printed_errors
from virtcim.errormap.forms.transport import from_transport
from virtcim.errormap.forms.xapi import from_xapi
from virtcim.errormap.forms.xend import from_xend
from virtcim.errormap.operations import native
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.libvirt_numbers import number_in_message
from virtcim.errormap.reading.server_prose import code_in

__all__ = ["STORAGE_RAISED", "from_text", "last_raised"]

_LOOKED_AT = 32 * 1024
_RAISED = later(
    r"^(?:\[[^\]\n]{0,80}\] )?((?:\w{1,60}[.$]){0,8}\w{0,60}"
    r"(?:Error|Exception|Timeout|Disconnected|Failure|Fault|Refused|Interrupt|IncompleteRead"
    r"|BadStatusLine|CannotSendRequest|ResponseNotReady|gaierror|timeout)):(?: |$)",
    re.MULTILINE,
)
_TRACEBACK = "Traceback (most recent call last)"
_CODE_FIRST = later(r"\s{0,20}([A-Z][A-Z0-9_]{2,80})(?![A-Za-z0-9_])[\s:,-]{0,8}")
# Words in capitals with underscores are a code wherever they stand; a single one may be anything.
_CODE_WITHIN = later(
    r"(?<![A-Za-z0-9_])([A-Z][A-Z0-9]{0,40}(?:_[A-Z0-9]{1,40}){1,16})(?![A-Za-z0-9_])"
)
# The words beside it say more, and are held against its rules anyway.
_SAYS_NOTHING = "INTERNAL_ERROR"
_LIBVIRT_RAISED = later(r"\b(?:libvirtError|LibvirtException): ")
# How bindings (Go's, Perl's, Rust's) and Nova print an error: its number, its domain, its message.
_LIBVIRT_PRINTED = (
    later(
        r"\b(?:virError|LibvirtError)\("
        r"Code=(?P<number>[1-9]\d{0,2}),\s{0,12}Domain=(?P<domain>\d{1,3}),\s{0,12}"
        r"[Mm]essage=\s?(?P<quote>['\"]{1,2})(?P<message>.{1,8000}?)(?:(?P=quote)\)|\Z)",
        re.DOTALL,
    ),
    later(
        r"(?:\blibvirt error code: (?P<number>[1-9]\d{0,2})(?P<domain>), message: "
        r"|\[Error Code (?P<number2>[1-9]\d{0,2})\] |\bCode=(?P<number3>[1-9]\d{0,2}) Error=)"
        r"(?P<message>[^\n]{1,8000}?)(?: ?\)|$)",
        re.MULTILINE,
    ),
    # The names of Rust's for the numbers are its own.
    later(
        r"\bError \{ code: \w{1,60}, domain: \w{1,60}, "
        r"message: \"(?P<message>.{1,8000}?)\", level: ",
        re.DOTALL,
    ),
)
# What oVirt's bindings write around the engine's words.
_OVIRT = later(r"\bFault detail is \"\[?([^\n]{1,4000}?)\]?\"\.(?: HTTP response|$)")
_LIBVIRT_CALLED = later(r"\bCall to (vir[A-Z]\w{1,60}) failed: ")
_NATIVE = "vir"
_LIBVIRT_HEAD = later(
    r"(?:^|\]: )[\d :.TZ+-]{19,40}: \d{1,9}: error : (?:(?P<function>\w{1,80}):\d{1,6} : )?"
    # What a program that uses the library prints of it, also in a journal.
    r"|\A\s{0,20}(?:[^\n]{0,120}\]: )?libvirt: {0,2}[A-Za-z0-9 ./_-]{0,60}? ?error : ",
    re.MULTILINE,
)
_OF_CONNECTIONS = later(r"virNet(?:Socket|Client|TLS|LibSSH|SSH|SASL)\w")
_SYSTEM_ERROR = "38"
_HUMAN = later(r"\s{0,20}Error: ")
_EMULATOR = later(r"^[^\n]{0,60}\b(?:qemu|kvm)[\w.-]{0,40}: ", re.MULTILINE)
_FAULT = later(r"(?:Error: |\w{1,40}: )?\s{0,8}<Fault (-?[0-9]{1,9}): .*>\s*", re.DOTALL)
_XEND_HEAD = later(
    r"\s{0,20}(?:\[[^\]\n]{0,80}\] ?)?(?:ERROR|Error|error):? ?(?:\([^)\n]{0,80}\) ?)?"
)


def from_text(source: str, text: str, *, operation: str = "", version: str = "") -> Fault:
    """The Fault of ``source`` that ``text``, a line or a piece of its log, tells of."""
    return _READERS[source](text, operation, version)


def last_raised(text: str) -> tuple[str, str]:
    """The class of the exception that ``text`` ends with, and what it says; ("", text) for none.

    Of a traceback that is the last; of a text that begins with a class, that one.
    """
    looked = text[-_LOOKED_AT:]
    begin = looked.rfind(_TRACEBACK)
    raised = _RAISED.search(looked, begin) if begin >= 0 else _RAISED.match(looked)
    return (raised[1], looked[raised.end() :].strip()) if raised is not None else ("", text)


# How the storage manager logs what its driver raised.
STORAGE_RAISED = later(
    r"\bEXCEPTION,? (?:<(?:class|type) '[\w.]{1,80}'>|[A-Za-z][\w.]{2,80}), ?(?=[^\n])"
)


def _xapi(text: str, operation: str, version: str) -> Fault:
    looked = text[:_LOOKED_AT]
    head = JSON_RPC.search(looked) or STORAGE_RAISED.search(looked)
    text = text[head.end() :] if head is not None else text.removeprefix(_PROGRAM)
    first = _first_telling(printed_errors(text[:_LOOKED_AT], 1))
    if first is not None:
        return from_xapi(first[2], operation=operation, version=version, text=text)
    coded = _CODE_FIRST.match(text)
    if coded is not None and known_code(coded[1]):
        rest = text[coded.end() :].strip()
        words = bare_words(rest) if rest.count(",") and "\n" not in rest else [rest] if rest else []
        return from_xapi([coded[1], *words], operation=operation, version=version, text=text)
    words = _told(text)
    if words:
        return from_xapi(words, operation=operation, version=version, text=text)
    for within in _CODE_WITHIN.finditer(text[:_LOOKED_AT]):
        if known_code(within[1]) and within[1] != _SAYS_NOTHING:
            rest = text[within.end() :].strip(" :,-'\"()[]\n")
            words = [within[1], *([rest] if rest else [])]
            return from_xapi(words, operation=operation, version=version, text=text)
    fault = from_xapi(
        ["", without_xapi_heads(text)], operation=operation, version=version, text=text
    )
    return replace(fault, cause=_lost(text, operation)) if fault.cause is None else fault


# The tool names itself before what it says.
_PROGRAM = "xe: "


def _first_telling(printed: Iterable[Printed]) -> Printed | None:
    """The first printed error; one whose code says nothing only where there is no other."""
    found = sorted(printed, key=lambda one: one[0])
    return next((one for one in found if one[2][0] != _SAYS_NOTHING), next(iter(found), None))


# Where a tool's own words end and the server's begin.
_PART = later(r"(?:: | - | due to | because |[\[\"'>] ?|\n\s{0,40})(?=[A-Z])")
_MOST_PARTS = 12
_HEAD_LENGTH = 2000


def _told(text: str) -> list[str]:
    """Code and arguments of the error whose sentence ``text`` holds; empty for none."""
    said = last_raised(text)[1].removeprefix("Error: ")
    words = code_in(said)
    for part in islice(_PART.finditer(said[:_HEAD_LENGTH]), _MOST_PARTS):
        words = words or code_in(said[part.end() :])
    return words


# What a client's library says of its connection to the server; each is an error of its own.
_LOST = (
    r"(?:(?:connect|read|write|getaddrinfo) E[A-Z_]{3,20}\b|socket hang up"
    r"|HTTP connection (?:has|abrupt)"
    r"|Client network socket disconnected|other side closed|fetch failed"
    r"|unable to verify the first certificate|self[- ]signed certificate|certificate has expired"
    r"|HTTPS?ConnectionPool\(|<ProtocolError for |Hostname/IP does not match|\[SSL: "
    r"|\[Errno (?:32|104|110|111|113|101|-2|-3)\] |<urlopen error )"
)
_CONNECTION = later(
    r"^(?:[^\w\n]{0,4} ?)?"
    rf"(?:(?:\w{{1,60}}\.){{0,6}}\w{{0,40}}(?:Error|Exception|Timeout|Disconnected): )?{_LOST}"
)
# Behind a level of a log, or as a value in what a program prints.
_CONNECTION_WITHIN = later(
    rf"\b(?:[Ee]rr(?:or)?|ERROR|cause|reason|message)['\"]?[:=] ?['\"]?{_LOST}"
)


# The same behind what a program writes before each line of its log.
_RAISED_WITHIN = later(
    r"\b((?:System\.Net|java\.net|javax\.net\.ssl|org\.apache\.(?:http|xmlrpc)|requests\.exceptions"
    r"|urllib3\.exceptions|http\.client|xmlrpc\.client)\.[\w.]{2,60}): ([^\n]{1,2000})"
)


def _lost(text: str, operation: str) -> Fault | None:
    """The failed connection that a client's log tells of instead of an answer; None for no such."""
    raised = _RAISED_WITHIN.search(text[:_LOOKED_AT])
    within = _CONNECTION_WITHIN.search(text[:_LOOKED_AT]) if raised is None else None
    if _CONNECTION.match(text) is None and raised is None and within is None:
        return None
    exception, words = last_raised(text)
    if raised is not None and not exception:
        exception, words = raised[1], raised[2]
    fault = from_transport(
        phase="", exception=exception, message=words or text, operation=operation
    )
    return fault if raised is not None or fault.arguments[0] or fault.sent else None


def _xend(text: str, operation: str, version: str) -> Fault:
    words = last_raised(text)[1]
    fault = _FAULT.fullmatch(words[:_LOOKED_AT])
    head = _XEND_HEAD.match(words) if fault is None else None
    return from_xend(
        fault_code=fault[1] if fault is not None else "",
        fault_string=words[head.end() :] if head is not None else words,
        operation=operation,
        version=version,
    )


def _libvirt(text: str, operation: str, version: str) -> Fault:
    message = text
    for raised in _LIBVIRT_RAISED.finditer(text[-_LOOKED_AT:]):
        message = raised.string[raised.end() :]
    function = ""
    for head in _LIBVIRT_HEAD.finditer(message[-_LOOKED_AT:]):
        message, function = head.string[head.end() :], head["function"] or ""
    if (engine := _OVIRT.search(message[-_LOOKED_AT:])) is not None:
        message = engine[1]
    for called in _LIBVIRT_CALLED.finditer(message[-_LOOKED_AT:]):
        message = called.string[called.end() :]
        if not operation.startswith(_NATIVE):
            operation = called[1]
    number, domain = None, ""
    if _OF_CONNECTIONS.match(function) and not number_in_message(message):
        # Whatever language it speaks, this part of libvirt has system errors of connections.
        number, domain = _SYSTEM_ERROR, "VIR_FROM_RPC"
    for form in _LIBVIRT_PRINTED:
        printed = form.search(message[-_LOOKED_AT:])
        if printed is not None:
            found = printed.groupdict()
            numbers = (found[name] for name in found if name[:6] == "number" and found[name])
            number = next(numbers, None)
            domain, message = found.get("domain") or "", found["message"]
            break
    return from_libvirt(
        code=None if number is None else int(number),
        domain=domain,
        message=message,
        operation=operation,
        version=version,
    )


def _qemu(text: str, operation: str, version: str) -> Fault:
    raw: dict[str, object] = {"exit_status": None, "stderr": text}
    if _HUMAN.match(text):
        raw = {"return": text}
    elif _commanded(operation) and not _EMULATOR.search(text[:_LOOKED_AT]):
        raw = {"class": None, "desc": text}
    return from_qemu(raw, operation=operation, version=version)


def _commanded(operation: str) -> bool:
    """Whether an emulator was told to do something: it was there, and did not just end."""
    return bool(operation) and not native(operation).startswith(("(", "vir"))


def _transport(text: str, operation: str, version: str) -> Fault:
    exception, words = last_raised(text)
    return from_transport(
        phase="",
        exception=exception,
        message=words or text,
        operation=operation,
        version=version,
    )


_READERS = {
    "libvirt": _libvirt,
    "qemu": _qemu,
    "transport": _transport,
    "xapi": _xapi,
    "xend": _xend,
}
