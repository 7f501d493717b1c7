"""One destination: order, repetition, and what follows failures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cimserver.indications.exported import Exported
from tests.cimserver.indications.parties import (
    DISABLE,
    REMOVE,
    Destination,
    Settings,
    Subscribers,
    Subscription,
    dropped,
    put,
)
from virtcim.cimserver.indications.delivery.connection import DeliveryError
from virtcim.cimserver.indications.delivery.counters import Dropped
from virtcim.cimserver.indications.delivery.line import Line
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue, Sequencing
from virtcim.cimserver.indications.delivery.recorder import Recorder
from virtcim.providers.state.database import StateDatabase

DESTINATION = Destination(id="d", url="http://listener/")
ONE = Subscription(id="one", destination=DESTINATION)
TWO = Subscription(id="two", destination=DESTINATION)

Outcome = Literal["taken", "lost", "taken, but lost", "refused", "killed", "taken, then killed"]


class Killed(BaseException):
    """The process dies here."""


class ScriptedListener:
    """Does as it is told, then takes everything."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.got: list[Exported] = []
        self.urls: list[str] = []
        self.closed = 0

    def connect(self, url: str) -> ScriptedListener:
        self.urls.append(url)
        return self

    def send(self, request: bytes) -> None:
        outcome: Outcome = self.outcomes.pop(0) if self.outcomes else "taken"
        if outcome.startswith("taken"):
            self.got.append(Exported.of(request))
        if outcome.endswith("killed"):
            raise Killed
        if outcome == "refused":
            raise DeliveryError("no", is_refusal=True)
        if outcome.endswith("lost"):
            raise DeliveryError("the connection was lost")

    def close(self) -> None:
        self.closed += 1

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.got]


