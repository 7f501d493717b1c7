"""Filters, listener destinations and subscriptions, as pywbem makes, shows and deletes them."""

from __future__ import annotations

from typing import Any

import pytest
import pywbem

from tests.cimserver.indications.subscribing import (
    DESTINATION,
    FILTER,
    HANDLER,
    INTEROP,
    SUBSCRIPTION,
    Subscribing,
    created,
    modified,
    refusal,
    subscribing,
)
from virtcim.cim.records import StatusCode
from virtcim.cimserver import Limits

_STATE_CHANGED = (
    "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem "
    "AND SourceInstance.EnabledState <> PreviousInstance.EnabledState"
)


@pytest.mark.parametrize("owned", [True, False])
def test_the_subscription_manager_of_pywbem_subscribes_and_takes_it_back(
    subscriber: Subscribing, owned: bool
) -> None:
    server = pywbem.WBEMServer(subscriber.connection)
    manager = pywbem.WBEMSubscriptionManager("tests")
    at = manager.add_server(server)
    destination = manager.add_destination(
        at,
        "https://listener.example:5989",
        owned=owned,
        destination_id="d" if owned else None,
        name=None if owned else "destination",
        persistence_type="transient",
    )
    filtered = manager.add_filter(
        at,
        ["root/virt"],
        _STATE_CHANGED,
        query_language="DMTF:CQL",
        owned=owned,
        filter_id="f" if owned else None,
        name=None if owned else "filter",
    )
    [subscription] = manager.add_subscriptions(at, filtered.path, destination.path, owned=owned)
    assert subscription["SubscriptionState"] == 2
    assert (subscription["Filter"], subscription["Handler"]) == (filtered.path, destination.path)
    assert [one.path for one in manager.get_all_subscriptions(at)] == [subscription.path]
    assert subscriber.told(modified(2, 3)) == ["https://listener.example:5989/"]
    assert subscriber.told(modified(2, 2)) == []
    if owned:
        manager.remove_all_servers()
    else:
        manager.remove_subscriptions(at, subscription.path)
        manager.remove_filter(at, filtered.path)
        manager.remove_destinations(at, destination.path)
    assert subscriber.told(modified(2, 3)) == []
    assert subscriber.names(SUBSCRIPTION) == subscriber.names(DESTINATION) == []
    assert filtered.path not in subscriber.names(FILTER)


def test_what_is_associated_is_found_from_every_side(subscriber: Subscribing) -> None:
    path = subscriber.subscribe()
    filtered, handler = path["Filter"], path["Handler"]
    connection = subscriber.connection
    wanted: dict[str, str] = {"AssocClass": SUBSCRIPTION}
    assert _local(connection.AssociatorNames(filtered, **wanted)) == [handler]
    assert _local(connection.AssociatorNames(handler, **wanted)) == [filtered]
    [reference] = connection.References(handler, ResultClass="CIM_AbstractIndicationSubscription")
    assert _local([reference.path]) == [path]
    assert reference["OnFatalErrorPolicy"] == 2
    assert connection.GetInstance(path)["SubscriptionState"] == 2
    [service] = subscriber.names("CIM_IndicationService")
    affected = _local(connection.AssociatorNames(service, AssocClass="CIM_ServiceAffectsElement"))
    assert {filtered["Name"], handler["Name"]} <= {one.get("Name") for one in affected}


def _local(paths: list[Any]) -> list[Any]:
    for path in paths:
        path.host = None
    return paths


