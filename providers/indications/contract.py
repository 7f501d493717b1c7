"""An indication, and what the sources of indications ask of whoever delivers them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

import sqlalchemy as sa

from virtcim.cim.records import Record

__all__ = [
    "ALERT",
    "CREATION",
    "DELETION",
    "INDICATION_CLASSES",
    "MODIFICATION",
    "Indication",
    "IndicationSink",
    "Remember",
    "identified",
    "indication_classes_of",
]

CREATION = "VirtCIM_InstCreation"
MODIFICATION = "VirtCIM_InstModification"
DELETION = "VirtCIM_InstDeletion"
ALERT = "VirtCIM_AlertIndication"
INDICATION_CLASSES = (CREATION, MODIFICATION, DELETION, ALERT)
_OF_INSTANCES = ("CIM_InstIndication", "CIM_Indication")
# Known without the schema, so that a subscription can be taken before anything else works.
_SUPERCLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CREATION: ("CIM_InstCreation", *_OF_INSTANCES),
        MODIFICATION: ("CIM_InstModification", *_OF_INSTANCES),
        DELETION: ("CIM_InstDeletion", *_OF_INSTANCES),
        ALERT: ("CIM_AlertIndication", "CIM_ProcessIndication", "CIM_Indication"),
    }
)

Remember = Callable[[sa.Connection], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indication:
    """One event (DSP1054): ``record`` is of one of INDICATION_CLASSES and has no path.

    ``namespace`` is where what it tells of happened. SourceInstance and PreviousInstance are
    embedded records, the same objects that reads give where these are as new.
    SequenceContext, SequenceNumber and IndicationFilterName are not set: they belong to a delivery.
    """

    namespace: str
    record: Record


def indication_classes_of(class_name: str) -> list[str]:
    """Those of INDICATION_CLASSES that are a class or its subclasses; none for any other class."""
    name = class_name.lower()
    return [one for one in INDICATION_CLASSES if name in map(str.lower, (one, *_SUPERCLASSES[one]))]


class IndicationSink(Protocol):
    """Keeps indications for whoever subscribed; safe to use from many threads."""

    def tell(self, indications: Sequence[Indication], remember: Remember) -> None:
        """Keep the indications for whoever subscribed, and what was told of, in one transaction.

        Raises StateError where that cannot be: nothing is kept then, and the same is told again.
        What ``remember`` raises is passed on, and nothing is kept either.
        """

    def wanted(self, namespace: str) -> Collection[str]:
        """Which of INDICATION_CLASSES somebody subscribes to in a namespace; asked often."""


def identified(record: Record, now: datetime) -> Record:
    """An indication with what every one has that is delivered: an identifier and a time."""
    values = dict(record.values)
    values.setdefault("IndicationIdentifier", f"virtcim:{uuid.uuid4()}")
    values.setdefault("IndicationTime", now)
    return Record(record.class_name, values)
