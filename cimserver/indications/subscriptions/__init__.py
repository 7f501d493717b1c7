"""Who wants to be told of what: filters, listener destinations and subscriptions."""

from virtcim.cimserver.indications.subscriptions.index import SubscriptionIndex
from virtcim.cimserver.indications.subscriptions.manager import SubscriptionManager
from virtcim.cimserver.indications.subscriptions.model import (
    DeliverySettings,
    Destination,
    Subscription,
)

__all__ = [
    "DeliverySettings",
    "Destination",
    "Subscription",
    "SubscriptionIndex",
    "SubscriptionManager",
]
