"""What clients create: the classes, their properties, and how many there can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from virtcim.cimserver.indications.subscriptions import properties
from virtcim.cimserver.indications.subscriptions.properties import Properties
from virtcim.cimserver.limits import Limits
from virtcim.providers.interop.indications import COLLECTION, FILTER
from virtcim.providers.interop.indications import DESTINATIONS as DESTINATION_CLASSES

__all__ = ["DESTINATIONS", "FAMILIES", "FILTERS", "KINDS", "REFERENCES", "SUBSCRIPTIONS", "Kind"]

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
    """What clients create of one kind: its properties, its limit, and what it is called."""

    properties: Properties
    most: Callable[[Limits], int]
    classes: frozenset[str]
    noun: str


FILTERS = Kind(
    properties=properties.FILTER,
    most=lambda limits: limits.indication_filters,
    classes=frozenset({FILTER.name}),
    noun="filters",
)
DESTINATIONS = Kind(
    properties=properties.DESTINATION,
    most=lambda limits: limits.listener_destinations,
    classes=frozenset(each.name for each in DESTINATION_CLASSES),
    noun="listener destinations",
)
KINDS: Mapping[str, Kind] = {
    name: kind for kind in (FILTERS, DESTINATIONS) for name in kind.classes
}
"""The kinds by the classes of their instances."""
