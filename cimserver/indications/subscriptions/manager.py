"""Creating, changing and deleting filters, destinations and subscriptions (DSP1054).

Everything is written before it is answered and before it counts; a change that cannot be written
has not happened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from uuid import uuid4

from virtcim.cim.path_text import path_text
from virtcim.cim.records import CimError, ObjectPath, Record, StatusCode
from virtcim.cim.value_maps import SubscriptionState
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.indications.networks import ANYWHERE, ListenerNetworks
from virtcim.cimserver.indications.subscriptions import properties, tables
from virtcim.cimserver.indications.subscriptions.bounds import SUBSCRIPTION_BOUND
from virtcim.cimserver.indications.subscriptions.checks import (
    KEYS,
    MayTouch,
    check_owner,
    checked_path,
    without_keys,
)
from virtcim.cimserver.indications.subscriptions.elements import KEPT_CLASSES, path_of
from virtcim.cimserver.indications.subscriptions.index import SubscriptionIndex
from virtcim.cimserver.indications.subscriptions.kinds import (
    DESTINATIONS,
    FAMILIES,
    FILTERS,
    KINDS,
    REFERENCES,
    SUBSCRIPTIONS,
    Kind,
)
from virtcim.cimserver.indications.subscriptions.lookup import (
    element_named,
    found_element,
    referred,
    subscription_named,
)
from virtcim.cimserver.indications.subscriptions.model import DeliverySettings, Subscription
from virtcim.cimserver.indications.subscriptions.refusals import (
    already_there,
    not_there,
    predefined,
)
from virtcim.cimserver.indications.subscriptions.service import settings_of
from virtcim.cimserver.indications.subscriptions.snapshot import (
    Compiler,
    Snapshot,
    Subscribed,
    Surroundings,
)
from virtcim.cimserver.indications.subscriptions.store import (
    Change,
    NothingWaits,
    SubscriptionStore,
    Waiting,
)
from virtcim.cimserver.limits import Limits
from virtcim.cimserver.queries.properties import Classes
from virtcim.providers import ErrorCode, StateDatabase, StateError, failure
from virtcim.providers.interop.indications import INDICATION_SERVICE

__all__ = ["SubscriptionManager"]

_MOST_CLASSES = 256


class SubscriptionManager:
    """All subscriptions of this server, kept in its state database; safe to use from many threads.

    ``namespaces`` are those that are served, ``waiting`` is what waits to be delivered,
    ``networks`` are where listeners may be,
    ``may_see`` says whether a user may see a namespace, ``changed`` is called after each change.
    ``clock`` gives seconds since 1970 and is never set. Raises StateError where the database cannot
    be read.
    """

    def __init__(
        self,
        database: StateDatabase,
        classes: Classes,
        namespaces: Iterable[str],
        limits: Limits,
        *,
        waiting: Waiting | None = None,
        networks: ListenerNetworks = ANYWHERE,
        may_see: Callable[[str, str], bool] = lambda _user, _namespace: True,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._limits = limits
        self._classes = classes
        # Asked with each request, mostly of the same few.
        self._concerned = lru_cache(_MOST_CLASSES)(self._is_of_family)
        is_shared = database.is_shared
        self._surroundings = Surroundings(
            compiler=Compiler(classes),
            namespaces={name.lower(): name for name in namespaces},
            limits=limits,
            networks=networks,
            is_persistent=is_shared or bool(database.engine.url.database),
            may_see=may_see,
            clock=clock or database.clock,
        )
        self._store = SubscriptionStore(
            database,
            self._surroundings,
            waiting=waiting or NothingWaits(),
            changed=changed,
            is_shared=is_shared,
        )

    @property
    def snapshot(self) -> Snapshot:
        """What there is now, for the providers to show. Raises CimError where it cannot be read."""
        with _told_to_client():
            return self._store.newest()

    @property
    def index(self) -> SubscriptionIndex:
        """Who is told of what, now. Raises StateError where that cannot be read."""
        return self._store.newest().index

    def take_over(self) -> None:
        """See what another server has changed, also where it is not asked for each time.

        Raises StateError.
        """
        self._store.newest()

    def settings(self) -> DeliverySettings:
        """How to deliver, now."""
        return settings_of(self._store.last_seen.rows.service)

    def find(self, subscription: str) -> Subscription | None:
        """An enabled subscription, None where it is removed or disabled. Raises StateError."""
        return self._store.newest().enabled.get(subscription)

    def may_be_told(self, subscription: str) -> bool:
        """Whether the creator of an enabled subscription may still read of what it is about."""
        one = self._store.last_seen.enabled.get(subscription)
        if one is None:
            return False
        may_see, served = self._surroundings.may_see, self._surroundings.namespaces
        return any(may_see(one.principal, each) for each in one.source_namespaces or served)

    def concerns(self, class_name: str) -> bool:
        """Whether instances of a class are created, changed or deleted here."""
        return self._concerned(class_name)

    def _is_of_family(self, class_name: str) -> bool:
        return any(self._classes.is_a(class_name, each) for each in FAMILIES)

    def owner(self, path: ObjectPath) -> str | None:
        """Who has created what a path names; None for what is not there, or predefined."""
        snapshot = self.snapshot
        try:
            found = subscription_named(snapshot, self._surroundings, path)
        except CimError:
            return None
        if found is not None:
            return found.row.principal
        element = found_element(snapshot, self._surroundings, path)
        return None if element is None or element.row is None else element.row.principal

    def create(
        self, namespace: str, given: Record, principal: str, *, may_touch: MayTouch
    ) -> ObjectPath:
        """Create an instance and give its name (DSP0200 "CreateInstance"). Raises CimError."""
        kind = KINDS.get(given.class_name)
        if kind is not None:
            return self._create_element(namespace, given, principal, kind)
        if given.class_name in SUBSCRIPTIONS:
            return self._create_subscription(namespace, given, principal, may_touch)
        raise CimError(
            StatusCode.NOT_SUPPORTED,
            f"instances of {given.class_name} cannot be created by CreateInstance; those of "
            f"{', '.join((*KINDS, *SUBSCRIPTIONS))} can",
        )

    def _create_element(
        self, namespace: str, given: Record, principal: str, kind: Kind
    ) -> ObjectPath:
        if kind is FILTERS and not self.settings().filter_creation_enabled:
            raise CimError(
                StatusCode.NOT_SUPPORTED,
                "filters cannot be created: FilterCreationEnabled of the indication service is "
                "false",
            )
        path = checked_path(namespace, given)
        others = {name: value for name, value in given.values.items() if name not in KEYS}
        values = kind.properties.created(given.class_name, others)
        kind.check(values, self._surroundings)
        with _told_to_client(), self._store.change() as change:
            if found_element(change.snapshot, self._surroundings, path) is not None:
                raise already_there(path)
            there = change.snapshot.rows.elements
            owners = (row.principal for row in there if row.class_name in kind.classes)
            kind.bound.check(self._limits, owners, principal)
            identity = KEPT_CLASSES[given.class_name].shape.identity(path)
            assert identity is not None
            row = tables.ElementRow(
                id=str(uuid4()),
                key=tables.element_key(namespace, given.class_name, identity),
                namespace=namespace,
                class_name=given.class_name,
                identity=identity,
                properties=values,
                principal=principal,
                created=change.now,
            )
            tables.insert(change.connection, row)
        return path

    def _create_subscription(
        self, namespace: str, given: Record, principal: str, may_touch: MayTouch
    ) -> ObjectPath:
        others = {name: value for name, value in given.values.items() if name not in REFERENCES}
        values = properties.SUBSCRIPTION.created(given.class_name, others)
        with _told_to_client(), self._store.change() as change:
            source, handler = (
                referred(change.snapshot, self._surroundings, name, given) for name in REFERENCES
            )
            expected = SUBSCRIPTIONS[given.class_name]
            if source.kept.class_name != expected:
                raise invalid_parameter(f"Filter of {given.class_name} is a {expected}")
            if handler.kept.class_name not in DESTINATIONS.classes:
                raise invalid_parameter("Handler is a listener destination")
            check_owner(handler, may_touch)
            keys = {"Filter": path_of(source.kept), "Handler": path_of(handler.kept)}
            path = ObjectPath(given.class_name, keys, namespace=namespace)
            key = tables.subscription_key(source.key, handler.key)
            if key in change.snapshot.subscribed:
                raise already_there(path)
            owners = (row.principal for row in change.snapshot.rows.subscriptions)
            SUBSCRIPTION_BOUND.check(self._limits, owners, principal)
            row = tables.SubscriptionRow(
                id=str(uuid4()),
                key=key,
                namespace=namespace,
                class_name=given.class_name,
                source=source.key,
                handler=handler.key,
                properties=values,
                principal=principal,
                started=change.now,
                changed=change.now,
            )
            tables.insert(change.connection, row)
        return path

    def modify(
        self,
        path: ObjectPath,
        given: Record,
        names: Collection[str] | None,
        *,
        may_touch: MayTouch,
    ) -> None:
        """Change an instance (DSP0200 "ModifyInstance"). Raises CimError.

        Properties named in ``names`` (in lower case) that are not given become NULL; without it all
        that are given are changed.
        """
        declared = self._classes.properties(given.class_name)
        wanted = [one.name for key, one in declared.items() if names is not None and key in names]
        if names is None:
            wanted = list(given.values)
        with _told_to_client(), self._store.change() as change:
            if self._classes.is_a(INDICATION_SERVICE.name, path.class_name):
                self._modify_service(change, path, given, wanted)
                return
            subscribed = subscription_named(change.snapshot, self._surroundings, path)
            if subscribed is not None:
                check_owner(subscribed, may_touch)
                self._modify_subscription(change, subscribed, given, wanted)
                return
            element = element_named(change.snapshot, self._surroundings, path)
            kind = KINDS.get(element.kept.class_name)
            if kind is None or element.row is None:
                raise predefined(path)
            check_owner(element, may_touch)
            before = element.row.properties
            changeable = without_keys(path_of(element.kept), given, wanted)
            after = kind.properties.changed(given.class_name, before, given.values, changeable)
            kind.check(after, self._surroundings)
            tables.change_element(change.connection, element.row.id, after)

    def _modify_subscription(
        self, change: Change, one: Subscribed, given: Record, wanted: Sequence[str]
    ) -> None:
        if one.ends is not None and one.ends <= change.now:
            raise failure(ErrorCode.ERR_WRONG_STATE_FOR_OP, "the subscription is over")
        before = one.row.properties
        keys = {"Filter": path_of(one.source.kept), "Handler": path_of(one.handler.kept)}
        path = ObjectPath(one.kept.class_name, keys, namespace=one.kept.namespace)
        changeable = without_keys(path, given, wanted)
        after = properties.SUBSCRIPTION.changed(given.class_name, before, given.values, changeable)
        is_same = after["SubscriptionState"] == before["SubscriptionState"]
        changed = one.row.changed if is_same else change.now
        tables.change_subscription(change.connection, one.row.id, after, changed)
        if after["SubscriptionState"] == SubscriptionState.DISABLED:
            change.waiting.forget_subscription(change.connection, one.row.id)

    def _modify_service(
        self, change: Change, path: ObjectPath, given: Record, wanted: Sequence[str]
    ) -> None:
        instances = change.snapshot.instances(path.namespace, INDICATION_SERVICE.name)
        identity = INDICATION_SERVICE.shape.identity(path)
        if identity not in [each.identity for each in instances]:
            raise not_there(path)
        before = change.snapshot.rows.service
        changeable = without_keys(path, given, wanted)
        after = properties.SERVICE.changed(given.class_name, before, given.values, changeable)
        tables.change_service(change.connection, after)

    def delete(self, path: ObjectPath, *, may_touch: MayTouch) -> None:
        """Delete an instance (DSP0200 "DeleteInstance"). Raises CimError."""
        with _told_to_client(), self._store.change() as change:
            subscribed = subscription_named(change.snapshot, self._surroundings, path)
            if subscribed is not None:
                check_owner(subscribed, may_touch)
                change.remove_subscriptions([subscribed.row.id])
                return
            element = element_named(change.snapshot, self._surroundings, path)
            if element.row is None:
                raise predefined(path)
            check_owner(element, may_touch)
            number = len(change.snapshot.subscribed_of(element.key))
            if number:
                raise failure(
                    ErrorCode.ERR_WRONG_STATE_FOR_OP,
                    f"{path_text(path)} has {number} subscriptions, which must be deleted first",
                    source=path,
                )
            tables.remove_element(change.connection, element.row.id)
            change.waiting.forget_destination(change.connection, element.row.id)

    def disable(self, subscription: str) -> None:
        """Disable a subscription whose listener fails, if it is still there. Raises StateError."""
        with self._store.change() as change:
            for one in change.snapshot.subscribed.values():
                if one.row.id == subscription:
                    after = {**one.row.properties, "SubscriptionState": SubscriptionState.DISABLED}
                    tables.change_subscription(change.connection, subscription, after, change.now)
                    change.waiting.forget_subscription(change.connection, subscription)

    def remove(self, subscription: str) -> None:
        """Remove a subscription whose listener fails, if it is still there. Raises StateError."""
        with self._store.change() as change:
            change.remove_subscriptions([subscription])


@contextmanager
def _told_to_client() -> Iterator[None]:
    try:
        yield
    except StateError as exc:
        raise failure(ErrorCode.ERR_OPERATION_FAILED, str(exc)) from exc