def test_the_predefined_filters_are_one_collection(subscriber: Subscribing) -> None:
    [collection] = subscriber.names("CIM_FilterCollection")
    members = subscriber.connection.AssociatorNames(collection, AssocClass="CIM_MemberOfCollection")
    assert {one["Name"] for one in members} == {one["Name"] for one in subscriber.names(FILTER)}
    assert "VirtCIM:SystemStateChanged" in {one["Name"] for one in members}
    [owner] = subscriber.connection.AssociatorNames(
        members[0], AssocClass="CIM_ServiceAffectsElement"
    )
    assert owner.classname == "VirtCIM_IndicationService"


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("VirtCIM:SystemStateChanged", 1, 0), ("VirtCIM:SystemChanged", 1, 1)],
)
def test_predefined_filters_can_be_subscribed_to(
    subscriber: Subscribing, name: str, first: int, second: int
) -> None:
    [filtered] = [one for one in subscriber.names(FILTER) if one["Name"] == name]
    subscriber.subscribe(filtered)
    assert len(subscriber.told(modified(2, 3))) == first
    assert len(subscriber.told(modified(2, 2))) == second
    assert len(subscriber.told(modified(2, 3, namespace="root/virt/other"))) == first


def test_a_collection_can_be_subscribed_to_as_a_whole(subscriber: Subscribing) -> None:
    [collection] = subscriber.names("CIM_FilterCollection")
    path = subscriber.create(
        "CIM_FilterCollectionSubscription", Filter=collection, Handler=subscriber.destination()
    )
    # Two of the filters select it, and it is told once.
    assert len(subscriber.told(modified(2, 3))) == 1
    assert subscriber.names(SUBSCRIPTION) == []
    subscriber.connection.DeleteInstance(path)
    assert subscriber.told(modified(2, 3)) == []


def test_predefined_filters_stay_as_they_are(subscriber: Subscribing) -> None:
    path = subscriber.names(FILTER)[0]
    code, said = refusal(subscriber.connection.DeleteInstance, path)
    assert code == StatusCode.NOT_SUPPORTED
    assert "predefined" in said
    code, said = refusal(subscriber.modify, path, Description="mine")
    assert code == StatusCode.NOT_SUPPORTED


@pytest.mark.parametrize("namespace", ["root/interop", "root/virt", "root/virt/other"])
def test_clients_may_put_them_into_any_namespace(subscriber: Subscribing, namespace: str) -> None:
    values = {"Name": "x", "Query": _STATE_CHANGED, "QueryLanguage": "WQL"}
    filtered = subscriber.create(FILTER, namespace=namespace, **values)
    handler = subscriber.create(HANDLER, namespace=namespace, Name="x", Destination="h:5000/a?b")
    path = subscriber.create(SUBSCRIPTION, namespace=namespace, Filter=filtered, Handler=handler)
    assert [one["Name"] for one in subscriber.names(HANDLER, namespace)] == ["x"]
    assert subscriber.connection.GetInstance(path)["SubscriptionState"] == 2
    for other in {"root/interop", "root/virt", "root/virt/other"} - {namespace}:
        assert subscriber.names(SUBSCRIPTION, other) == subscriber.names(HANDLER, other) == []
    # A filter without SourceNamespaces is about its own namespace, in interop about all.
    told = {one for one in ("root/virt", "root/virt/other") if subscriber.told(modified(2, 3, one))}
    assert told == ({namespace} if namespace != INTEROP else {"root/virt", "root/virt/other"})


def test_filter_destination_and_subscription_may_be_in_three_namespaces(
    subscriber: Subscribing,
) -> None:
    values = {"Name": "x", "Query": _STATE_CHANGED, "QueryLanguage": "WQL"}
    filtered = subscriber.create(FILTER, namespace="root/virt", **values)
    handler = subscriber.create(DESTINATION, namespace="root/virt/other", Destination="http://h")
    path = subscriber.create(SUBSCRIPTION, Filter=filtered, Handler=handler)
    [shown] = subscriber.connection.EnumerateInstances(SUBSCRIPTION, namespace=INTEROP)
    assert (shown["Filter"].namespace, shown["Handler"].namespace) == (
        "root/virt",
        "root/virt/other",
    )
    assert subscriber.connection.GetInstance(path)["Filter"] == filtered
    subscriber.connection.DeleteInstance(path)
    subscriber.connection.DeleteInstance(handler)
    subscriber.connection.DeleteInstance(filtered)


