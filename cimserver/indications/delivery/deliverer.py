"""Sends what is queued, to many destinations at the same time, while it is started.

One thread watches the queue, and each destination that something waits for has a thread: one that
hangs keeps nobody else waiting. Of several deliverers on one database one sends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

import sqlalchemy as sa

from virtcim.cimserver.indications.delivery.connection import (
    DeliveryError,
    ListenerConnection,
    Timeouts,
)
from virtcim.cimserver.indications.delivery.contracts import Subscribers
from virtcim.cimserver.indications.delivery.ownership import Ownership, Patience
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue
from virtcim.cimserver.indications.delivery.recorder import Recorder
from virtcim.cimserver.indications.delivery.tls import ListenerTls
from virtcim.cimserver.indications.delivery.worker import Outage, Worker
from virtcim.cimserver.indications.networks import ANYWHERE, ListenerNetworks
from virtcim.providers.state.polling import Polling

__all__ = ["Deliverer"]

_log = logging.getLogger(__name__)

# How soon it is seen what other processes have put, and how often the owner beats.
_POLL_S = 1.0
_CLEAN_S = 60.0
# What listeners took is recorded so often.
_RECORD_S = 0.1
# After what was being sent is made to fail.
_ABORT_S = 1.0
_OUTAGE_PAUSE_S = 2.0


class Deliverer:
    """Delivers what is in a queue, from ``start`` to ``stop``, as often as is wanted.

    Raises ValueError where the authorities that ``tls`` names cannot be read.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        subscribers: Subscribers,
        *,
        tls: ListenerTls | None = None,
        networks: ListenerNetworks = ANYWHERE,
        timeouts: Timeouts | None = None,
        patience: Patience | None = None,
        leads: Callable[[], None] = lambda: None,
    ) -> None:
        """``networks`` are where listeners may be.

        ``leads`` is called whenever this deliverer begins or ceases to be the one that sends. Also
        where that was only for the moment in which its beat came late.
        """
        self._queue = queue
        self._subscribers = subscribers
        self._leads = leads
        self._tls = tls or ListenerTls()
        self._networks = networks
        self._timeouts = timeouts or Timeouts()
        if patience is None:
            # Whoever was the owner of a directory that is ours alone is dead.
            patience = Patience(heir_s=0.0) if queue.database.is_exclusive else Patience()
        self._patience = patience
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def start(self) -> None:
        """Begin to deliver, as soon as no other deliverer on the database does."""
        with self._lock:
            if self._session is None:
                self._session = _Session(
                    self._queue,
                    self._subscribers,
                    self._patience,
                    connect=self._connect,
                    leads=self._leads,
                )
                self._session.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send no more; what is being sent has ``timeout_s`` to be answered.

        Another deliverer may begin when this returns.
        """
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.stop(timeout_s)

    @property
    def is_leading(self) -> bool:
        """Whether this deliverer is the one of several on the database that sends."""
        session = self._session
        return session is not None and session.is_leading

    def look_again(self) -> None:
        """Another deliverer on the database is known to have ended."""
        session = self._session
        if session is not None:
            session.look_again()

    def wake(self, destinations: Collection[str]) -> None:
        """Something was put for these destinations by this process, and is durable."""
        session = self._session
        if session is not None and destinations:
            session.wake(destinations)

    def _connect(self, url: str) -> ListenerConnection:
        try:
            return ListenerConnection(url, self._tls, self._timeouts, networks=self._networks)
        except ValueError as exc:
            raise DeliveryError(str(exc)) from exc


class _Session:
    """One time of being started; what is left of it when it is stopped never sends again."""

    def __init__(
        self,
        queue: DeliveryQueue,
        subscribers: Subscribers,
        patience: Patience,
        *,
        connect: Callable[[str], ListenerConnection],
        leads: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._subscribers = subscribers
        self._polling = Polling(queue.database)  # of the watcher
        self._ownership = Ownership(queue.database, polling=self._polling, patience=patience)
        self._leads = leads
        self._last_term: int | None = None
        self._connect = connect
        self._lock = threading.Lock()
        self._workers: dict[str, Worker] = {}
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._outage = Outage()
        self._recorder = Recorder(queue)
        self._watcher = threading.Thread(target=self._watch, name="indications", daemon=True)
        self._writer = threading.Thread(target=self._write, name="sent indications", daemon=True)
        self._cleaned_at = float("-inf")

    @property
    def is_leading(self) -> bool:
        """As ``Deliverer.is_leading``; what is ours alone needs no beat."""
        return not self._queue.database.is_shared or self._ownership.is_held

    def _leading_term(self) -> int | None:
        """Tells one time of leading from another; None while it does not lead."""
        if not self._queue.database.is_shared:
            return 0
        return self._ownership.term if self._ownership.is_held else None

    def start(self) -> None:
        """Watch the queue from now on."""
        self._watcher.start()
        self._writer.start()

    def stop(self, timeout_s: float) -> None:
        """As ``Deliverer.stop``."""
        end = time.monotonic() + timeout_s
        self._stopping.set()
        self._woken.set()
        self._watcher.join(timeout_s)
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.poke()
        for worker in workers:
            worker.join(max(end - time.monotonic(), 0.0))
        for worker in workers:
            worker.abort()
        end = time.monotonic() + _ABORT_S
        for worker in workers:
            worker.join(max(end - time.monotonic(), 0.0))
        self._recorder.has_some.set()
        self._writer.join(_ABORT_S)
        try:
            self._recorder.flush()
            self._ownership.release()
        except sa.exc.SQLAlchemyError as error:
            # What was sent last is sent again, by who waits until we were silent for long enough.
            _log.warning("the state database cannot be told that we stop delivering: %s", error)

    def look_again(self) -> None:
        """As ``Deliverer.look_again``."""
        self._woken.set()

    def wake(self, destinations: Collection[str]) -> None:
        """As ``Deliverer.wake``."""
        if self._ownership.is_held:
            with self._lock:
                workers = [self._workers.get(one) for one in destinations]
                for worker in workers:
                    if worker is not None:
                        worker.poke()
            if all(workers):
                return
        self._woken.set()

    def _may_send(self) -> bool:
        return (
            self._ownership.is_held
            and not self._recorder.is_failing
            and not self._stopping.is_set()
        )

    def _ended(self, worker: Worker) -> bool:
        """Let a worker go that has nothing to do, unless it just got something."""
        with self._lock:
            if worker.is_poked:
                return False
            del self._workers[worker.destination]
            return True

    def _watch(self) -> None:
        try:
            self._watch_until_stopped()
        finally:
            self._polling.close()

    def _watch_until_stopped(self) -> None:
        while not self._stopping.is_set():
            pause_s = self._outage.attempt("look", self._look, _OUTAGE_PAUSE_S)
            term = self._leading_term()
            if term != self._last_term:
                self._last_term = term
                self._leads()
            self._stopping.wait(pause_s)
            self._woken.wait(_POLL_S)
            self._woken.clear()

    def _write(self) -> None:
        while not self._stopping.is_set():
            self._recorder.has_some.wait()
            pause_s = self._outage.attempt("record", self._flush, _OUTAGE_PAUSE_S)
            self._stopping.wait(pause_s)

    def _flush(self) -> float:
        self._recorder.flush()
        return _RECORD_S

    def _look(self) -> float:
        """See for whom something waits, and have somebody for each."""
        if self._queue.database.is_shared:
            # Who sends also tells what changes, and beats for that.
            if not self._ownership.hold():
                return 0.0
            waiting = self._queue.waiting(self._polling) if self._ownership.something_waits else ()
        else:
            waiting = self._queue.waiting(self._polling)
            if not (waiting or self._workers) or not self._ownership.hold():
                return 0.0
        self._clean()
        with self._lock:
            for state in waiting:
                worker = self._workers.get(state.destination)
                if worker is None:
                    worker = self._workers[state.destination] = Worker(
                        state,
                        self._queue,
                        self._subscribers,
                        self._recorder,
                        connect=self._connect,
                        may_send=self._may_send,
                        stopping=self._stopping,
                        ended=self._ended,
                        outage=self._outage,
                    )
                    worker.start()
                worker.poke()
        return 0.0

    def _clean(self) -> None:
        now = time.monotonic()
        if now - self._cleaned_at >= _CLEAN_S:
            self._queue.drop_expired()
            self._cleaned_at = now
