"""The forms of faults in logs: one finder for each kind of program that writes them.

A finder gives the places where a fault begins and ends, and the fault. Patterns bound their
repetitions; what a finder takes of a text is bounded, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.found import Found, line_end
from virtcim.errormap.forms.libvirt import from_libvirt
from virtcim.errormap.forms.logged import STORAGE_RAISED, from_text
from virtcim.errormap.forms.managers import failed_tasks
from virtcim.errormap.forms.qemu import from_qemu
from virtcim.errormap.forms.record import from_record
from virtcim.errormap.forms.server_errors import known_code, printed_errors
from virtcim.errormap.forms.transport import from_transport
from virtcim.errormap.forms.transport_words import condition_of
from virtcim.errormap.forms.xapi import from_xapi
from virtcim.errormap.forms.xend import from_xend
from virtcim.errormap.reading.libvirt_numbers import number_in_message

__all__ = ["FINDERS"]

_MOST = 5_000
_MOST_LINES_OF_ONE = 60
_LONGEST_OBJECT = 64 * 1024
# A message tells by its beginning whose it is.
_TELLING = 400


# --- The XenAPI's errors, in every spelling


def _server_errors(text: str, operation: str) -> Iterator[Found]:
    for begin, end, words in printed_errors(text, _MOST):
        yield Found(begin, end, from_xapi(words, operation=operation))


# The tool of XAPI's command line says so where it has no sentence for an error.
_TOOL = re.compile(
    r"^The server failed to handle your request, due to an internal error[^\n]{0,300}\n"
    r"\s{0,20}message: ?",
    re.MULTILINE,
)
_STORAGE_MANAGER = re.compile(r"Raising exception \[([0-9]{1,4}), ")


def _server_prose(text: str, operation: str) -> Iterator[Found]:
    for match in _TOOL.finditer(text):
        end = line_end(text, match.end())
        words = ["INTERNAL_ERROR", text[match.end() : end]]
        yield Found(match.start(), end, from_xapi(words, operation=operation))
    for match in _STORAGE_MANAGER.finditer(text):
        end = line_end(text, match.end())
        words = [
            f"SR_BACKEND_FAILURE_{match[1]}",
            "",
            text[match.end() : end].rstrip().removesuffix("]"),
            "",
        ]
        yield Found(match.start(), end, from_xapi(words, operation=operation))
    for match in STORAGE_RAISED.finditer(text):
        end = line_end(text, match.end())
        if printed := text[match.end() : end].strip():
            yield Found(match.start(), end, from_text("xapi", printed, operation=operation))


# --- Tracebacks

_TRACEBACK = re.compile(r"Traceback \(most recent call last\):")
_RAISED = re.compile(
    r"^(?:\[[^\]\n]{0,80}\] ?)?((?:\w{1,60}\.){0,8}\w{1,80})(?:: ?|\s*$)", re.MULTILINE
)
_XEND_CLASSES = frozenset(
    ("VmError", "XendError", "XendInvalidDomain", "XendConfigError", "HVMRequired", "VMBadState")
)
_WITHIN = 32 * 1024


def _tracebacks(text: str, operation: str) -> Iterator[Found]:
    for match in _TRACEBACK.finditer(text):
        raised = _RAISED.search(text, line_end(text, match.end()), match.end() + _WITHIN)
        if raised is None:
            continue
        end = line_end(text, raised.end())
        fault = _raised(raised[1], text[raised.end() : end].strip(), operation)
        if fault is not None:
            yield Found(match.start(), end, fault)


def _raised(name: str, words: str, operation: str) -> Fault | None:
    """The fault of one exception of Python's by its class; None for one that is no fault's."""
    short = name.rpartition(".")[2]
    if short == "libvirtError":
        return from_libvirt(code=None, message=words, operation=operation)
    if short == "Fault":
        return from_text("xend", words, operation=operation)
    if short in _XEND_CLASSES:
        return from_xend(fault_code="", fault_string=words, operation=operation)
    for _, _, error in printed_errors(words[:_WITHIN], 1):
        return from_xapi(error, operation=operation)
    if condition_of(name, words) is not None and _of_a_connection(name, words):
        return from_transport(phase="", exception=name, message=words, operation=operation)
    return None


def _of_a_connection(name: str, words: str) -> bool:
    """Whether an exception is one of connections: errno names and files have others, too."""
    return _CONNECTIONS.search(f"{name}: {words[:2000]}") is not None


_CONNECTIONS = re.compile(
    r"onnect|ocket|gaierror|SSL|HTTP|http|rotocol|[Tt]ime(?:d )?out|Network|route to host"
    r"|certificate|Broken ?[Pp]ipe|Disconnected|IncompleteRead|BadStatusLine|URLError"
)

# --- libvirt

_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9}\+\d{4}: \d{1,9}: "
_LIBVIRT = re.compile(
    rf"^(?:[^\n]{{0,200}}?\]: )?{_STAMP}error : (?:\w{{1,80}}:\d{{1,6}} : )?"
    r"|\blibvirt: {0,2}[A-Za-z0-9 ./_-]{0,60}? ?error : "
    r"|\b(?:libvirt\.)?libvirtError: |\bLibvirtException: "
    r"|\bERROR:? {1,8}(?=\S)"
    r"|\b(?:libvirtd|virt(?:qemu|storage|network|lxc|xen|node|secret|interface|nwfilter|proxy)d)"
    r"\[\d{1,9}\]: (?!\d{4}-)",
    re.MULTILINE,
)
# A message that hands on what another program printed goes on below it.
_HANDS_ON = re.compile(
    r"monitor(?: \([^)\n]{0,200}\))?: |unexpected (?:exit status|fatal signal) \d|stderr="
    r"|bridge helper"
)
_GOES_ON = re.compile(
    r"(?:\d{4}-\d\d-\d\dT\S{8,24} )?(?:[\w./+-]{0,200}/)?"
    r"(?:qemu-|kvm)[\w.-]{0,40}(?:\[\d{1,9}\])?: |\s{1,40}\S|stderr="
)
_NEW_ENTRY = re.compile(
    rf"\s*$|{_STAMP}|error: |Traceback|[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d "
    r"|\[?\d{4}-\d\d-\d\d \d\d:"
)


def _libvirt(text: str, operation: str) -> Iterator[Found]:
    for match in _LIBVIRT.finditer(text):
        end = _message_end(text, match.end())
        message = text[match.end() : end].strip()
        # What others say in the same way is no error of libvirt's.
        shared = match[0].startswith("ERROR") or match[0].endswith("]: ")
        if message and (not shared or number_in_message(message[:_TELLING])):
            fault = from_libvirt(code=None, message=message, operation=operation)
            yield Found(match.start(), end, fault)


def _message_end(text: str, at: int) -> int:
    end = line_end(text, at)
    if _HANDS_ON.search(text, at, end) is None:
        return end
    # A list of what there is follows a colon; else only the same program goes on.
    listing = text[at:end].rstrip().endswith(":")
    for _ in range(_MOST_LINES_OF_ONE):
        following = line_end(text, end + 1)
        if end >= len(text) or _NEW_ENTRY.match(text, end + 1, following):
            break
        if not listing and _GOES_ON.match(text, end + 1, following) is None:
            break
        end = following
    return end


_STRUCTURE = re.compile(
    r"\b(?:virError|LibvirtError)\(Code=(\d{1,4}), Domain=(\d{1,4}), "
    r"Message=(['\"])([^\n]{0,4000})\3\)"
)


def _structure(text: str, operation: str) -> Iterator[Found]:
    """How Go's binding prints an error."""
    for match in _STRUCTURE.finditer(text):
        fault = from_libvirt(
            code=int(match[1]), domain=match[2], message=match[4], operation=operation
        )
        yield Found(match.start(), match.end(), fault)


