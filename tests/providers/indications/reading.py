"""Reading what was told."""

from __future__ import annotations

from collections.abc import Iterable

from virtcim.cim.records import Record
from virtcim.providers import Indication

__all__ = [
    "ALERT",
    "CREATION",
    "DELETION",
    "MODIFICATION",
    "alerts",
    "of_class",
    "previous",
    "source",
]

CREATION = "VirtCIM_InstCreation"
MODIFICATION = "VirtCIM_InstModification"
DELETION = "VirtCIM_InstDeletion"
ALERT = "VirtCIM_AlertIndication"


def source(indication: Indication) -> Record:
    instance = indication.record.values["SourceInstance"]
    assert isinstance(instance, Record)
    return instance


def previous(indication: Indication) -> Record:
    instance = indication.record.values["PreviousInstance"]
    assert isinstance(instance, Record)
    return instance


def of_class(told: Iterable[Indication], kind: str, class_name: str) -> list[Indication]:
    return [
        each
        for each in told
        if each.record.class_name == kind and source(each).class_name == class_name
    ]


def alerts(told: Iterable[Indication]) -> list[Record]:
    return [each.record for each in told if each.record.class_name == ALERT]
