"""Which subscriptions an indication is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from virtcim.cimserver.indications.subscriptions.model import Subscription
from virtcim.cimserver.queries import Query
from virtcim.providers import INDICATION_CLASSES, Indication
from virtcim.providers.state.clock import steady_clock

__all__ = ["SubscriptionIndex"]


class _Classes(Protocol):
    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether a class is ``ancestor`` or one of its subclasses."""


class _Filter(NamedTuple):
    """One question, asked once for all subscriptions that ask it."""

    query: Query
    namespaces: frozenset[str]
    subscriptions: tuple[Subscription, ...]


class SubscriptionIndex:
    """The subscriptions of one moment by what they select; safe to use from many threads.

    ``may_see`` says whether a user may see a namespace, and so be told of it; ``clock`` gives
    seconds since 1970.
    """

    def __init__(
        self,
        subscriptions: Iterable[Subscription],
        classes: _Classes,
        *,
        may_see: Callable[[str, str], bool] = lambda _user, _namespace: True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._classes = classes
        self._may_see = may_see
        self._clock = clock or steady_clock()
        grouped: dict[tuple[int, frozenset[str]], list[Subscription]] = {}
        for one in subscriptions:
            # The queries of equal texts are one object.
            grouped.setdefault((id(one.query), one.source_namespaces), []).append(one)
        self._filters = [
            _Filter(group[0].query, namespaces, tuple(group))
            for (_, namespaces), group in grouped.items()
        ]
        # What indications of a class are asked, in a namespace; found when it is first needed.
        self._asked: dict[tuple[str, str], tuple[_Filter, ...]] = {}

    def matching(self, indication: Indication) -> Sequence[Subscription]:
        """The subscriptions that select an indication, each once."""
        record, now = indication.record, self._clock()
        found: dict[str, Subscription] = {}
        for query, _, subscriptions in self._asked_of(indication.namespace, record.class_name):
            if query.selects(record):
                for one in subscriptions:
                    is_over = one.ends is not None and one.ends <= now
                    if not is_over and self._may_see(one.principal, indication.namespace):
                        found.setdefault(one.id, one)
        return list(found.values())

    def wanted(self, namespace: str) -> frozenset[str]:
        """Which of INDICATION_CLASSES somebody subscribes to in a namespace."""
        return frozenset(each for each in INDICATION_CLASSES if self._asked_of(namespace, each))

    def _asked_of(self, namespace: str, class_name: str) -> tuple[_Filter, ...]:
        key = (namespace, class_name)
        known = self._asked.get(key)
        if known is None:
            lowered = namespace.lower()
            known = self._asked[key] = tuple(
                each
                for each in self._filters
                if self._classes.is_a(class_name, each.query.class_name)
                and (not each.namespaces or lowered in each.namespaces)
            )
        return known
