"""Causes that are printed inside another error's text: found, taken out, and looked into again.

One stage for all sources. The outermost of what a text contains is its cause; what that one
contains is the cause's cause, and so on, to a bounded depth. Nothing of the outer text is lost: the
outer fault keeps it whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from virtcim.errormap.command_lines import call_of_command
from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.printed import LONGEST, unquoted
from virtcim.errormap.forms.server_errors import known_code, printed_errors
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.libvirt_numbers import LIBVIRT_NUMBERS, number_in_message
from virtcim.errormap.reading.lines import image_tool
from virtcim.errormap.reading.text import as_integer, as_text

__all__ = [
    "AGENT",
    "AGENT_COMMANDS",
    "JSON_RPC",
    "LIBVIRT_CARRIER",
    "PROGRAM",
    "bare_libvirt",
    "cause_in",
    "libvirt_carried",
]

LIBVIRT_CARRIER = "LIBVIRT_ERROR"
_LEVELS = 16
# References, names and numbers are most of what is looked into, and hold none of these.
_PRINTED_AT_ALL = later(r"[ (\[<{:]")
_NO_ERROR = "0"
_NOTHING = ("", "no error", "success", "ok")


class Found(NamedTuple):
    """One printed cause: where it begins, the fault without a cause of its own, and its texts."""

    at: int
    fault: Fault
    inner: tuple[str, ...]


def cause_in(texts: Iterable[str], operation: str, levels: int = _LEVELS) -> Fault | None:
    """The fault that the first of ``texts`` with one contains, with the causes inside it."""
    if not levels:
        return None
    for text in texts:
        found = _outermost(text, operation)
        if found is not None:
            cause = cause_in(found.inner, found.fault.operation, levels - 1)
            return replace(found.fault, cause=cause) if cause is not None else found.fault
    return None


def bare_libvirt(
    number: str,
    name: str,
    domain: str,
    message: str,
    str1: str,
    int1: str,
    operation: str,
    version: str = "",
    cause: Fault | None = None,
) -> Fault:
    """The Fault of one virError; the number from the name or the text if need be.

    A number that stands for no error is none where the message tells of one.
    """
    if not number and name:
        number = str(LIBVIRT_NUMBERS.get(name, ""))
    if not number or (number == _NO_ERROR and message.strip().lower() not in _NOTHING):
        number = number_in_message(message)
    return Fault(
        source="libvirt",
        source_version=version,
        operation=operation,
        cause=cause,
        code=number,
        arguments=(name, domain, str1, int1),
        text=message,
    )


def _outermost(text: str, operation: str) -> Found | None:
    if len(text) > 2 * LONGEST:
        text = f"{text[:LONGEST]}\n{text[-LONGEST:]}"
    best: Found | None = None
    if _PRINTED_AT_ALL.search(text) is None:
        return None
    for needle, finder in _FINDERS:
        if needle in text:
            for found in finder(text, operation):
                if best is None or found.at < best.at:
                    best = found
                break
    for at, _, words in printed_errors(text, 1):
        if best is None or at < best.at:
            best = _server_error(at, words, operation)
    return best


def _server_error(at: int, words: list[str], operation: str) -> Found:
    code, *arguments = words
    if code == LIBVIRT_CARRIER:
        fault = _libvirt_words_of(arguments, operation)
        return Found(at, fault, (fault.text,))
    fault = Fault(source="xapi", operation=operation, code=code, arguments=tuple(arguments))
    return Found(at, fault, fault.arguments)


def _libvirt_words_of(arguments: Sequence[str], operation: str) -> Fault:
    number, name, domain, message, str1, int1 = [*arguments, *[""] * 6][:6]
    return bare_libvirt(
        as_text(as_integer(number)),
        name,
        domain,
        message,
        str1,
        as_text(as_integer(int1)),
        operation,
    )


def libvirt_carried(arguments: Sequence[str], operation: str) -> Fault:
    """The libvirt fault of a LIBVIRT_ERROR's arguments, with the causes inside it."""
    fault = _libvirt_words_of(arguments, operation)
    cause = cause_in((fault.text,), operation)
    return replace(fault, cause=cause) if cause is not None else fault


