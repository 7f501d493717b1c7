"""Opening the subscriptions of a server, so that its providers show them."""

from __future__ import annotations

from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.indications.subscriptions.manager import (
    Forget,
    SubscriptionManager,
    forget_nothing,
)
from virtcim.cimserver.limits import Limits
from virtcim.mof import Schema
from virtcim.providers import Providers

__all__ = ["open_subscriptions"]


def open_subscriptions(
    providers: Providers, schema: Schema, limits: Limits, *, forget: Forget = forget_nothing
) -> SubscriptionManager:
    """The subscriptions in the state database of the providers. Raises StateError.

    ``forget`` is called within a transaction with the ids of subscriptions that are removed.
    """
    manager = SubscriptionManager(
        providers.state, Declarations(schema), providers.namespaces, limits, forget=forget
    )
    providers.show(lambda: manager.snapshot)
    return manager
