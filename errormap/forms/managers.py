"""Failed tasks in the logs of managers over QEMU and libvirt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtcim.errormap.forms.found import Found, line_end
from virtcim.errormap.forms.logged import from_text

__all__ = ["failed_tasks"]

# Proxmox VE: the log of the task, that of a backup or a migration, and the journal.
_TASK = re.compile(
    r"^(?:[^\n]{0,120}? )??(?:TASK ERROR: |ERROR: (?=migration aborted\b|Backup of VM \d))"
    r"|\bend task UPID:[^\s]{1,200}: (?!OK\b|WARNINGS\b)",
    re.MULTILINE,
)
# oVirt and RHV: the event of a machine that ended, whose reason is libvirt's.
_DOWN = re.compile(r"\bVM \S{1,200} is down with error\. Exit message: ")
# The task only says that the emulator ended; what that printed stands above.
_SAYS_NOTHING = re.compile(r"[^\n]{0,80}\bQEMU exited with code \d")
_OTHERS = re.compile(
    r"\s*$|TASK |[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |\[?\d{4}-\d\d-\d\d[ T]\d\d:"
)
_MOST_LINES_ABOVE = 12


def failed_tasks(text: str, operation: str) -> Iterator[Found]:
    """What managers report of tasks that failed, with what a program of theirs printed before."""
    for begin, words, end in _lines_with(_TASK, text):
        first = _printed_above(text, begin) if _SAYS_NOTHING.match(text, words, end) else begin
        yield Found(first, end, from_text("qemu", text[first:end], operation=operation))
    for begin, _, end in _lines_with(_DOWN, text):
        yield Found(begin, end, from_text("libvirt", text[begin:end], operation=operation))


def _lines_with(head: re.Pattern[str], text: str) -> Iterator[tuple[int, int, int]]:
    """Where a head begins and ends that has words behind it, and the end of its line, of each."""
    end = -1
    for match in head.finditer(text):
        if match.start() <= end:
            continue
        end = line_end(text, match.end())
        if text[match.end() : end].strip():
            yield match.start(), match.end(), end


def _printed_above(text: str, begin: int) -> int:
    """Where the lines begin that were printed right before the one at ``begin``."""
    for _ in range(_MOST_LINES_ABOVE):
        above = text.rfind("\n", 0, max(begin - 1, 0)) + 1
        if begin == 0 or _OTHERS.match(text, above, begin):
            break
        begin = above
    return begin
