"""What happened is matched, written once, and kept with what the sources remember."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.cimserver.indications.parties import Destination, Subscription, rows, settle
from virtcim.cim.cimxml.instances import Encoder
from virtcim.cim.records import ObjectPath, Record
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue
from virtcim.cimserver.indications.hub import IndicationHub
from virtcim.cimserver.queries import Query
from virtcim.mof import Schema
from virtcim.providers import Indication, StateError
from virtcim.providers.state.database import StateDatabase

A, B = Destination(id="a"), Destination(id="b")
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SYSTEM = Record(
    "CIM_ComputerSystem",
    {"Name": "vm", "CreationClassName": "CIM_ComputerSystem"},
    ObjectPath("CIM_ComputerSystem", {"Name": "vm"}, namespace="root/virt"),
)


def everything(_: Record) -> bool:
    return True


def selecting(name: str, *properties: str, destination: Destination = A) -> Subscription:
    wanted = frozenset(properties) or None
    query = Query(class_name="CIM_Indication", properties=wanted, where=everything)
    return Subscription(id=name, destination=destination, query=query)


@dataclass
class Told:
    """The index of subscriptions of a test."""

    everybody: Sequence[Subscription] = ()
    asked: list[Indication] = field(default_factory=list)

    def matching(self, indication: Indication) -> Sequence[Subscription]:
        self.asked.append(indication)
        return self.everybody

    def wanted(self, namespace: str) -> Collection[str]:
        return (namespace, "VirtCIM_InstCreation")


@pytest.fixture
def database(state: str) -> Iterator[StateDatabase]:
    database = StateDatabase(state)
    with database.engine.begin() as connection:
        connection.execute(sa.text("create table remembered (what text)"))
    yield database
    database.close()


@pytest.fixture
def queue(database: StateDatabase) -> DeliveryQueue:
    return DeliveryQueue(database)


@pytest.fixture
def index() -> Told:
    return Told()


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def hub(queue: DeliveryQueue, index: Told, woken: list[str], schema: Schema) -> IndicationHub:
    declarations = Declarations(schema)
    return IndicationHub(
        queue,
        lambda: index,
        encoder=Encoder(declarations, "host"),
        declarations=declarations,
        wake=woken.extend,
        clock=lambda: NOW,
    )


def creation(**values: object) -> Indication:
    record = Record("CIM_InstCreation", {"SourceInstance": SYSTEM, **values})  # type: ignore[dict-item]
    return Indication(namespace="root/virt", record=record)


def remembering(what: str) -> Callable[[sa.Connection], None]:
    def remember(connection: sa.Connection) -> None:
        connection.execute(sa.text("insert into remembered values (:what)"), {"what": what})

    return remember


def test_it_is_written_once_for_all_who_select_the_same(
    hub: IndicationHub,
    index: Told,
    queue: DeliveryQueue,
    database: StateDatabase,
    woken: list[str],
) -> None:
    index.everybody = [
        selecting("one"),
        selecting("two"),
        selecting("three", destination=B),
        selecting("four", "sourceinstancehost"),
        selecting("five", "sourceinstancehost", destination=B),
    ]
    hub.tell([creation()], remembering("x"))
    assert rows(database, "select count(*) from indication_payload") == [(2,)]
    assert rows(database, "select count(*) from indication_delivery") == [(5,)]
    assert sorted(woken) == ["a", "b"]
    whole, _, part = queue.take("a", 10)
    assert b'NAME="SourceInstance"' in whole.text()
    assert b'NAME="SourceInstance"' not in part.text()
    assert b"SequenceNumber" not in whole.text()
    assert queue.counters.read().queued == 5


def test_an_indication_has_an_identifier_and_a_time_of_its_own(
    hub: IndicationHub, index: Told, queue: DeliveryQueue
) -> None:
    index.everybody = [selecting("one", "sourceinstancehost")]
    hub.tell([creation(), creation(IndicationIdentifier="CIM:mine")], remembering("x"))
    first, second = (one.text().decode() for one in queue.take("a", 10))
    assert "<VALUE>virtcim:" in first
    assert "<VALUE>20261130120000.000000+000</VALUE>" in first
    assert "<VALUE>CIM:mine</VALUE>" in second


def test_what_nobody_wants_is_remembered_and_not_written(
    hub: IndicationHub, database: StateDatabase, woken: list[str]
) -> None:
    hub.tell([creation()], remembering("x"))
    assert rows(database, "select what from remembered") == [("x",)]
    assert rows(database, "select count(*) from indication_payload") == [(0,)]
    assert woken == []
    assert hub.wanted("root/virt") == ("root/virt", "VirtCIM_InstCreation")


def test_nothing_is_kept_where_the_sources_cannot_remember(
    hub: IndicationHub, index: Told, database: StateDatabase, woken: list[str]
) -> None:
    index.everybody = [selecting("one")]

    def fails(_: sa.Connection) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        hub.tell([creation()], fails)
    assert rows(database, "select count(*) from indication_delivery") == [(0,)]
    assert woken == []


def test_what_cannot_be_written_costs_itself_only(
    hub: IndicationHub, index: Told, queue: DeliveryQueue, caplog: pytest.LogCaptureFixture
) -> None:
    index.everybody = [selecting("one")]
    hub.tell([creation(PerceivedSeverity=-1), creation()], remembering("x"))
    assert len(queue.take("a", 10)) == 1
    assert "incident" in caplog.text


def tell_until_refused(hub: IndicationHub) -> tuple[int, str]:
    """How many were accepted, and why no more."""
    for kept in range(1000):
        try:
            hub.tell([creation(IndicationIdentifier=f"CIM:{kept}")], remembering(str(kept)))
        except StateError as error:
            return kept, str(error)
    raise AssertionError("all were accepted")


@pytest.mark.parametrize("state", ["SQLite"], indirect=True)
def test_a_full_database_is_said_and_keeps_what_it_had(
    hub: IndicationHub,
    index: Told,
    queue: DeliveryQueue,
    database: StateDatabase,
    woken: list[str],
) -> None:
    index.everybody = [selecting("one")]
    database.engine.dispose()
    pages = rows(database, "pragma page_count")[0][0]
    database.engine.dispose()

    def limit(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
        connection.cursor().execute(f"pragma max_page_count = {int(str(pages)) + 8}")

    sa.event.listen(database.engine, "connect", limit)
    kept, refusal = tell_until_refused(hub)
    assert "/virtcim.sqlite: database or disk is full; make room in the file system of" in refusal
    assert 0 < kept == len(woken) == queue.counters.read().queued
    assert [one.number for one in queue.take("a", 1000)] == list(range(kept))
    assert rows(database, "select count(*) from remembered") == [(kept,)]
    # There is space again: it goes on with the next number.
    settle(queue, queue.take("a", 1000))
    hub.tell([creation()], remembering("later"))
    assert [one.number for one in queue.take("a", 1000)] == [kept]


@pytest.mark.parametrize("state", ["SQLite"], indirect=True)
def test_a_locked_database_is_said(
    hub: IndicationHub,
    index: Told,
    queue: DeliveryQueue,
    database: StateDatabase,
    state: str,
) -> None:
    index.everybody = [selecting("one")]
    database.engine.dispose()

    def be_hasty(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
        connection.cursor().execute("pragma busy_timeout = 1")

    sa.event.listen(database.engine, "connect", be_hasty)
    other = sa.create_engine(f"sqlite:///{Path(state) / 'virtcim.sqlite'}")
    with other.connect() as connection:
        connection.exec_driver_sql("begin immediate")
        with pytest.raises(StateError, match="locked"):
            hub.tell([creation()], remembering("x"))
    other.dispose()
    hub.tell([creation()], remembering("y"))
    assert [one.number for one in queue.take("a", 10)] == [0]
