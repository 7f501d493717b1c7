"""What a host keeps in its own repository: the instances that clients create there (DSP1054).

The providers show them beside their own, in the namespace that they were created in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from virtcim.cim.records import Value

__all__ = ["InstanceRepository", "KeptInstance", "KeptSubscription"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptInstance:
    """An instance in the repository, the same object as long as nothing of it changes.

    ``identity`` tells it from the others of its class and namespace, ``values`` are its properties
    without the keys.
    """

    class_name: str
    namespace: str
    identity: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptSubscription:
    """A subscription of ``handler`` to the filter, or the collection of filters, ``source``."""

    class_name: str
    namespace: str
    source: KeptInstance
    handler: KeptInstance


class InstanceRepository(Protocol):
    """The repository; safe to use from many threads. Namespaces are spelled as they are served."""

    def instances(self, namespace: str, class_name: str) -> Iterable[KeptInstance]:
        """The instances of a class."""

    def instance(self, namespace: str, class_name: str, identity: str) -> KeptInstance | None:
        """One instance, None where it is not there."""

    def subscriptions(self, namespace: str) -> Iterable[KeptSubscription]:
        """The subscriptions in a namespace."""

    def subscriptions_of(self, instance: KeptInstance) -> Iterable[KeptSubscription]:
        """The subscriptions, in any namespace, to a filter or collection, or of a destination."""

    def subscription_values(
        self, source: KeptInstance, handler: KeptInstance
    ) -> Mapping[str, Value]:
        """The properties of the subscription between two instances, without the references."""

    def members(self, collection: KeptInstance) -> Iterable[KeptInstance]:
        """The filters in a collection, all in its namespace."""

    def collections(self, member: KeptInstance) -> Iterable[KeptInstance]:
        """The collections that a filter is in, all in its namespace."""
