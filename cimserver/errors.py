"""How a request fails: on the HTTP level, or with a CIM status; and what is done with a bug."""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Mapping
from types import MappingProxyType

from virtcim.providers.records import CimError, Record, StatusCode, Value

__all__ = ["EncodingError", "HttpProblem", "incident", "invalid_parameter", "wrong_parameters"]

_log = logging.getLogger(__name__)

# Values of CIM_Error.ErrorType and CIM_Error.PerceivedSeverity.
_SOFTWARE_ERROR = 4
_MINOR, _MAJOR = 4, 5

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HttpProblem(Exception):  # noqa: N818 - an answer rather than an error of ours
    """A request that is answered on the HTTP level, without a CIM message (DSP0200 clause 7).

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


class EncodingError(Exception):
    """A provider gave a value that its class does not declare: a programming error."""


def invalid_parameter(text: str) -> CimError:
    """The error for a value that cannot be used; ``text`` names parameter and value."""
    return _standard(StatusCode.INVALID_PARAMETER, "ERR_BAD_PARAMETER", text, _MINOR)


def wrong_parameters(text: str) -> CimError:
    """The error for parameters that are missing, given twice or not declared."""
    return _standard(StatusCode.INVALID_PARAMETER, "ERR_INVALID_PARM_NUM", text, _MINOR)


def incident(what: str, error: BaseException, *, show_traceback: bool) -> CimError:
    """Log an unhandled exception, and give the CIM error that tells the client of it.

    The traceback goes to the log; to the client only with ``show_traceback``.
    """
    number = secrets.token_hex(4)
    _log.error("incident %s in %r", number, what, exc_info=error)
    text = f"the server failed in {what}; its log has more under incident {number}"
    if show_traceback:
        text += "\n" + "".join(traceback.format_exception(error))
    return _standard(StatusCode.FAILED, "ERR_UNKNOWN", text, _MAJOR)


def _standard(status_code: int, code: str, text: str, severity: int) -> CimError:
    """A CimError with one of the standard error codes, and the CIM_Error instance beside it."""
    description = f"{code}: {text}"
    values: dict[str, Value] = {
        "ErrorType": _SOFTWARE_ERROR,
        "OwningEntity": "virtcim",
        "MessageID": code,
        "Message": description,
        "PerceivedSeverity": severity,
        "ErrorSourceFormat": 0,
        "CIMStatusCode": status_code,
        "CIMStatusCodeDescription": description,
    }
    return CimError(status_code, description, errors=(Record("VirtCIM_Error", values),))