def test_source_namespaces_are_honoured(subscriber: Subscribing) -> None:
    both = subscriber.filter("both", SourceNamespaces=["root/virt", "/ROOT/virt/other/"])
    one = subscriber.filter("one", SourceNamespace="root/virt/other")
    subscriber.subscribe(both, subscriber.destination("a", Destination="http://both"))
    subscriber.subscribe(one, subscriber.destination("b", Destination="http://one"))
    assert subscriber.told(modified(2, 3)) == ["http://both/"]
    assert sorted(subscriber.told(modified(2, 3, "root/virt/other"))) == [
        "http://both/",
        "http://one/",
    ]


def test_keys_that_a_client_leaves_out_are_chosen_for_it(subscriber: Subscribing) -> None:
    path = subscriber.create(DESTINATION, Destination="http://h")
    assert path["CreationClassName"] == DESTINATION
    assert (path["SystemCreationClassName"], path["SystemName"]) == (
        "CIM_ComputerSystem",
        "virtcim",
    )
    assert path["Name"]
    mine = subscriber.create(
        DESTINATION,
        Destination="http://h",
        SystemName="console.example",
        SystemCreationClassName="My_System",
        Name="n",
    )
    assert (mine["SystemName"], mine["SystemCreationClassName"]) == (
        "console.example",
        "My_System",
    )
    assert subscriber.connection.GetInstance(mine)["Destination"] == "http://h"


def test_what_is_there_is_not_created_again(subscriber: Subscribing) -> None:
    path = subscriber.subscribe()
    for call in (subscriber.filter, subscriber.destination):
        code, said = refusal(call)
        assert code == StatusCode.ALREADY_EXISTS
        assert "ERR_ALREADY_EXIST" in said
    code, _ = refusal(subscriber.subscribe, path["Filter"], path["Handler"])
    assert code == StatusCode.ALREADY_EXISTS
    # The same pair in another namespace would be told everything twice.
    code, _ = refusal(
        subscriber.create,
        SUBSCRIPTION,
        namespace="root/virt",
        Filter=path["Filter"],
        Handler=path["Handler"],
    )
    assert code == StatusCode.ALREADY_EXISTS


def test_what_has_subscriptions_cannot_be_deleted(subscriber: Subscribing) -> None:
    path = subscriber.subscribe()
    for end in (path["Filter"], path["Handler"]):
        code, said = refusal(subscriber.connection.DeleteInstance, end)
        assert code == StatusCode.FAILED
        assert "1 subscriptions" in said
    subscriber.connection.DeleteInstance(path)
    for end in (path["Filter"], path["Handler"]):
        subscriber.connection.DeleteInstance(end)


def test_what_is_not_there_cannot_be_deleted_or_changed(subscriber: Subscribing) -> None:
    path = subscriber.subscribe()
    subscriber.connection.DeleteInstance(path)
    assert refusal(subscriber.connection.DeleteInstance, path)[0] == StatusCode.NOT_FOUND
    assert refusal(subscriber.modify, path, SubscriptionState=_u16(4))[0] == StatusCode.NOT_FOUND
    gone = path["Filter"]
    subscriber.connection.DeleteInstance(gone)
    assert refusal(subscriber.connection.DeleteInstance, gone)[0] == StatusCode.NOT_FOUND
    assert refusal(subscriber.modify, gone, ElementName="x")[0] == StatusCode.NOT_FOUND
    code, said = refusal(subscriber.subscribe, gone, path["Handler"])
    assert code == StatusCode.INVALID_PARAMETER
    assert said.startswith("ERR_BAD_PARAMETER: Filter: there is no instance")


def _u16(value: int) -> pywbem.Uint16:
    return pywbem.Uint16(value)


