"""What there is at one moment: filters, destinations, subscriptions, and who is told of what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from virtcim.cim.records import Value
from virtcim.cim.value_maps import OnFatalErrorPolicy, PersistenceType, SubscriptionState
from virtcim.cimserver.indications.networks import ListenerNetworks
from virtcim.cimserver.indications.subscriptions.destinations import read_destination
from virtcim.cimserver.indications.subscriptions.elements import (
    KEPT_CLASSES,
    Element,
    key_of,
    path_of,
    predefined_elements,
    report,
    single_instance,
    source_namespaces,
    stored_elements,
)
from virtcim.cimserver.indications.subscriptions.index import SubscriptionIndex
from virtcim.cimserver.indications.subscriptions.model import Destination, Subscription
from virtcim.cimserver.indications.subscriptions.predefined import (
    COLLECTION_ID,
)
from virtcim.cimserver.indications.subscriptions.service import (
    CAPABILITIES_ID,
    capabilities,
    service,
)
from virtcim.cimserver.indications.subscriptions.tables import (
    Rows,
    SubscriptionRow,
    element_key,
    subscription_key,
)
from virtcim.cimserver.limits import Limits
from virtcim.cimserver.queries import InvalidQuery, Query, UnknownLanguage, compile_query
from virtcim.cimserver.queries.properties import Classes
from virtcim.providers import INTEROP
from virtcim.providers.engine.repository import KeptInstance, KeptSubscription
from virtcim.providers.interop.indications import (
    COLLECTION,
    FILTER,
    INDICATION_CAPABILITIES,
    INDICATION_SERVICE,
    INDICATION_SERVICE_NAME,
)

__all__ = ["Compiler", "Snapshot", "Subscribed", "Surroundings"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subscribed:
    """A subscription, and what it is between."""

    row: SubscriptionRow
    kept: KeptSubscription
    source: Element
    handler: Element

    @property
    def ends(self) -> float | None:
        """When it is over, in seconds since 1970; None for never."""
        duration = self.row.properties.get("SubscriptionDuration")
        return None if duration is None else self.row.started + duration


class Compiler:
    """Compiles the queries of filters; those of equal texts are one object."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._compiled = lru_cache(maxsize=4096)(self._compile)

    def query(self, properties: Mapping[str, Any]) -> Query:
        """The query of a filter. Raises InvalidQuery and UnknownLanguage."""
        return self._compiled(properties["QueryLanguage"].strip().lower(), properties["Query"])

    def _compile(self, language: str, text: str) -> Query:
        return compile_query(language, text, self.classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a snapshot is made with, besides the rows; ``namespaces`` by lower-case name.

    ``networks`` are where listeners may be, ``may_see`` says whether a user may see a namespace.
    """

    compiler: Compiler
    namespaces: Mapping[str, str]
    limits: Limits
    networks: ListenerNetworks
    is_persistent: bool
    may_see: Callable[[str, str], bool]
    clock: Callable[[], float]


class Snapshot:
    """Implements ``InstanceRepository`` for one moment; never changed after it was made.

    ``enabled`` are the subscriptions that are, by id.
    """

    def __init__(self, rows: Rows, surroundings: Surroundings) -> None:
        self.rows = rows
        self._clock = surroundings.clock
        self.elements: dict[str, Element] = {}
        self.subscribed: dict[str, Subscribed] = {}
        self._by_class: dict[tuple[str, str], list[KeptInstance]] = {}
        self._by_element: dict[str, list[Subscribed]] = {}
        namespaces = surroundings.namespaces
        for element in (
            *predefined_elements(namespaces),
            *stored_elements(rows.elements, namespaces),
        ):
            self.elements[element.key] = element
            self._add(element.kept)
        self._add(
            single_instance(INDICATION_SERVICE.name, INDICATION_SERVICE_NAME, service(rows.service))
        )
        said = capabilities(surroundings.limits, is_persistent=surroundings.is_persistent)
        self._add(single_instance(INDICATION_CAPABILITIES.name, CAPABILITIES_ID, said))
        told: list[Subscription] = []
        for row in rows.subscriptions:
            try:
                told += self._subscribe(row, surroundings)
            except (KeyError, TypeError, ValueError) as exc:
                # One row that cannot be read costs only itself.
                report(f"the subscription {row.id}", f"it cannot be read: {exc!r}")
        self.index = SubscriptionIndex(
            told,
            surroundings.compiler.classes,
            may_see=surroundings.may_see,
            clock=surroundings.clock,
        )
        self.enabled = {one.id: one for one in told}

    def _add(self, kept: KeptInstance) -> None:
        self._by_class.setdefault((kept.namespace, kept.class_name), []).append(kept)

    def _subscribe(self, row: SubscriptionRow, surroundings: Surroundings) -> list[Subscription]:
        source, handler = self.elements.get(row.source), self.elements.get(row.handler)
        namespace = surroundings.namespaces.get(row.namespace.lower())
        if source is None or handler is None or namespace is None:
            report(f"the subscription {row.id}", "its filter or destination is not served now")
            return []
        kept = KeptSubscription(
            class_name=row.class_name,
            namespace=namespace,
            source=source.kept,
            handler=handler.kept,
        )
        one = Subscribed(row=row, kept=kept, source=source, handler=handler)
        told = list(self._told(one, surroundings))
        self.subscribed[row.key] = one
        for key in (row.source, row.handler):
            self._by_element.setdefault(key, []).append(one)
        return told

    def _told(self, one: Subscribed, surroundings: Surroundings) -> Iterator[Subscription]:
        """The subscription by each filter that it is to, as far as it is enabled."""
        properties, handler = one.row.properties, one.handler
        if properties["SubscriptionState"] != SubscriptionState.ENABLED:
            return
        assert handler.row is not None
        destination = Destination(
            id=handler.row.id,
            url=read_destination(handler.row.properties["Destination"]),
            is_transient=handler.row.properties["PersistenceType"] == PersistenceType.TRANSIENT,
        )
        is_collection = one.source.kept.class_name == COLLECTION.name
        for source in self.members(one.source.kept) if is_collection else (one.source.kept,):
            try:
                query = surroundings.compiler.query(source.values)
            except (InvalidQuery, UnknownLanguage) as exc:
                report(f"the filter {path_of(source)}", f"its query cannot be used: {exc}")
                continue
            yield Subscription(
                id=one.row.id,
                namespace=one.kept.namespace,
                filter_name=FILTER.shape.keys(source.identity)["Name"],
                class_name=query.class_name,
                query=query,
                source_namespaces=source_namespaces(source.values),
                destination=destination,
                on_fatal_error_policy=OnFatalErrorPolicy(properties["OnFatalErrorPolicy"]),
                failure_trigger_s=properties.get("FailureTriggerTimeInterval", 0),
                repeat_notification_policy=properties["RepeatNotificationPolicy"],
                ends=one.ends,
                principal=one.row.principal,
            )

    def instances(self, namespace: str, class_name: str) -> Sequence[KeptInstance]:
        """The instances of a class."""
        return self._by_class.get((namespace, class_name), ())

    def instance(self, namespace: str, class_name: str, identity: str) -> KeptInstance | None:
        """One instance, None where it is not there."""
        if class_name in KEPT_CLASSES:
            element = self.elements.get(element_key(namespace, class_name, identity))
            return None if element is None else element.kept
        found = self.instances(namespace, class_name)
        return next((each for each in found if each.identity == identity), None)

    def subscriptions(self, namespace: str) -> Iterable[KeptSubscription]:
        """The subscriptions in a namespace."""
        return (each.kept for each in self.subscribed.values() if each.kept.namespace == namespace)

    def subscriptions_of(self, instance: KeptInstance) -> Iterable[KeptSubscription]:
        """The subscriptions, in any namespace, to a filter or collection, or of a destination."""
        return (each.kept for each in self.subscribed_of(key_of(instance)))

    def subscribed_of(self, key: str) -> Sequence[Subscribed]:
        """The subscriptions of an element."""
        return self._by_element.get(key, ())

    def subscription_values(
        self, source: KeptInstance, handler: KeptInstance
    ) -> Mapping[str, Value]:
        """The properties of the subscription between two instances, without the references."""
        one = self.subscribed[subscription_key(key_of(source), key_of(handler))]
        ends = one.ends
        remaining = None if ends is None else max(0, int(ends - self._clock()))
        return {
            **one.row.properties,
            "SubscriptionStartTime": _time(one.row.started),
            "TimeOfLastStateChange": _time(one.row.changed),
            "SubscriptionTimeRemaining": remaining,
        }

    def members(self, collection: KeptInstance) -> Sequence[KeptInstance]:
        """The filters in a collection: those that are predefined."""
        if collection.identity != COLLECTION_ID:
            return ()
        return [
            each.kept
            for each in self.elements.values()
            if each.row is None and each.kept.class_name == FILTER.name
        ]

    def collections(self, member: KeptInstance) -> Sequence[KeptInstance]:
        """The collections that a filter is in."""
        element = self.elements[key_of(member)]
        return self.instances(INTEROP, COLLECTION.name) if element.row is None else ()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
