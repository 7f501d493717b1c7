"""How a request fails: the status and the CIM_Error instance that the server is given.

Nothing ever escapes to C: what was not foreseen is an incident, and so is what ends threads.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from virtcim.cim.declared_values import MisfitError
from virtcim.cim.records import CimError, Record, StatusCode
from virtcim.cmpi.blocks import number_block, text_block, texts_block
from virtcim.cmpi.request import status_item
from virtcim.providers import ErrorCode, failure

__all__ = ["ServerRefusal", "error_of", "failed", "lonely_incident"]

_log = logging.getLogger(__name__)
# More of a description than any server shows.
_MOST_CHARACTERS = 4000


class ServerRefusal(Exception):  # noqa: N818 - the server's, no mistake of ours
    """The CIM server would not take an answer; the text says what, and with which status."""


def lonely_incident(what: str, error: BaseException) -> str:
    """``HostedProviders.incident`` as long as there are none."""
    number = secrets.token_hex(4)
    _log.error("incident %s: %s failed unexpectedly", number, what, exc_info=error)
    return f"{what} failed unexpectedly (incident {number}): {type(error).__name__}: {error}"


def error_of(
    what: str, error: BaseException, incident: Callable[[str, BaseException], str]
) -> CimError:
    """What a client is told of any exception."""
    if isinstance(error, CimError):
        return error
    if isinstance(error, MisfitError):
        return failure(ErrorCode.ERR_BAD_PARAMETER, str(error))
    if isinstance(error, ServerRefusal):
        return failure(ErrorCode.ERR_OPERATION_FAILED, str(error))
    return failure(ErrorCode.ERR_UNKNOWN, incident(what, error))


def failed(error: CimError) -> bytes:
    """The items that tell a server of a failure."""
    code = error.status_code
    if not 0 < code <= StatusCode.SERVER_IS_SHUTTING_DOWN:
        code = StatusCode.FAILED
    told = b"".join([b"e" + _error_block(one, code) for one in error.errors])
    return told + status_item(code, error.description[:_MOST_CHARACTERS])


def _error_block(record: Record, code: int) -> bytes:
    """A CIM_Error for C (library/answers.c)."""
    values = record.values

    def text(name: str) -> bytes:
        value = values.get(name)
        return text_block(value if isinstance(value, str) else None)

    def number(name: str, default: int = 0) -> bytes:
        value = values.get(name)
        return number_block(int(value) if isinstance(value, int) else default)

    def texts(name: str) -> bytes:
        value = values.get(name)
        return texts_block([str(one) for one in value] if isinstance(value, list) else [])

    return b"".join(
        [
            text("OwningEntity"),
            text("MessageID"),
            text("Message"),
            number("PerceivedSeverity"),
            number("ProbableCause"),
            number("CIMStatusCode", code),
            number("ErrorType"),
            text("ProbableCauseDescription"),
            text("ErrorSource"),
            text("CIMStatusCodeDescription"),
            texts("RecommendedActions"),
            texts("MessageArguments"),
        ]
    )