def test_no_more_are_taken_than_the_administrator_allows() -> None:
    limits = Limits(indication_filters=1, listener_destinations=2, subscriptions=1)
    with subscribing(limits=limits) as subscriber:
        path = subscriber.subscribe()
        code, said = refusal(subscriber.filter, "second")
        _check_bound(code, said, "there are 1 filters, and --limit-indication-filters allows")
        other = subscriber.destination("second")
        code, said = refusal(subscriber.destination, "third")
        _check_bound(
            code,
            said,
            "there are 2 listener destinations, and --limit-listener-destinations allows",
        )
        code, said = refusal(subscriber.subscribe, path["Filter"], other)
        _check_bound(code, said, "there are 1 subscriptions, and --limit-subscriptions allows")
        [capabilities] = subscriber.connection.EnumerateInstances(
            "CIM_IndicationServiceCapabilities", namespace=INTEROP
        )
        assert capabilities["MaxActiveSubscriptions"] == 1
        assert capabilities["MaxListenerDestinations"] == 2
        subscriber.connection.DeleteInstance(path)
        subscriber.subscribe(path["Filter"], other)


def _check_bound(code: int, said: str, expected: str) -> None:
    assert code == StatusCode.SERVER_LIMITS_EXCEEDED
    assert said.startswith(f"ERR_OPERATION_FAILED: {expected} no more")


def test_the_service_is_hosted_and_says_what_of_it_can_be_changed(subscriber: Subscribing) -> None:
    [service] = subscriber.names("CIM_IndicationService")
    connection = subscriber.connection
    [system] = connection.AssociatorNames(service, AssocClass="CIM_HostedService")
    assert (system.classname, system["Name"]) == ("CIM_ComputerSystem", service["SystemName"])
    [capabilities] = connection.Associators(service, AssocClass="CIM_ElementCapabilities")
    assert capabilities["FilterCreationEnabledIsSettable"] is True
    assert capabilities["SubscriptionsPersisted"] is False  # nothing is, without a state directory
    [profile] = connection.Associators(service, AssocClass="CIM_ElementConformsToProfile")
    assert (profile["RegisteredName"], profile["RegisteredOrganization"]) == ("Indications", 2)
    others = connection.Associators(profile.path, AssocClass="CIM_ReferencedProfile")
    assert [one["RegisteredName"] for one in others] == ["Profile Registration"]
    server = pywbem.WBEMServer(connection)
    found = server.get_selected_profiles("DMTF", "Indications")
    assert _local(server.get_central_instances(found[0].path)) == [service]


def test_settings_of_the_service_are_changed_and_take_effect(subscriber: Subscribing) -> None:
    [service] = subscriber.names("CIM_IndicationService")
    subscriber.modify(service, DeliveryRetryAttempts=_u16(7), FilterCreationEnabled=False)
    shown = subscriber.connection.GetInstance(service)
    assert (shown["DeliveryRetryAttempts"], shown["FilterCreationEnabled"]) == (7, False)
    assert subscriber.manager.settings().retry_attempts == 7
    code, said = refusal(subscriber.filter)
    assert code == StatusCode.NOT_SUPPORTED
    assert "FilterCreationEnabled" in said
    subscriber.connection.ModifyInstance(shown)  # as it was read
    subscriber.modify(service, only=["FilterCreationEnabled"])  # not given: as it was at first
    assert subscriber.connection.GetInstance(service)["FilterCreationEnabled"] is True
    subscriber.filter()
    wrong = {"SubscriptionRemovalAction": _u16(9)}
    code, said = refusal(subscriber.modify, service, **wrong)
    assert code == StatusCode.INVALID_PARAMETER
    assert "SubscriptionRemovalAction: 9" in said


def test_everything_of_other_classes_is_refused(subscriber: Subscribing) -> None:
    connection = subscriber.connection
    system = connection.EnumerateInstances("VirtCIM_ComputerSystem", namespace="root/virt")[0]
    code, said = refusal(subscriber.create, "VirtCIM_ComputerSystem", Name="x")
    assert code == StatusCode.NOT_SUPPORTED
    assert "methods" in said
    assert refusal(connection.ModifyInstance, system)[0] == StatusCode.NOT_SUPPORTED
    assert refusal(connection.DeleteInstance, system.path)[0] == StatusCode.NOT_SUPPORTED
    for abstract in ("CIM_ListenerDestination", "CIM_FilterCollection", "CIM_IndicationService"):
        code, said = refusal(subscriber.create, abstract)
        assert code == StatusCode.NOT_SUPPORTED
        assert DESTINATION in said
    assert subscriber.told(created()) == []
