"""Operations of several steps, and what is left of those that did not end: it is taken back.

That is tried again until it is done: after a lost connection, and after a restart.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from uuid import uuid4

from virtcim.hypervisor.inventory import InventoryStore
from virtcim.hypervisor.undo import (
    MemoryUndoLog,
    UndoLog,
    UndoLogError,
    UndoStep,
    UnfinishedOperation,
)
from virtcim.hypervisor.xenapi.rollback import Rollback
from virtcim.hypervisor.xenapi.session import XenApiSession
from virtcim.hypervisor.xenapi.undoing import NotTakenBack, take_back

__all__ = ["Recovery"]

_log = logging.getLogger(__name__)

# Quick at first, as a connection that was lost is mostly back at once.
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_UNCONNECTED_S = 0.25
_JOIN_S = 5.0


class Recovery:
    """Begins operations of several steps, and finishes taking back what they left.

    ``alone`` keeps others from working on a subject meanwhile. Safe to use from many threads.
    """

    def __init__(
        self,
        session: XenApiSession,
        store: InventoryStore,
        name: str,
        alone: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._session = session
        self._store = store
        self._name = name
        self._alone = alone
        self._log: UndoLog = MemoryUndoLog()
        self._lock = threading.Lock()
        self._active: set[str] = set()
        # By operation, the refusals that were logged: step, its subject, code.
        self._told: dict[str, set[tuple[str, str, str]]] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def keep_in(self, log: UndoLog) -> None:
        """Keep the steps of operations in ``log``, and take back what an earlier process left.

        To be called before the first operation.
        """
        self._log = log
        self._look()

    def begin(self, name: str, subject: str) -> Rollback:
        """Begin an operation of several steps, ``name`` as faults call it."""
        operation = UnfinishedOperation(
            id=str(uuid4()), name=name, subject=subject, begun=datetime.now(UTC)
        )
        with self._lock:
            self._active.add(operation.id)
        return Rollback(self._session, self._log, operation, self._ended)

    def finish(self, subject: str) -> None:
        """Take back what is left on a subject, before something new is done to it.

        Called with ``alone`` of the subject; what cannot be taken back now is tried again later.
        """
        for operation in self._left():
            if operation.subject == subject:
                self._take_back(operation)

    def stop(self) -> None:
        """Take nothing back any more; the next process does."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def _ended(self, operation_id: str) -> None:
        with self._lock:
            self._active.discard(operation_id)
        self._look()

    def _look(self) -> None:
        """Let the thread work, if there is anything to do."""
        if self._stopping.is_set() or not self._left():
            return
        with self._lock:
            self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=f"virtcim-recovery-{self._name}", daemon=True
                )
                self._thread.start()

    def _left(self) -> tuple[UnfinishedOperation, ...]:
        try:
            operations = self._log.unfinished()
        except UndoLogError as exc:
            _log.error("%s: what unfinished operations left cannot be read: %s", self._name, exc)
            return ()
        with self._lock:
            if self._told:
                ids = {one.id for one in operations}
                self._told = {id_: told for id_, told in self._told.items() if id_ in ids}
            return tuple(one for one in operations if one.id not in self._active)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            if not self._store.connected:
                self._stopping.wait(_UNCONNECTED_S)
                continue
            self._wake.clear()
            for operation in self._left():
                self._finish_alone(operation)
            if self._left():
                self._wake.wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1
            else:
                failures = 0
                self._wake.wait()

    def _finish_alone(self, operation: UnfinishedOperation) -> None:
        with self._alone(operation.subject):
            # Somebody else may have done it meanwhile.
            for one in self._left():
                if one.id == operation.id and not self._stopping.is_set():
                    self._take_back(one)

    def _is_news(self, operation: UnfinishedOperation, failed: NotTakenBack) -> bool:
        """Whether nobody was told yet; arguments of a refusal that differ are no news."""
        refusal = (failed.step.call, failed.step.subject, failed.error.fault.code)
        with self._lock:
            told = self._told.setdefault(operation.id, set())
            if refusal in told:
                return False
            told.add(refusal)
            return True

    def _take_back(self, operation: UnfinishedOperation) -> None:
        def told(step: UndoStep) -> None:
            _log.warning(
                "%s: an unfinished %s of %s had done %s of %s; it is taken back",
                *(self._name, operation.name, operation.subject, step.does, step.subject),
            )

        try:
            failed = take_back(self._session, self._log, operation, begun_elsewhere=True, told=told)
        except Exception:  # noqa: BLE001 - the boundary of the thread: what is left stays known
            _log.exception("%s: taking back failed unexpectedly", self._name)
            return
        for one in failed:
            if self._is_news(operation, one):
                _log.error(
                    "%s: %s of %s, left by an unfinished %s of %s, cannot be done yet: %s",
                    *(self._name, one.step.call, one.step.subject),
                    *(operation.name, operation.subject, one.error),
                )
        if not failed:
            _log.warning(
                "%s: nothing is left of the unfinished %s of %s",
                *(self._name, operation.name, operation.subject),
            )
