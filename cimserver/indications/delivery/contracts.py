"""What delivering has to know of subscriptions, their listeners and the indication service."""

from __future__ import annotations

from typing import Protocol

__all__ = ["DeliverySettings", "Destination", "Subscribers", "Subscription"]


class Destination(Protocol):
    """A CIM_ListenerDestinationCIMXML: where indications are sent."""

    @property
    def id(self) -> str:
        """What tells it apart; never that of another one later."""

    @property
    def url(self) -> str:
        """Where it listens: ``http://HOST[:PORT][/PATH]``, or https."""

    @property
    def is_transient(self) -> bool:
        """Whether it may go for good (PersistenceType)."""


class Subscription(Protocol):
    """A CIM_IndicationSubscription that is enabled."""

    @property
    def id(self) -> str:
        """What tells it apart; never that of another one later."""

    @property
    def filter_name(self) -> str:
        """The Name of its filter, which is the IndicationFilterName of what it selects."""

    @property
    def destination(self) -> Destination:
        """Where to send what it selects."""

    @property
    def on_fatal_error_policy(self) -> int:
        """CIM_IndicationSubscription.OnFatalErrorPolicy: 2 ignores, 3 disables, 4 removes."""

    @property
    def failure_trigger_s(self) -> float:
        """CIM_IndicationSubscription.FailureTriggerTimeInterval; 0 where there is none."""


class DeliverySettings(Protocol):
    """What the CIM_IndicationService says of deliveries that fail."""

    @property
    def retry_attempts(self) -> int:
        """DeliveryRetryAttempts: how often a failed delivery is tried again."""

    @property
    def retry_interval_s(self) -> int:
        """DeliveryRetryInterval: how long to wait before that, at least."""

    @property
    def removal_action(self) -> int:
        """SubscriptionRemovalAction; 2 removes the subscriptions of a listener that is gone."""

    @property
    def removal_time_s(self) -> int:
        """SubscriptionRemovalTimeInterval: for how long a listener fails before that."""


class Subscribers(Protocol):
    """The subscriptions that there are; safe to use from many threads."""

    def find(self, subscription: str) -> Subscription | None:
        """One subscription; None where it is removed or disabled, here or by another server."""

    def may_be_told(self, subscription: str) -> bool:
        """Whether its creator may still read of what it is about."""

    def disable(self, subscription: str) -> None:
        """Disable it, as its policy wants; what waits for it is dropped. Raises StateError."""

    def remove(self, subscription: str) -> None:
        """Remove it, as its policy wants; what waits for it is dropped. Raises StateError."""

    def settings(self) -> DeliverySettings:
        """What the indication service is set to at present."""