_SHELL = re.compile(r"^error: ([^\n]*)", re.MULTILINE)
_SHELL_HEAD = re.compile(
    r"(?:[Ff]ailed|[Cc]annot|Unable|failed to connect)\b[^\n]{0,200}"
    r"\b(?:domain|network|pool|vol|device|hypervisor|disk|interface|snapshot|guest|XML)",
)
# What virsh was to do, by its first line.
_DONE_BY = (
    ("start domain", "virDomainCreate"),
    ("start network", "virNetworkCreate"),
    ("start pool", "virStoragePoolCreate"),
    ("create domain", "virDomainCreateXML"),
    ("define domain", "virDomainDefineXML"),
    ("create vol", "virStorageVolCreateXML"),
    ("resume domain", "virDomainResume"),
    ("attach", "virDomainAttachDevice"),
    ("detach", "virDomainDetachDevice"),
    ("connect to the hypervisor", "virConnectOpen"),
)


def _shell(text: str, operation: str) -> Iterator[Found]:
    """What virsh prints: what it could not do, then why; each a line that begins with error."""
    last = -1
    for match in _SHELL.finditer(text):
        if match.start() < last:
            continue
        reason, end = match, _message_end(text, match.start(1))
        headed = _SHELL_HEAD.match(match[1]) is not None
        following = _SHELL.match(text, end + 1)
        if headed and following is not None:
            reason, end = following, _message_end(text, following.start(1))
        last = end
        message = text[reason.start(1) : end].strip()
        if headed or number_in_message(message):
            called = operation or next((call for say, call in _DONE_BY if say in match[1]), "")
            fault = from_libvirt(code=None, message=message, operation=called)
            yield Found(match.start(), end, fault)


