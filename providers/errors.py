"""What a failure becomes for a CIM client: the CimError and the CIM_Error instance beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from virtcim.cim.records import CimError, ObjectPath, Record, StatusCode, Value
from virtcim.errormap import (
    ENGLISH,
    TABLE_VERSION,
    Advice,
    ErrorCode,
    Fault,
    HypervisorError,
    StandardError,
    advice,
    cim_message,
    general_advice,
    own_message,
    translate,
)
from virtcim.errormap.telling.language import catalogue
from virtcim.errormap.vocabulary import vocabulary
from virtcim.hypervisor.change import RolledBackError

__all__ = [
    "ERROR_CLASS",
    "TEXTS",
    "error_code",
    "failure",
    "from_hypervisor",
    "not_found",
    "path_text",
    "rejected",
    "translated",
]

ERROR_CLASS = "VirtCIM_Error"
_OWNING_ENTITY = "virtcim"
_OBJECT_PATH_FORMAT = 2
# A client may have sent names and values of any length.
_MAX_DESCRIPTION = 2000
_NOTHING_REMAINS = "; nothing of what was asked for remains"
# What is translated here, for the catalogues.
TEXTS = (_NOTHING_REMAINS,)


def failure(
    code: ErrorCode,
    message: str,
    *,
    source: ObjectPath | None = None,
    status_code: int = 0,
) -> CimError:
    """The CIM error for ``code`` with its CIM_Error instance; ``message`` is the whole sentence.

    ``source`` is what the failed operation was asked of, ``status_code`` overrides the one that
    belongs to the code.
    """
    text = message if len(message) <= _MAX_DESCRIPTION else f"{message[:_MAX_DESCRIPTION]}..."

    def told(language: str) -> CimError:
        advised = general_advice(code, language)
        description = own_message(code, text, language)
        return _cim_error(code, description, advised, (), source, status_code)

    return _told_in_all_languages(told)


def from_hypervisor(
    error: StandardError, source: ObjectPath | None = None, *, ending: str = ""
) -> CimError:
    """The CIM error that a hypervisor's failure becomes (DSP0200 clause 5.4.3).

    ``ending`` is what else there is to say, one of TEXTS.
    """
    arguments = _raw_arguments(error.fault)

    def told(language: str) -> CimError:
        description = cim_message(error, language)
        if ending:
            description += catalogue(language).gettext(ending)
        return _cim_error(error.code, description, advice(error, language), arguments, source)

    return _told_in_all_languages(told)


def _told_in_all_languages(told: Callable[[str], CimError]) -> CimError:
    error = told(ENGLISH)
    error.translation = told
    return error


def _cim_error(
    code: ErrorCode,
    description: str,
    advised: Advice,
    arguments: tuple[str, ...] = (),
    source: ObjectPath | None = None,
    status_code: int = 0,
) -> CimError:
    status = status_code or code.cim_status
    word = vocabulary()[code]
    values: dict[str, Value] = {
        "ErrorType": word.error_type,
        "OwningEntity": _OWNING_ENTITY,
        "MessageID": code.name,
        "Message": description,
        "MessageArguments": list(arguments),
        "ErrorTableVersion": TABLE_VERSION,
        "PerceivedSeverity": word.severity,
        "ProbableCause": advised.probable_cause,
        "ProbableCauseDescription": f"{advised.cause} {advised.reported}",
        "RecommendedActions": list(advised.actions),
        "ErrorSourceFormat": _OBJECT_PATH_FORMAT if source else 0,
        "CIMStatusCode": status,
        "CIMStatusCodeDescription": description,
    }
    if source is not None:
        values["ErrorSource"] = path_text(source)
    return CimError(
        status, description, errors=(Record(ERROR_CLASS, values),), language=advised.language
    )


def rejected(what: str, *, source: ObjectPath | None = None) -> CimError:
    """ERR_BAD_PARAMETER; ``what`` names the parameter, the property and the value."""
    return failure(ErrorCode.ERR_BAD_PARAMETER, what, source=source)


def not_found(path: ObjectPath) -> CimError:
    """The instance ``path`` does not exist."""
    return CimError(StatusCode.NOT_FOUND, f"there is no instance {path_text(path)}")


def error_code(error: CimError) -> ErrorCode:
    """The standard code of a failure; ERR_BAD_PARAMETER or ERR_OPERATION_FAILED without one."""
    for record in error.errors:
        name = record.values.get("MessageID")
        if isinstance(name, str) and name in ErrorCode.__members__:
            return ErrorCode[name]
    if error.status_code == StatusCode.INVALID_PARAMETER:
        return ErrorCode.ERR_BAD_PARAMETER
    return ErrorCode.ERR_OPERATION_FAILED


@contextmanager
def translated(source: ObjectPath | None = None) -> Iterator[None]:
    """Turn what a hypervisor reports within the block into the CIM error it stands for."""
    try:
        yield
    except RolledBackError as error:
        standard = translate(error.fault)
        raise from_hypervisor(standard, source, ending=_NOTHING_REMAINS) from error
    except HypervisorError as error:
        raise from_hypervisor(translate(error.fault), source) from error


def path_text(path: ObjectPath) -> str:
    """The untyped text form of an object path (DSP0004 clause 8.2.4)."""
    head = f"{path.namespace}:{path.class_name}" if path.namespace else path.class_name
    if not path.keys:
        return head
    return f"{head}.{','.join(f'{name}={_key_text(value)}' for name, value in path.keys)}"


def _key_text(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    text = path_text(value) if isinstance(value, ObjectPath) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _raw_arguments(fault: Fault) -> tuple[str, ...]:
    """What the deepest source reported, in its own words."""
    while fault.cause is not None:
        fault = fault.cause
    return (fault.source, fault.code, *fault.arguments, *((fault.text,) if fault.text else ()))
