"""The indication service of the server, and what it says that it can do (DSP1054)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    EnabledDefault,
    EnabledState,
    HealthState,
    OperationalStatus,
    RequestedState,
    SubscriptionRemovalAction,
)
from virtcim.cimserver.indications.subscriptions.model import DeliverySettings
from virtcim.cimserver.indications.subscriptions.properties import SERVICE
from virtcim.cimserver.limits import Limits

__all__ = ["CAPABILITIES_ID", "SERVICE_CLASS", "capabilities", "service", "settings_of"]

SERVICE_CLASS = "VirtCIM_IndicationService"
CAPABILITIES_ID = "VirtCIM:IndicationServiceCapabilities"
_NAME = "Indication service"


def settings_of(kept: Mapping[str, Any]) -> DeliverySettings:
    """How to deliver, by what is kept of the service."""
    values = SERVICE.created(SERVICE_CLASS, kept)
    return DeliverySettings(
        retry_attempts=values["DeliveryRetryAttempts"],
        retry_interval_s=values["DeliveryRetryInterval"],
        removal_action=SubscriptionRemovalAction(values["SubscriptionRemovalAction"]),
        removal_time_s=values["SubscriptionRemovalTimeInterval"],
        filter_creation_enabled=values["FilterCreationEnabled"],
    )


def service(kept: Mapping[str, Any]) -> Mapping[str, Value]:
    """The properties of the service without its keys."""
    return {
        **SERVICE.created(SERVICE_CLASS, kept),
        "ElementName": _NAME,
        "Caption": _NAME,
        "Description": "Delivers indications to those who subscribed to them.",
        "EnabledState": EnabledState.ENABLED,
        "RequestedState": RequestedState.NOT_APPLICABLE,
        "TransitioningToState": RequestedState.NOT_APPLICABLE,
        "EnabledDefault": EnabledDefault.ENABLED,
        "Started": True,
        "OperationalStatus": [OperationalStatus.OK],
        "StatusDescriptions": ["OK"],
        "HealthState": HealthState.OK,
    }


def capabilities(limits: Limits, *, is_persistent: bool) -> Mapping[str, Value]:
    """The properties of its capabilities without their key."""
    return {
        "ElementName": f"{_NAME} capabilities",
        "Description": "RepeatNotificationPolicy of a subscription is 2 (None): each indication is "
        "sent, also where one before told the same.",
        "FilterCreationEnabledIsSettable": True,
        "DeliveryRetryAttemptsIsSettable": True,
        "DeliveryRetryIntervalIsSettable": True,
        "SubscriptionRemovalActionIsSettable": True,
        "SubscriptionRemovalTimeIntervalIsSettable": True,
        "MaxListenerDestinations": limits.listener_destinations,
        "MaxActiveSubscriptions": limits.subscriptions,
        "SubscriptionsPersisted": is_persistent,
    }
