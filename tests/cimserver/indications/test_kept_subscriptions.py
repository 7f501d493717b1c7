"""What was acknowledged outlives the server; what cannot be kept has not happened."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pywbem
import sqlalchemy as sa

from tests.cimserver.indications.subscribing import (
    DESTINATION,
    FILTER,
    INTEROP,
    SUBSCRIPTION,
    Subscribing,
    compiled_schema,
    modified,
    refusal,
    subscribing,
)
from tests.cimserver.serving import DEADLINE_S
from virtcim.cim.records import CimError, ObjectPath, Record, StatusCode
from virtcim.cimserver import Limits
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.providers import StateDatabase, StateError

_CLASSES = (FILTER, DESTINATION, SUBSCRIPTION, "CIM_IndicationService")


_OF_CLASS = "UPDATE indication_element SET properties = ? WHERE class_name ="


def _everything(subscriber: Subscribing) -> dict[Any, dict[str, Any]]:
    return {
        one.path: dict(one.items())
        for name in _CLASSES
        for one in subscriber.connection.EnumerateInstances(name, namespace=INTEROP)
    }


def test_everything_is_the_same_after_a_restart(tmp_path: Path) -> None:
    with subscribing(tmp_path) as subscriber:
        path = subscriber.subscribe(SubscriptionInfo="mine", OnFatalErrorPolicy=pywbem.Uint16(4))
        subscriber.destination("transient", PersistenceType=pywbem.Uint16(3))
        subscriber.filter("Größe 'x' \"y\"", SourceNamespaces=["root/virt"])
        subscriber.modify(path["Filter"], ElementName="changed")
        [service] = subscriber.names("CIM_IndicationService")
        subscriber.modify(service, DeliveryRetryAttempts=pywbem.Uint16(3))
        [one] = subscriber.manager.index.matching(modified(2, 3))
        before = _everything(subscriber)
    with subscribing(tmp_path) as subscriber:
        assert _everything(subscriber) == before
        assert [each.id for each in subscriber.manager.index.matching(modified(2, 3))] == [one.id]
        assert subscriber.manager.settings().retry_attempts == 3
        [capabilities] = subscriber.connection.EnumerateInstances(
            "CIM_IndicationServiceCapabilities", namespace=INTEROP
        )
        assert capabilities["SubscriptionsPersisted"] is True


def test_what_is_created_again_is_another_one(subscriber: Subscribing) -> None:
    """What waits for the first one is never sent to the second."""
    path = subscriber.subscribe()
    [first] = subscriber.manager.index.matching(modified(2, 3))
    for one in (path, path["Handler"]):
        subscriber.connection.DeleteInstance(one)
    subscriber.subscribe(path["Filter"])
    [second] = subscriber.manager.index.matching(modified(2, 3))
    assert first.id != second.id
    assert first.destination.id != second.destination.id


def _break(tmp_path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(tmp_path / "virtcim.sqlite")) as database, database:
        assert database.execute(statement, values).rowcount > 0
    database.close()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE indication_subscription SET properties = ?", "{}"),
        ("UPDATE indication_subscription SET properties = ?", "[1]"),
        ("UPDATE indication_subscription SET handler = ?", "nowhere"),
        ("UPDATE indication_element SET namespace = ?", "root/gone"),
        ("UPDATE indication_element SET class_name = ?", "CIM_Gone"),
        (
            f"{_OF_CLASS} 'CIM_IndicationFilter'",
            json.dumps({"Query": "SELECT * FROM CIM_Gone", "QueryLanguage": "WQL"}),
        ),
        (
            f"{_OF_CLASS} 'CIM_ListenerDestinationCIMXML'",
            json.dumps({"Destination": "nowhere:x", "PersistenceType": 2}),
        ),
    ],
)
def test_a_row_that_cannot_be_used_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str, value: str
) -> None:
    with subscribing(tmp_path) as subscriber:
        subscriber.subscribe()
    _break(tmp_path, statement, value)
    with caplog.at_level(logging.WARNING), subscribing(tmp_path) as subscriber:
        assert subscriber.told(modified(2, 3)) == []
        assert "is left out" in caplog.text
        handler = subscriber.destination("good", Destination="http://good")
        subscriber.subscribe(subscriber.filter("good"), handler)
        assert subscriber.told(modified(2, 3)) == ["http://good/"]
    # Nothing is reset: what is repaired is there again.
    with closing(sqlite3.connect(tmp_path / "virtcim.sqlite")) as database, database:
        assert database.execute("SELECT count(*) FROM indication_subscription").fetchone() == (2,)
    database.close()


def test_a_filter_whose_query_cannot_be_used_is_still_shown(tmp_path: Path) -> None:
    with subscribing(tmp_path) as subscriber:
        path = subscriber.subscribe()
    stored = json.dumps({"Query": "SELECT * FROM CIM_Gone", "QueryLanguage": "WQL"})
    _break(
        tmp_path,
        f"{_OF_CLASS} 'CIM_IndicationFilter'",
        stored,
    )
    with subscribing(tmp_path) as subscriber:
        assert (
            subscriber.connection.GetInstance(path["Filter"])["Query"] == "SELECT * FROM CIM_Gone"
        )
        subscriber.modify(path["Filter"], Query="SELECT * FROM CIM_InstModification")
        assert subscriber.told(modified(2, 3)) == ["http://h:5000/"]


def _manager(
    database: StateDatabase, limits: Limits | None = None, **options: Any
) -> SubscriptionManager:
    classes, namespaces = Declarations(compiled_schema()), [INTEROP, "root/virt"]
    return SubscriptionManager(database, classes, namespaces, limits or Limits(), **options)


def _anything(_owner: str, _namespace: str) -> bool:
    return True


def _create(manager: SubscriptionManager, class_name: str, **values: Any) -> ObjectPath:
    return manager.create(INTEROP, Record(class_name, values), "ann", may_touch=_anything)


_FILTER_VALUES = {"Query": "SELECT * FROM CIM_Indication", "QueryLanguage": "WQL"}


def _subscribe(manager: SubscriptionManager) -> ObjectPath:
    filtered = _create(manager, FILTER, Name="f", **_FILTER_VALUES)
    handler = _create(manager, DESTINATION, Name="d", Destination="http://h")
    return _create(manager, SUBSCRIPTION, Filter=filtered, Handler=handler)


def test_what_cannot_be_written_has_not_happened(tmp_path: Path) -> None:
    database = StateDatabase(str(tmp_path))
    manager = _manager(database)
    path = _subscribe(manager)
    with database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TRIGGER broken BEFORE DELETE ON indication_subscription "
                "BEGIN SELECT RAISE(FAIL, 'the disk is full'); END"
            )
        )
    with pytest.raises(
        CimError, match=r"cannot be kept in the state database /.*: the disk is full"
    ):
        manager.delete(path, may_touch=_anything)
    assert len(manager.index.matching(modified(2, 3))) == 1
    [one] = manager.index.matching(modified(2, 3))
    with pytest.raises(StateError, match="the disk is full"):
        manager.remove(one.id)
    assert manager.find(one.id) == one
    database.close()
    with pytest.raises(CimError, match="the server is stopping"):
        manager.delete(path, may_touch=_anything)


def test_what_cannot_be_committed_has_not_happened() -> None:
    database = StateDatabase()
    manager = _manager(database)
    path = _subscribe(manager)

    def fail(_: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception("the database is locked"))

    sa.event.listen(database.engine, "commit", fail)
    with pytest.raises(CimError, match="the database is locked"):
        manager.delete(path, may_touch=_anything)
    assert len(manager.index.matching(modified(2, 3))) == 1
    sa.event.remove(database.engine, "commit", fail)
    manager.delete(path, may_touch=_anything)
    assert manager.index.matching(modified(2, 3)) == []


class _Waiting:
    """What is waiting for subscriptions; it fails when it is told to."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.fails = False

    def forget_subscription(self, connection: sa.Connection, subscription: str) -> None:
        assert connection.in_transaction()
        if self.fails:
            raise sa.exc.OperationalError("DELETE", {}, Exception("no"))
        self.forgotten.append(subscription)

    def forget_destination(self, connection: sa.Connection, destination: str) -> None:
        assert connection.in_transaction()
        self.forgotten.append(destination)


