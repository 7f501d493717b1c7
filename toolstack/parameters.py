"""The types of parameters: what comes off the wire is checked against its declaration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from virtcim.toolstack.faults import XapiFailure, field_type_error, value_not_supported

__all__ = ["Parameter", "check_value", "count_mismatch", "parse_parameters"]

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter: ``kind`` is a type's name, or the class that a reference must belong to."""

    kind: str
    name: str
    optional: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether the value is the reference of an object."""
        return self.kind not in _CHECKS


def parse_parameters(signature: str) -> tuple[Parameter, ...]:
    """Read ``"VM vm, bool force, string version?"``; ``?`` marks what may be left out."""
    parameters = []
    for declared in filter(None, signature.split(", ")):
        kind, name = declared.split(" ")
        parameters.append(
            Parameter(kind=kind, name=name.removesuffix("?"), optional=name.endswith("?"))
        )
    return tuple(parameters)


def check_value(kind: str, name: str, value: object) -> object:
    """Give the value as Python sees it; raises XapiFailure naming the parameter ``name``."""
    return _CHECKS.get(kind, _check_string)(name, value)


def _check_string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise field_type_error(name)
    return value


def _check_int(name: str, value: object) -> int:
    """Read an integer: XenAPI sends a decimal string, but an ``<int>`` is as clear."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise field_type_error(name)
    try:
        number = int(value)
    except ValueError:
        raise field_type_error(name) from None
    if not _INT64_MIN <= number <= _INT64_MAX:
        raise value_not_supported(name, value, "does not fit 64 bits")
    return number


def _check_float(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise field_type_error(name)
    return float(value)


def _check_bool(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise field_type_error(name)
    return value


def _check_datetime(name: str, value: object) -> datetime:
    if not isinstance(value, datetime):
        raise field_type_error(name)
    return value


def _check_set(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise field_type_error(name)
    return value


def _check_map(name: str, value: object) -> dict[str, str]:
    """Read a map of texts."""
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise field_type_error(name)
    return value


def _check_record(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise field_type_error(name)
    return value


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "string": _check_string,
    "int": _check_int,
    "float": _check_float,
    "bool": _check_bool,
    "datetime": _check_datetime,
    "set": _check_set,
    "map": _check_map,
    "record": _check_record,
}


def count_mismatch(method: str, expected: int, received: int) -> XapiFailure:
    """Give XenAPI ``MESSAGE_PARAMETER_COUNT_MISMATCH``; the session is not counted."""
    return XapiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, str(expected), str(received))
