"""Faults of the way to the hypervisor manager: connecting, sending, and reading the reply."""

from __future__ import annotations

import errno as _errno

from virtcim.errormap.fault import Fault
from virtcim.errormap.operations import changes_state
from virtcim.errormap.reading.text import as_text

__all__ = ["from_transport"]


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

    ``phase`` is connect, tls, before_send or after_send. ``code`` of the Fault is the most telling
    of HTTP_<status> (unless 200), errno's name (ECONNREFUSED) and the exception's class;
    ``arguments`` are (phase, exception, errno, http_status, http_reason, content_type); ``text``
    is the message and the body. ``sent`` says that a request which may have changed something
    had left.
    """
    name = as_text(exception)
    number = errno if isinstance(errno, int) and not isinstance(errno, bool) else None
    status = as_text(http_status)
    if status and status != "200":
        code = f"HTTP_{status}"
    elif number is not None and number in _errno.errorcode and not name.startswith("SSL"):
        code = _errno.errorcode[number]
    else:
        code = name
    texts = [as_text(message), as_text(body)]
    return Fault(
        source="transport",
        source_version=version,
        operation=operation,
        code=code,
        arguments=(
            as_text(phase),
            name,
            as_text(errno),
            status,
            as_text(http_reason),
            as_text(content_type),
        ),
        text="\n".join(text for text in texts if text),
        sent=as_text(phase) == "after_send" and changes_state(operation),
    )
