"""A failure that nobody foresaw: the log explains it, and the client gets its number."""

from __future__ import annotations

import logging
import secrets

__all__ = ["incident"]

_log = logging.getLogger(__name__)

_MOST_SHOWN = 120


def incident(what: str, error: BaseException) -> str:
    """Log an unforeseen exception with its traceback, and give the phrase that tells of it.

    ``what`` names what failed; a name that a client chose does no harm to the log. Nothing of the
    exception is in the phrase, which ends with the number of the incident.
    """
    number = secrets.token_hex(4)
    shown = _printable(what[:_MOST_SHOWN])
    _log.error("incident %s: %s failed unexpectedly", number, shown, exc_info=error)
    return f"{shown} failed unexpectedly; the log has more under incident {number}"


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
