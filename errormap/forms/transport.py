"""Faults of the way to the hypervisor manager: connecting, sending, and reading the reply."""

from __future__ import annotations

import errno as _errno

from virtcim.errormap.fault import Fault
from virtcim.errormap.forms.causes import bare_libvirt, cause_in
from virtcim.errormap.forms.transport_words import (
    OF_THE_EXCEPTION,
    PHASES,
    SENT,
    condition_of,
    is_plain_answer,
)
from virtcim.errormap.operations import changes_state
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.libvirt_numbers import number_in_message
from virtcim.errormap.reading.text import as_text
from virtcim.errormap.reading.translated import recognised

__all__ = ["from_transport"]

_TAG = later(r"<[a-zA-Z/!][^<>]{0,400}>")
_NUMBERED = later(r"\[(?:Errno|WinError) ([0-9]{1,5})\]")
_LOOKED_AT = 4096
_PAGE_LENGTH = 32 * 1024
_OK = "200"
_REASON_WORDS = 3
# What any exception is called.
_SAYS_NOTHING = frozenset(
    ("", "Error", "Exception", "RuntimeError", "OSError", "IOError", "URLError", "RequestError",
     "RequestException", "FetchError", "AxiosError", "ClientError", "WebException")
)  # fmt: skip


def from_transport(
    *,
    phase: str,
    exception: str = "",
    errno: int | None = None,
    message: str = "",
    http_status: int | None = None,
    http_reason: str = "",
    content_type: str = "",
    body: str = "",
    operation: str = "",
    version: str = "",
) -> Fault:
    """The Fault of one failed exchange.

    ``phase`` is connect, tls, before_send or after_send; where it is none of these, it is taken
    from the words of the exception as far as they tell, and errno and HTTP status with it. ``code``
    of the Fault is the most telling of HTTP_<status> (unless 200), errno's name (ECONNREFUSED) and
    the exception's class; ``arguments`` are (phase, exception, errno, http_status, http_reason,
    content_type); ``text`` is the message and the body. ``sent`` says that a request which may have
    changed something had left, or may have. An error that the message or the page of an answer
    holds is the ``cause``.
    """
    name, words = as_text(exception), as_text(message)
    phase, status = as_text(phase), as_text(http_status)
    number = errno if isinstance(errno, int) and not isinstance(errno, bool) else None
    code = _code(name, number, status)
    left = phase == SENT
    cause = cause_in((_page(words), _page(as_text(body))), operation)
    if phase not in PHASES:
        code, phase, status, left = _inferred(name, words, number, status, code)
        if cause is not None and not status:
            # What a manager prints arrived: words like a time-out are of what it tells.
            code, phase, left = "", "", False
    texts = [words, _told_as_reason(as_text(http_reason), words), as_text(body)]
    text = "\n".join(part for part in texts if part)
    if cause is None and not phase and number_in_message(words):
        # What libvirt's own client says before there is a connection.
        cause = bare_libvirt("", "", "", words, "", "", operation)
    return Fault(
        source="transport",
        source_version=version,
        operation=operation,
        code=code,
        arguments=(
            phase,
            name,
            as_text(errno),
            status,
            as_text(http_reason),
            as_text(content_type),
        ),
        text=text,
        sent=left and changes_state(operation),
        cause=cause,
    )


def _told_as_reason(reason: str, words: str) -> str:
    """What a manager says in the place of a status's own words, which are few."""
    return reason if len(reason.split()) > _REASON_WORDS and reason not in words else ""


def _code(name: str, number: int | None, status: str) -> str:
    if status and status != _OK:
        return f"HTTP_{status}"
    if number is not None and number in _errno.errorcode and not name.startswith("SSL"):
        return _errno.errorcode[number]
    return name


def _inferred(
    name: str, words: str, number: int | None, status: str, code: str
) -> tuple[str, str, str, bool]:
    """Code, phase, status and whether the request may have left, of a report without a phase."""
    if status:
        return code, SENT, status, True
    if code == name:
        code = name.rpartition(".")[2]
    if is_plain_answer(name, words):
        return code, "", "", False
    named = _errno.errorcode.get(number or 0, "")
    condition = condition_of(f"{name} {named}".strip(), words)
    if condition is None and not named and (printed := _printed_errno(words)):
        condition = condition_of(printed, "")
    if condition is None:
        return code, "", "", False
    if condition.status is not None:
        status = str(condition.status)
        code = _code(name, None, status)
    elif (
        condition.code
        and not named
        and not (condition.code in OF_THE_EXCEPTION and code not in _SAYS_NOTHING)
    ):
        code = condition.code
    return code, condition.phase, status, condition.may_have_left


def _printed_errno(words: str) -> str:
    """The name of the errno that ``words`` in another language than English tell of; or ""."""
    numbered = _NUMBERED.search(words[:_LOOKED_AT])
    number = int(numbered[1]) if numbered is not None else recognised(words[:_LOOKED_AT]).errno
    return _errno.errorcode.get(number, "")


def _page(body: str) -> str:
    """The words of an answer's body, without the tags of a page."""
    if not body:
        return ""
    if len(body) > _PAGE_LENGTH:
        body = f"{body[: _PAGE_LENGTH // 2]}\n{body[-_PAGE_LENGTH // 2 :]}"
    if "</" not in body or "<name>ErrorDescription</name>" in body:
        return body
    # The names of all characters are many, and pages are few.
    from html import unescape

    return unescape(_TAG.sub(" ", body))
