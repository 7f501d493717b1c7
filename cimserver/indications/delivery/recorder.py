"""What became of deliveries, on its way into the database.

A commit may take as long as many deliveries. What listeners took is recorded a few times a second,
for all destinations in one transaction, and nobody waits for it. What is not recorded when the
process dies is sent again with the same sequence numbers.
"""

from __future__ import annotations

import threading

import sqlalchemy as sa

from virtcim.cimserver.indications.delivery.queue import (
    Delivery,
    DeliveryQueue,
    Outcome,
    Sequencing,
)

__all__ = ["Recorder"]


class Recorder:
    """Keeps what is to be recorded until ``flush``; safe to use from many threads."""

    def __init__(self, queue: DeliveryQueue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._waiting: dict[str, Outcome] = {}
        self._being_written: dict[str, Outcome] = {}
        self._is_failing = False
        # Set while something waits.
        self.has_some = threading.Event()

    @property
    def is_failing(self) -> bool:
        """Whether nothing can be recorded now; what is sent nevertheless may be sent again."""
        return self._is_failing

    def deal_with(self, delivery: Delivery) -> None:
        """A delivery, and what came before it to the same destination, is not to be sent again."""
        with self._lock:
            known = self._waiting.setdefault(
                delivery.destination, Outcome(destination=delivery.destination)
            )
            known.up_to = delivery.number
            known.payloads.append(delivery.payload)
        self.has_some.set()

    def note(self, state: Sequencing) -> None:
        """Keep how often and for how long a destination failed."""
        with self._lock:
            known = self._waiting.setdefault(
                state.destination, Outcome(destination=state.destination)
            )
            known.state = state
        self.has_some.set()

    def dealt_with(self, destination: str) -> int:
        """The last number that was dealt with and may still be in the database; -1 for none."""
        with self._lock:
            numbers = (
                outcomes[destination].up_to
                for outcomes in (self._waiting, self._being_written)
                if destination in outcomes
            )
            return max(numbers, default=-1)

    def flush(self) -> None:
        """Record everything. For one thread; raises SQLAlchemyError and keeps all of it then."""
        with self._lock:
            if not self._being_written:
                self._waiting, self._being_written = {}, self._waiting
                self.has_some.clear()
            outcomes = [one for _, one in sorted(self._being_written.items())]
        try:
            if outcomes:
                self._queue.record(outcomes)
        except sa.exc.SQLAlchemyError:
            self._is_failing = True
            self.has_some.set()
            raise
        self._is_failing = False
        with self._lock:
            self._being_written = {}
