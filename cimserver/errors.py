"""How a request fails: on the HTTP level, or with a CIM status; and what is done with a bug."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from types import MappingProxyType

from virtcim.daemon import incidents
from virtcim.providers import CimError, ErrorCode, failure

__all__ = [
    "HttpProblem",
    "incident",
    "invalid_parameter",
    "wrong_parameters",
]

# Descriptions are cut off after 2,000 characters.
_SHOWN_TRACEBACK = 1800

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HttpProblem(Exception):  # noqa: N818 - an answer rather than an error of ours
    """A request that is answered on the HTTP level, without a CIM message.

    DSP0200 "Errors and Status Codes".
    ``cim_error`` is the value of the CIMError header, empty for none; ``detail`` one line of text.
    """

    def __init__(
        self,
        *,
        status: int,
        detail: str,
        cim_error: str = "",
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        super().__init__(status, cim_error, detail)
        self.status = status
        self.detail = detail
        self.cim_error = cim_error
        self.headers = headers


def invalid_parameter(text: str) -> CimError:
    """The error for a value that cannot be used; ``text`` names parameter and value."""
    return failure(ErrorCode.ERR_BAD_PARAMETER, text)


def wrong_parameters(text: str) -> CimError:
    """The error for parameters that are missing, given twice or not declared."""
    return failure(ErrorCode.ERR_INVALID_PARM_NUM, text)


def incident(what: str, error: BaseException, *, show_traceback: bool) -> CimError:
    """Log an unhandled exception, and give the CIM error that tells the client of it.

    The traceback goes to the log; to the client only with ``show_traceback``.
    """
    text = incidents.incident(what, error)
    if show_traceback:
        text += "\n" + _end_of_traceback(error)
    return failure(ErrorCode.ERR_UNKNOWN, text)


def _end_of_traceback(error: BaseException) -> str:
    """What it was and where stand last, which is what must not be cut off."""
    text = "".join(traceback.format_exception(error))
    return text if len(text) <= _SHOWN_TRACEBACK else f"...{text[-_SHOWN_TRACEBACK:]}"
