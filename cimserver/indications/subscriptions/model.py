"""What a subscription says, in the form that its delivery needs."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.cim.value_maps import OnFatalErrorPolicy, SubscriptionRemovalAction
from virtcim.cimserver.queries import Query

__all__ = ["DeliverySettings", "Destination", "Subscription"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a listener is. ``id`` is never given again; a ``is_transient`` one may go for good."""

    id: str
    url: str
    is_transient: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What of the indications goes to one destination.

    ``id`` is never given again, ``namespace`` the one that the subscription is in, ``filter_name``
    the Name of the filter and ``class_name`` the class of indications that its query selects from.
    ``source_namespaces`` are in lower case, empty for all. ``repeat_notification_policy`` is one
    that asks for nothing. ``ends`` is in seconds since 1970, None for never; ``principal`` is who
    created it.
    """

    id: str
    namespace: str
    filter_name: str
    class_name: str
    query: Query
    source_namespaces: frozenset[str]
    destination: Destination
    on_fatal_error_policy: OnFatalErrorPolicy
    failure_trigger_s: int
    repeat_notification_policy: int
    ends: float | None
    principal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How the service delivers (CIM_IndicationService).

    A failed delivery is tried ``retry_attempts`` times again, ``retry_interval_s`` apart at least.
    A destination that took nothing for ``removal_time_s`` loses its subscriptions by
    ``removal_action``.
    """

    retry_attempts: int
    retry_interval_s: int
    removal_action: SubscriptionRemovalAction
    removal_time_s: int
    filter_creation_enabled: bool
