"""Which lines of a report are the error, and which are what a program says besides.

An emulator that ends prints warnings, notices of its libraries, the option it stumbled over, hints
how to go on, and somewhere the message that ended it. The last message that says something decides;
those before it are kept for when it says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from virtcim.errormap.patterns import later

__all__ = ["Message", "image_tool", "messages"]

_MOST = 12
_STAMP = later(
    r"(?:[*>-]{1,2} ?)?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]?\d*(?:Z|[+-]\d\d:?\d\d)?:? ?"
)
# The name of the program that speaks; libvirt's tools and threads among them.
_PROGRAM = later(
    r"(?:[*-]{1,2} ?)?(?:[\w./+-]{0,200}/)?"
    r"(?:qemu(?:-[\w.+-]{1,40})?|kvm|virsh|virt-\w{1,20}|libvirtd?|emulator|[Ee]rror|ERROR)"
    r"(?:\[\w{1,9}\])?: |ERROR {2,8}(?=\S)(?!Error: --)"
)
# An emulator that is quoted by somebody's log.
_QUOTED = later(
    r"[:\]\">=\\]\s{0,2}(?:[^\s\"':]{0,200}/)?qemu-(?:system-[\w.+-]{1,40}?|kvm|img|nbd)"
    r"(?:\.exe)?: "
)
# Who asked the emulator, and says that it failed; that no answer came is the message.
_REPORTER = later(
    r"(?:agent error|genericerror|qemu stderr"
    r"|(?:vm [0-9]{1,9} )?q[mg][pa] command '?[\w-]{1,60}'? failed(?: -)?)[:;]? "
    r"(?:genericerror[:;] )?(?!-|got |unable to connect|time)",
    re.IGNORECASE,
)
_LIBVIRT_PROGRAM = later(
    r"(?:\d{1,9}: )?(?:libvirt: )? ?(?!channel )(?:[\w ]{1,30} )?error ?: (?:\w{1,80}:\d{1,6} : )?"
)
# What makes, copies and serves images without running a machine.
_IMAGE_TOOL = later(r"(?:^|[\s/'\"(])(qemu-(?:img|nbd|io|storage-daemon))(?:\.exe)?: ")
_EMULATOR = "qemu-system-"
# A line of a configuration file that the emulator reads its options from.
_PLACE = later(r"qemu[\w.+-]{0,60}:([^\s:]{1,300}):\d{1,6}: ")
_OPTION = later(r"--?([a-z][a-z0-9_-]{0,40})(?: |=)")
_WRAPPED = later(r"--?[a-z][a-z0-9_-]{0,40} (?:(?!: ).){1,1000}:\s*")
_BEGUN = later(r"\A--?[a-z][a-z0-9_-]{0,40}\s*(?:\{|\Z)")
_NOTICE = later(
    r"(?:warning|info|note|notice|debug|trace|hint)\b ?:"
    # What a program prints of its options before it says what is wrong with them.
    r"|usage: "
    r"|[^:\n]{0,80}-(?:warning|message|info|debug) \*\*"
    r"|[^\n]{0,300}\b(?:warning|deprecat\w{0,6})\b[^\n]{0,200}(?:use |instead|removed|ignored|:)"
    r"|char device redirected to"
    # What virt-install advises behind its error.
    r"|domain installation does not appear|if it was, you can restart|otherwise, please restart"
    r"|starting install\.\.\.|virsh --connect \S{1,200} start "
    r"|falling back to |authorization required, but|no protocol specified"
    r"|[^\n]{0,200}\bis deprecated\b"
    r"|alsa lib |libegl|mesa|pulseaudio|failed to create secure directory"
    r"|\(process:\d+\)|main-loop: |audio: "
    r"|cpu feature \w+ not found$"
    r"|[^\n]{0,160}\b(?:this|it|which) (?:may|might|can|could|will) take (?:several|some|a\b|\d)"
    # Where in its files Terraform was.
    r"|on [^\n]{1,200} line \d{1,6}, in |with (?:module\.)?[\w.\[\]\"-]{1,200},$"
    r"|\d{1,6}: (?:resource|data|module|provider) \""
)
# How a message goes on that was broken into lines when it was pasted.
_CONTINUED = later(r"too (?:big|long|large|small|many) |(?:is|was|does|do|has) not ")
# Another program that hands on what the emulator printed, in brackets.
_HANDED_ON = later(
    r".{0,800}?(?:\bexited with (?:(?:exit )?(?:code|status)|non-zero value) \d{1,3} "
    r"\((?=\S{0,100}(?:qemu|kvm))"
    # What names its object needs no frame to be understood.
    r"|\bexit status \d{1,3} \((?=\S{0,100}(?:qemu|kvm)\S{0,40} [^'\n]{0,60}'))"
)
# The frame around it.
_FRAME = str.maketrans("", "", "\u2502\u2575\u2577")

_HINT = later(
    r"(?:use|try(?! \"help )|see|please|check|if you|you (?:can|may|should|need)|run|valid|perhaps"
    r"|maybe|consider|possible|did you|the (?:valid|supported|available)|for more"
    r"|refer to|to (?:see|get|find|fix|enable|solve)|this (?:usually|may|might)"
    r"|for (?:correct )?usage,? see)\b"
)
# What a program says when it gives up; the reason stands before it.
_EMPTY = later(
    r"(?:device )?(?:'[^']{0,200}' )?(?:device )?could not be initiali"
    r"|(?:device )?initiali\w{3,6} failed\.?$"
    r"|(?:[\w-]{1,30}: )?could not cleanly shut|could not connect .{1,60} to character backend"
    r"|(?:exiting|aborting|aborted|terminating on signal)\b"
    r"|(?:load of migration failed|error while loading state|failed to load )"
    r"|(?:failed|error|unknown error)\.?$"
    # Of the other end of its sockets.
    r"|dial unix \S{1,300}: connect: |cannot (?:receive packets|read size) from "
)


# What heads a list of all that there is to choose from: the lines of the list are no messages.
_LISTING = later(
    r"(?:^|: )(?:the )?(?:supported|available|valid|known|possible|recogni[sz]ed) [\w -]{1,40}:\Z",
    re.IGNORECASE,
)
# A line of prose that is as long as this and ends in no punctuation goes on in the next.
_FULL_LINE = 60
# No message ends with such a word: it was wrapped.
_UNFINISHED = later(r" (?:an?|the|to|of|get|for|with|by|not|in|on|at|from|is|are|and|or|be) *$")
# An identifier is no word, whatever it begins with.
_GOING_ON = later(r"(?![0-9a-f]{8})[a-z]")
_KEPT, _DROPPED = "kept", "dropped"


class Message(NamedTuple):
    """One message of a report: its words, and the kind of option that was echoed before them."""

    text: str
    option: str


def image_tool(text: str) -> str:
    """Which of QEMU's programs for images speaks in ``text``, as ``qemu-img``; else nothing.

    Where an emulator speaks, too, it is the one that failed.
    """
    if "qemu-" not in text or _EMULATOR in text:
        return ""
    match = _IMAGE_TOOL.search(text)
    return match[1] if match else ""


def messages(text: str) -> tuple[Message, ...]:
    """The messages of ``text``, the one that decides first; never empty."""
    spoken: list[str] = []
    unsigned: list[str] = []
    kept: list[str] = []
    text = text.translate(_FRAME) if "\u2502" in text else text
    going_on = ""
    for given, stamped, signed in _lines(text):
        said = spoken or unsigned
        if said and given.startswith(": "):
            # What was printed into the message ended with a line.
            said[-1] += given
            continue
        if spoken and not signed and (_WRAPPED.fullmatch(spoken[-1]) or _open(spoken[-1])):
            # A long line that was broken behind its option, or in it, when it was pasted.
            spoken[-1] = f"{spoken[-1].rstrip()} {given.strip()}"
            continue
        if not signed and said and _goes_on(said[-1], given):
            said[-1] += f" {given.strip()}"
            continue
        bare = given.lstrip(" \t:")
        if not stamped and going_on and _GOING_ON.match(bare):
            # Prose that is wrapped: it says nothing by itself.
            if going_on == _KEPT:
                unsigned[-1] += f" {bare}"
            going_on = going_on if _wrapped(bare) else ""
            continue
        going_on = ""
        lowered = _without_option(bare).text.lower()
        if _NOTICE.match(lowered):
            continue
        if signed:
            spoken.append(bare)
        elif _HINT.match(lowered) and (spoken or unsigned):
            going_on = _DROPPED if _wrapped(bare) else ""
        else:
            unsigned.append(bare)
            going_on = _KEPT if _wrapped(bare) else ""
    kept = [*reversed(spoken), *reversed(unsigned)][:_MOST]
    if not kept:
        # Nothing but notices: then one of them is all that is known.
        kept = [_unsigned(line)[0] for line in text.splitlines()[-1:]] or [text]
    found = [_without_option(line) for line in kept]
    telling = [one for one in found if not _EMPTY.match(one.text.lower().strip())]
    return (*telling, *(one for one in found if one not in telling))


def _lines(text: str) -> Iterator[tuple[str, bool, bool]]:
    """The lines that say something, without stamp and program, and whether either stood there.

    Of each the words, whether anything was taken off, and whether a program was named. The lines of
    a list of all that there is to choose from are left out.
    """
    listing = False
    for given in text.splitlines() or [""]:
        line = given.lstrip()
        bare, signed = _unsigned(line)
        if bare.strip() and (signed or not listing):
            listing = _LISTING.search(bare.rstrip()) is not None
            yield bare, len(bare) < len(line), signed


def _goes_on(line: str, following: str) -> bool:
    """Whether ``line`` was broken, and ``following`` is the rest of it."""
    if _UNFINISHED.search(line) or _CONTINUED.match(following):
        return True
    return line.rstrip().endswith(",") and _GOING_ON.match(following.lstrip()) is not None


def _wrapped(line: str) -> bool:
    return len(line) >= _FULL_LINE and line.rstrip()[-1:].isalnum()


def _unsigned(line: str) -> tuple[str, bool]:
    """``line`` without stamp and program, and whether a program was named."""
    stamp = _STAMP.match(line)
    at = stamp.end() if stamp else 0
    if ("exited with " in line or "exit status " in line) and (frame := _HANDED_ON.match(line, at)):
        at = frame.end()
    if place := _PLACE.match(line, at):
        return f"-readconfig {place[1]}: {line[place.end() :]}", True
    signed = False
    for pattern in (_PROGRAM, _LIBVIRT_PROGRAM):
        match = pattern.match(line, at)
        while match is not None and match.end() > at:
            at, signed = match.end(), True
            match = _PROGRAM.match(line, at)
    if not signed and "qemu-" in line and (quoted := _QUOTED.search(line, at)):
        at, signed = quoted.end(), True
    if reporter := _REPORTER.match(line, at):
        at, signed = reporter.end(), True
    return line[at:], signed


def _without_option(line: str) -> Message:
    """``line`` without the option that it echoes; what the option describes is kept."""
    match = _OPTION.match(line)
    if match is None:
        return Message(line, "")
    end = _option_end(line, match.end())
    if end < 0:
        return Message(line, "")
    value = line[match.end() : end]
    return Message(line[end:].lstrip(" :"), f"{match[1]} {value[:300]}".lower())


def _open(line: str) -> bool:
    """Whether ``line`` ends in the option that it echoes, before its value is whole."""
    if _BEGUN.match(line) is None:
        return False
    return "{" not in line or line.count("{") > line.count("}")


def _option_end(line: str, at: int) -> int:
    """Where the value that begins at ``at`` ends: behind its braces, or at a colon; or -1."""
    if line[at : at + 1] in ("{", "'"):
        depth, quoted = 0, False
        for place in range(at, min(len(line), at + 4000)):
            character = line[place]
            if character == '"' and line[place - 1] != "\\":
                quoted = not quoted
            elif not quoted and character == "{":
                depth += 1
            elif not quoted and character == "}":
                depth -= 1
                if depth == 0:
                    return line.find(": ", place)
    return line.find(": ", at)
