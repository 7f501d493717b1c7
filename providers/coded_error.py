"""A failure as a value: what is known of it, and how a CIM client is told of it in any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from virtcim.cim.records import CimError, Record, Value
from virtcim.cim.value_maps import ErrorSourceFormat
from virtcim.errormap import (
    ENGLISH,
    TABLE_VERSION,
    ErrorCode,
    StandardError,
    advice,
    cim_message,
    general_advice,
    own_message,
)
from virtcim.errormap.stored import as_stored, recalled
from virtcim.errormap.telling.language import catalogue
from virtcim.errormap.vocabulary import vocabulary

__all__ = ["ERROR_CLASS", "NOTHING_REMAINS", "OWN_LOGIN", "TEXTS", "CodedError", "Failure"]

ERROR_CLASS = "VirtCIM_Error"
_OWNING_ENTITY = "virtcim"
NOTHING_REMAINS = "; nothing of what was asked for remains"
OWN_LOGIN = "; this is the CIM server's own login at the hypervisor, not yours"
# What is translated here, for the catalogues.
TEXTS = (NOTHING_REMAINS, OWN_LOGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an operation failed.

    ``standard`` is what a hypervisor reported and what was decided of it; without it virtcim found
    the failure itself, and ``text`` is its sentence in English. ``ending`` is what else there is to
    say, one of TEXTS; ``source`` the path of what the operation was asked of; ``status_code`` one
    that goes before the code's own (0: none).
    """

    code: ErrorCode
    text: str = ""
    standard: StandardError | None = None
    ending: str = ""
    source: str = ""
    status_code: int = 0

    @property
    def status(self) -> int:
        """The CIM status code of the failed operation (DSP0200 "Status Codes")."""
        return self.status_code or self.code.cim_status

    def description(self, language: str = ENGLISH) -> str:
        """The code's name and the sentence for a person."""
        if self.standard is None:
            return own_message(self.code, self.text, language)
        told = cim_message(self.standard, language)
        return told + catalogue(language).gettext(self.ending) if self.ending else told

    def record(self, language: str = ENGLISH) -> Record:
        """The CIM_Error instance."""
        advised = (
            general_advice(self.code, language)
            if self.standard is None
            else advice(self.standard, language)
        )
        word, description = vocabulary()[self.code], self.description(language)
        decided = TABLE_VERSION if self.standard is None else self.standard.table_version
        values: dict[str, Value] = {
            "ErrorType": word.error_type,
            "OwningEntity": _OWNING_ENTITY,
            "MessageID": self.code.name,
            "Message": description,
            "MessageArguments": list(self.arguments),
            "ErrorTableVersion": decided,
            "PerceivedSeverity": word.severity,
            "ProbableCause": advised.probable_cause,
            "ProbableCauseDescription": f"{advised.cause} {advised.reported}",
            "RecommendedActions": list(advised.actions),
            "ErrorSourceFormat": ErrorSourceFormat.CIMOBJECT_PATH
            if self.source
            else ErrorSourceFormat.UNKNOWN,
            "CIMStatusCode": self.status,
            "CIMStatusCodeDescription": description,
        }
        if self.source:
            values["ErrorSource"] = self.source
        return Record(ERROR_CLASS, values)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the deepest source reported, in its own words; nothing of what we found."""
        if self.standard is None:
            return ()
        fault = self.standard.fault
        while fault.cause is not None:
            fault = fault.cause
        return (fault.source, fault.code, *fault.arguments, *((fault.text,) if fault.text else ()))

    def as_stored(self) -> dict[str, Any]:
        """The failure as values of JSON."""
        stored = {
            "code": self.code.name,
            "text": self.text,
            "standard": None if self.standard is None else as_stored(self.standard),
            "ending": self.ending,
            "source": self.source,
            "status_code": self.status_code,
        }
        return {name: value for name, value in stored.items() if value}

    @classmethod
    def recalled(cls, stored: object) -> Failure:
        """The failure that ``as_stored`` gave. Raises ValueError where it is none."""
        code = stored.get("code") if isinstance(stored, Mapping) else None
        if not isinstance(stored, Mapping) or str(code) not in ErrorCode.__members__:
            raise ValueError("a stored failure has a code")
        values = dict(stored)
        standard = values.pop("standard", None)
        values["code"] = ErrorCode[str(code)]
        kinds = {"code": ErrorCode, "text": str, "ending": str, "source": str, "status_code": int}
        for name, value in values.items():
            if not isinstance(value, kinds.get(name, ())):
                raise ValueError(f"a stored failure has no {name} that is {value!r}")
        return cls(standard=None if standard is None else recalled(standard), **values)


class CodedError(CimError):
    """A failed CIM operation with a standard code: its CIM_Error goes with it."""

    def __init__(self, failure: Failure, language: str = ENGLISH) -> None:
        super().__init__(
            failure.status,
            failure.description(language),
            errors=(failure.record(language),),
            language=language,
        )
        self.failure = failure

    def in_language(self, language: str) -> CimError:
        """The same failure in ``language``."""
        return self if language == self.language else CodedError(self.failure, language)
