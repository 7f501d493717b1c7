"""What a server does for the others that share its database, and they for it.

It counts a beat, adopts what the dead have left, shows what others change, and ends jobs of its
own as clients of the others ask for. Among the processes of one server with SQLite nobody dies
without a word, so nothing is looked for that might have been left.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from virtcim.hypervisor.endpoint import Endpoint
from virtcim.hypervisor.undo import UndoLogError
from virtcim.providers.jobs.runner import Operations
from virtcim.providers.state.errors import StateError
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.state.polling import Polling
from virtcim.providers.state.servers import Servers
from virtcim.providers.state.undo_store import UndoStore

__all__ = ["Membership"]

_log = logging.getLogger(__name__)
# How soon another server is heard of, and how often the beat counts.
_ROUND_S = 0.5
# As long as nothing runs here that somebody could want to end.
_REST_S = 1.0
_LOOK_AFTER_ROUNDS = 20
_JOIN_S = 40.0


class Membership:
    """One server among those on a database, in a thread of its own until ``stop``.

    ``on_struck_off`` may be set to what looks for what those have left that are known to have
    ended; it returns at once.
    """

    def __init__(
        self,
        servers: Servers,
        jobs: JobStore,
        operations: Operations,
        undo: Iterable[tuple[Endpoint, UndoStore]],
    ) -> None:
        self._servers = servers
        self._jobs = jobs
        self._operations = operations
        self._undo = tuple(undo)
        self._is_told = jobs.database.is_here
        self._polling = Polling(jobs.database)
        self._rounds_until_look = 0
        self.on_struck_off: Callable[[], None] = _nothing_to_do
        self._dead: set[str] = set()
        self._looks = True  # for what the dead have left
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="virtcim-servers", daemon=True)
        self._thread.start()

    def died(self, server: str) -> None:
        """Another server is known to have ended: what it had is adopted at once."""
        self._dead.add(server)
        self._woken.set()

    def stop(self) -> None:
        """Do no more for anybody."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            self._run_until_stopped()
        finally:
            self._polling.close()

    def _run_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
            except (StateError, UndoLogError, sa.exc.SQLAlchemyError) as error:
                if not self._is_failing:
                    _log.error(
                        "the other servers take this one for dead until the database works: %s",
                        error if isinstance(error, StateError | UndoLogError) else self._why(error),
                    )
                self._is_failing = True
            except Exception:  # noqa: BLE001 - the thread's boundary
                _log.exception("what other servers do cannot be followed")
            else:
                self._is_failing = False
            self._woken.wait(_ROUND_S if self._is_told or self._operations.running else _REST_S)
            self._woken.clear()

    def _why(self, error: sa.exc.SQLAlchemyError) -> str:
        return self._jobs.database.reason(error)

    def _round(self) -> None:
        has_changed = True
        if not self._is_told:
            is_one_gone, revision = self._polling.change(self._servers.beat)
            self._looks |= is_one_gone
            has_changed = revision != self._jobs.revision
        for server in tuple(self._dead):
            self._servers.strike_off(server)
            self._looks = True
            self._dead.discard(server)
            self.on_struck_off()
        if has_changed:
            self._jobs.refresh()
        if self._looks or self._is_to_look():
            self._adopt()
            self._looks = False
        self._operations.cancel_as_requested()

    def _is_to_look(self) -> bool:
        """Whether it is time to look once more.

        A server may have come and gone between two rounds of this one, and so may what it left.
        """
        self._rounds_until_look -= 1
        if self._is_told or self._rounds_until_look > 0:
            return False
        self._rounds_until_look = _LOOK_AFTER_ROUNDS
        return True

    def _adopt(self) -> None:
        self._operations.adopt()
        for endpoint, store in self._undo:
            if store.adopt():
                # It looks at what is there, and takes it back.
                endpoint.keep_undo_steps(store)


def _nothing_to_do() -> None:
    """Nobody looks for more than jobs and undo steps."""
