"""A fault's own words on one line, behind the sentence for a person."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from virtcim.errormap.fault import Fault
from virtcim.errormap.reading.text import as_integer, one_line

__all__ = ["detail"]

_LENGTH = 1500
_WORD_LENGTH = 300
_WORDS_SHOWN = 20
_SYSTEM_ERROR = "38"


def detail(fault: Fault) -> str:
    """The source's own words on one line: source, code, arguments, text; long ones shortened.

    A libvirt error in XenAPI's envelope begins as if it had come alone, and says by which call it
    came: ``libvirt 9 VIR_ERR_OPERATION_FAILED VIR_FROM_DOMAIN (via xapi VM.create): ...``. Of its
    fields those are left out that say nothing: the template of the message, and numbers that are
    not set.
    """
    carrier = ""
    if fault.source == "xapi" and fault.cause is not None and fault.cause.source == "libvirt":
        carrier = " ".join(("via", fault.source, fault.operation)).rstrip()
        if fault.text:
            carrier = f"{carrier}: {one_line(fault.text, _WORD_LENGTH)}"
        fault = fault.cause
    arguments: Iterable[str] = fault.arguments[:_WORDS_SHOWN]
    if fault.source == "libvirt":
        arguments = _libvirt_words(fault)
    words = [fault.source, fault.code, *arguments]
    if len(max(words, key=len)) > _WORD_LENGTH:
        words = [
            one_line(word, _WORD_LENGTH) if len(word) > _WORD_LENGTH else word for word in words
        ]
    head = " ".join(filter(None, words))
    if carrier:
        head = f"{head} ({carrier})"
    text = fault.text if len(fault.text) <= _LENGTH else one_line(fault.text, _LENGTH)
    return one_line(f"{head}: {text}" if text else head, _LENGTH)


def _libvirt_words(fault: Fault) -> list[str]:
    """Name and domain; str1 where the message does not hold it; int1 where it is an errno."""
    name, domain, str1, int1 = [*fault.arguments, "", "", "", ""][:4]
    words = [name, domain]
    if "%" not in str1 and str1 not in fault.text:
        words.append(str1)
    number = as_integer(int1)
    if number is not None and number not in (0, -1):
        is_errno = fault.code == _SYSTEM_ERROR and number in errno.errorcode
        words.append(errno.errorcode[number] if is_errno else int1)
    return words