# --- QEMU

_EMULATOR = re.compile(
    r"^([^\n]{0,200}?[ \]])?(?:[\w./+-]{0,200}/)?"
    r"(?:qemu-(?:system-\w{1,20}|kvm|img|nbd|io)|kvm)(?:\[\d{1,9}\])?: (?!\d)([^\n]*)",
    re.MULTILINE,
)
_NOTICE = re.compile(r"(?:[^\n:]{0,60}: )?(?:warning|info|terminating on signal)\b", re.IGNORECASE)


def _emulator(text: str, operation: str) -> Iterator[Found]:
    """Lines that an emulator printed one after the other, of which one at least is no notice."""
    begin, end, telling = -1, -1, False
    for match in _EMULATOR.finditer(text):
        if "error" in (match[1] or "") or "Error" in (match[1] or ""):
            # What another program hands on.
            continue
        if begin >= 0 and match.start() != end + 1:
            if telling:
                yield _ended(text, begin, end, operation)
            begin, telling = -1, False
        begin = match.start() if begin < 0 else begin
        end = match.end()
        telling = telling or _NOTICE.match(match[2]) is None
    if begin >= 0 and telling:
        yield _ended(text, begin, end, operation)


def _ended(text: str, begin: int, end: int, operation: str) -> Found:
    raw = {"exit_status": None, "stderr": text[begin:end]}
    return Found(begin, end, from_qemu(raw, operation=operation))


_OBJECT = re.compile(
    r"\{\s{0,8}\"(?:error|id|return|event|timestamp|class|desc|source|raw|code|params|call|message"
    r"|name|jsonrpc|data|method|properties|result|status)\""
)
_TROUBLES = frozenset(
    ("BLOCK_IO_ERROR", "BLOCK_JOB_ERROR", "BLOCK_IMAGE_CORRUPTED", "GUEST_PANICKED",
     "QUORUM_FAILURE", "MEMORY_FAILURE", "DEVICE_UNPLUG_GUEST_ERROR", "MEM_UNPLUG_ERROR")
)  # fmt: skip
_DECODER = json.JSONDecoder()


def _objects(text: str, operation: str) -> Iterator[Found]:
    """JSON objects: what QEMU's monitor and clients of XAPI log, and records for ``translate``."""
    for match in _OBJECT.finditer(text):
        window = text[match.start() : match.start() + _LONGEST_OBJECT]
        try:
            value, length = _DECODER.raw_decode(window)
        except (ValueError, RecursionError):
            continue
        fault = _of_object(value, operation) if isinstance(value, dict) else None
        if fault is not None:
            yield Found(match.start(), match.start() + length, fault)


def _of_object(value: dict[str, object], operation: str) -> Fault | None:
    if "source" in value and "raw" in value:
        try:
            return from_record(value)
        except ValueError:
            return None
    error = value.get("error")
    if isinstance(error, dict) and "desc" in error:
        return from_qemu(error, operation=operation)
    if "class" in value and "desc" in value:
        return from_qemu(value, operation=operation)
    if value.get("event") in _TROUBLES:
        return from_qemu(value, operation=operation)
    code = value.get("code")
    if isinstance(code, str) and isinstance(value.get("params"), list) and known_code(code):
        return from_record({"source": "xapi", "operation": operation, "raw": value})
    return None


