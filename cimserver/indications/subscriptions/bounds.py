"""How many filters, destinations and subscriptions there can be, in all and of one user."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from virtcim.cim.records import CimError, StatusCode
from virtcim.cimserver.limits import Limits
from virtcim.providers import ErrorCode, failure

__all__ = ["DESTINATION_BOUND", "FILTER_BOUND", "SUBSCRIPTION_BOUND", "Bound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The two limits of what is called ``noun``; ``option`` is that of the one for all users."""

    noun: str
    option: str
    of_all: Callable[[Limits], int]
    of_user: Callable[[Limits], int]

    def check(self, limits: Limits, owners: Iterable[str], principal: str) -> None:
        """Refuse one more to a user where those that there are belong to ``owners``.

        Raises CimError that names the limit.
        """
        there = list(owners)
        his = there.count(principal)
        if his >= self.of_user(limits):
            whose = f"{principal} has" if principal else "clients without a login have"
            raise _refusal(f"{whose} {his} {self.noun}", f"{self.option}-per-user")
        if len(there) >= self.of_all(limits):
            raise _refusal(f"there are {len(there)} {self.noun}", self.option)


def _refusal(what: str, option: str) -> CimError:
    return failure(
        ErrorCode.ERR_OPERATION_FAILED,
        f"{what}, and {option} allows no more",
        status_code=StatusCode.SERVER_LIMITS_EXCEEDED,
    )


FILTER_BOUND = Bound(
    noun="filters",
    option="--limit-indication-filters",
    of_all=lambda limits: limits.indication_filters,
    of_user=lambda limits: limits.indication_filters_per_user,
)
DESTINATION_BOUND = Bound(
    noun="listener destinations",
    option="--limit-listener-destinations",
    of_all=lambda limits: limits.listener_destinations,
    of_user=lambda limits: limits.listener_destinations_per_user,
)
SUBSCRIPTION_BOUND = Bound(
    noun="subscriptions",
    option="--limit-subscriptions",
    of_all=lambda limits: limits.subscriptions,
    of_user=lambda limits: limits.subscriptions_per_user,
)