def test_what_waits_goes_with_what_it_waits_for() -> None:
    waiting, changes = _Waiting(), []
    manager = _manager(StateDatabase(), waiting=waiting, changed=lambda: changes.append(1))
    path = _subscribe(manager)
    assert len(changes) == 3
    [one] = manager.index.matching(modified(2, 3))
    waiting.fails = True
    with pytest.raises(CimError):
        manager.delete(path, may_touch=_anything)
    assert manager.find(one.id) == one
    assert len(changes) == 3
    waiting.fails = False
    off = Record(SUBSCRIPTION, {"SubscriptionState": 4})
    manager.modify(path, off, None, may_touch=_anything)
    manager.delete(path, may_touch=_anything)
    handler = path.key("Handler")
    assert isinstance(handler, ObjectPath)
    manager.delete(handler, may_touch=_anything)
    assert waiting.forgotten == [one.id, one.id, one.destination.id]
    assert len(changes) == 6


def test_two_servers_on_one_database_never_keep_the_same_twice(shared_state: str) -> None:
    """The second one has read before the first one writes."""
    databases = [StateDatabase(shared_state), StateDatabase(shared_state)]
    first, second = map(_manager, databases)
    path = _subscribe(first)
    with pytest.raises(CimError) as caught:
        _create(second, FILTER, Name="f", **_FILTER_VALUES)
    assert caught.value.status_code == StatusCode.ALREADY_EXISTS
    filtered = path.key("Filter")
    assert isinstance(filtered, ObjectPath)
    with pytest.raises(CimError, match="1 subscriptions"):
        second.delete(filtered, may_touch=_anything)
    second.delete(path, may_touch=_anything)
    second.delete(filtered, may_touch=_anything)
    with pytest.raises(CimError) as caught:
        first.delete(path, may_touch=_anything)
    assert caught.value.status_code == StatusCode.NOT_FOUND
    for one in databases:
        one.close()