# --- libvirt, QEMU and what they run

_COMMAND = later(
    # Quotation marks and colons of the languages that libvirt speaks.
    r"QEMU[^'\"«»„“\u2018\n:]{0,40}['\"«»„“\u2018]\s?([a-z][\w-]{2,80})\s?"
    r"['\"«»“”\u2019][^:\uff1a\n]{0,40}[:\uff1a]\s?(?=\S)"
)
AGENT_COMMANDS = "guest-"
AGENT = "channel=guest-agent"
PROGRAM = "program="
_SINGLE_WORDS = frozenset(
    ("cont", "stop", "eject", "migrate", "change", "transaction", "balloon", "quit", "stop")
)


def _qemu(at: int, code: str, text: str, operation: str, *arguments: str) -> Iterator[Found]:
    if text.strip():
        if tool := image_tool(text):
            arguments = (*arguments, f"{PROGRAM}{tool}")
        fault = Fault(source="qemu", operation=operation, code=code, arguments=arguments, text=text)
        yield Found(at, fault, (text,))


def _helper(at: int, text: str, operation: str, command: str, status: str) -> Iterator[Found]:
    """A program that libvirt ran: what it printed, by which command and with which end."""
    if text.strip():
        fault = Fault(
            source="libvirt",
            operation=operation,
            code="exit",
            arguments=("", "", command, status),
            text=text,
        )
        yield Found(at, fault, (text,))


def _qemu_command(text: str, _: str) -> Iterator[Found]:
    for match in _COMMAND.finditer(text):
        command = match[1]
        plain = " command '" in match[0]
        if plain or "-" in command or "_" in command or command in _SINGLE_WORDS:
            more = (AGENT,) if command.startswith(AGENT_COMMANDS) else ()
            yield from _qemu(match.start(), "GenericError", text[match.end() :], command, *more)


_MONITOR = later(
    r"(?:process exited while\s{1,12}(?:connecting\s{1,12}to\s{1,12}monitor|reading console log"
    r" output)"
    r"|qemu unexpectedly\s{1,12}closed\s{1,12}the\s{1,12}monitor(?: \([^)]{0,200}\))?"
    r"|early end of file from monitor[^:]{0,100}"
    r"|failed to (?:start|probe) qemu binary (?:with qmp|\S{1,300})(?: for probing)?): ?",
    re.IGNORECASE,
)


def _monitor(text: str, operation: str) -> Iterator[Found]:
    for match in _MONITOR.finditer(text):
        yield from _qemu(match.start(), "exit", text[match.end() :], operation)


_JOB = later(
    r"\b(?:block )?job '[^'\n]{1,200}' failed(?: while [^:\n]{1,80})?: ?"
    r"|\b(?:migration (?:out|in)|domain (?:save|core dump)"
    r"|(?<!start )(?<!create )(?<!begin )(?<!make )(?<!take )(?:snapshot|backup))(?: job)?:"
    r"(?!\s{0,4}(?:unexpectedly|cancel|is not active|terminated|failed))\s?",
    re.IGNORECASE,
)


def _job(text: str, operation: str) -> Iterator[Found]:
    for match in _JOB.finditer(text):
        yield from _qemu(match.start(), "GenericError", text[match.end() :], operation)


_CHILD = later(
    r"child process \(([^\n]{1,4000}?)\) unexpected (exit status"
    r"|fatal signal) ([0-9]{1,4})(?:: ?|\b)",
    re.IGNORECASE,
)
_EMULATOR = later(
    r"(?:^|[/ '])(?:qemu-system-\w{1,20}|qemu-kvm|kvm|(?:qemu|kvm)-img|qemu-nbd)(?:[ ',]|$)",
    re.MULTILINE,
)


def _child(text: str, operation: str) -> Iterator[Found]:
    for match in _CHILD.finditer(text):
        printed, command, status = text[match.end() :], match[1], f"{match[2]} {match[3]}"
        if _EMULATOR.search(command[:2000]):
            yield from _qemu(match.start(), "exit", printed, operation, f"exit_status={match[3]}")
        else:
            yield from _helper(match.start(), printed, operation, command, status)


