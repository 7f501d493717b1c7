"""A program that queues indications and delivers them, to be killed at any moment.

    telling_program.py STATE URL NAME MANY

It prints the text of each that was accepted, then ``delivered`` when nothing waits any more.
"""

from __future__ import annotations

import sys
import time

import sqlalchemy as sa

from tests.cimserver.indications.parties import (
    Destination,
    Settings,
    Subscribers,
    Subscription,
    put,
)
from virtcim.cimserver.indications.delivery.deliverer import Deliverer
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue
from virtcim.providers.state.database import StateDatabase


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def is_empty(queue: DeliveryQueue) -> bool:
    try:
        return not queue.size().deliveries
    except sa.exc.DBAPIError:
        # PostgreSQL has closed the connection of one that slept within a transaction.
        return False


def main(state: str, url: str, name: str, many: str) -> None:
    queue = DeliveryQueue(StateDatabase(state))
    one = Subscription(id="one", destination=Destination(id="d", url=url))
    subscribers = Subscribers(queue, one, settings=Settings(retry_interval_s=0.05))
    deliverer = Deliverer(queue, subscribers)
    deliverer.start()
    for number in range(int(many)):
        text = f"{name}-{number}"
        queued = put(queue, text, to=(one,))
        say(text)
        deliverer.wake(queued.destinations)
    while not is_empty(queue):
        time.sleep(0.01)
    say("delivered")
    deliverer.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
