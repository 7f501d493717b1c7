"""Building a fault from the words of a command line."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.libvirt import from_libvirt
from virtcim.errormap.forms.qemu import from_qemu
from virtcim.errormap.forms.transport import from_transport
from virtcim.errormap.forms.xapi import from_xapi
from virtcim.errormap.forms.xend import from_xend
from virtcim.errormap.reading.libvirt_numbers import LIBVIRT_NUMBERS
from virtcim.errormap.reading.text import as_integer
from virtcim.errormap.rules import SOURCES

__all__ = ["from_words"]

_PHASES = ("connect", "tls", "before_send", "after_send")


def from_words(
    source: str, code: str, arguments: Sequence[str] = (), *, operation: str = "", text: str = ""
) -> Fault:
    """The Fault that ``code`` and ``arguments`` of ``source`` stand for, as a person types them.

    xapi: the words of the ErrorDescription. xend: fault code, text. libvirt: number or name, then
    VIR_FROM_..., errno and message in any order. qemu: class, event or ``exit``, then key=value.
    transport: phase, HTTP status, errno name or exception, in any order; a phase that is not given
    is the one that the words tell of.

    Raises ValueError for an unknown source, and for a libvirt code that libvirt does not have.
    """
    if source == "xapi":
        words = [code, *arguments, *([text] if text else [])]
        return from_xapi(words, operation=operation)
    if source == "xend":
        words = [*arguments, *([text] if text else [])]
        return from_xend(fault_code=code, fault_string=" ".join(words), operation=operation)
    if source == "libvirt":
        return _libvirt(code, arguments, operation, text)
    if source == "qemu":
        return _qemu(code, arguments, operation, text)
    if source == "transport":
        return _transport([code, *arguments], operation, text)
    raise ValueError(f"unknown source {source!r} (known: {', '.join(sorted(SOURCES))})")


def _libvirt(code: str, arguments: Sequence[str], operation: str, text: str) -> Fault:
    number = as_integer(code)
    if code and number is None and code not in LIBVIRT_NUMBERS:
        raise ValueError(
            f"{code!r} is neither a number nor a known name (VIR_ERR_...) of libvirt's"
        )
    domain, int1, words = "", None, [text] if text else []
    for word in arguments:
        if word.startswith("VIR_FROM_"):
            domain = word
        elif as_integer(word) is not None:
            int1 = as_integer(word)
        else:
            words.append(word)
    return from_libvirt(
        code=number,
        code_name="" if number is not None else code,
        domain=domain,
        int1=int1,
        message=" ".join(words),
        operation=operation,
    )


def _qemu(code: str, arguments: Sequence[str], operation: str, text: str) -> Fault:
    data = dict(word.split("=", 1) for word in arguments if "=" in word)
    words = [word for word in arguments if "=" not in word]
    prose = " ".join([text, *words] if text else words)
    if code == "exit":
        return from_qemu({"exit_status": 1, "stderr": prose, **data}, operation=operation)
    if code.isupper():
        return from_qemu({"event": code, "data": {**data, "reason": prose or data.get("reason")}})
    if code.startswith("query-"):
        return from_qemu({code: {**data, "error": prose}}, operation=operation)
    return from_qemu({"class": code, "desc": prose}, operation=operation)


def _transport(words: Sequence[str], operation: str, text: str) -> Fault:
    phase, exception, number, status = "", "", None, None
    for word in words:
        if word in _PHASES:
            phase = word
        elif word.startswith("HTTP_"):
            status = as_integer(word.removeprefix("HTTP_"))
            phase = phase or "after_send"
        elif isinstance(getattr(errno, word, None), int):
            number = getattr(errno, word)
        else:
            exception = word
    return from_transport(
        phase=phase,
        exception=exception,
        errno=number,
        http_status=status,
        message=text,
        operation=operation,
    )
