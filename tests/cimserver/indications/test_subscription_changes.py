"""Subscriptions, filters and destinations are changed while they are in use."""

from __future__ import annotations

import pytest
import pywbem

from tests.cimserver.indications.subscribing import (
    SUBSCRIPTION,
    Subscribing,
    compiled_schema,
    created,
    modified,
)
from tests.cimserver.serving import intrinsic
from virtcim.cim.records import CimError, ObjectPath, Record, StatusCode
from virtcim.cimserver import Limits
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.providers import StateDatabase

_U16, _U64 = pywbem.Uint16, pywbem.Uint64
_INTEROP = "root/interop"


def test_a_disabled_subscription_is_told_nothing_until_it_is_enabled(
    subscriber: Subscribing,
) -> None:
    path = subscriber.subscribe()
    before = subscriber.connection.GetInstance(path)
    subscriber.modify(path, SubscriptionState=_U16(4))
    assert subscriber.told(modified(2, 3)) == []
    disabled = subscriber.connection.GetInstance(path)
    assert disabled["SubscriptionState"] == 4
    changed = [one["TimeOfLastStateChange"].datetime for one in (before, disabled)]
    assert changed[0] < changed[1]
    assert disabled["SubscriptionStartTime"] == before["SubscriptionStartTime"]
    disabled["SubscriptionState"] = _U16(2)
    subscriber.connection.ModifyInstance(disabled)  # the whole of it, as clients do
    assert subscriber.told(modified(2, 3)) == ["http://h:5000/"]


def test_one_property_is_set_with_set_property(subscriber: Subscribing) -> None:
    path = subscriber.subscribe()
    name = path.tocimxmlstr(ignore_host=True, ignore_namespace=True)
    place = (
        '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="interop"/>'
        "</LOCALNAMESPACEPATH>"
    )

    def set_property(name_of: str, value: str) -> int:
        return subscriber.server.ask(
            intrinsic(
                "SetProperty",
                namespace=place,
                InstanceName=name,
                PropertyName=f"<VALUE>{name_of}</VALUE>",
                NewValue=value,
            )
        ).status

    assert set_property("subscriptionstate", "<VALUE>4</VALUE>") == 0
    assert subscriber.told(modified(2, 3)) == []
    assert set_property("SubscriptionInfo", "<VALUE>mine</VALUE>") == 0
    assert subscriber.connection.GetInstance(path)["SubscriptionInfo"] == "mine"
    assert set_property("SubscriptionInfo", "") == 0
    assert subscriber.connection.GetInstance(path)["SubscriptionInfo"] is None
    assert set_property("Nothing", "<VALUE>4</VALUE>") == StatusCode.NO_SUCH_PROPERTY
    assert set_property("SubscriptionState", "<VALUE>x</VALUE>") == StatusCode.INVALID_PARAMETER


def test_only_what_the_property_list_names_is_changed(subscriber: Subscribing) -> None:
    path = subscriber.subscribe(SubscriptionInfo="kept")
    subscriber.modify(
        path, only=["SUBSCRIPTIONSTATE"], SubscriptionState=_U16(4), SubscriptionInfo="ignored"
    )
    shown = subscriber.connection.GetInstance(path)
    assert (shown["SubscriptionState"], shown["SubscriptionInfo"]) == (4, "kept")
    subscriber.modify(path, only=["SubscriptionInfo"])  # named and not given: NULL
    shown = subscriber.connection.GetInstance(path)
    assert (shown["SubscriptionState"], shown["SubscriptionInfo"]) == (4, None)
    subscriber.modify(path, only=[], SubscriptionState=_U16(2))
    assert subscriber.connection.GetInstance(path)["SubscriptionState"] == 4


