"""kill -9 of a process that queues and delivers: what was accepted arrives, in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.cimserver.indications import telling_program
from tests.cimserver.indications.exported import Exported
from tests.cimserver.indications.listening import DEADLINE_S, RawListener, answer, listening
from tests.cimserver.indications.parties import Destination, Subscribers, Subscription
from virtcim.cimserver.indications.delivery.deliverer import Deliverer
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue
from virtcim.providers.state.database import StateDatabase

ROOT = Path(__file__).parents[3]
# After so many were accepted it is killed; what it does at that moment is left to chance.
KILLS = (1, 17, 60, 25, 3)
MANY, HELD, LATER = 60, 20, 30


@contextmanager
def telling(
    state: Path | str, listener: RawListener, name: str, many: int
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, telling_program.__file__, str(state), listener.url, name, str(many)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_every_accepted_indication_arrives_in_order_whenever_the_process_dies(
    state: str,
) -> None:
    accepted: list[str] = []
    with listening() as listener:
        for run, many in enumerate(KILLS):
            with telling(state, listener, f"run{run}", 10_000) as process:
                assert process.stdout is not None
                accepted += [process.stdout.readline().strip() for _ in range(many)]
                process.kill()
                # What it had said before it died.
                accepted += [line.strip() for line in process.stdout if line.endswith("\n")]
        with telling(state, listener, "last", 5) as process:
            assert process.stdout is not None
            *last, delivered = (line.strip() for line in process.stdout)
            assert delivered == "delivered"
        accepted += last
        got = listener.got
    first = list(dict.fromkeys(got))
    assert [one.number for one in first] == list(range(len(first))), "each number has one text"
    assert len({one.context for one in first}) == 1
    texts = [one.text for one in first]
    assert [text for text in texts if text in set(accepted)] == accepted, "all, in their order"
    # One that was accepted when the process died may have been told to nobody but the listener.
    assert len(set(texts) - set(accepted)) <= len(KILLS)


def test_one_that_was_asleep_sends_nothing_that_another_has_sent(shared_state: str) -> None:
    # Two deliveries are held for a while: one of the sleeper's, and a later one of the heir's.
    held = {HELD: threading.Event(), LATER: threading.Event()}
    released = {number: threading.Event() for number in held}

    def behave(_: socket.socket, request: bytes) -> bytes:
        number = Exported.of(request).number
        if number in held and not held[number].is_set():
            held[number].set()
            released[number].wait(DEADLINE_S)
        return answer()

    with listening() as listener:
        listener.behave = behave
        with telling(shared_state, listener, "sleeper", MANY) as sleeper:
            assert sleeper.stdout is not None
            for _ in range(MANY):
                sleeper.stdout.readline()
            assert held[HELD].wait(DEADLINE_S)
            database = StateDatabase(shared_state)
            queue = DeliveryQueue(database)
            while queue.take("d", 1)[0].number < HELD:
                time.sleep(0.01)  # until what was sent is recorded, too
            put_to_sleep(sleeper, database)
            one = Subscription(id="one", destination=Destination(id="d", url=listener.url))
            heir = Deliverer(queue, Subscribers(queue, one))
            heir.start()
            try:
                assert held[LATER].wait(DEADLINE_S)
                released[HELD].set()
                sleeper.send_signal(signal.SIGCONT)
                listener.wait_for(LATER + 1)  # the sleeper's, beside what the heir has sent
                time.sleep(1.0)  # in which it could send more
                released[LATER].set()
                assert sleeper.stdout.readline() == "delivered\n"
                assert sleeper.wait(DEADLINE_S) == 0
            finally:
                for each in released.values():
                    each.set()
                heir.stop()
                database.close()
    numbers = [one.number for one in listener.got]
    assert sorted(numbers) == sorted([*range(MANY), HELD]), "but what it was just sending"
    assert len(dict.fromkeys(listener.got)) == MANY, "the same, with the same number"


def put_to_sleep(process: subprocess.Popen[str], database: StateDatabase) -> None:
    """Stop a process that is not just writing into the database, which others could not then."""
    while True:
        process.send_signal(signal.SIGSTOP)
        try:
            with database.engine.begin() as connection:
                if database.is_shared:
                    connection.execute(sa.text("set local lock_timeout = 100"))
                connection.execute(sa.text("update indication_deliverer set id = id"))
        except sa.exc.OperationalError:
            process.send_signal(signal.SIGCONT)
        else:
            return
