"""How an object is shown that could not be read or understood in full."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.records import Value
from virtcim.cim.value_maps import HealthState, OperationalStatus, PrimaryStatus

__all__ = ["with_problem"]


def with_problem(values: Mapping[str, Value], problem: str) -> Mapping[str, Value]:
    """Add to the state of an element what is odd about it; what is worse stays as it is."""
    if not problem:
        return values
    statuses, descriptions = values["OperationalStatus"], values["StatusDescriptions"]
    assert isinstance(statuses, list)
    assert isinstance(descriptions, list)
    pairs = zip(statuses, descriptions, strict=True)
    others = [pair for pair in pairs if pair[0] != OperationalStatus.OK]
    shown: dict[str, Value] = {
        **values,
        "OperationalStatus": [OperationalStatus.DEGRADED, *(status for status, _ in others)],
        "StatusDescriptions": [problem, *(description for _, description in others)],
    }
    if values["HealthState"] in (HealthState.OK, HealthState.UNKNOWN):
        shown["HealthState"] = HealthState.DEGRADED_WARNING
    if values.get("PrimaryStatus") in (PrimaryStatus.OK, PrimaryStatus.UNKNOWN):
        shown["PrimaryStatus"] = PrimaryStatus.DEGRADED
    return shown
