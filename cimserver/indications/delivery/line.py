"""One destination: what waits for it is sent in its order, one at a time.

Nothing here waits; whoever calls ``work`` is told when to call again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from virtcim.cim.cimxml.exports import export_request
from virtcim.cimserver.indications.delivery.connection import DeliveryError
from virtcim.cimserver.indications.delivery.contracts import Subscribers, Subscription
from virtcim.cimserver.indications.delivery.counters import Dropped
from virtcim.cimserver.indications.delivery.policy import (
    Failing,
    Verdict,
    after_failure,
    pause_s,
)
from virtcim.cimserver.indications.delivery.queue import Delivery, DeliveryQueue, Sequencing
from virtcim.cimserver.indications.delivery.recorder import Recorder

__all__ = ["Line", "Listener"]

_log = logging.getLogger(__name__)

_AT_ONCE = 50
# What was taken from the queue longer ago may be there no more, as its subscription is removed.
_BATCH_AGE_S = 1.0


class Listener(Protocol):
    """Where a line ends."""

    def send(self, request: bytes) -> None:
        """Send one export request. Raises DeliveryError unless the listener took the indication."""

    def close(self) -> None:
        """Let go of the connection."""


class Line:
    """Sends to one destination. ``may_send`` is asked before each; for one thread.

    ``state`` is what the database says of the destination, ``recorder`` takes what it is to be
    told. ``connect`` makes the listener at a URL, and raises DeliveryError where that is none.
    """

    def __init__(
        self,
        state: Sequencing,
        queue: DeliveryQueue,
        subscribers: Subscribers,
        recorder: Recorder,
        *,
        connect: Callable[[str], Listener],
        may_send: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._queue = queue
        self._subscribers = subscribers
        self._recorder = recorder
        self._connect = connect
        self._may_send = may_send
        self._monotonic = monotonic
        self._listener: Listener | None = None
        self._url = ""
        # What the listener took of the batch that is being sent.
        self._taken: list[int] = []
        # What of it was withheld, by subscription.
        self._withheld: Counter[str] = Counter()
        # The delivery that the listener refused last, and how often.
        self._refused, self._refusals = -1, 0
        # When the last attempt failed, None where it did not.
        self._failed_at: float | None = None

    def work(self) -> float | None:
        """Send some of what waits: the seconds to wait before more of it, None where none waits.

        Raises SQLAlchemyError and StateError where the database fails.
        """
        destination = self._state.destination
        batch = self._queue.take(
            destination, _AT_ONCE, after=self._recorder.dealt_with(destination)
        )
        began = self._monotonic()
        try:
            for delivery in batch:
                if not self._may_send():
                    return None
                pause_s = self._deliver(delivery)
                if pause_s is not None:
                    return pause_s
                if self._monotonic() - began >= _BATCH_AGE_S:
                    break
        finally:
            self._say_what_was_taken()
            self._say_what_was_withheld()
        return 0.0 if batch else None

    def close(self) -> None:
        """Let go of the connection."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _deliver(self, delivery: Delivery) -> float | None:
        """Send one: None where it is dealt with, else the seconds to wait before the next."""
        subscription = self._subscribers.find(delivery.subscription)
        if subscription is None:
            # What waited for it is gone from the queue, too, or was just put there.
            self._recorder.deal_with(delivery)
            return None
        if not self._subscribers.may_be_told(subscription.id):
            self._recorder.deal_with(delivery)
            self._queue.counters.dropped(1, Dropped.NOT_PERMITTED)
            self._withheld[subscription.id] += 1
            return None
        try:
            shared = delivery.text()
        except ValueError as error:
            self._give_up(delivery, Dropped.UNREADABLE, str(error))
            return None
        if self._state.failed_attempts:
            self._queue.counters.retried()
        try:
            self._reach(subscription.destination.url).send(
                export_request(
                    shared,
                    message_id=str(delivery.number),
                    filter_name=delivery.filter_name,
                    context=delivery.context,
                    number=delivery.number,
                )
            )
        except DeliveryError as error:
            return self._failed(delivery, subscription, error)
        self._queue.counters.sent(1)
        self._recorder.deal_with(delivery)
        self._taken.append(delivery.number)
        if self._state.failed_attempts:
            _log.warning(
                "%s: takes indications again, after %d failed attempts",
                *(self._url, self._state.failed_attempts),
            )
            self._fails_no_more()
        return None

    def _reach(self, url: str) -> Listener:
        if self._listener is None or url != self._url:
            self.close()
            self._url = url
            self._listener = self._connect(url)
        return self._listener

    def _say_what_was_taken(self) -> None:
        if self._taken:
            _log.info(
                "%s: sent %d indications, numbers %d to %d",
                *(self._url, len(self._taken), self._taken[0], self._taken[-1]),
            )
            self._taken = []

    def _say_what_was_withheld(self) -> None:
        for subscription, count in self._withheld.items():
            _log.warning(
                "subscription %s: dropped %d indications: whoever created it may not read of "
                "them any more",
                *(subscription, count),
            )
        self._withheld.clear()

    def _fails_no_more(self) -> None:
        self._state = Sequencing(destination=self._state.destination)
        self._failed_at = None
        self._recorder.note(self._state)

    def _failed(
        self, delivery: Delivery, subscription: Subscription, error: DeliveryError
    ) -> float:
        self._say_what_was_taken()
        self._queue.counters.failed()
        state, now = self._state, self._monotonic()
        is_first = not state.failed_attempts
        failing_for_s = state.failing_for_s + (
            0.0 if self._failed_at is None else now - self._failed_at
        )
        self._failed_at = now
        self._state = replace(
            state, failed_attempts=state.failed_attempts + 1, failing_for_s=failing_for_s
        )
        self._recorder.note(self._state)
        if delivery.number != self._refused:
            self._refused, self._refusals = delivery.number, 0
        self._refusals += error.is_refusal
        _log.log(
            logging.WARNING if is_first else logging.INFO,
            "%s: number %d of subscription %s is not delivered, attempt %d: %s",
            *(self._url, delivery.number, subscription.id, self._state.failed_attempts, error),
        )
        settings = self._subscribers.settings()
        failing = Failing(
            attempts=self._state.failed_attempts,
            for_s=failing_for_s,
            refusals=self._refusals,
            kept_s=self._queue.retention.age_s,
        )
        verdict = after_failure(failing, subscription, settings)
        if verdict is Verdict.TRY_AGAIN:
            return pause_s(self._state.failed_attempts, settings)
        if verdict is Verdict.GIVE_UP_ONE:
            self._give_up(delivery, Dropped.REFUSED, "the listener refuses it")
            self._fails_no_more()
        else:
            _log.warning(
                "subscription %s is %s, as %s has taken nothing in %d attempts",
                *(subscription.id, "disabled" if verdict is Verdict.DISABLE else "removed"),
                *(self._url, failing.attempts),
            )
            if verdict is Verdict.DISABLE:
                self._subscribers.disable(subscription.id)
            else:
                self._subscribers.remove(subscription.id)
        return 0.0

    def _give_up(self, delivery: Delivery, why: Dropped, reason: str) -> None:
        """Never send one: what comes behind it is not to wait."""
        self._recorder.deal_with(delivery)
        self._queue.counters.dropped(1, why)
        _log.warning(
            "number %d of subscription %s is dropped: %s",
            *(delivery.number, delivery.subscription, reason),
        )