# How Proxmox VE tells which of QEMU's programs failed, and how Go prints errors of JSON-RPC.
_COMMAND_FAILED = later(r"\b[Cc]ommand '([^'\n]{1,2000})' failed: ")
JSON_RPC = later(r"\bjsonrpc2: code -?[0-9]{1,6} message: ")


def _command_failed(text: str, operation: str) -> Iterator[Found]:
    for match in _COMMAND_FAILED.finditer(text):
        if _EMULATOR.search(match[1]):
            call = call_of_command(match[1]) or operation
            tool = image_tool(f"{match[1].split()[0]}: ")
            about = (f"{PROGRAM}{tool}",) if tool else ()
            yield from _qemu(match.start(), "exit", text[match.end() :], call, *about)


def _json_rpc(text: str, operation: str) -> Iterator[Found]:
    for match in JSON_RPC.finditer(text):
        yield _server_error(match.start(), ["", text[match.end() :]], operation)


# How programs that start emulators print the end of one, and what it said.
_ENDED = later(
    r"\b(?:qemu|kvm)[\w-]{0,30} exited(?: unexpectedly)? with (?:exit )?(?:code|status) (\d{1,4})"
    r"[,;:.] (?:stderr|output): ",
    re.IGNORECASE,
)


def _ended(text: str, operation: str) -> Iterator[Found]:
    for match in _ENDED.finditer(text):
        printed, status = text[match.end() :], f"exit_status={match[1]}"
        yield from _qemu(match.start(), "exit", printed, operation, status)


# How Python's wrappers of programs print one that failed: VDSM's, and OpenStack's.
_RAN = later(
    r"(?:\bfailed with rc=\d{1,4}\b.{0,4000}?\berr=|\bExit code: -?\d{1,4}\s.{0,4000}?\bStderr: )"
    r"[bu]?(?=['\"])",
    re.DOTALL,
)


def _ran(text: str, operation: str) -> Iterator[Found]:
    for match in _RAN.finditer(text):
        string = _STRING.match(text, match.end())
        printed = unquoted(string[0]) if string is not None else ""
        command = text[max(0, match.start() - _COMMAND_LINE) : match.start()]
        if _EMULATOR.search(command):
            yield from _qemu(match.start(), "exit", printed, operation)
        else:
            yield from _helper(match.start(), printed, operation, "", "")


_COMMAND_LINE = 2000
_STDERR = later(r"\bstderr=\s?")
# The errno behind it is of the connection to the program that spoke.
_OF_THE_CALLER = later(r"\n ?: [^\n]{1,200}\s*\Z")


def _stderr(text: str, operation: str) -> Iterator[Found]:
    for match in _STDERR.finditer(text):
        printed = _OF_THE_CALLER.sub("", text[match.end() :])
        yield from _helper(match.start(), printed, operation, "", "")


_LOGGED = later(r"libvirt: {0,2}([A-Za-z0-9 ./_-]{0,60}?) ?error : ")
_PYTHON_LIBVIRT = later(r"\b(?:libvirtError|LibvirtException)(?:: |\((?=['\"]))")
_DRIVER = later(r"\bDriver\b")


def _libvirt_words(at: int, message: str, operation: str) -> Iterator[Found]:
    if message.strip():
        fault = bare_libvirt("", "", "", message, "", "", operation)
        yield Found(at, fault, (message,))


def _logged_libvirt(text: str, operation: str) -> Iterator[Found]:
    for match in _LOGGED.finditer(text):
        yield from _libvirt_words(match.start(), text[match.end() :], operation)


def _python_libvirt(text: str, operation: str) -> Iterator[Found]:
    for match in _PYTHON_LIBVIRT.finditer(text):
        message = text[match.end() :]
        if match[0].endswith("("):
            message = unquoted(message.rpartition(")")[0].partition("',")[0].strip())
        yield from _libvirt_words(match.start(), message, operation)


# --- xend