# --- xend

_XEND_LOG = re.compile(
    r"^\[[\d :,.-]{10,30} (?:xend|\w{1,20})?\.?[\w .]{0,40}\] ERROR \([^)\n]{0,80}\) ?",
    re.MULTILINE,
)
_XEND_TOOL = re.compile(
    r"^Error: (?!virError|connect )"
    r"(?=[^\n]{0,300}\b(?:[Dd]omain|VM |Device \d|Dom0|dom0|xend|Xen\b|Hotplug|[Kk]ernel"
    r"|Disk|memory|HVM|vif|vbd|bootloader|Boot))",
    re.MULTILINE,
)
_XEND_RAISED = re.compile(
    r"\b(?:VmError|XendError|XendInvalidDomain|XendConfigError|HVMRequired|VMBadState): "
)
_XEND_FAULT = re.compile(r"<Fault (-?[0-9]{1,9}): ")


def _xend(text: str, operation: str) -> Iterator[Found]:
    for pattern in (_XEND_LOG, _XEND_TOOL, _XEND_RAISED):
        for match in pattern.finditer(text):
            end = line_end(text, match.end())
            words = text[match.end() : end].strip()
            if pattern is _XEND_LOG and text.startswith("\nTraceback", end):
                # The line says what was asked for, the traceback below it why it failed.
                for raised in islice(_tracebacks(text[end : end + _WITHIN], operation), 1):
                    yield Found(match.start(), end + raised.end, raised.fault)
            elif words:
                fault = from_xend(fault_code="", fault_string=words, operation=operation)
                yield Found(match.start(), end, fault)
    for match in _XEND_FAULT.finditer(text):
        end = text.rfind(">", match.end(), line_end(text, match.end())) + 1
        if end:
            fault = from_text("xend", text[match.start() : end], operation=operation)
            yield Found(match.start(), end, fault)


# --- The way to the manager

_TRANSPORT = re.compile(
    r"<ProtocolError for [^\n]{1,400}>"
    r"|\b(?:connect|read|write|getaddrinfo) (?:E[A-Z_]{3,20})\b[^\n]{0,300}"
    r"|\bcurl: \([0-9]{1,3}\) [^\n]{0,300}"
    r"|\b(?:javax?|org\.apache)\.(?:net|io|xmlrpc)\.(?:\w{1,40}\.){0,4}\w{1,60}Exception: "
    r"[^\n]{0,300}"
    r"|\bSystem\.Net\.(?:\w{1,40}\.){0,4}\w{1,60}Exception(?: \([0-9]{1,9}\))?: [^\n]{0,300}"
    r"|\b(?:dial tcp|x509:|net/http:|remote error: tls:) [^\n]{0,300}"
    r"|\b(?:socket hang up|Client network socket disconnected)[^\n]{0,200}"
    r"|\bHTTPS?ConnectionPool\([^\n]{1,800}"
    r"|\b(?:ConnectionRefusedError|ConnectionResetError|BrokenPipeError|(?:\w{1,20}\.)?gaierror"
    r"|SSLError|SSLCertVerificationError|SSLEOFError|RemoteDisconnected|IncompleteRead"
    r"|HeadersTimeoutError|ConnectTimeoutError|BodyTimeoutError|(?:Connect|Read)Timeout)"
    r": [^\n]{0,400}"
)
_CLASS = re.compile(r"((?:\w{1,60}\.){0,8}\w{1,60}(?:Error|Exception|Disconnected|Timeout)): ")


def _transport(text: str, operation: str) -> Iterator[Found]:
    for match in _TRANSPORT.finditer(text):
        named = _CLASS.match(match[0])
        name = named[1] if named is not None else ""
        words = match[0][named.end() :] if named is not None else match[0]
        if condition_of(name, words) is not None:
            fault = from_transport(phase="", exception=name, message=words, operation=operation)
            yield Found(match.start(), match.end(), fault)


FINDERS: tuple[Callable[[str, str], Iterator[Found]], ...] = (
    _tracebacks,
    _libvirt,
    _structure,
    _shell,
    _objects,
    _server_errors,
    _server_prose,
    _xend,
    _emulator,
    failed_tasks,
    _transport,
)
