"""How an object is shown that could not be read or understood in full."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.records import Value

__all__ = ["with_problem"]

# CIM_ManagedSystemElement: OperationalStatus, HealthState and PrimaryStatus.
_OK, _DEGRADED = 2, 3
_HEALTHY, _UNKNOWN, _DEGRADED_HEALTH = 5, 0, 10
_PRIMARY_OK, _PRIMARY_UNKNOWN, _PRIMARY_DEGRADED = 1, 0, 2


def with_problem(values: Mapping[str, Value], problem: str) -> Mapping[str, Value]:
    """Add to the state of an element what is odd about it; what is worse stays as it is."""
    if not problem:
        return values
    statuses, descriptions = values["OperationalStatus"], values["StatusDescriptions"]
    assert isinstance(statuses, list)
    assert isinstance(descriptions, list)
    others = [pair for pair in zip(statuses, descriptions, strict=True) if pair[0] != _OK]
    shown: dict[str, Value] = {
        **values,
        "OperationalStatus": [_DEGRADED, *(status for status, _ in others)],
        "StatusDescriptions": [problem, *(description for _, description in others)],
    }
    if values["HealthState"] in (_HEALTHY, _UNKNOWN):
        shown["HealthState"] = _DEGRADED_HEALTH
    if values.get("PrimaryStatus") in (_PRIMARY_OK, _PRIMARY_UNKNOWN):
        shown["PrimaryStatus"] = _PRIMARY_DEGRADED
    return shown
