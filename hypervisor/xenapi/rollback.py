"""An operation of several steps over the XenAPI: all of it, or everything is taken back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from virtcim.errormap import Fault, HypervisorError
from virtcim.hypervisor.change import RolledBackError
from virtcim.hypervisor.monitor import Monitor
from virtcim.hypervisor.undo import UndoLog, UndoLogError, UndoStep, UnfinishedOperation
from virtcim.hypervisor.xenapi.session import XenApiSession
from virtcim.hypervisor.xenapi.undoing import is_unknown, may_have_happened, take_back

__all__ = ["GUEST_KEEPS", "MARK", "Rollback", "Step", "still_asked"]

_log = logging.getLogger(__name__)

# The guest was asked for a device, and cannot be told that it may keep it (QEMU 7.2, PCI).
GUEST_KEEPS = "DEVICE_DETACH_TIMEOUT"

# The key in other_config by which what an unfinished operation has made is found again.
MARK = "virtcim-unfinished"


class Step:
    """A step that is being done: the Monitor of its task, and what it makes."""

    def __init__(self, put: Callable[..., None], mark: str) -> None:
        self._put = put
        self._mark = mark
        self._monitor: Monitor | None = None

    def marked(self, record: Mapping[str, object]) -> dict[str, object]:
        """The record of the object that the step makes, so that it is found again."""
        other_config = record.get("other_config", {})
        assert isinstance(other_config, Mapping)
        return {**record, "other_config": {**other_config, MARK: self._mark}}

    def made(self, ref: str) -> str:
        """The step has made the object ``ref``, which is given back."""
        self._put(ref=ref)
        return ref

    def watched_by(self, monitor: Monitor | None) -> Monitor:
        """The Monitor for the task of the step; ``monitor`` is told as well."""
        self._monitor = monitor
        return self

    def task(self, ref: str, *, decisive: bool = False) -> None:
        """The task ``ref`` carries the step (``Monitor``)."""
        self._put(tasks=(ref,))
        if self._monitor is not None:
            self._monitor.task(ref, decisive=decisive)

    def progress(self, fraction: float) -> None:
        """The step is done to ``fraction`` (``Monitor``)."""
        if self._monitor is not None:
            self._monitor.progress(fraction)


class Rollback:
    """What has to be done to take back what was begun so far, written down before it is begun."""

    def __init__(
        self,
        session: XenApiSession,
        log: UndoLog,
        operation: UnfinishedOperation,
        ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``ended`` is told the id of the operation when it is over, however it ended."""
        self._session = session
        self._log = log
        self._operation = operation
        self._ended = ended
        self._numbers = 0

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Do all steps in the block; where one fails, what was done before is taken back.

        Raises what ``failure`` gives.
        """
        try:
            yield
            self._forget()
        except HypervisorError as exc:
            raise self.failure(exc) from exc
        finally:
            self._ended(self._operation.id)

    @contextmanager
    def step(
        self,
        call: str,
        *params: object,
        does: str = "",
        found_by: Mapping[str, object] | None = None,
        replaces: str = "",
        expects: Mapping[str, object] | None = None,
    ) -> Iterator[Step]:
        """Do one step in the block; ``call`` with ``params`` takes it back (``UndoStep``).

        ``does`` is the call of the step, where it is another. Raises HypervisorError where what
        takes it back cannot be written down: then the step must not be done.
        """
        mark = f"{self._operation.id}/{self._numbers}"
        self._numbers += 1
        index = len(self._operation.steps)
        step = UndoStep(
            does=does or call,
            call=call,
            params=params,
            found_by=found_by or {},
            replaces=replaces,
            expects=expects or {},
        )
        self._store((*self._operation.steps, step))

        def put(**values: Any) -> None:
            # Another step within this one would be at the end.
            steps = list(self._operation.steps)
            steps[index] = replace(steps[index], **values)
            if "tasks" in values:
                self._store(tuple(steps))
            else:  # it can be found again without: the next step writes it down with its own
                self._operation = replace(self._operation, steps=tuple(steps))

        doing = Step(put, mark)
        try:
            yield doing
        except HypervisorError as exc:
            if not may_have_happened(exc.fault):
                steps = self._operation.steps
                self._store((*steps[:index], *steps[index + 1 :]), must=False)
            raise
        put(done=True)

    @contextmanager
    def making(
        self, class_name: str, found_by: Mapping[str, object] | None = None
    ) -> Iterator[Step]:
        """Make an object in the block; destroying it takes that back.

        It is found by ``found_by``, else by its mark: make it with the record of ``Step.marked``.
        """
        mark = {"other_config": {MARK: f"{self._operation.id}/{self._numbers}"}}
        with self.step(
            f"{class_name}.destroy", does=f"{class_name}.create", found_by=found_by or mark
        ) as doing:
            yield doing

    def failure(self, error: HypervisorError) -> HypervisorError:
        """Take everything back, the last step first, and give what is to be raised.

        That is RolledBackError with the same fault, unless it is unknown whether the failed step
        took effect; and if something could not be taken back, a fault ROLLBACK_FAILED that names
        it, with what failed as its cause. What could not be taken back is tried again later.
        """
        fault = error.fault
        failed = take_back(self._session, self._log, self._operation, begun_elsewhere=False)
        for one in failed:
            _log.error(
                "%s of %s, after a failed operation: %s", one.step.call, one.step.subject, one.error
            )
        if not failed:
            return HypervisorError(fault) if is_unknown(fault) else RolledBackError(fault)
        remaining = [
            text for one in failed for text in (one.step.call, one.step.subject, str(one.error))
        ]
        return HypervisorError(
            Fault(
                source="xapi",
                operation=fault.operation,
                code="ROLLBACK_FAILED",
                arguments=tuple(remaining),
                text=(
                    f"{error}; what had been done before could not be taken back, and will be "
                    "tried again"
                ),
                sent=fault.sent,
                cause=fault,
            )
        )

    def _store(self, steps: tuple[UndoStep, ...], *, must: bool = True) -> None:
        self._operation = replace(self._operation, steps=steps)
        try:
            self._log.put(self._operation)
        except UndoLogError as exc:
            if must:
                raise HypervisorError(_not_stored(self._operation.name, exc)) from exc
            _log.error("%s", exc)

    def _forget(self) -> None:
        """The operation is whole: nothing of it is to be taken back any more."""
        try:
            self._log.remove(self._operation.id)
        except UndoLogError as exc:
            raise HypervisorError(_not_stored(self._operation.name, exc)) from exc
        for step in self._operation.steps:
            if MARK in step.found_by.get("other_config", {}):
                with suppress(HypervisorError):  # it does no harm
                    self._session.call(
                        f"{step.class_name}.remove_from_other_config", step.ref, MARK
                    )


def _not_stored(operation: str, error: UndoLogError) -> Fault:
    return Fault(
        source="xapi",
        operation=operation,
        code="UNDO_NOT_STORED",
        text=f"what takes the operation back cannot be written down first: {error}",
    )


def still_asked(error: HypervisorError) -> Fault:
    """Tell of a device that a guest was asked for and kept, when all else was taken back."""
    return Fault(
        source="xapi",
        operation=error.fault.operation,
        code="UNPLUG_PENDING",
        text=(
            f"{error}; everything else has been taken back, but the guest may still let go of the "
            "device, at its next reset at the latest; the next start gives it back"
        ),
        cause=error.fault,
    )