class Process:
    """What of a server matters here, over a database that outlives it."""

    def __init__(
        self,
        database: StateDatabase,
        listener: ScriptedListener,
        *subscriptions: Subscription,
        settings: Settings | None = None,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.queue = DeliveryQueue(database)
        self.subscribers = Subscribers(self.queue, *subscriptions, settings=settings)
        self.recorder = Recorder(self.queue)
        self.may_send = True
        (state,) = self.queue.waiting() or [Sequencing(destination="d")]
        self.line = Line(
            state,
            self.queue,
            self.subscribers,
            self.recorder,
            connect=listener.connect,
            may_send=lambda: self.may_send,
            monotonic=monotonic,
        )

    def finish(self) -> None:
        while self.line.work() is not None:
            pass
        self.recorder.flush()

    def unrecorded(self, got: list[Exported]) -> int:
        """How much of what a listener got is sent again if the process dies now."""
        waiting = {one.number for one in self.queue.take("d", 10_000)}
        return sum(one.number in waiting for one in got)


@pytest.fixture
def database() -> Iterator[StateDatabase]:
    database = StateDatabase()
    yield database
    database.close()


@pytest.fixture
def listener() -> ScriptedListener:
    return ScriptedListener()


@pytest.fixture
def process(database: StateDatabase, listener: ScriptedListener) -> Process:
    return Process(database, listener, ONE, TWO)


_ACTIONS = st.lists(
    st.one_of(
        st.integers(1, 4),
        st.lists(
            st.sampled_from(["taken", "lost", "taken, but lost", "killed", "taken, then killed"]),
            max_size=6,
        ),
        st.sampled_from(["record", "restart"]),
    ),
    max_size=20,
)


@given(actions=_ACTIONS)
@settings(max_examples=100)
def test_nothing_is_lost_and_the_order_is_kept_whatever_fails_or_dies(
    actions: list[int | list[Outcome] | str],
) -> None:
    database, listener = StateDatabase(), ScriptedListener()
    patient = Settings(retry_attempts=10**6)
    process = Process(database, listener, ONE, TWO, settings=patient)
    many = 0
    allowed = 0
    for action in actions:
        if isinstance(action, int):
            put(process.queue, *(f"{many + each}" for each in range(action)), to=(ONE,))
            many += action
        elif isinstance(action, list):
            listener.outcomes = list(action)
            try:
                process.line.work()
            except Killed:
                allowed += process.unrecorded(listener.got)
                process = Process(database, listener, ONE, TWO, settings=patient)
            allowed += sum(each == "taken, but lost" for each in action)
        elif action == "record":
            process.recorder.flush()
        else:
            allowed += process.unrecorded(listener.got)
            process = Process(database, listener, ONE, TWO, settings=patient)
    listener.outcomes = []
    process.finish()
    first = list(dict.fromkeys(listener.got))
    assert first == sorted(first), "in their order"
    assert [one.number for one in first] == list(range(many)), "all, each with one number"
    assert [one.text for one in first] == [str(number) for number in range(many)]
    assert len(listener.got) - many <= allowed
    assert process.queue.size().deliveries == 0
    database.close()


def test_what_was_answered_is_not_sent_again_after_a_restart(
    database: StateDatabase, listener: ScriptedListener, process: Process
) -> None:
    put(process.queue, "1", "2", "3", to=(ONE,))
    listener.outcomes = ["taken", "taken", "lost"]
    assert process.line.work() == 0.0
    process.recorder.flush()
    Process(database, listener, ONE).finish()
    assert listener.texts == ["1", "2", "3"]


def test_a_repeated_delivery_has_the_same_sequence_number(
    database: StateDatabase, listener: ScriptedListener, process: Process
) -> None:
    put(process.queue, "1", "2", to=(ONE,))
    listener.outcomes = ["taken", "taken, then killed"]
    with pytest.raises(Killed):
        process.line.work()
    Process(database, listener, ONE).finish()
    assert listener.got == [*listener.got[:2], *listener.got[:2]]


def test_what_waits_for_somebody_who_may_read_no_more_is_dropped(
    listener: ScriptedListener, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    put(process.queue, "1", "2", to=(ONE,))
    put(process.queue, "3", to=(TWO,))
    process.subscribers.unauthorised.add("one")
    process.finish()
    assert listener.texts == ["3"]
    assert process.queue.size().deliveries == 0
    assert dropped(process.queue) == {Dropped.NOT_PERMITTED: 2}
    assert "subscription one: dropped 2 indications: whoever created it may not" in caplog.text


def test_nothing_is_sent_while_it_may_not_be(listener: ScriptedListener, process: Process) -> None:
    put(process.queue, "1", to=(ONE,))
    process.may_send = False
    assert process.line.work() is None
    assert listener.got == []
    process.may_send = True
    process.finish()
    assert listener.texts == ["1"]


def test_what_was_sent_is_not_sent_again_where_it_could_not_be_recorded(
    database: StateDatabase,
    listener: ScriptedListener,
    process: Process,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(process.queue, "1", to=(ONE,))
    record = process.queue.record

    def fails(_: object) -> None:
        raise sa.exc.OperationalError("delete", {}, Exception("database or disk is full"))

    monkeypatch.setattr(process.queue, "record", fails)
    assert process.line.work() == 0.0
    for _ in range(2):
        with pytest.raises(sa.exc.OperationalError):
            process.recorder.flush()
        assert process.recorder.is_failing
        assert process.line.work() is None
    put(process.queue, "2", to=(ONE,))
    assert process.line.work() == 0.0
    monkeypatch.setattr(process.queue, "record", record)
    process.finish()
    process.recorder.flush()
    assert not process.recorder.is_failing
    assert listener.texts == ["1", "2"]
    assert process.queue.size().deliveries == 0


def test_the_pause_grows_and_stays_within_a_minute(
    database: StateDatabase, listener: ScriptedListener
) -> None:
    process = Process(database, listener, ONE, settings=Settings(retry_interval_s=10))
    put(process.queue, "1", to=(ONE,))
    listener.outcomes = ["lost"] * 6
    pauses = [process.line.work() for _ in range(6)]
    assert pauses == [10, 20, 40, 60, 60, 60]
    assert process.queue.counters.read().failed == 6
    assert process.queue.counters.read().retried == 5


def test_an_interval_beyond_a_minute_is_kept(
    database: StateDatabase, listener: ScriptedListener
) -> None:
    process = Process(database, listener, ONE, settings=Settings(retry_interval_s=300))
    put(process.queue, "1", to=(ONE,))
    listener.outcomes = ["lost", "lost"]
    assert [process.line.work() for _ in range(2)] == [300, 300]


def test_a_listener_that_is_away_keeps_its_subscription_and_gets_everything(
    listener: ScriptedListener, process: Process
) -> None:
    put(process.queue, "1", "2", to=(ONE,))
    listener.outcomes = ["lost"] * 50
    for _ in range(50):
        process.line.work()
    process.finish()
    assert listener.texts == ["1", "2"]
    assert process.subscribers.removed == process.subscribers.disabled == []


@pytest.mark.parametrize(("policy", "what"), [(DISABLE, "disabled"), (REMOVE, "removed")])
def test_after_the_retries_the_policy_of_the_subscription_decides(
    database: StateDatabase,
    listener: ScriptedListener,
    policy: int,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fatal = Subscription(id="fatal", destination=DESTINATION, on_fatal_error_policy=policy)
    process = Process(database, listener, fatal, TWO, settings=Settings(retry_attempts=2))
    put(process.queue, "1", "2", to=(fatal,))
    put(process.queue, "3", to=(TWO,))
    listener.outcomes = ["lost"] * 3
    for _ in range(2):
        process.line.work()
        assert process.subscribers.removed == process.subscribers.disabled == []
    process.line.work()
    assert getattr(process.subscribers, what) == ["fatal"]
    assert f"subscription fatal is {what}" in caplog.text
    process.finish()
    assert listener.texts == ["3"], "others of the same listener go on"


def test_the_policy_waits_for_the_time_that_the_subscription_asks_for(
    database: StateDatabase, listener: ScriptedListener
) -> None:
    now = [0.0]
    fatal = Subscription(
        id="fatal",
        destination=DESTINATION,
        on_fatal_error_policy=REMOVE,
        failure_trigger_s=100,
    )
    process = Process(
        *(database, listener, fatal),
        settings=Settings(retry_attempts=0),
        monotonic=lambda: now[0],
    )
    put(process.queue, "1", to=(fatal,))
    listener.outcomes = ["lost"] * 4
    for now[0] in (0.0, 50.0, 99.0):
        process.line.work()
    assert process.subscribers.removed == []
    now[0] = 100.0
    process.line.work()
    assert process.subscribers.removed == ["fatal"]


def test_one_that_never_comes_back_is_removed_after_the_time_of_the_service(
    database: StateDatabase, listener: ScriptedListener
) -> None:
    """The time in which nobody tried does not count: neither a stop, nor a clock that is set."""
    now = [0.0]
    service = Settings(removal_action=2, removal_time_s=100)

    def start() -> Process:
        return Process(database, listener, ONE, settings=service, monotonic=lambda: now[0])

    process = start()
    put(process.queue, "1", to=(ONE,))
    listener.outcomes = ["lost"] * 5
    for now[0] in (0.0, 90.0):
        process.line.work()
    process.recorder.flush()
    process = start()
    for now[0] in (1000.0, 1009.0):
        process.line.work()
    assert process.subscribers.removed == []
    now[0] = 1010.0
    process.line.work()
    assert process.subscribers.removed == ["one"]


def test_a_transient_listener_is_not_waited_for_longer_than_anything_is_kept(
    database: StateDatabase, listener: ScriptedListener
) -> None:
    now = [0.0]
    transient = Subscription(id="t", destination=Destination(id="d", is_transient=True))
    service = Settings(removal_action=2)
    process = Process(database, listener, transient, settings=service, monotonic=lambda: now[0])
    put(process.queue, "1", to=(transient,))
    listener.outcomes = ["lost"] * 3
    for now[0] in (0.0, process.queue.retention.age_s - 1):
        process.line.work()
    assert process.subscribers.removed == []
    now[0] += 1
    process.line.work()
    assert process.subscribers.removed == ["t"]


def test_what_the_listener_refuses_keeps_the_others_waiting_for_a_few_attempts_only(
    listener: ScriptedListener, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    put(process.queue, "bad", "good", to=(ONE,))
    listener.outcomes = ["refused"] * 4
    process.finish()
    assert listener.texts == ["good"]
    assert dropped(process.queue) == {Dropped.REFUSED: 1}
    assert "number 0 of subscription one is dropped: the listener refuses it" in caplog.text


def test_what_a_listener_refuses_after_it_was_away_is_tried_as_often(
    listener: ScriptedListener, process: Process
) -> None:
    put(process.queue, "1", to=(ONE,))
    listener.outcomes = ["lost"] * 20 + ["refused"] * 3
    process.finish()
    assert listener.texts == ["1"]


def test_what_is_of_no_subscription_any_more_is_not_sent(
    listener: ScriptedListener, process: Process
) -> None:
    gone = Subscription(id="gone", destination=DESTINATION)
    put(process.queue, "1", to=(ONE, gone))
    put(process.queue, "2", to=(gone, TWO))
    process.finish()
    assert listener.texts == ["1", "2"]
    assert [one.number for one in listener.got] == [0, 3]


def test_a_damaged_row_costs_itself_only(
    database: StateDatabase, listener: ScriptedListener, process: Process
) -> None:
    put(process.queue, "1", to=(ONE,))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("update indication_payload set text = x'00'")
    put(process.queue, "2", to=(ONE,))
    process.finish()
    assert listener.texts == ["2"]


def test_a_new_address_of_the_destination_is_used_at_once(
    listener: ScriptedListener, process: Process
) -> None:
    put(process.queue, "1", to=(ONE,))
    process.finish()
    moved = Destination(id="d", url="http://elsewhere/")
    process.subscribers.change(Subscription(id="one", destination=moved))
    put(process.queue, "2", to=(ONE,))
    process.finish()
    assert listener.urls == ["http://listener/", "http://elsewhere/"]
    assert listener.closed == 1


def test_the_log_tells_what_was_sent_what_failed_and_when_it_works_again(
    listener: ScriptedListener, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(process.queue, "1", "2", to=(ONE,))
    listener.outcomes = ["lost", "lost"]
    process.finish()
    lines = [record.getMessage() for record in caplog.records]
    failed = "http://listener/: number 0 of subscription one is not delivered, attempt"
    assert lines == [
        f"{failed} 1: the connection was lost",
        f"{failed} 2: the connection was lost",
        "http://listener/: takes indications again, after 2 failed attempts",
        "http://listener/: sent 2 indications, numbers 0 to 1",
    ]
