"""What follows when an indication cannot be delivered (CIM_IndicationSubscription, DSP1054)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from virtcim.cimserver.indications.delivery.contracts import DeliverySettings, Subscription

__all__ = ["Failing", "Verdict", "after_failure", "pause_s"]

_DISABLE, _REMOVE = 3, 4  # OnFatalErrorPolicy
_REMOVE_FAILING = 2  # SubscriptionRemovalAction

# A listener that comes back after long is not kept waiting for longer.
_LONGEST_PAUSE_S = 60.0
# What a listener itself refuses so often again it will not take: what comes behind may be good.
_REFUSALS = 3


class Verdict(Enum):
    """What is done after a failed attempt."""

    TRY_AGAIN = auto()
    GIVE_UP_ONE = auto()  # this indication only
    DISABLE = auto()  # the subscription
    REMOVE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """How a delivery fails: the attempts without a success between them, and for how long.

    ``refusals`` are those at which the listener was reached, and did not want this indication.
    ``kept_s`` is how long an indication is kept at all.
    """

    attempts: int
    for_s: float
    refusals: int
    kept_s: float


def after_failure(
    failing: Failing, subscription: Subscription, settings: DeliverySettings
) -> Verdict:
    """What is done with the subscription whose indication could not be delivered.

    Where its policy does not say otherwise, indications for a listener that cannot be reached are
    tried until they are too old: so one that was away for hours misses nothing.
    """
    retries = failing.attempts - 1
    if retries >= settings.retry_attempts and failing.for_s >= (subscription.failure_trigger_s):
        if subscription.on_fatal_error_policy == _DISABLE:
            return Verdict.DISABLE
        if subscription.on_fatal_error_policy == _REMOVE:
            return Verdict.REMOVE
    if settings.removal_action == _REMOVE_FAILING and failing.for_s >= (
        _longest_failure_s(failing, subscription, settings)
    ):
        return Verdict.REMOVE
    if failing.refusals > min(settings.retry_attempts, _REFUSALS):
        return Verdict.GIVE_UP_ONE
    return Verdict.TRY_AGAIN


def _longest_failure_s(
    failing: Failing, subscription: Subscription, settings: DeliverySettings
) -> float:
    """After how long nobody expects the listener any more."""
    longest_s = settings.removal_time_s
    if subscription.destination.is_transient:
        # There is nothing to send any more that it has not missed.
        return min(longest_s, failing.kept_s)
    return longest_s


def pause_s(attempts: int, settings: DeliverySettings) -> float:
    """How long to wait after so many failed attempts: twice as long each time, a minute at most."""
    least_s = settings.retry_interval_s
    return max(min(least_s * 2.0 ** min(attempts - 1, 16), _LONGEST_PAUSE_S), least_s)
