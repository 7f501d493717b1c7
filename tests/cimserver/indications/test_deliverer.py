"""Delivering over real sockets: many listeners, those that hang, and several deliverers."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import pywbem
import sqlalchemy as sa

from tests.cimserver.indications.listening import DEADLINE_S, RawListener, listening
from tests.cimserver.indications.parties import (
    Destination,
    Settings,
    Subscribers,
    Subscription,
    put,
)
from virtcim.cimserver.indications.delivery.connection import Timeouts
from virtcim.cimserver.indications.delivery.deliverer import Deliverer
from virtcim.cimserver.indications.delivery.ownership import Ownership, Patience
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue, Outcome
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.several_processes import Colleagues

PATIENT = Timeouts(connect_s=DEADLINE_S, attempt_s=DEADLINE_S)


class Delivering:
    """A queue, its subscriptions and what delivers it."""

    def __init__(
        self,
        database: StateDatabase,
        *subscriptions: Subscription,
        settings: Settings | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.queue = DeliveryQueue(database)
        self.subscribers = Subscribers(
            self.queue, *subscriptions, settings=settings or Settings(retry_interval_s=0.05)
        )
        self.deliverer = Deliverer(
            self.queue, self.subscribers, timeouts=PATIENT, patience=patience
        )

    def tell(self, *texts: str, to: tuple[Subscription, ...]) -> None:
        self.deliverer.wake(put(self.queue, *texts, to=to).destinations)

    def until(self, condition: Callable[[], bool]) -> None:
        pause = threading.Event()
        for _ in range(int(DEADLINE_S / 0.02)):
            if condition():
                return
            pause.wait(0.02)
        raise AssertionError(self.queue.counters.read())

    def until_empty(self) -> None:
        self.until(lambda: self.queue.size().deliveries == 0)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def database(state: str, stack: ExitStack) -> StateDatabase:
    database = StateDatabase(state)
    stack.callback(database.close)
    return database


def subscription(name: str, url: str) -> Subscription:
    return Subscription(id=f"to {name}", destination=Destination(id=name, url=url))


def delivering(
    stack: ExitStack, database: StateDatabase, *subscriptions: Subscription, **options: object
) -> Delivering:
    made = Delivering(database, *subscriptions, **options)  # type: ignore[arg-type]
    made.deliverer.start()
    stack.callback(made.deliverer.stop)
    return made


def test_pywbem_gets_each_indication_once_and_in_order(
    stack: ExitStack, database: StateDatabase
) -> None:
    got: list[tuple[int, str]] = []
    came = threading.Condition()

    def process(indication: pywbem.CIMInstance, _: str) -> None:
        with came:
            got.append((indication["SequenceNumber"], indication["IndicationIdentifier"]))
            came.notify_all()

    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    listener = pywbem.WBEMListener("127.0.0.1", http_port=port)
    listener.add_callback(process)
    listener.start()
    stack.callback(listener.stop)
    one = subscription("pywbem", f"http://127.0.0.1:{port}")
    made = delivering(stack, database, one)
    for number in range(30):
        made.tell(str(number), to=(one,))
    with came:
        assert came.wait_for(lambda: len(got) >= 30, DEADLINE_S)
    made.until_empty()
    assert got == [(number, str(number)) for number in range(30)]


def test_a_listener_that_hangs_keeps_nobody_else_waiting(
    stack: ExitStack, database: StateDatabase
) -> None:
    hanging, *others = (stack.enter_context(listening()) for _ in range(4))
    released = threading.Event()
    hanging.behave = lambda *_: released.wait(DEADLINE_S) and None
    everybody = tuple(
        subscription(str(number), one.url) for number, one in enumerate((hanging, *others))
    )
    made = delivering(stack, database, *everybody)
    stack.callback(released.set)
    for number in range(20):
        made.tell(str(number), to=everybody)
    for other in others:
        assert other.wait_for(20) == [str(number) for number in range(20)]
    made.until(lambda: len(made.queue.waiting()) == 1)
    assert len(hanging.heads) == 1, "one in flight"


def test_a_listener_that_was_away_gets_everything(
    stack: ExitStack, database: StateDatabase
) -> None:
    with listening() as before:
        port = before.port
        one = subscription("a", before.url)
        made = delivering(stack, database, one)
        made.tell("0", to=(one,))
        before.wait_for(1)
        made.until_empty()
    for number in range(1, 200):
        made.tell(str(number), to=(one,))
    made.until(lambda: made.queue.counters.read().failed >= 3)
    with listening(port=port) as after:
        assert after.wait_for(199) == [str(number) for number in range(1, 200)]
        made.until_empty()
        assert after.texts == [str(number) for number in range(1, 200)]


def test_it_can_be_stopped_and_started_at_any_time(
    stack: ExitStack, database: StateDatabase
) -> None:
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    made = delivering(stack, database, one)
    for number in range(100):
        made.tell(str(number), to=(one,))
        if number % 25 == 5:
            made.deliverer.stop()
        if number % 25 == 15:
            made.deliverer.start()
    made.deliverer.start()
    assert listener.wait_for(100) == [str(number) for number in range(100)]
    made.until_empty()
    assert len(listener.got) == 100


def test_stopping_waits_for_an_answer_and_cuts_off_what_hangs(
    stack: ExitStack, database: StateDatabase
) -> None:
    listener = stack.enter_context(listening())
    released = threading.Event()
    stack.callback(released.set)
    listener.behave = lambda *_: released.wait(DEADLINE_S) and None
    one = subscription("a", listener.url)
    made = delivering(stack, database, one)
    made.tell("0", to=(one,))
    listener.wait_for_requests(1)
    made.deliverer.stop(timeout_s=0.1)
    assert [thread.name for thread in threading.enumerate() if "indication" in thread.name] == []
    assert made.queue.size().deliveries == 1


def test_what_another_process_has_put_is_seen(stack: ExitStack, database: StateDatabase) -> None:
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    made = delivering(stack, database, one)
    # Nobody wakes the deliverer.
    put(made.queue, "0", to=(one,))
    assert listener.wait_for(1) == ["0"]


@pytest.fixture
def shared(shared_state: str, stack: ExitStack) -> tuple[StateDatabase, StateDatabase]:
    """One database, opened by two servers."""
    one, two = StateDatabase(shared_state), StateDatabase(shared_state)
    stack.callback(one.close)
    stack.callback(two.close)
    return one, two


@pytest.fixture
def workers(stack: ExitStack, tmp_path: Path) -> tuple[StateDatabase, StateDatabase]:
    """The database of one server, opened by two of its workers."""
    one, two = (StateDatabase(str(tmp_path), Colleagues(id=name)) for name in ("one", "two"))
    stack.callback(one.close)
    stack.callback(two.close)
    return one, two


def test_of_two_servers_on_one_database_nothing_comes_twice(
    stack: ExitStack, shared: tuple[StateDatabase, StateDatabase]
) -> None:
    _one_of_both_delivers(stack, shared)


def test_of_two_workers_of_one_server_nothing_comes_twice(
    stack: ExitStack, workers: tuple[StateDatabase, StateDatabase]
) -> None:
    _one_of_both_delivers(stack, workers)


def _one_of_both_delivers(stack: ExitStack, both: tuple[StateDatabase, StateDatabase]) -> None:
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    patience = Patience(owner_s=DEADLINE_S, heir_s=2 * DEADLINE_S)
    servers = [delivering(stack, database, one, patience=patience) for database in both]
    for number in range(100):
        servers[number % 2].tell(str(number), to=(one,))
    assert listener.wait_for(100) == [str(number) for number in range(100)]
    servers[0].until_empty()
    assert [each.number for each in listener.got] == list(range(100))
    owners = {server.queue.counters.read().sent for server in servers}
    assert owners == {0, 100}


def test_another_takes_over_from_one_that_stops(
    stack: ExitStack, shared: tuple[StateDatabase, StateDatabase]
) -> None:
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    first, second = (delivering(stack, database, one) for database in shared)
    for number in range(60):
        second.tell(str(number), to=(one,))
        if number == 20:
            listener.wait_for(1)
            first.deliverer.stop()
            second.deliverer.stop()
            second.deliverer.start()
            first.deliverer.start()
    assert listener.wait_for(60) == [str(number) for number in range(60)]


def test_another_takes_over_from_one_that_died(
    stack: ExitStack, shared: tuple[StateDatabase, StateDatabase]
) -> None:
    dead, alive = shared
    with dead.engine.begin() as connection:
        connection.execute(sa.text("update indication_deliverer set owner = 'dead', beat = 7"))
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    made = delivering(stack, alive, one, patience=Patience(owner_s=3.0, heir_s=0.5))
    made.tell("0", to=(one,))
    assert listener.wait_for(1) == ["0"]


def test_another_takes_over_at_once_from_a_worker_that_is_known_to_be_dead(
    stack: ExitStack,
    workers: tuple[StateDatabase, StateDatabase],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead, alive = workers
    assert dead.servers is not None
    assert alive.servers is not None
    # Nobody ever looks by itself, nor takes over since somebody is silent.
    monkeypatch.setattr("virtcim.cimserver.indications.delivery.deliverer._POLL_S", None)
    assert Ownership(dead).hold()
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    put(DeliveryQueue(alive), "0", to=(one,))
    made = delivering(stack, alive, one, patience=Patience(owner_s=DEADLINE_S, heir_s=math.inf))
    session = made.deliverer._session
    assert session is not None
    # It has looked.
    made.until(lambda: session._ownership._seen[0].startswith("one/"))
    alive.servers.strike_off("o")  # which is nobody's name
    assert not session._ownership.hold()
    alive.servers.strike_off(dead.servers.id)
    made.deliverer.look_again()
    assert listener.wait_for(1) == ["0"]


@pytest.mark.parametrize("state", ["SQLite"], indirect=True)
def test_after_a_death_the_next_on_the_same_directory_begins_at_once(
    stack: ExitStack, database: StateDatabase
) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("update indication_deliverer set owner = 'dead', beat = 7"))
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    made = delivering(stack, database, one)
    assert made.deliverer._patience.heir_s == 0.0
    made.tell("0", to=(one,))
    assert listener.wait_for(1) == ["0"]


def test_a_database_that_fails_for_a_while_costs_one_line_and_nothing_else(
    stack: ExitStack,
    shared: tuple[StateDatabase, StateDatabase],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    made = Delivering(shared[0], one)
    failures = [3]
    waiting = made.queue.waiting

    def fails(_polling: object) -> object:
        if failures[0]:
            failures[0] -= 1
            raise sa.exc.OperationalError("select", {}, Exception("database is locked"))
        return waiting()

    monkeypatch.setattr(made.queue, "waiting", fails)
    for pause in ("_OUTAGE_PAUSE_S", "_POLL_S"):
        monkeypatch.setattr(f"virtcim.cimserver.indications.delivery.deliverer.{pause}", 0.01)
    made.tell("0", to=(one,))
    made.deliverer.start()
    stack.callback(made.deliverer.stop)
    assert listener.wait_for(1) == ["0"]
    # Its threads have said everything then.
    made.deliverer.stop()
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [
        "indications cannot be delivered now, as the state database fails: database is locked"
    ]
    assert "the state database works again" in caplog.text


def test_a_full_database_is_told_once_though_it_can_be_read(
    stack: ExitStack,
    database: StateDatabase,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = stack.enter_context(listening())
    one = subscription("a", listener.url)
    made = delivering(stack, database, one)
    failures = [5]
    record = made.queue.record

    def fails(outcomes: Sequence[Outcome]) -> None:
        if failures[0]:
            failures[0] -= 1
            raise sa.exc.OperationalError("delete", {}, Exception("disk is full"))
        record(outcomes)

    monkeypatch.setattr(made.queue, "record", fails)
    monkeypatch.setattr("virtcim.cimserver.indications.delivery.deliverer._OUTAGE_PAUSE_S", 0.3)
    made.tell("0", to=(one,))
    listener.wait_for(1)
    made.tell("1", to=(one,))
    made.until_empty()
    assert listener.texts == ["0", "1"]
    said = [record.getMessage() for record in caplog.records if "database" in record.getMessage()]
    assert said == [
        "indications cannot be delivered now, as the state database fails: disk is full",
        "the state database works again, and indications are delivered",
    ]


def test_no_thread_and_no_connection_is_left(stack: ExitStack, database: StateDatabase) -> None:
    listeners: list[RawListener] = [stack.enter_context(listening()) for _ in range(5)]
    everybody = tuple(subscription(str(number), one.url) for number, one in enumerate(listeners))
    made = delivering(stack, database, *everybody)
    made.tell("0", to=everybody)
    for one in listeners:
        one.wait_for(1)
    made.deliverer.stop()
    assert [thread.name for thread in threading.enumerate() if "indication" in thread.name] == []