def test_a_limit_holds_for_all_servers_on_one_database_together(shared_state: str) -> None:
    databases = [StateDatabase(shared_state), StateDatabase(shared_state)]
    limits = Limits(listener_destinations=3, listener_destinations_per_user=3)
    managers = [_manager(each, limits=limits) for each in databases]

    def create(number: int) -> StatusCode | None:
        try:
            _create(managers[number % 2], DESTINATION, Name=f"{number}", Destination="http://h")
        except CimError as error:
            return error.status_code
        return None

    with ThreadPoolExecutor(8) as threads:
        became = Counter(threads.map(create, range(8)))
    assert became == {None: 3, StatusCode.SERVER_LIMITS_EXCEEDED: 5}
    for one in databases:
        one.close()


class _SlowAfterwards:
    """A lock whose first holder goes on late after it has let go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: int | None = None
        self.let_go, self.may_go_on = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._first = self._first or threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if threading.get_ident() == self._first:
            self.let_go.set()
            assert self.may_go_on.wait(DEADLINE_S)


def test_what_is_shown_never_becomes_older_again() -> None:
    database = StateDatabase()
    manager = _manager(database)
    slow = _SlowAfterwards()
    database.lock = slow  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as other:
        first = other.submit(_create, manager, FILTER, Name="first", **_FILTER_VALUES)
        assert slow.let_go.wait(DEADLINE_S)
        _create(manager, FILTER, Name="second", **_FILTER_VALUES)
        slow.may_go_on.set()
        first.result(DEADLINE_S)
    identities = [one.identity for one in manager.snapshot.instances(INTEROP, FILTER)]
    assert [json.loads(one)[-1] for one in identities][-2:] == ["first", "second"]


def test_a_closed_server_refuses_with_a_sentence(tmp_path: Path) -> None:
    with subscribing(tmp_path) as subscriber:
        subscriber.providers.state.close()
        code, said = refusal(subscriber.filter)
        assert (code, "the server is stopping" in said) == (StatusCode.FAILED, True)
