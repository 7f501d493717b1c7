"""What pasting did to a text: colours, quotation marks, entities and the like are taken off.

Only what says nothing goes. A text that nothing was done to is handed back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from virtcim.errormap.forms.log_heads import without_log_heads
from virtcim.errormap.patterns import later

__all__ = ["without_pasting"]

# Where people and logs put what a program printed. Fields of an error itself stay as they are.
_FIELDS = ("text", "stderr")
_ESCAPE = "\x1b"
_COLOUR = later(r"\x1b\[[0-9;?]{0,20}[ -/]{0,4}[@-~]")
_ENTITY = later(r"&(?:#\d{1,6}|#x[0-9a-f]{1,6}|quot|apos|lt|gt|amp);", re.IGNORECASE)
_CITED = later(r"^[ \t]{0,8}(?:> ?)+", re.MULTILINE)
_FENCE = "```"
_FENCED = later(r"^[ \t]{0,8}```\w{0,20}[ \t]{0,8}$\n?", re.MULTILINE)
# The calls that a program was in, behind what it said, and no exception after them.
_TRACEBACK = "Traceback (most recent call last)"
_RAISED = later(r"^[\w.]{0,80}(?:Error|Exception|Failure|Fault|Timeout|Interrupt)\b", re.MULTILINE)
# A line of the program's own text below the place where it stands: no message. What it raised
# there may name the call.
_CALL = later(
    r'^([ \t]{0,40}File "[^"\n]{1,400}", line \d{1,9}[^\n]{0,200}\n)'
    r'[ \t]{1,40}(?!File "|[ \t]|[^\n]{0,200}\braise )[^\n]{0,1000}\n'
    r"(?:[ \t]{1,40}[~^]{1,400}[ \t]{0,9}\n)?",
    re.MULTILINE,
)
# The same of Java.
_FRAMES = later(
    r"(?:\n[ \t]{0,16}(?:at [\w.$/<>-]{3,200}\([^()\n]{0,120}\)[^\n]{0,60}|\.\.\. \d{1,4} more))+"
)
# A long command or message, as shells go on.
_GOING_ON = later(r"[ \t]{1,9}\\\n[ \t]{0,40}")
# A whole message in quotation marks, and no name that a message begins with.
_QUOTED = later(
    r"\s{0,20}(['\"`])((?:qemu|kvm|libvirt|error|internal error|unsupported|invalid|cannot"
    r"|could not|unable|failed|operation|requested|unexpected)\b.*)\1\s{0,20}",
    re.IGNORECASE | re.DOTALL,
)
_CURLED = str.maketrans("\u2018\u2019\u201c\u201d\u2032", "''\"\"'")
# Text that was broken at the width of a terminal or of a mail: the next word had no room.
_WIDTHS = range(68, 81)
_LEAST = 20
_BROKEN = later(
    r"(?!(?:error|warning|info|virsh|kvm|qemu[\w-]{0,40}|libvirt\w{0,10}|raise|if|at|with|on)\b)"
    r"(?:[a-z(\d'\"/{]|-(?!-)|[A-Z]{2,5}\b)"
)
_STAMP = later(r"\d{2,4}[-:/]\d\d[-:/]")
# Every line is cited, or indented, beyond what one would look at.
_LONGEST = 64 * 1024


def without_pasting(raw: Mapping[str, object]) -> Mapping[str, object]:
    """``raw`` with the texts of its fields as they were before they were pasted."""
    changed: dict[str, object] = {}
    for field in _FIELDS:
        value = raw.get(field)
        if type(value) is str and len(value) <= _LONGEST:
            bare = _bare(value)
            if bare.strip() and bare != value:
                changed[field] = bare
    return {**raw, **changed} if changed else raw


def _bare(text: str) -> str:
    if _ESCAPE in text:
        text = _COLOUR.sub("", text)
    if "&" in text and _ENTITY.search(text):
        # Few texts need it, and `explain` must start soon.
        import html

        text = html.unescape(text)
    if not text.isascii() and (straight := text.translate(_CURLED)).isascii():
        text = straight
    if _FENCE in text:
        text = _FENCED.sub("", text)
    if "=\n" in text and _QUOTED_PRINTABLE.search(text):
        text = _unprinted(text)
    if text.lstrip()[:1] == ">" and all(
        line.lstrip()[:1] in (">", "") for line in text.split("\n")
    ):
        text = _CITED.sub("", text)
    if text[:1] in (" ", "\t"):
        import textwrap

        text = textwrap.dedent(text)
    text = _of_programs(text)
    if text.lstrip()[:1] in ("'", '"', "`") and (quoted := _QUOTED.fullmatch(text)):
        text = quoted[2]
    return _joined(text) if "\n" in text else text


def _of_programs(text: str) -> str:
    """``text`` without what logs put before its lines, and without the program's own text."""
    if ":" in text or "[" in text:
        text = without_log_heads(text)
    if "\\\n" in text:
        text = _GOING_ON.sub(" ", text)
    if _TRACEBACK in text:
        text = _without_calls(text)
    if "\tat " in text or "   at " in text or "\nat " in text:
        text = _FRAMES.sub("", text)
    return text


# How mails carry lines that are too long for them.
_QUOTED_PRINTABLE = later(r"^[^\n]{60,80}=\n", re.MULTILINE)
_OCTETS = later(r"(?:=[0-9A-F]{2})+")


def _unprinted(text: str) -> str:
    return _OCTETS.sub(
        lambda match: bytes.fromhex(match[0].replace("=", "")).decode("utf-8", "replace"),
        text.replace("=\n", ""),
    )


def _joined(text: str) -> str:
    lines = text.split("\n")
    width = max(map(len, lines))
    if width not in _WIDTHS:
        return text
    whole = [lines[0]]
    before = lines[0]
    for line in lines[1:]:
        word = line.split(" ", 1)[0]
        full = len(before) >= _LEAST and len(before) + 1 + len(word) > width
        if full and _BROKEN.match(line) and not _STAMP.match(line):
            whole[-1] = f"{whole[-1].rstrip()} {line}"
        else:
            whole.append(line)
        before = line
    return "\n".join(whole)


def _without_calls(text: str) -> str:
    said, _, calls = text.partition(_TRACEBACK)
    if said.strip() and _RAISED.search(calls) is None:
        return said.rstrip()
    calls = _CALL.sub(r"\1", calls)
    return f"{said}{_TRACEBACK}{calls}"