_XEND_FAULT = later(r"<Fault (-?[0-9]{1,9}): ")
_XEND_ERROR = later(r"\(xend\.err (?=['\"])")
_STRING = later(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
# An answer of xend's HTTP server is a XendError.
_XEND_GENERIC = "2"


def _xend(at: int, code: str, text: str, operation: str) -> Found:
    fault = Fault(source="xend", operation=operation, code=code, text=text)
    return Found(at, fault, (text,))


def _xend_fault(text: str, operation: str) -> Iterator[Found]:
    for match in _XEND_FAULT.finditer(text):
        end = text.rfind(">")
        if end >= match.end():
            yield _xend(match.start(), match[1], unquoted(text[match.end() : end]), operation)


def _xend_error(text: str, operation: str) -> Iterator[Found]:
    for match in _XEND_ERROR.finditer(text):
        string = _STRING.match(text, match.end())
        if string is not None:
            yield _xend(match.start(), _XEND_GENERIC, unquoted(string[0]), operation)


_XEN_TOOLS = later(r"^(?:libxl|xc): (?=[a-z])", re.MULTILINE)
_NO_NUMBER = ""


def _xen_tools(text: str, operation: str) -> Iterator[Found]:
    """What Xen's library and tools print below the message of who called them."""
    first = _XEN_TOOLS.search(text)
    if first is not None:
        yield _xend(first.start(), _NO_NUMBER, text[first.start() :], operation)


# --- What programs print when they end

_TRACEBACK = "Traceback (most recent call last)"
_RAISED = later(r"^(?:\w{1,60}\.){0,6}(\w{1,80}): ?", re.MULTILINE)
# What these say is an error of another source, found by its own form.
_CARRIERS = frozenset(("libvirtError", "Failure", "Fault"))


def _traceback(text: str, operation: str) -> Iterator[Found]:
    """The exception that ended the last traceback, by its class."""
    begin = text.rfind(_TRACEBACK)
    raised = _RAISED.search(text, begin + len(_TRACEBACK) + 1)
    if raised is not None and raised[1] not in _CARRIERS and not known_code(raised[1]):
        words = text[raised.end() :].strip()
        fault = Fault(source="xapi", operation=operation, code=raised[1], arguments=(words,))
        yield Found(begin, fault, (words,))


_PLUGIN_OUTPUT = later(r"['\"](?:stderr|error|message|reason)['\"]\s{0,4}:\s{0,4}[u]?(?=['\"])")


def _plugin_output(text: str, operation: str) -> Iterator[Found]:
    begin = text.find("{")
    if begin < 0:
        return
    for match in _PLUGIN_OUTPUT.finditer(text, begin):
        string = _STRING.match(text, match.end())
        words = unquoted(string[0]).strip() if string is not None else ""
        if words:
            fault = Fault(source="xapi", operation=operation, code="exit", arguments=(words,))
            yield Found(begin, fault, (words,))


_QMP_ERROR = later(r"\bQMP_Error\([0-9]{1,9}, (?=\")")


def _xenopsd_qmp(text: str, operation: str) -> Iterator[Found]:
    for match in _QMP_ERROR.finditer(text):
        string = _STRING.match(text, match.end())
        if string is not None:
            yield from _qemu(match.start(), "GenericError", unquoted(string[0]), operation)


# What a text must contain before a finder is asked.
_FINDERS: tuple[tuple[str, Callable[[str, str], Iterator[Found]]], ...] = (
    ("QEMU", _qemu_command),
    ("monitor", _monitor),
    ("console log", _monitor),
    ("QEMU binary", _monitor),
    ("job", _job),
    ("igration ", _job),
    ("save:", _job),
    ("dump:", _job),
    ("hild process (", _child),
    (" exited ", _ended),
    ("command '", _command_failed),
    ("jsonrpc2: code ", _json_rpc),
    (" rc=", _ran),
    ("Exit code: ", _ran),
    ("stderr", _stderr),
    ("stderr", _plugin_output),
    ("returncode", _plugin_output),
    ("libvirt: ", _logged_libvirt),
    ("libvirtError", _python_libvirt),
    ("LibvirtException", _python_libvirt),
    ("<Fault ", _xend_fault),
    ("xend.err ", _xend_error),
    ("libxl: ", _xen_tools),
    ("xc: ", _xen_tools),
    (_TRACEBACK, _traceback),
    ("QMP_Error", _xenopsd_qmp),
)
