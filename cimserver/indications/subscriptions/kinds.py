"""What clients create: the classes, their properties, and how many there can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from virtcim.cimserver.indications.subscriptions import properties
from virtcim.cimserver.indications.subscriptions.bounds import (
    DESTINATION_BOUND,
    FILTER_BOUND,
    Bound,
)
from virtcim.cimserver.indications.subscriptions.checks import check_destination, check_filter
from virtcim.cimserver.indications.subscriptions.properties import Properties
from virtcim.cimserver.indications.subscriptions.snapshot import Surroundings
from virtcim.providers.interop.indications import COLLECTION, FILTER
from virtcim.providers.interop.indications import DESTINATIONS as DESTINATION_CLASSES

__all__ = [
    "DESTINATIONS",
    "FAMILIES",
    "FILTERS",
    "KINDS",
    "REFERENCES",
    "SUBSCRIPTIONS",
    "Kind",
]

SUBSCRIPTIONS: Mapping[str, str] = {
    "CIM_IndicationSubscription": FILTER.name,
    "CIM_FilterCollectionSubscription": COLLECTION.name,
}
"""What each class of subscriptions is to."""

FAMILIES = (
    *("CIM_IndicationFilter", "CIM_FilterCollection", "CIM_ListenerDestination"),
    *("CIM_AbstractIndicationSubscription", "CIM_IndicationService"),
)
"""The classes whose instances, with those of their subclasses, are kept here."""

REFERENCES = ("Filter", "Handler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What clients create of one kind: its properties, and how many there can be.

    ``check`` refuses properties that go well each for itself; it raises CimError.
    """

    properties: Properties
    check: Callable[[Mapping[str, Any], Surroundings], None]
    bound: Bound
    classes: frozenset[str]


FILTERS = Kind(
    properties=properties.FILTER,
    check=check_filter,
    bound=FILTER_BOUND,
    classes=frozenset({FILTER.name}),
)
DESTINATIONS = Kind(
    properties=properties.DESTINATION,
    check=check_destination,
    bound=DESTINATION_BOUND,
    classes=frozenset(each.name for each in DESTINATION_CLASSES),
)
KINDS: Mapping[str, Kind] = {
    name: kind for kind in (FILTERS, DESTINATIONS) for name in kind.classes
}
"""The kinds by the classes of their instances."""
