"""What a failure becomes for a CIM client: the CimError and the CIM_Error instance beside it."""

from __future__ import annotations

from virtcim.cim.path_text import path_text
from virtcim.cim.records import CimError, ObjectPath, StatusCode
from virtcim.errormap import ErrorCode, HypervisorError, StandardError, translate
from virtcim.hypervisor.change import RolledBackError
from virtcim.hypervisor.own_login import is_of_own_login
from virtcim.providers.coded_error import NOTHING_REMAINS, OWN_LOGIN, CodedError, Failure

__all__ = [
    "failure",
    "failure_of",
    "from_hypervisor",
    "not_found",
    "rejected",
    "translated",
]

# A client may have sent names and values of any length.
_MAX_DESCRIPTION = 2000


def failure(
    code: ErrorCode,
    message: str,
    *,
    source: ObjectPath | None = None,
    status_code: int = 0,
) -> CodedError:
    """The CIM error for ``code`` with its CIM_Error instance; ``message`` is the whole sentence.

    ``source`` is what the failed operation was asked of, ``status_code`` overrides the one that
    belongs to the code.
    """
    text = message if len(message) <= _MAX_DESCRIPTION else f"{message[:_MAX_DESCRIPTION]}..."
    return CodedError(
        Failure(code=code, text=text, source=_text_of(source), status_code=status_code)
    )


def from_hypervisor(
    error: StandardError, source: ObjectPath | None = None, *, ending: str = ""
) -> CodedError:
    """The CIM error that a hypervisor's failure becomes (DSP0200 "Status Codes").

    ``ending`` is what else there is to say, one of TEXTS.
    """
    return CodedError(
        Failure(code=error.code, standard=error, source=_text_of(source), ending=ending)
    )


def rejected(what: str, *, source: ObjectPath | None = None) -> CodedError:
    """ERR_BAD_PARAMETER; ``what`` names the parameter, the property and the value."""
    return failure(ErrorCode.ERR_BAD_PARAMETER, what, source=source)


def not_found(path: ObjectPath) -> CimError:
    """The instance ``path`` does not exist."""
    return CimError(StatusCode.NOT_FOUND, f"there is no instance {path_text(path)}")


def failure_of(error: CimError) -> Failure:
    """What is known of a failure; a status alone says ERR_BAD_PARAMETER or ERR_OPERATION_FAILED."""
    if isinstance(error, CodedError):
        return error.failure
    is_parameter = error.status_code == StatusCode.INVALID_PARAMETER
    return Failure(
        code=ErrorCode.ERR_BAD_PARAMETER if is_parameter else ErrorCode.ERR_OPERATION_FAILED,
        text=error.description,
        status_code=error.status_code,
    )


class translated:  # noqa: N801 - used as a function, like contextlib's own
    """Turn what a hypervisor reports within the block into the CIM error it stands for."""

    __slots__ = ("_source",)

    def __init__(self, source: ObjectPath | None = None) -> None:
        self._source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, HypervisorError):
            ending = OWN_LOGIN if is_of_own_login(error.fault) else ""
            if isinstance(error, RolledBackError):
                ending = NOTHING_REMAINS
            raise from_hypervisor(translate(error.fault), self._source, ending=ending) from error


def _text_of(path: ObjectPath | None) -> str:
    return "" if path is None else path_text(path)
