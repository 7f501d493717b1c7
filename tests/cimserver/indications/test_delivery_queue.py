"""The durable queue: numbers, what is shared, and what is dropped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from tests.cimserver.indications.parties import (
    Destination,
    Subscription,
    addressed,
    dropped,
    put,
    rows,
    settle,
    written,
)
from virtcim.cimserver.indications.delivery.counters import Dropped
from virtcim.cimserver.indications.delivery.queue import (
    DeliveryQueue,
    Entry,
    Outcome,
    Sequencing,
)
from virtcim.cimserver.indications.delivery.retention import Retention
from virtcim.cimserver.indications.delivery.tables import PAYLOAD
from virtcim.providers.state.database import StateDatabase

A = Destination(id="a")
B = Destination(id="b")
ONE = Subscription(id="one", destination=A, filter_name="virtcim:one")
TWO = Subscription(id="two", destination=A, filter_name="virtcim:two")
OTHER = Subscription(id="other", destination=B)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1e9

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["in a directory", "in memory", "in PostgreSQL"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    state = {"in a directory": str(tmp_path), "in memory": ""}.get(request.param)
    if state is None:
        state = request.getfixturevalue("postgresql_url")
    database = StateDatabase(state)
    yield database
    database.close()


@pytest.fixture
def queue(database: StateDatabase, clock: Clock) -> DeliveryQueue:
    return DeliveryQueue(database, clock=clock)


def numbers(queue: DeliveryQueue, destination: Destination) -> list[tuple[int, str]]:
    return [(one.number, one.subscription) for one in queue.take(destination.id, 1000)]


def test_each_destination_has_its_own_numbers_from_zero(queue: DeliveryQueue) -> None:
    put(queue, "1", to=(ONE, OTHER))
    put(queue, "2", "3", to=(ONE, TWO))
    put(queue, "4", to=(OTHER,))
    assert numbers(queue, A) == [(0, "one"), (1, "one"), (2, "two"), (3, "one"), (4, "two")]
    assert numbers(queue, B) == [(0, "other"), (1, "other")]
    first, *_ = queue.take("a", 1)
    assert first.text() == written("1")
    assert first.filter_name == "virtcim:one"
    assert first.context.startswith("virtcim:IndicationService#")
    assert first.context != queue.take("b", 1)[0].context


def test_what_was_taken_before_can_be_left_out(queue: DeliveryQueue) -> None:
    put(queue, "1", "2", "3", to=(ONE,))
    assert [one.number for one in queue.take("a", 10, after=0)] == [1, 2]
    assert queue.take("a", 10, after=2) == []


def test_what_became_of_many_destinations_is_recorded_at_once(
    queue: DeliveryQueue, database: StateDatabase
) -> None:
    put(queue, "1", "2", to=(ONE, OTHER))
    queue.record(
        [
            Outcome(
                destination=name, up_to=0, payloads=[one.payload for one in queue.take(name, 1)]
            )
            for name in "ab"
        ]
    )
    assert numbers(queue, A) == [(1, "one")]
    assert numbers(queue, B) == [(1, "other")]
    assert rows(database, "select count(*) from indication_payload") == [(1,)]


def test_what_is_taken_stays_until_it_is_settled(queue: DeliveryQueue) -> None:
    put(queue, "1", "2", "3", to=(ONE,))
    taken = queue.take("a", 2)
    assert [one.number for one in taken] == [0, 1]
    assert [one.number for one in queue.take("a", 2)] == [0, 1]
    settle(queue, taken)
    assert numbers(queue, A) == [(2, "one")]
    put(queue, "4", to=(ONE,))
    assert numbers(queue, A) == [(2, "one"), (3, "one")]


def test_a_text_is_stored_once_for_all_and_as_long_as_somebody_waits(
    queue: DeliveryQueue, database: StateDatabase
) -> None:
    put(queue, "1", to=(ONE, TWO, OTHER))
    assert rows(database, "select count(*) from indication_payload") == [(1,)]
    settle(queue, queue.take("a", 10))
    assert [one.text() for one in queue.take("b", 10)] == [written("1")]
    settle(queue, queue.take("b", 10))
    assert rows(database, "select count(*) from indication_payload") == [(0,)]
    assert queue.waiting() == []


def test_the_sequence_of_a_destination_goes_on_after_a_restart(state: str) -> None:
    contexts = []
    for start in range(2):
        database = StateDatabase(state)
        queue = DeliveryQueue(database)
        put(queue, "1", to=(ONE,))
        (taken,) = queue.take("a", 10)
        contexts.append(taken.context)
        assert taken.number == start
        settle(queue, [taken])
        database.close()
    assert contexts[0] == contexts[1]


def test_a_destination_that_was_removed_begins_anew(
    queue: DeliveryQueue, database: StateDatabase
) -> None:
    put(queue, "1", "2", to=(ONE,))
    (before, *_) = queue.take("a", 1)
    with database.lock, database.engine.begin() as connection:
        queue.forget_destination(connection, "a")
    assert queue.take("a", 10) == []
    put(queue, "3", to=(ONE,))
    (after,) = queue.take("a", 10)
    assert after.number == 0
    assert after.context != before.context


def test_what_waits_for_a_removed_subscription_goes_with_it(
    queue: DeliveryQueue, database: StateDatabase
) -> None:
    put(queue, "1", to=(ONE,))
    put(queue, "2", to=(ONE, TWO))
    with database.lock, database.engine.begin() as connection:
        queue.forget_subscription(connection, "one")
    assert numbers(queue, A) == [(2, "two")]
    assert rows(database, "select count(*) from indication_payload") == [(1,)]
    assert dropped(queue) == {Dropped.REMOVED: 2}


def test_what_was_not_committed_was_never_there(
    queue: DeliveryQueue, database: StateDatabase
) -> None:
    with database.lock, database.engine.connect() as connection:
        queue.put(connection, [Entry(text=b"x", addressees=addressed(ONE))])
        connection.rollback()
    put(queue, "1", to=(ONE,))
    assert numbers(queue, A) == [(0, "one")]


def test_beyond_the_bytes_the_oldest_of_that_subscription_are_dropped(
    database: StateDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    queue = DeliveryQueue(database, retention=Retention(bytes=10_000))
    put(queue, "other", to=(OTHER,))
    for number in range(100):
        put(queue, str(number), to=(ONE,))
    kept = numbers(queue, A)
    assert kept[-1] == (99, "one")
    assert [number for number, _ in kept] == list(range(100 - len(kept), 100))
    (size,) = rows(database, "select sum(size) from indication_delivery where destination = 'a'")
    assert 8_000 < int(str(size[0])) <= 10_000
    assert numbers(queue, B) == [(0, "other")]
    assert dropped(queue) == {Dropped.SUBSCRIPTION_FULL: 100 - len(kept)}
    assert "subscription one: dropped the oldest" in caplog.text
    assert rows(database, "select count(*) from indication_payload") == [(len(kept) + 1,)]


def test_what_has_waited_too_long_is_dropped(
    database: StateDatabase, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    queue = DeliveryQueue(database, retention=Retention(age_s=60), clock=clock)
    put(queue, "1", "2", to=(ONE,))
    clock.seconds += 50
    put(queue, "3", to=(ONE,))
    queue.drop_expired()
    assert len(numbers(queue, A)) == 3
    clock.seconds += 11
    queue.drop_expired()
    assert numbers(queue, A) == [(2, "one")]
    assert "subscription one: dropped the oldest 2 indications" in caplog.text
    assert dropped(queue) == {Dropped.EXPIRED: 2}


def test_beyond_the_bytes_of_all_the_oldest_of_whomever_are_dropped(
    database: StateDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    queue = DeliveryQueue(database, retention=Retention(all_bytes=20_000))
    put(queue, "first", to=(ONE, TWO))
    put(queue, "second", to=(OTHER,))
    for number in range(100):
        # What is sent meanwhile takes no room from what waits.
        put(queue, str(number), to=(ONE,))
        settle(queue, queue.take("a", 100))
    assert numbers(queue, B) == [(0, "other")]
    assert dropped(queue) == {}
    put(queue, "third", to=(TWO,))
    for number in range(100):
        put(queue, str(number), to=(OTHER,))
    assert numbers(queue, A) == []
    kept = numbers(queue, B)
    assert kept == [(number, "other") for number in range(101 - len(kept), 101)]
    assert _stored(database) <= 20_000
    assert dropped(queue) == {Dropped.QUEUE_FULL: 102 - len(kept)}
    for name, count in (("two", "1"), ("other", "")):
        assert f"subscription {name}: dropped the oldest {count}" in caplog.text
    assert "more than 20000 bytes wait for all listeners" in caplog.text


def test_what_was_dropped_for_something_that_is_not_kept_is_there_again(
    database: StateDatabase,
) -> None:
    queue = DeliveryQueue(database, retention=Retention(all_bytes=20_000))
    while _stored(database) < 19_500:
        put(queue, "text", to=(ONE,))
    waiting = numbers(queue, A)
    with database.lock, database.engine.connect() as connection:
        queue.put(connection, [Entry(text=written("x"), addressees=addressed(ONE))] * 10)
        connection.rollback()
    assert numbers(queue, A) == waiting
    for _ in range(10):
        put(queue, "text", to=(ONE,))
        assert _stored(database) <= 20_000


def test_what_others_have_put_is_seen_when_the_queue_is_cleaned(database: StateDatabase) -> None:
    ours, others = (
        DeliveryQueue(database, retention=Retention(all_bytes=20_000)) for _ in range(2)
    )
    for queue in (ours, others):
        # Each has seen the queue when it was empty.
        queue.drop_expired()
    for queue in (ours, others):
        for _ in range(40):
            put(queue, "text", to=(ONE,))
    assert _stored(database) > 20_000
    ours.drop_expired()
    assert _stored(database) <= 20_000
    assert dropped(ours)[Dropped.QUEUE_FULL] > 0


def test_a_text_for_many_counts_once_towards_the_bytes_of_all(database: StateDatabase) -> None:
    random = Random(1)
    texts = [random.randbytes(10_000) for _ in range(4)]
    retention = Retention(all_bytes=50_000)
    queue = DeliveryQueue(database, retention=retention)
    with database.lock, database.engine.begin() as connection:
        for text in texts:
            entry = Entry(text=text, addressees=addressed(ONE, TWO, OTHER))
            queued = queue.put(connection, [entry])
            assert queued.crowded_out == {}
    assert _stored(database) > 40_000


def _stored(database: StateDatabase) -> int:
    [(payloads,)] = rows(database, "select coalesce(sum(size), 0) from indication_payload")
    [(deliveries,)] = rows(database, "select count(*) from indication_delivery")
    return int(str(payloads)) + 256 * int(str(deliveries))


def test_failures_are_kept_until_something_succeeds(queue: DeliveryQueue) -> None:
    put(queue, "1", "2", to=(ONE,))
    failing = Sequencing(destination="a", failed_attempts=3, failing_for_s=7.5)
    queue.record([Outcome(destination="a", state=failing)])
    assert queue.waiting() == [failing]
    queue.record([Outcome(destination="a", state=Sequencing(destination="a"))])
    assert queue.waiting() == [Sequencing(destination="a")]


def test_the_size_tells_what_waits(queue: DeliveryQueue, clock: Clock) -> None:
    assert queue.size().deliveries == 0
    put(queue, "1", to=(ONE, TWO))
    clock.seconds += 5
    size = queue.size()
    assert (size.deliveries, size.oldest_age_s) == (2, 5.0)
    assert 0 < size.payload_bytes < 200


def test_a_text_that_was_damaged_says_so(queue: DeliveryQueue, database: StateDatabase) -> None:
    put(queue, "1", to=(ONE,))
    with database.lock, database.engine.begin() as connection:
        connection.execute(sa.update(PAYLOAD).values(text=b"abc"))
    with pytest.raises(ValueError, match="cannot be read"):
        queue.take("a", 1)[0].text()


def test_a_text_that_is_missing_says_so(queue: DeliveryQueue, database: StateDatabase) -> None:
    put(queue, "1", to=(ONE,))
    with database.lock, database.engine.begin() as connection:
        connection.execute(sa.text("delete from indication_payload"))
    with pytest.raises(ValueError, match="cannot be read"):
        queue.take("a", 1)[0].text()


def test_many_at_once_get_numbers_without_gaps(shared_state: str) -> None:
    databases = [StateDatabase(shared_state) for _ in range(3)]
    queues = [DeliveryQueue(one) for one in databases]

    def many(queue: DeliveryQueue, name: str) -> None:
        for number in range(30):
            put(queue, f"{name}{number}", to=(ONE, OTHER))

    threads = [
        threading.Thread(target=many, args=(queue, name))
        for queue, name in zip(queues, "xyz", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = queues[0].take("a", 1000)
    assert [one.number for one in taken] == list(range(90))
    for name in "xyz":
        texts = [one.text() for one in taken if f">{name}".encode() in one.text()]
        assert texts == [written(f"{name}{number}") for number in range(30)]
    for database in databases:
        database.close()
