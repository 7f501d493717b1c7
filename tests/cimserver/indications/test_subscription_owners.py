"""Whose subscriptions they are, and who may touch them; who may no longer see is no longer told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pywbem

from tests.cimserver.indications.subscribing import (
    DESTINATION,
    FILTER,
    INTEROP,
    QUERY,
    SUBSCRIPTION,
    compiled_schema,
    modified,
    refusal,
)
from tests.cimserver.serving import Served, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import StatusCode
from virtcim.cimserver import CimServer, Limits
from virtcim.cimserver.indications.service import IndicationService
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.daemon.roles import Role, parse_rights
from virtcim.providers import Providers

_DENIED = StatusCode.ACCESS_DENIED
Login = Callable[[str], pywbem.WBEMConnection]


@dataclass(frozen=True)
class Office:
    """A server, its users' rights, which may be changed, and logins."""

    manager: SubscriptionManager
    users: dict[str, str]
    login: Login

    def create(self, user: str, class_name: str, **values: Any) -> Any:
        made = pywbem.CIMInstance(class_name, properties=values)
        return self.login(user).CreateInstance(made, namespace=INTEROP)

    def subscribe(self, user: str, number: str = "") -> Any:
        name = user + number
        filtered = self.create(user, FILTER, Name=name, Query=QUERY, QueryLanguage="WQL")
        handler = self.create(user, DESTINATION, Name=name, Destination=f"http://{name}")
        return self.create(user, SUBSCRIPTION, Filter=filtered, Handler=handler)

    def told(self) -> list[str]:
        found = self.manager.index.matching(modified(2, 3))
        return sorted(one.destination.url for one in found)


@pytest.fixture
def office() -> Iterator[Office]:
    users = {
        "ann": "read@*",
        "bob": "read@*",
        "boss": "administer@*",
        "tenant": "read@root/interop,read@root/virt/other",
        "stranger": "",
    }
    schema = compiled_schema()
    with ExitStack() as stack:
        providers = Providers([SimulatedEndpoint(1)], schema)
        stack.callback(providers.close)
        service = IndicationService(
            providers,
            schema,
            Limits(
                indication_filters_per_user=3,
                listener_destinations_per_user=3,
                subscriptions_per_user=3,
            ),
            may_see=lambda user, namespace: parse_rights(users.get(user, "")).may(
                Role.READ, namespace
            ),
        )
        server = CimServer(
            providers,
            schema,
            authenticate=lambda _user, _password: True,
            rights=lambda user: parse_rights(users.get(user, "")),
            subscriptions=service.subscriptions,
        )
        running = stack.enter_context(served(server))

        def login(user: str) -> pywbem.WBEMConnection:
            return stack.enter_context(_connected(running, user))

        yield Office(service.subscriptions, users, login)


@contextmanager
def _connected(running: Served, user: str) -> Iterator[pywbem.WBEMConnection]:
    with pywbem.WBEMConnection(running.url, (user, "x"), INTEROP) as connection:
        yield connection


def test_whoever_may_read_may_subscribe_and_take_it_back(office: Office) -> None:
    path = office.subscribe("ann")
    assert office.told() == ["http://ann/"]
    ann = office.login("ann")
    for one in (path, path["Filter"], path["Handler"]):
        ann.DeleteInstance(one)
    code, _ = refusal(office.subscribe, "stranger")
    assert code == _DENIED


def test_one_user_leaves_room_for_others(office: Office) -> None:
    paths = [office.subscribe("ann", str(number)) for number in range(3)]
    code, said = refusal(office.create, "ann", FILTER, Query=QUERY, QueryLanguage="WQL")
    text = "ERR_OPERATION_FAILED: ann has 3 {}, and --limit-{}-per-user allows no more"
    expected = text.format("filters", "indication-filters")
    assert (code, said[: len(expected)]) == (StatusCode.SERVER_LIMITS_EXCEEDED, expected)
    code, said = refusal(office.create, "ann", DESTINATION, Destination="http://ann/4")
    expected = text.format("listener destinations", "listener-destinations")
    assert (code, said[: len(expected)]) == (StatusCode.SERVER_LIMITS_EXCEEDED, expected)
    ends = {"Filter": paths[0]["Filter"], "Handler": paths[1]["Handler"]}
    code, said = refusal(office.create, "ann", SUBSCRIPTION, **ends)
    expected = text.format("subscriptions", "subscriptions")
    assert (code, said[: len(expected)]) == (StatusCode.SERVER_LIMITS_EXCEEDED, expected)
    office.subscribe("bob")
    office.login("ann").DeleteInstance(paths[2])
    office.create("ann", SUBSCRIPTION, **ends)