def test_a_changed_filter_selects_for_all_its_subscriptions(subscriber: Subscribing) -> None:
    filtered = subscriber.filter()
    for name in ("one", "two"):
        subscriber.subscribe(filtered, subscriber.destination(name, Destination=f"http://{name}"))
    assert len(subscriber.told(modified(2, 3))) == 2
    subscriber.modify(filtered, Query="SELECT * FROM CIM_InstCreation", QueryLanguage="DMTF:CQL")
    assert subscriber.told(modified(2, 3)) == []
    assert sorted(subscriber.told(created())) == ["http://one/", "http://two/"]
    subscriber.modify(filtered, SourceNamespaces=["root/virt/other"])
    assert subscriber.told(created()) == []


def test_a_changed_destination_is_where_the_rest_goes(subscriber: Subscribing) -> None:
    path = subscriber.subscribe()
    subscriber.modify(path["Handler"], Destination="https://other.example")
    assert subscriber.told(modified(2, 3)) == ["https://other.example/"]


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def manager(clock: _Clock) -> SubscriptionManager:
    return SubscriptionManager(
        StateDatabase(),
        Declarations(compiled_schema()),
        ["root/virt", _INTEROP],
        Limits(),
        clock=clock,
    )


def _anything(_owner: str, _namespace: str) -> bool:
    return True


def _create(manager: SubscriptionManager, class_name: str, **values: object) -> ObjectPath:
    given = Record(class_name, values)  # type: ignore[arg-type]
    return manager.create(_INTEROP, given, "ann", may_touch=_anything)


def _subscribe(manager: SubscriptionManager, **values: object) -> ObjectPath:
    filtered = _create(
        manager,
        "CIM_IndicationFilter",
        Query="SELECT * FROM CIM_Indication",
        QueryLanguage="WQL",
    )
    handler = _create(manager, "CIM_ListenerDestinationCIMXML", Destination="http://h")
    return _create(manager, SUBSCRIPTION, Filter=filtered, Handler=handler, **values)


def _remaining(manager: SubscriptionManager) -> object:
    [one] = manager.snapshot.subscribed.values()
    values = manager.snapshot.subscription_values(one.source.kept, one.handler.kept)
    return values["SubscriptionTimeRemaining"]


def test_a_subscription_ends_after_its_duration(
    manager: SubscriptionManager, clock: _Clock
) -> None:
    path = _subscribe(manager, SubscriptionDuration=60)
    clock.now += 59
    assert len(manager.index.matching(created())) == 1
    assert _remaining(manager) == 1
    clock.now += 1
    assert manager.index.matching(created()) == []
    assert _remaining(manager) == 0
    with pytest.raises(CimError, match="the subscription is over"):
        manager.modify(
            path, Record(SUBSCRIPTION, {"SubscriptionInfo": "x"}), None, may_touch=_anything
        )


def test_a_longer_duration_goes_on(manager: SubscriptionManager, clock: _Clock) -> None:
    path = _subscribe(manager, SubscriptionDuration=60)
    clock.now += 50
    longer = Record(SUBSCRIPTION, {"SubscriptionDuration": 120})
    manager.modify(path, longer, None, may_touch=_anything)
    clock.now += 50
    assert _remaining(manager) == 20
    manager.modify(
        path, Record(SUBSCRIPTION, {"SubscriptionDuration": None}), None, may_touch=_anything
    )
    clock.now += 1e9
    assert len(manager.index.matching(created())) == 1
    assert _remaining(manager) is None


def test_what_is_over_is_removed_with_the_next_change(
    manager: SubscriptionManager, clock: _Clock
) -> None:
    _subscribe(manager, SubscriptionDuration=60)
    clock.now += 61
    _create(manager, "CIM_ListenerDestinationCIMXML", Destination="http://other")
    assert not manager.snapshot.subscribed


def test_the_deliverer_disables_and_removes_by_id(manager: SubscriptionManager) -> None:
    _subscribe(manager)
    [one] = manager.index.matching(created())
    assert manager.find(one.id) == one
    manager.disable(one.id)
    assert manager.find(one.id) is None
    [kept] = manager.snapshot.subscribed.values()
    assert kept.row.properties["SubscriptionState"] == 4
    manager.remove(one.id)
    manager.remove(one.id)
    manager.disable(one.id)
    assert not manager.snapshot.subscribed
