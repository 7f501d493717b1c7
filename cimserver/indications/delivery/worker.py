"""The thread of one destination, and what all threads do when the database fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import sqlalchemy as sa

from virtcim.cimserver.indications.delivery.connection import ListenerConnection
from virtcim.cimserver.indications.delivery.contracts import Subscribers
from virtcim.cimserver.indications.delivery.line import Line
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue, Sequencing
from virtcim.cimserver.indications.delivery.recorder import Recorder
from virtcim.daemon.incidents import incident
from virtcim.providers import StateError

__all__ = ["Outage", "Worker"]

_log = logging.getLogger(__name__)

# A thread that has nothing to send ends after this.
_IDLE_S = 15.0
_OUTAGE_PAUSE_S = 2.0


class Outage:
    """Whether the database fails at present: the log is told when that begins and ends.

    It may fail for some, as a full one does for those who write.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing: set[str] = set()

    def attempt(self, who: str, action: Callable[[], float | None], pause_s: float) -> float | None:
        """What ``action`` gives; where it fails, ``pause_s``, the seconds to wait."""
        try:
            result = action()
        except (sa.exc.SQLAlchemyError, StateError) as error:
            with self._lock:
                is_first = not self._failing
                self._failing.add(who)
            if is_first:
                reason = getattr(error, "orig", None) or error
                _log.error(
                    "indications cannot be delivered now, as the state database fails: %s", reason
                )
            return pause_s
        except Exception as error:  # noqa: BLE001 - it may cost one destination, not the others
            incident("delivering indications", error)
            return pause_s
        self.is_over(who)
        return result

    def is_over(self, who: str) -> None:
        """It does not fail for somebody, or he does not try any more."""
        with self._lock:
            is_last = self._failing == {who}
            self._failing.discard(who)
        if is_last:
            _log.warning("the state database works again, and indications are delivered")


class Worker:
    """Sends to one destination, in a thread that ends when there is nothing to send for a while.

    ``ended`` is asked then; it says no where somebody woke the worker just now.
    """

    def __init__(
        self,
        state: Sequencing,
        queue: DeliveryQueue,
        subscribers: Subscribers,
        recorder: Recorder,
        *,
        connect: Callable[[str], ListenerConnection],
        may_send: Callable[[], bool],
        stopping: threading.Event,
        ended: Callable[[Worker], bool],
        outage: Outage,
    ) -> None:
        self.destination = state.destination
        self._make = connect
        self._connection: ListenerConnection | None = None
        self._stopping = stopping
        self._ended = ended
        self._outage = outage
        self._poked = threading.Event()
        self._line = Line(
            state, queue, subscribers, recorder, connect=self._connect, may_send=may_send
        )
        self._thread = threading.Thread(target=self._run, name="indications to one", daemon=True)

    @property
    def is_poked(self) -> bool:
        """Whether it was woken since it last looked."""
        return self._poked.is_set()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def poke(self) -> None:
        """Wake it where it has nothing to do."""
        self._poked.set()

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)

    def abort(self) -> None:
        """Let what it sends fail at once."""
        connection = self._connection
        if connection is not None:
            connection.abort()

    def _connect(self, url: str) -> ListenerConnection:
        self._connection = self._make(url)
        return self._connection

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._poked.clear()
                pause_s = self._outage.attempt(self.destination, self._line.work, _OUTAGE_PAUSE_S)
                if pause_s is None:
                    if not self._poked.wait(_IDLE_S) and self._ended(self):
                        return
                elif pause_s:
                    self._stopping.wait(pause_s)
        finally:
            self._outage.is_over(self.destination)
            self._line.close()
