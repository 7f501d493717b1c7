"""Indications of instances that came, changed and went (DSP1054, "Lifecycle Indication")."""

from __future__ import annotations

import platform
import uuid
from datetime import datetime
from functools import cache

from virtcim.cim.path_text import path_text
from virtcim.cim.records import Record, Value
from virtcim.cim.value_maps import PerceivedSeverity
from virtcim.providers.indications.contract import (
    CREATION,
    DELETION,
    MODIFICATION,
    Indication,
)
from virtcim.providers.indications.differences import Difference

__all__ = ["identifier_of", "life_cycle_indication", "new_identifier"]


def new_identifier() -> str:
    """An IndicationIdentifier that no other indication has."""
    return f"VirtCIM:{uuid.uuid4()}"


def identifier_of(indication: Indication) -> str:
    """The IndicationIdentifier, by which others can refer to it."""
    return str(indication.record.values["IndicationIdentifier"])


def life_cycle_indication(namespace: str, difference: Difference, now: datetime) -> Indication:
    """What is told of a difference; ``now`` is when it was seen."""
    before, after = difference
    shown = after if after is not None else before
    assert shown is not None
    assert shown.path is not None
    values: dict[str, Value] = {
        "IndicationIdentifier": new_identifier(),
        "IndicationTime": now,
        "PerceivedSeverity": PerceivedSeverity.INFORMATION,
        "SourceInstance": shown,
        "SourceInstanceModelPath": path_text(shown.path),
        "SourceInstanceHost": _host(),
    }
    if after is None:
        return Indication(namespace=namespace, record=Record(DELETION, values))
    if before is None:
        return Indication(namespace=namespace, record=Record(CREATION, values))
    values["PreviousInstance"] = before
    values["ChangedPropertyNames"] = _changed_properties(before, after)
    return Indication(namespace=namespace, record=Record(MODIFICATION, values))


def _changed_properties(before: Record, after: Record) -> list[str]:
    names = dict.fromkeys((*before.values, *after.values))
    return [name for name in names if before.values.get(name) != after.values.get(name)]


@cache
def _host() -> str:
    """The name of the machine that tells it."""
    return platform.node()