def test_what_others_created_needs_an_administrator(office: Office) -> None:
    path = office.subscribe("ann")
    bob = office.login("bob")
    change = pywbem.CIMInstance(SUBSCRIPTION, {"SubscriptionState": pywbem.Uint16(4)}, path=path)
    renamed = pywbem.CIMInstance(FILTER, {"ElementName": "x"}, path=path["Filter"])
    for call, argument in (
        (bob.ModifyInstance, change),
        (bob.ModifyInstance, renamed),
        (bob.DeleteInstance, path),
    ):
        code, said = refusal(call, argument)
        assert (code, "created by another user" in said) == (_DENIED, True)
    # Nobody sends to the listener of another; what is selected is nobody's secret.
    code, _ = refusal(
        office.create,
        "bob",
        SUBSCRIPTION,
        Filter=bob.EnumerateInstanceNames(FILTER)[0],
        Handler=path["Handler"],
    )
    assert code == _DENIED
    assert office.told() == ["http://ann/"]
    boss = office.login("boss")
    boss.ModifyInstance(change)
    assert office.told() == []
    boss.DeleteInstance(path)
    code, _ = refusal(bob.DeleteInstance, path["Handler"])
    assert code == _DENIED


def test_the_service_is_for_administrators(office: Office) -> None:
    [path] = office.login("ann").EnumerateInstanceNames("CIM_IndicationService")
    change = pywbem.CIMInstance(
        path.classname, {"DeliveryRetryAttempts": pywbem.Uint16(0)}, path=path
    )
    assert refusal(office.login("ann").ModifyInstance, change)[0] == _DENIED
    office.login("boss").ModifyInstance(change)


def test_a_user_is_told_of_what_he_may_see_as_long_as_he_may(office: Office) -> None:
    office.subscribe("ann")
    office.subscribe("tenant")
    assert office.told() == ["http://ann/"]
    office.users["tenant"] = "read@*"
    assert office.told() == ["http://ann/", "http://tenant/"]
    del office.users["ann"]
    assert office.told() == ["http://tenant/"]


def test_what_waits_for_a_user_is_his_as_long_as_he_may_see_it(office: Office) -> None:
    office.subscribe("ann")
    [waits] = office.manager.index.matching(modified(2, 3))
    assert office.manager.may_be_told(waits.id)
    office.users["ann"] = "read@root/interop"
    assert not office.manager.may_be_told(waits.id)
    office.users["ann"] = "read@root/virt"
    assert office.manager.may_be_told(waits.id)
    del office.users["ann"]
    assert not office.manager.may_be_told(waits.id)


def test_what_others_created_is_seen_by_administrators_alone(office: Office) -> None:
    path = office.subscribe("ann")
    parts = (path, path["Filter"], path["Handler"])
    connections = {user: office.login(user) for user in ("ann", "bob", "boss")}
    seen = {user: _seen(connection) for user, connection in connections.items()}
    names = {_name(one) for one in parts}
    assert names <= seen["ann"] == seen["boss"]
    assert seen["bob"] == seen["ann"] - names
    for one in parts:
        for user, connection in connections.items():
            around = (connection.AssociatorNames, connection.References)
            for call in (connection.GetInstance, *(() if one is path else around)):
                if user != "bob":
                    call(one)
                    continue
                code, said = refusal(call, one)
                assert (code, "created by another user" in said) == (_DENIED, True)
    # Nor is it to be had by the name of a superclass.
    for one, name in (
        (path, "CIM_AbstractIndicationSubscription"),
        (path["Handler"], "CIM_ListenerDestination"),
    ):
        above = pywbem.CIMInstanceName(name, one.keybindings, namespace=INTEROP)
        assert refusal(connections["bob"].GetInstance, above)[0] == _DENIED
    context = connections["ann"].OpenEnumerateInstances(DESTINATION, MaxObjectCount=0).context
    assert refusal(connections["bob"].PullInstancesWithPath, context, MaxObjectCount=9)[0] == (
        StatusCode.INVALID_ENUMERATION_CONTEXT
    )


def _name(path: Any) -> str:
    path.host = None
    return str(path.to_wbem_uri(format="canonical")).lower()


def _seen(connection: pywbem.WBEMConnection) -> set[str]:
    """The names of all that a client sees of subscriptions, whichever way it looks."""
    found: list[Any] = []
    classes = (FILTER, "CIM_ListenerDestination", "CIM_AbstractIndicationSubscription")
    for class_name in classes:
        found += connection.EnumerateInstanceNames(class_name)
        found += [one.path for one in connection.EnumerateInstances(class_name)]
        opened = connection.OpenEnumerateInstances(class_name, MaxObjectCount=100)
        found += [one.path for one in opened.instances]
        found += [one.path for one in connection.ExecQuery("WQL", f"SELECT * FROM {class_name}")]
    [service] = connection.EnumerateInstanceNames("CIM_IndicationService")
    found += connection.AssociatorNames(service, AssocClass="CIM_ServiceAffectsElement")
    found += [one.path for one in connection.Associators(service)]
    found += connection.EnumerateInstanceNames("CIM_ServiceAffectsElement")
    for reference in connection.ReferenceNames(service):
        found += [one for one in reference.keybindings.values() if hasattr(one, "keybindings")]
    return {_name(one) for one in found if one.classname in (FILTER, DESTINATION, SUBSCRIPTION)}
